import Recast
import RecastInference

/// The tokenizer that belongs to a model.
struct LoadedTokenizer {
    let vocabulary: Vocabulary
    let tokenizer: Tokenizer
    /// Where it is from.
    let path: String

    /// - Throws: `inputMissing` where neither the checkpoint nor the directory has one.
    init(_ model: Model, _ options: TokenizerOptions) throws {
        if let preTokenizer = options.preTokenizer, PreTokenizer.known(preTokenizer) == nil {
            let names = PreTokenizer.known.map(\.name).joined(separator: ", ")
            throw RecastError.usage("unknown pre-tokenizer \"\(preTokenizer)\"; known are \(names)")
        }
        let vocabulary = try model.checkpoint.vocabulary(
            directory: options.tokenizer, preTokenizer: options.preTokenizer,
            size: model.graph.configuration.vocabularySize)
        guard let vocabulary else {
            throw RecastError(
                .inputMissing, "has no tokenizer; --tokenizer DIR names one", trail: [model.checkpoint.path])
        }
        vocabulary.remarks.forEach(Console.warning)
        self.vocabulary = vocabulary
        path = options.tokenizer ?? model.checkpoint.path
        tokenizer = try Tokenizer(vocabulary)
    }

    /// The token that belongs before every text; nil where the tokenizer puts none.
    var bosToken: Int32? {
        vocabulary.addsBOS == true ? vocabulary.special.bos.map(Int32.init) : nil
    }
}
