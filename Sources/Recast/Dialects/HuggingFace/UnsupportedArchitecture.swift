/// An architecture that is known not to be one of the families, and why. Source: Specs/families.md §3.
struct UnsupportedArchitecture: Sendable {
    let architectures: [String]
    let difference: String

    private init(_ architectures: [String], difference: String) {
        self.architectures = architectures
        self.difference = difference
    }

    // swift-format-ignore
    static let all: [UnsupportedArchitecture] = [
        .init(["ChatGLMModel", "ChatGLMForConditionalGeneration", "GLMForConditionalGeneration"], difference: "its positions have two dimensions and its mask has a prefix"),
        .init(["Phi3SmallForCausalLM"], difference: "it attends in blocks"),
        .init(["Gemma3ForConditionalGeneration", "Mistral3ForConditionalGeneration", "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"], difference: "it has a vision tower"),
        .init(["MiniCPM3ForCausalLM"], difference: "it has a latent attention of its own kind"),
        .init(["BlueLMForCausalLM"], difference: "it normalises its embedding"),
        .init(["TelechatForCausalLM"], difference: "its keys and values are fused"),
        .init(["OrionForCausalLM"], difference: "it has LayerNorm with biases"),
        .init(["Llama4ForCausalLM", "Llama4ForConditionalGeneration"], difference: "it attends in chunks and scales queries by position"),
        .init(["RwkvForCausalLM", "Rwkv6ForCausalLM"], difference: "it has linear attention (RWKV)"),
        .init(["GraniteMoeHybridForCausalLM", "BailingHybridForCausalLM"], difference: "it has state-space layers or linear attention"),
        .init(["GraniteMoeSharedForCausalLM", "GraniteMoeSWAForCausalLM"], difference: "it has shared experts or sliding windows besides those of Granite"),
        .init(["MiniMaxM3SparseForCausalLM", "MiniMaxM3SparseForConditionalGeneration"], difference: "it attends to blocks that an indexer picks"),
    ]
}
