/// An architecture that is known not to be one of the families, and why. Source: Specs/families.md §3.
struct UnsupportedArchitecture: Sendable {
    let architectures: [String]
    /// The family it is most like.
    let nearest: String
    let difference: String

    // swift-format-ignore
    static let all: [UnsupportedArchitecture] = [
        UnsupportedArchitecture(architectures: ["ChatGLMModel", "ChatGLMForConditionalGeneration", "GLMForConditionalGeneration"], nearest: "chatglm",
                 difference: "its positions have two dimensions and its mask has a prefix"),
        UnsupportedArchitecture(architectures: ["PhiForCausalLM", "PhiMoEForCausalLM", "Phi3SmallForCausalLM"], nearest: "phi3",
                 difference: "it adds attention and feed-forward in parallel, attends in blocks, or has experts of its own kind"),
        UnsupportedArchitecture(architectures: ["FalconForCausalLM", "GPTNeoXForCausalLM", "CohereForCausalLM", "Cohere2ForCausalLM"],
                 nearest: "stablelm", difference: "it adds attention and feed-forward in parallel"),
        UnsupportedArchitecture(architectures: ["GPT2LMHeadModel", "BloomForCausalLM", "MptForCausalLM", "OPTForCausalLM"], nearest: "llama",
                 difference: "its positions are learned or biases, and its feed-forward has no gate"),
        UnsupportedArchitecture(architectures: ["Gemma3ForConditionalGeneration", "Mistral3ForConditionalGeneration",
                                 "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"], nearest: "gemma3_text",
                 difference: "it has a tower for images beside the language model"),
        UnsupportedArchitecture(architectures: ["MiniCPM3ForCausalLM"], nearest: "minicpm", difference: "it has latent attention of its own kind"),
        UnsupportedArchitecture(architectures: ["Exaone4ForCausalLM"], nearest: "exaone", difference: "it normalises heads and branches"),
        UnsupportedArchitecture(architectures: ["ArceeForCausalLM"], nearest: "llama", difference: "its feed-forward has no gate"),
        UnsupportedArchitecture(architectures: ["BlueLMForCausalLM"], nearest: "llama", difference: "it normalises its embedding"),
        UnsupportedArchitecture(architectures: ["TelechatForCausalLM"], nearest: "llama", difference: "its keys and values are fused"),
        UnsupportedArchitecture(architectures: ["OrionForCausalLM"], nearest: "llama", difference: "its norms subtract means and have biases"),
        UnsupportedArchitecture(architectures: ["GptOssForCausalLM"], nearest: "mixtral",
                 difference: "its attention has sinks, and its experts biases and limits"),
        UnsupportedArchitecture(architectures: ["Llama4ForCausalLM", "Llama4ForConditionalGeneration"], nearest: "llama",
                 difference: "it attends in chunks and scales queries by position"),
        UnsupportedArchitecture(architectures: ["Qwen3NextForCausalLM", "MambaForCausalLM", "Mamba2ForCausalLM", "JambaForCausalLM",
                                 "RwkvForCausalLM", "Rwkv6ForCausalLM"], nearest: "qwen3",
                 difference: "it has layers with a state instead of attention"),
        UnsupportedArchitecture(architectures: ["GraniteMoeForCausalLM", "GraniteMoeHybridForCausalLM"], nearest: "granite",
                 difference: "it has experts of its own kind"),
        UnsupportedArchitecture(architectures: ["Olmo3ForCausalLM", "OlmoeForCausalLM"], nearest: "olmo2",
                 difference: "it has sliding windows with positions of their own, or experts"),
    ]
}
