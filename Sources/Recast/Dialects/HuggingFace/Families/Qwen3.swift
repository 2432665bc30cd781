// Qwen3, dense. Source: Specs/families.md §3.5.
extension Family {
    // swift-format-ignore
    static let qwen3 = Family(
        "qwen3", architectures: ["Qwen3ForCausalLM"], modelType: "qwen3",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        slidingWindow: .switched,
        defaults: Defaults(contextLength: 32768, keyValueHeadCount: 32, headDimension: 128, firstSlidingLayer: 28)
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.weight")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.queryNorm,       "model.layers.{layer}.self_attn.q_norm.weight")
        Row(.keyNorm,         "model.layers.{layer}.self_attn.k_norm.weight")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.{weight,bias}")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.weight")
        Row(.gate,            "model.layers.{layer}.mlp.gate_proj.weight")
        Row(.up,              "model.layers.{layer}.mlp.up_proj.weight")
        Row(.down,            "model.layers.{layer}.mlp.down_proj.weight")
        Row(.outputNorm,      "model.norm.weight")
        Row(.outputHead,      "lm_head.weight")
    }
}
