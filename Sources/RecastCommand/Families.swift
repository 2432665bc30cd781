import ArgumentParser
import Recast
import RecastInference

struct Families: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lists the families of models, where each can go, and what another one would take.",
        discussion: """
            bit-exact: every number is kept; rounded: some are computed, in float32, and rounded once; -: refused, for the reason
            that --reasons shows. What a particular checkpoint can do, inspect says.

            Of a model that is no family, the nearest one by structure is shown, and what differs: tensors, and keys of config.json. A
            folder with config.json and model.safetensors.index.json will do.

            EXAMPLES:
              recast families
              recast families --reasons
              recast families DeepseekV4ForCausalLM
              recast families some-new-model
              recast families --json
            """)

    @Argument(help: "An architecture, a family, a config.json, or a checkpoint; all families where it is left out.")
    var subject: String?

    @Flag(help: "Say why something is refused.")
    var reasons = false

    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        if let subject { return try run(of: subject) }
        try list(try FamilySupport.all)
    }

    private func run(of subject: String) throws {
        let isFile = try subject.contains("/") || POSIX.exists(subject)
        let answer = try isFile ? ArchitectureAnswer(path: subject) : ArchitectureAnswer(named: subject)
        if case .family(let family) = answer.standing { return try list([try FamilySupport(family)]) }
        if output.json {
            try Console.document(answer.json)
        } else {
            try Console.result(Format.table(answer.rows))
        }
    }

    private func list(_ all: [FamilySupport]) throws {
        if output.json {
            try Console.document(["families": .array(all.map(\.json))])
            return
        }
        let rows = all.map { [$0.family.name, $0.family.architectures[0]] + $0.answers.map { $0.1.word(in: $0.0) } }
        let names = all[0].answers.map(\.0)
        try Console.result(Format.table([["family", "architecture"] + names] + rows))
        guard reasons else { return }
        let lines = all.flatMap { support in
            support.answers.compactMap { name, answer -> [String]? in
                guard case .refused(let reason) = answer else { return nil }
                return [support.family.name, name, reason]
            }
        }
        try Console.result("\n" + Format.table(lines))
    }
}

extension FamilySupport {
    /// The columns of the table.
    fileprivate var answers: [(String, Answer)] {
        [
            ("own", own), ("llama", llama), ("from llama", fromLlama), ("GGUF", gguf), ("Megatron", megatron),
            ("runs", runs),
        ]
    }

    /// Whether the pass computes it.
    private var runs: Answer {
        do throws(RecastError) {
            _ = try ForwardPass(sample, files: FilePool([]))
            return .bit
        } catch { return .refused(reason: error.message) }
    }

    fileprivate var json: JSON {
        var object = JSON.Object([
            ("family", .string(family.name)), ("architectures", .array(family.architectures.map(JSON.string))),
        ])
        for (name, answer) in answers {
            var entry = JSON.Object([
                ("outcome", .string(answer.word(in: name) == "-" ? "refused" : answer.word(in: name)))
            ])
            if case .refused(let reason) = answer { entry["reason"] = .string(reason) }
            if name == "GGUF", let architecture { entry["architecture"] = .string(architecture) }
            object[name.replacing(" ", with: "_").lowercased()] = .object(entry)
        }
        return .object(object)
    }
}

extension FamilySupport.Answer {
    /// `bit-exact`, `rounded` or `-`; what only runs, runs or not.
    fileprivate func word(in column: String) -> String {
        switch self {
        case .bit where column == "runs": "yes"
        case .bit: Exactness.bit.rawValue
        case .rounded: Exactness.rounded.rawValue
        case .refused: "-"
        }
    }
}
