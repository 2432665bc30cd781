extension Row {
    /// The names of llama's tensors, which many families have taken over; each has the biases its own groups name.
    ///
    /// - Parameters:
    ///   - hasQKNorm: whether heads have norms, as Qwen3 calls them.
    ///   - experts: the rows of layers with experts.
    // swift-format-ignore
    static func llamaNames(
        rotary: RotaryLayout = .halfSplit, hasQKNorm: Bool = false, experts: [Row] = []
    ) -> [Row] {
        [
            Row(.tokenEmbedding,  "model.embed_tokens.weight"),
            Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.weight"),
            Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}", rotary: rotary),
            Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}", rotary: rotary),
            Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}"),
        ] + (hasQKNorm ? [
            Row(.queryNorm,       "model.layers.{layer}.self_attn.q_norm.weight", rotary: rotary),
            Row(.keyNorm,         "model.layers.{layer}.self_attn.k_norm.weight", rotary: rotary),
        ] : []) + [
            Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.{weight,bias}"),
            Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.weight"),
        ] + experts + [
            Row(.gate,            "model.layers.{layer}.mlp.gate_proj.{weight,bias}"),
            Row(.up,              "model.layers.{layer}.mlp.up_proj.{weight,bias}"),
            Row(.down,            "model.layers.{layer}.mlp.down_proj.{weight,bias}"),
            Row(.outputNorm,      "model.norm.weight"),
            Row(.outputHead,      "lm_head.weight"),
        ]
    }
}

extension Row {
    /// The rows of layers with experts, by the names that DeepSeek has for them and many since.
    ///
    /// - Parameters:
    ///   - router: what picks experts, and the bias that is added meanwhile, within `mlp`.
    ///   - shared: the module of the expert that all tokens share.
    // swift-format-ignore
    static func expertNames(
        router: String = "gate.weight", bias: String? = nil, biasLayout: Layout = .direct, shared: String? = nil
    ) -> [Row] {
        let mlp = "model.layers.{layer}.mlp."
        return [Row(.router,  mlp + router, or: router == "gate.weight" ? nil : mlp + "gate.weight")]
            + (bias.map { [Row(.routerBias, mlp + $0, layout: biasLayout, or: biasAlias($0).map { mlp + $0 })] } ?? [])
            + [
                Row(.gate,    mlp + "experts.{expert}.gate_proj.weight"),
                Row(.up,      mlp + "experts.{expert}.up_proj.weight"),
                Row(.down,    mlp + "experts.{expert}.down_proj.weight"),
            ] + (shared.map { [
                Row(.sharedGate, mlp + $0 + ".gate_proj.{weight,bias}", or: sharedAlias($0).map { mlp + $0 + ".gate_proj.weight" }),
                Row(.sharedUp,   mlp + $0 + ".up_proj.{weight,bias}",   or: sharedAlias($0).map { mlp + $0 + ".up_proj.weight" }),
                Row(.sharedDown, mlp + $0 + ".down_proj.{weight,bias}", or: sharedAlias($0).map { mlp + $0 + ".down_proj.weight" }),
            ] } ?? [])
    }

    /// What transformers 5 calls the bias of a router in memory, where its original layout has another name.
    private static func biasAlias(_ name: String) -> String? {
        switch name {
        case "expert_bias": "e_score_correction_bias"
        case "moe_statics.e_score_correction_bias": "gate.moe_statics.e_score_correction_bias"
        default: nil
        }
    }

    private static func sharedAlias(_ module: String) -> String? { module == "shared_mlp" ? "shared_experts" : nil }
}
