extension PreTokenizer {
    /// A pre-tokenizer as GGUF names it, with what the name implies for llama.cpp's loader.
    ///
    /// Source: Specs/gguf.md §d.5; llama.cpp, `llama-vocab.cpp`. Names, not hashes, are what the loader knows; which one fits is
    /// told by the regular expressions.
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
        Known("poro-chat",        .bloom),
        Known("viking",           .viking),
        Known("lfm2",             .llama3,        ignoresMerges: true, addsBOS: true),
        Known("falcon-h1",        .llama3,        ignoresMerges: true, addsBOS: true),
        Known("falcon3",          .llama3,        ignoresMerges: true, addsBOS: true),
        Known("pixtral",          .llama3,        ignoresMerges: true, addsBOS: true),
        Known("midm-2.0",         .llama3,        ignoresMerges: true, addsBOS: true),
        Known("glm5",             .llama3,        ignoresMerges: true),
        Known("minicpm5",         .miniCPM5,      ignoresMerges: true),
        Known("jais-2",           .jais2),
        Known("kormo",            .qwen2),
        Known("f2llmv2",          .qwen2),
        Known("megrez",           .qwen2),
        Known("solar-open",       .qwen2),
        Known("grok-2",           .qwen2),
        Known("laguna",           .laguna),
        Known("ufakzeka",         .ufakzeka),
        Known("hy_v4",            .deepSeekV3),
        Known("joyai-llm",        .deepSeekV3),
        Known("spark2_5",         .spark),
        Known("youtu",            .youtu,         ignoresMerges: true),
        Known("exaone-moe",       .exaoneMoE),
        Known("kanana2",          .gpt4o),
        Known("talkie",           .gpt4o),
        Known("tiny_aya",         .tinyAya),
        Known("cohere2moe",       .tinyAya),
        Known("llada-moe",        .bailing),
        Known("minerva-7b",       .digitsGPT2),
        Known("mellum2",          .digitsGPT2),
        Known("gigachat",         .gpt2),
        Known("a.x-4.0",          .gpt2),
        Known("mellum",           .gpt2),
        Known("jais",             .gpt2),
        Known("trillion",         .gpt2),
        Known("granite-docling",  .gpt2),
        Known("superbpe",         .superBPE),
        Known("default",          .unnamed),
    ]

    /// The name that llama.cpp's converter gives to the tokenizers of an architecture's models, of several that mean the same.
    // swift-format-ignore
    private static let usual: [String: String] = [
        "cohere2":      "command-r",
        "command-r":    "command-r",
        "chatglm":      "glm4",
        "deepseek2":    "glm4",
        "exaone4":      "exaone4",
        "falcon-h1":    "falcon-h1",
        "glm-dsa":      "glm5",
        "glm4":         "glm4",
        "glm4moe":      "glm4",
        "granite":      "refact",
        "granitemoe":   "refact",
        "hunyuan-moe":  "hunyuan",
        "hunyuan-dense": "hunyuan-dense",
        "lfm2":         "lfm2",
        "lfm2moe":      "lfm2",
        "llama4":       "llama4",
        "minimax-m2":   "minimax-m2",
        "mpt":          "mpt",
        "olmo":         "olmo",
        "olmo2":        "olmo",
        "phi2":         "phi-2",
        "starcoder":    "refact",
        "starcoder2":   "starcoder",
    ]

    package static func usualName(of architecture: String) -> String? { usual[architecture] }

    package static func known(_ name: String) -> Known? { known.first { $0.name == name } }
}

extension Vocabulary {
    /// The GGUF name of the pre-tokenizer; nil where none of the known ones does the same.
    public var preTokenizerName: String? { preTokenizerName(architecture: nil) }

    /// The GGUF name of the pre-tokenizer for a model of an architecture.
    ///
    /// A name that the source gave comes first, then what the architecture's models have, then one that implies the same
    /// normalisation.
    ///
    /// - Parameter ignoresMerges: whether the name stands for tokens that are taken as they stand; nil for what this
    ///   vocabulary does.
    package func preTokenizerName(architecture: String?, ignoresMerges: Bool? = nil) -> String? {
        let fitting = PreTokenizer.known.filter {
            $0.preTokenizer == preTokenizer && $0.ignoresMerges == ignoresMerges ?? self.ignoresMerges
        }
        let usual = architecture.flatMap(PreTokenizer.usualName)
        let best =
            fitting.first { $0.name == sourcePreTokenizer } ?? fitting.first { $0.name == usual }
            ?? fitting.first { $0.normalizer == normalizer } ?? fitting.first
        return best?.name
    }
}
