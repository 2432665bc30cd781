// Source: Specs/families.md §1 and §3.1.
extension Family {
    // swift-format-ignore
    static let llama = Family(
        "llama", architectures: ["LlamaForCausalLM", "LLaMAForCausalLM"], modelType: "llama",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
            BiasGroup(roles: [.gate, .up, .down],                      presence: .configured("mlp_bias")),
        ]
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.weight")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.{weight,bias}")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.weight")
        Row(.gate,            "model.layers.{layer}.mlp.gate_proj.{weight,bias}")
        Row(.up,              "model.layers.{layer}.mlp.up_proj.{weight,bias}")
        Row(.down,            "model.layers.{layer}.mlp.down_proj.{weight,bias}")
        Row(.outputNorm,      "model.norm.weight")
        Row(.outputHead,      "lm_head.weight")
    }
}
