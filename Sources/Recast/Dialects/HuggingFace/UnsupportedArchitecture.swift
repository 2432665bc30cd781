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
        .init(["PhiForCausalLM", "Phi3SmallForCausalLM"], difference: "it adds attention and feed-forward in parallel, or attends in blocks"),
        .init(["FalconForCausalLM", "GPTNeoXForCausalLM"], difference: "it adds attention and feed-forward in parallel"),
        .init(["GPT2LMHeadModel", "BloomForCausalLM", "MptForCausalLM", "OPTForCausalLM"], difference: "its positions are learned or biases, and its feed-forward has no gate"),
        .init(["Gemma3ForConditionalGeneration", "Mistral3ForConditionalGeneration", "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"], difference: "it has a vision tower"),
        .init(["Gemma3nForConditionalGeneration", "Gemma3nForCausalLM"], difference: "it keeps several hidden states that predict and correct each other (AltUp), beside low-rank residuals (Laurel) and sparse gates"),
        .init(["MiniCPM3ForCausalLM"], difference: "it has a latent attention of its own kind"),
        .init(["BlueLMForCausalLM"], difference: "it normalises its embedding"),
        .init(["TelechatForCausalLM"], difference: "its keys and values are fused"),
        .init(["OrionForCausalLM"], difference: "it has LayerNorm with biases"),
        .init(["RwkvForCausalLM", "Rwkv6ForCausalLM"], difference: "it has linear attention (RWKV)"),
        .init(["GraniteMoeHybridForCausalLM", "BailingHybridForCausalLM"], difference: "it has state-space layers or linear attention"),
        .init(["GraniteMoeSharedForCausalLM", "GraniteMoeSWAForCausalLM"], difference: "it has shared experts or sliding windows besides those of Granite"),
        .init(["MiniMaxM3SparseForCausalLM", "MiniMaxM3SparseForConditionalGeneration"], difference: "it attends to blocks that an indexer picks"),
    ]
}
