import ArgumentParser
import Recast
import RecastInference

/// How a model is run.
struct PrecisionOptions: ParsableArguments {
    @Flag(
        help: ArgumentHelp(
            "Multiply weights as they are stored, as llama.cpp does: activations are rounded to 8 bits, or to bfloat16. Several times faster."
        ))
    var fast = false

    var precision: Precision { fast ? .fast : .exact }

    /// For a process that is to do the same.
    var words: [String] { fast ? ["--fast"] : [] }

    /// What there is to say of a model, and of the libraries it is run with.
    func notes(on model: Model) throws(RecastError) -> [String] {
        precision.notes(on: model.graph) + [try MatrixLibrary.loaded().hint].compactMap(\.self)
    }

    /// A member of documents.
    var json: JSON { .string(precision.rawValue) }
}
