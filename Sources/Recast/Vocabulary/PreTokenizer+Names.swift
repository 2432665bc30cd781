extension PreTokenizer {
    /// A pre-tokenizer as GGUF names it, with what the name implies for llama.cpp's loader.
    ///
    /// Source: Specs/gguf.md §d.5. Names, not hashes, are what the loader knows; which one fits is told by the regular
    /// expressions.
    public struct Known: Sendable {
        public let name: String
        public let preTokenizer: PreTokenizer
        public let ignoresMerges: Bool
        public let addsBOS: Bool
    }

    // The first name that fits is written.
    // swift-format-ignore
    public static let known: [Known] = [
        Known(name: "qwen2",             preTokenizer: .qwen2,  ignoresMerges: false, addsBOS: false),
        Known(name: "llama-bpe",         preTokenizer: .llama3, ignoresMerges: true,  addsBOS: true),
        Known(name: "llama3",            preTokenizer: .llama3, ignoresMerges: true,  addsBOS: true),
        Known(name: "llama-v3",          preTokenizer: .llama3, ignoresMerges: true,  addsBOS: true),
        Known(name: "gpt-2",             preTokenizer: .gpt2,   ignoresMerges: false, addsBOS: false),
        Known(name: "smaug-bpe",         preTokenizer: .llama3, ignoresMerges: false, addsBOS: false),
        Known(name: "chatglm-bpe",       preTokenizer: .llama3, ignoresMerges: false, addsBOS: false),
        Known(name: "glm4",              preTokenizer: .llama3, ignoresMerges: true,  addsBOS: false),
        Known(name: "deepseek-r1-qwen",  preTokenizer: .qwen2,  ignoresMerges: false, addsBOS: false),
        Known(name: "stablelm2",         preTokenizer: .qwen2,  ignoresMerges: false, addsBOS: false),
    ]

    public static func known(_ name: String) -> Known? { known.first { $0.name == name } }
}

extension Vocabulary {
    /// The GGUF name of the pre-tokenizer; nil where none of the known ones does the same.
    public var preTokenizerName: String? {
        PreTokenizer.known.first { $0.preTokenizer == preTokenizer && $0.ignoresMerges == ignoresMerges }?.name
    }
}
