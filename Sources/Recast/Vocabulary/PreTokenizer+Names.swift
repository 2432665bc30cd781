extension PreTokenizer {
    /// A pre-tokenizer as GGUF names it, with what the name implies for llama.cpp's loader.
    ///
    /// Source: Specs/gguf.md §d.5. Names, not hashes, are what the loader knows; which one fits is told by the regular
    /// expressions.
    package struct Known: Sendable {
        package let name: String
        package let preTokenizer: PreTokenizer
        package let ignoresMerges: Bool
        package let addsBOS: Bool
        /// What the models of this name do to text first, which llama.cpp does not.
        package let normalizer: Vocabulary.Normalizer

        init(
            _ name: String, _ preTokenizer: PreTokenizer, ignoresMerges: Bool = false, addsBOS: Bool = false,
            normalizer: Vocabulary.Normalizer = .none
        ) {
            (self.name, self.preTokenizer, self.ignoresMerges) = (name, preTokenizer, ignoresMerges)
            (self.addsBOS, self.normalizer) = (addsBOS, normalizer)
        }
    }

    // The first name that fits is written.
    // swift-format-ignore
    package static let known: [Known] = [
        Known("qwen2",            .qwen2,         normalizer: .nfc),
        Known("llama-bpe",        .llama3,        ignoresMerges: true, addsBOS: true),
        Known("llama3",           .llama3,        ignoresMerges: true, addsBOS: true),
        Known("llama-v3",         .llama3,        ignoresMerges: true, addsBOS: true),
        Known("gpt-2",            .gpt2),
        Known("smaug-bpe",        .llama3),
        Known("dbrx",             .llama3),
        Known("chatglm-bpe",      .llama3),
        Known("glm4",             .llama3,        ignoresMerges: true),
        Known("deepseek-r1-qwen", .qwen2),
        Known("stablelm2",        .qwen2),
        Known("olmo",             .gpt2,          normalizer: .nfc),
        Known("smollm",           .digitsGPT2),
        Known("refact",           .digitsGPT2),
        Known("starcoder",        .digitsGPT2),
        Known("exaone",           .digitsGPT2),
        Known("command-r",        .digitsGPT2,    normalizer: .nfc),
        Known("deepseek-llm",     .deepSeekLLM),
        Known("deepseek-coder",   .deepSeekCoder),
        Known("deepseek-v3",      .deepSeekV3),
        Known("seed-coder",       .seedCoder),
        Known("tekken",           .tekken,        ignoresMerges: true, addsBOS: true),
        Known("gpt-4o",           .gpt4o),
        Known("llama4",           .gpt4o),
        Known("qwen35",           .qwen35),
        Known("kimi-k2",          .kimi),
        Known("minimax-m2",       .gpt4o),
        Known("hunyuan",          .qwen2),
        Known("hunyuan-dense",    .deepSeekV3),
        Known("bailingmoe2",      .bailing),
        Known("bailingmoe",       .bailing),
        Known("falcon",           .falcon),
        Known("mpt",              .gpt2,          normalizer: .nfc),
        Known("exaone4",          .gpt2),
        Known("phi-2",            .gpt2),
        Known("codeshell",        .digitsGPT2),
        Known("bloom",            .bloom),
        Known("gpt3-finnish",     .bloom),
        Known("default",          .unnamed),
    ]

    package static func known(_ name: String) -> Known? { known.first { $0.name == name } }
}

extension Vocabulary {
    /// The GGUF name of the pre-tokenizer; nil where none of the known ones does the same.
    ///
    /// A name that the source gave comes first, then one that implies the same normalisation.
    public var preTokenizerName: String? {
        let fitting = PreTokenizer.known.filter {
            $0.preTokenizer == preTokenizer && $0.ignoresMerges == ignoresMerges
        }
        let best =
            fitting.first { $0.name == sourcePreTokenizer } ?? fitting.first { $0.normalizer == normalizer }
            ?? fitting.first
        return best?.name
    }
}
