/// What a file of tiktoken does not say, and Python code beside it does: how text is cut, and the special tokens.
///
/// Source: `tokenization_qwen.py` of Qwen-7B, `tokenization_chatglm.py` of glm-4-9b, `llama3/tokenizer.py` and
/// `llama4/tokenizer.py` of llama-models, `tokenization_kimi.py` of Kimi-K2.
enum TiktokenFlavor {
    case qwen
    case glm4
    case llama3
    case llama4
    case kimi

    /// What the name of the file, the tokenizer's class and the sizes tell; nil where they tell nothing.
    ///
    /// - Parameters:
    ///   - name: the file's, without a path.
    ///   - count: tokens in the file.
    ///   - size: tokens of the model, special ones included; nil where nothing says.
    init?(name: String, count: Int, size: Int?, _ configuration: TokenizerConfiguration) {
        let kind = configuration.tokenizerClass ?? ""
        if kind == "QWenTokenizer" || name == "qwen.tiktoken" {
            self = .qwen
        } else if kind.hasPrefix("ChatGLM4Tokenizer") {
            self = .glm4
        } else if kind.hasPrefix("TikTokenTokenizer") || name == "tiktoken.model" {
            self = .kimi
        } else if let size, let flavor = Self.llamas.first(where: { count + $0.names(from: 0).count == size }) {
            self = flavor
        } else if let flavor = Self.llamas.first(where: { count == $0.llamaCount }) {
            self = flavor
        } else {
            return nil
        }
    }

    private static let llamas = [TiktokenFlavor.llama3, .llama4]

    /// Tokens in the files of Llama, which are all called `tokenizer.model`.
    private var llamaCount: Int? {
        switch self {
        case .llama3: 128_000
        case .llama4: 200_000
        case .qwen, .glm4, .kimi: nil
        }
    }

    /// That nothing but the number of special tokens tells; nil where something else does.
    func remark(onFileOf count: Int) -> String? {
        guard let llamaCount, llamaCount != count else { return nil }
        let number = names(from: count).count
        return "the special tokens have no names in it: they are named as Llama's, of which there are \(number), too"
    }

    /// GGUF's name for how text is cut.
    var preTokenizerName: String {
        switch self {
        case .qwen: "qwen2"
        case .glm4: "chatglm-bpe"
        case .llama3: "llama-bpe"
        case .llama4: "llama4"
        case .kimi: "kimi-k2"
        }
    }

    var normalizer: Vocabulary.Normalizer { if case .qwen = self { .nfc } else { .none } }

    /// The tokens that follow those of the file; GLM-4's are in `tokenizer_config.json`, as are the names of some of Kimi's.
    func specialTokens(from first: Int) -> [Vocabulary.AddedToken] {
        names(from: first).enumerated().map { .init(id: first + $0, content: $1, isSpecial: true) }
    }

    private func names(from first: Int) -> [String] {
        switch self {
        case .qwen: ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + (0..<205).map { "<|extra_\($0)|>" }
        case .glm4: []
        case .llama3: Self.llama3Tokens
        case .llama4: Self.llama4Tokens
        case .kimi: (first..<first + 256).map { "<|reserved_token_\($0)|>" }
        }
    }

    private static let llama3Tokens: [String] = {
        let named = [
            "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>",
            "<|finetune_right_pad_id|>", "<|step_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
            "<|eot_id|>", "<|python_tag|>", "<|image|>",
        ]
        return named + (named.count..<256).map { "<|reserved_special_token_\($0 - named.count + 2)|>" }
    }()

    /// For text, vision and reasoning; some of the reserved ones have numbers that do not follow on.
    private static let llama4Tokens: [String] = {
        func reserved(_ part: String, _ numbers: Range<Int>) -> [String] {
            numbers.map { "<|\(part)reserved_special_token_\($0)|>" }
        }
        let text =
            ["<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", "<|step|>"]
            + reserved("text_post_train_", 0..<6) + ["<|python_start|>", "<|python_end|>", "<|finetune_right_pad|>"]
            + reserved("text_post_train_", 8..<69)
        let vision =
            ["<|image_start|>", "<|image_end|>"] + reserved("vision_", 0..<2)
            + ["<|tile_x_separator|>", "<|tile_y_separator|>"] + reserved("vision_", 2..<6) + ["<|image|>"]
            + reserved("vision_", 6..<7) + ["<|patch|>"] + reserved("vision_", 7..<1048)
        let reasoning =
            reserved("reasoning_", 0..<8) + ["<|reasoning_thinking_start|>", "<|reasoning_thinking_end|>"]
        let named =
            ["<|begin_of_text|>", "<|end_of_text|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"] + text
            + vision + reasoning
        return named + reserved("", 0..<2048 - named.count)
    }()

    /// The ids that the code gives, or llama.cpp's converter, where the configuration says nothing.
    func nameSpecialTokens(in vocabulary: inout Vocabulary) {
        let ids = Dictionary(vocabulary.addedTokens.map { ($0.content, $0.id) }) { first, _ in first }
        func id(_ content: String) -> Int? { ids[content] }
        func nameLlamaTokens(endOfTurn: Int?, padding: Int?) {
            vocabulary.special.bos = vocabulary.special.bos ?? id("<|begin_of_text|>")
            vocabulary.special.eos = vocabulary.special.eos ?? id("<|end_of_text|>")
            vocabulary.special.endOfTurn = endOfTurn
            vocabulary.special.padding = vocabulary.special.padding ?? padding
            vocabulary.addsBOS = vocabulary.addsBOS ?? true
        }
        switch self {
        case .qwen:
            let end = id("<|endoftext|>")
            if vocabulary.special.bos == nil, vocabulary.special.eos == nil {
                (vocabulary.special.bos, vocabulary.special.eos) = (end, end)
            }
            vocabulary.special.unknown = end
        case .glm4:
            let end = id("<|endoftext|>")
            vocabulary.special.eos = end ?? vocabulary.special.eos
            vocabulary.special.unknown = end
            vocabulary.special.endOfTurn = id("<|user|>")
        case .llama3: nameLlamaTokens(endOfTurn: id("<|eot_id|>"), padding: id("<|finetune_right_pad_id|>"))
        case .llama4: nameLlamaTokens(endOfTurn: id("<|eot|>"), padding: id("<|finetune_right_pad|>"))
        case .kimi: break
        }
    }
}
