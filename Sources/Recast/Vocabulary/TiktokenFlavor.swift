/// What a file of tiktoken does not say, and Python code beside it does: how text is cut, and the special tokens.
///
/// Source: `tokenization_qwen.py` of Qwen-7B, `tokenization_chatglm.py` of glm-4-9b.
enum TiktokenFlavor {
    case qwen
    case glm4
    case named(PreTokenizer.Known)

    init(file: String, _ configuration: TokenizerConfiguration, preTokenizer: String?) throws(RecastError) {
        if let preTokenizer, let known = PreTokenizer.known(preTokenizer) {
            self = .named(known)
        } else if configuration.tokenizerClass == "QWenTokenizer" || Path.name(file) == "qwen.tiktoken" {
            self = .qwen
        } else if configuration.tokenizerClass?.hasPrefix("ChatGLM4Tokenizer") == true {
            guard configuration.tokenizer?["added_tokens_decoder"]?.object != nil else {
                throw RecastError(
                    .inputMissing, "its special tokens are missing: tokenizer_config.json has no added_tokens_decoder",
                    trail: [file])
            }
            self = .glm4
        } else {
            throw .unsupported(
                "\(file): a file of tiktoken does not say how text is cut, and tokenizer_config.json names no tokenizer "
                    + "that is known (QWenTokenizer, ChatGLM4Tokenizer); --pre-tokenizer NAME takes one of "
                    + PreTokenizer.known.map(\.name).joined(separator: ", "))
        }
    }

    var preTokenizer: PreTokenizer {
        switch self {
        case .qwen: .qwen2
        case .glm4: .llama3
        case .named(let known): known.preTokenizer
        }
    }

    /// What llama.cpp's converter calls it.
    var preTokenizerName: String {
        switch self {
        case .qwen: "qwen2"
        case .glm4: "chatglm-bpe"
        case .named(let known): known.name
        }
    }

    var normalizer: Vocabulary.Normalizer { if case .qwen = self { .nfc } else { .none } }

    /// Qwen's special tokens follow its other tokens; GLM-4's are in `tokenizer_config.json`.
    func specialTokens(from first: Int) -> [Vocabulary.AddedToken] {
        guard case .qwen = self else { return [] }
        let names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + (0..<205).map { "<|extra_\($0)|>" }
        return names.enumerated().map { .init(id: first + $0, content: $1, isSpecial: true) }
    }

    /// The ids that llama.cpp's converter gives where the configuration says nothing.
    func nameSpecialTokens(in vocabulary: inout Vocabulary) {
        let end = vocabulary.addedTokens.first { $0.content == "<|endoftext|>" }?.id
        switch self {
        case .qwen:
            if vocabulary.special.bos == nil, vocabulary.special.eos == nil {
                (vocabulary.special.bos, vocabulary.special.eos) = (end, end)
            }
            vocabulary.special.unknown = end
        case .glm4:
            vocabulary.special.eos = end ?? vocabulary.special.eos
            vocabulary.special.unknown = end
            vocabulary.special.endOfTurn = vocabulary.addedTokens.first { $0.content == "<|user|>" }?.id
        case .named: break
        }
    }
}
