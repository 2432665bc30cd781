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
        .init(["Gemma3nForConditionalGeneration", "Gemma3nForCausalLM"], difference: "it keeps several hidden states that predict and correct each other (AltUp), beside low-rank residuals (Laurel) and sparse gates"),
        .init(["MiniCPM3ForCausalLM"], difference: "it has a latent attention of its own kind"),
        .init(["BlueLMForCausalLM"], difference: "it normalises its embedding"),
        .init(["TelechatForCausalLM"], difference: "its keys and values are fused"),
        .init(["OrionForCausalLM"], difference: "it has LayerNorm with biases"),
        .init(["RwkvForCausalLM", "Rwkv6ForCausalLM"], difference: "it has linear attention (RWKV)"),
        .init(["BailingHybridForCausalLM"], difference: "it has linear attention"),
        .init(["GraniteMoeSharedForCausalLM", "GraniteMoeSWAForCausalLM"], difference: "it has shared experts or sliding windows besides those of Granite"),
        .init(["MiniMaxM3SparseForCausalLM", "MiniMaxM3SparseForConditionalGeneration", "MiniMaxM3VLForCausalLM", "MiniMaxM3VLForConditionalGeneration"], difference: "it attends to blocks that an indexer picks"),
        // Of 2026.
        .init(["DeepseekV4ForCausalLM"], difference: "it attends to compressed keys, of which an indexer picks, has hyper-connections in the place of the residual, and routes by hashes of tokens"),
        .init(["HYV4ForCausalLM"], difference: "it has hyper-connections in the place of the residual, and sinks and a gate at latent attention"),
        .init(["KimiLinearForCausalLM"], difference: "it has layers of a gated delta net that decays each channel by itself (KDA)"),
        .init(["KimiK3ForConditionalGeneration", "KimiK3ForCausalLM"], difference: "it has layers of a gated delta net that decays each channel by itself (KDA), attention to what earlier layers gave, and experts of a latent size"),
        .init(["Qwen4ExpForCausalLM", "Qwen4ExpForConditionalGeneration"], difference: "it has layers of a gated delta net, attention to blocks of compressed keys that an indexer picks, and gated hyper-connections"),
        .init(["Glm5NextForCausalLM", "Glm5NextForConditionalGeneration"], difference: "it has layers of a gated delta net that decays each channel by itself (KDA), and an indexer that picks pools of tokens"),
        .init(["MistralLarge4ForCausalLM", "MistralLarge4ForConditionalGeneration"], difference: "it has layers that share keys and values, and an indexer with queries of its own"),
        .init(["Dots3NoteForCausalLM", "Dots3NoteTextForCausalLM", "Dots3NoteForConditionalGeneration"], difference: "it multiplies the ranks of its latent attention, which has windows in some layers and an indexer in others"),
        .init(["AXK2ForCausalLM"], difference: "its norms have gates, and so has its latent attention"),
        .init(["NemotronHPuzzleForCausalLM"], difference: "its layers have experts of different sizes, and pick different numbers of them (\"block_configs\")"),
        .init(["LongcatFlashForCausalLM"], difference: "each layer has two attention parts, and experts that give back what they get"),
        .init(["MiniMaxForCausalLM", "MiniMaxM1ForCausalLM", "MiniMaxText01ForCausalLM"], difference: "it has layers of lightning attention, which is linear"),
        .init(["OlmoHybridForCausalLM"], difference: "it has layers of a gated delta net"),
        .init(["InklingForCausalLM", "InklingForConditionalGeneration", "Inkling2ForCausalLM", "Inkling2ForConditionalGeneration"], difference: "it has short convolutions in every layer, and biases by relative position"),
        .init(["ZayaForCausalLM"], difference: "its queries and keys go through convolutions"),
        .init(["Lfm3ForCausalLM", "Lfm3VlForConditionalGeneration"], difference: "it has layers of short convolutions, and gates at attention"),
        .init(["RecurrentGemmaForCausalLM", "ZambaForCausalLM", "Zamba2ForCausalLM", "xLSTMForCausalLM"], difference: "it has recurrent layers"),
        .init(["AfmoeForCausalLM", "LagunaForCausalLM", "Step3p5ForCausalLM", "Step3p7ForConditionalGeneration", "MuseGlimmerForConditionalGeneration", "MuseSparkForConditionalGeneration"], difference: "what attention gives goes through a gate"),
        .init(["MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM"], difference: "its layers with windows have heads of other sizes"),
        .init(["HrmTextForCausalLM"], difference: "tokens go through its layers in cycles"),
        .init(["DiffLlamaForCausalLM"], difference: "its attention is the difference of two"),
        .init(["BitNetForCausalLM", "BitnetForCausalLM"], difference: "its weights are of three values, with norms in attention and feed-forward"),
        .init(["JetMoeForCausalLM"], difference: "its attention has experts"),
        .init(["DbrxForCausalLM"], difference: "its norms are LayerNorms, and its experts are fused in a way of their own"),
        .init(["BltForCausalLM"], difference: "it puts bytes together to patches"),
        .init(["LLaDAModelLM", "LLaDAMoEModelLM", "DreamModel", "RND1", "DiffusionGemmaForBlockDiffusion"], difference: "it fills texts in any order (diffusion)"),
    ]

    /// What is known of a name; a model without its head is meant with it.
    static func named(_ name: String) -> UnsupportedArchitecture? {
        let whole = name.hasSuffix("Model") ? String(name.dropLast("Model".count)) + "ForCausalLM" : nil
        return all.first { $0.architectures.contains(name) || $0.architectures.contains(whole ?? name) }
    }
}
