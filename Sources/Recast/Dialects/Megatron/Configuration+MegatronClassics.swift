// What models before llama have: LayerNorm, feed-forward without a gate, learned positions, heads of which a part turns. Source:
// Specs/megatron.md §2.1 and §6; megatron-core 0.16.1, `transformer_config.py`, `mlp.py` and `language_model_embedding.py`.
extension MegatronArguments {
    /// By its name in transformers. GELU is computed with tanh where it is fused with the bias before it, and by the error function
    /// elsewhere.
    var activation: String {
        guard bool("swiglu") == false else { return "silu" }
        if bool("squared_relu") == true { return Self.squaredReLU }
        return addsBiases && bool("bias_gelu_fusion") ?? true ? Self.fusedGELU : Self.exactGELU
    }

    static let squaredReLU = "relu2"
    static let fusedGELU = "gelu_pytorch_tanh"
    static let exactGELU = "gelu"

    private var addsBiases: Bool { bool("add_bias_linear") ?? true }
    private var hasLearnedPositions: Bool { string("position_embedding_type") == "learned_absolute" }
    private var hasLayerNorms: Bool { string("normalization") == "LayerNorm" }

    /// The part of each head that turns with its position.
    var rotaryPart: Double { double("rotary_percent") ?? 1 }

    /// The activation that Megatron can be told of in the place of another one.
    static func stated(_ activation: String, isGated: Bool) -> String {
        if isGated { return "silu" }
        let known = [squaredReLU, exactGELU, fusedGELU, "gelu_new", "gelu_fast", "gelu_accurate", "gelu_python"]
        return known.contains(activation) ? activation : exactGELU
    }

    /// The family of Hugging Face whose models are of this kind; nil for those of the llama kind.
    var classicFamily: String? {
        guard bool("swiglu") == false else { return hasLayerNorms ? "stablelm" : nil }
        if hasLearnedPositions {
            return int("num_query_groups") == 1 && bool("group_query_attention") == true ? "gpt_bigcode" : "gpt2"
        }
        if bool("squared_relu") == true { return hasLayerNorms ? "nemotron" : "arcee" }
        return "starcoder2"
    }

    func setClassicParts(of configuration: inout ModelConfiguration) throws(RecastError) {
        configuration.gatesFeedForward = bool("swiglu") != false
        if hasLayerNorms {
            configuration.norms.kind = .layer
            if hasZeroCenteredNorms { configuration.norms.offset = 1 }
        }
        if hasLearnedPositions {
            configuration.learnedPositions = LearnedPositions(count: configuration.contextLength)
            configuration.eachLayer { $0.position = .learned }
        }
    }

    func checkKind() throws(RecastError) {
        func refuse(_ what: String) -> RecastError { RecastError(.unsupported, what, trail: [file]) }
        if let kind = string("normalization"), kind != "RMSNorm", kind != "LayerNorm" {
            throw refuse("models with \(kind) cannot be read; those with RMSNorm and LayerNorm can")
        }
        if let kind = string("position_embedding_type"), kind != "rope", kind != "learned_absolute" {
            throw refuse("positions of type \(kind) cannot be read; rope and learned_absolute can")
        }
        guard rotaryPart > 0, rotaryPart <= 1 else {
            throw .malformed(file, "args.rotary_percent is \(rotaryPart), not a part of a head")
        }
        guard rotaryPart == 1 || !hasLatentAttention else {
            throw refuse("a rotary_percent of \(rotaryPart) cannot be read with multi-head latent attention")
        }
        guard bool("swiglu") != false || int("num_experts") ?? 0 == 0 else {
            throw refuse("experts without SwiGLU cannot be read")
        }
        for name in ["openai_gelu", "quick_geglu"] where bool(name) == true {
            throw refuse("models with args.\(name) cannot be read")
        }
        guard bool("rotary_interleaved") != true else {
            throw refuse("models whose rotary pairs are neighbours cannot be read from Megatron checkpoints yet")
        }
    }
}
