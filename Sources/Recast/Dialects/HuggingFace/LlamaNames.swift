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
            Row(.queryNorm,       "model.layers.{layer}.self_attn.q_norm.weight"),
            Row(.keyNorm,         "model.layers.{layer}.self_attn.k_norm.weight"),
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
