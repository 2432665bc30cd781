// Qwen1.5, 2 and 2.5. Source: Specs/families.md §3.4.
extension Family {
    // swift-format-ignore
    static let qwen2 = Family(
        "qwen2", architectures: ["Qwen2ForCausalLM"], modelType: "qwen2",
        biases: [BiasGroup(roles: [.query, .key, .value], presence: .always)],
        slidingWindow: .switched,
        defaults: Defaults(contextLength: 32768, keyValueHeadCount: 32, firstSlidingLayer: 28)
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.weight")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.weight")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.weight")
        Row(.gate,            "model.layers.{layer}.mlp.gate_proj.weight")
        Row(.up,              "model.layers.{layer}.mlp.up_proj.weight")
        Row(.down,            "model.layers.{layer}.mlp.down_proj.weight")
        Row(.outputNorm,      "model.norm.weight")
        Row(.outputHead,      "lm_head.weight")
    }
}
