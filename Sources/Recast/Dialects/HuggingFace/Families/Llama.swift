// Llama 1 to 3.3, DeepSeek-LLM and -Coder, SmolLM, TinyLlama, CodeLlama. Source: Specs/families.md §1 and §3.1.
extension Family {
    // swift-format-ignore
    static let llama = Family(
        "llama", architectures: ["LlamaForCausalLM", "LLaMAForCausalLM"], modelType: "llama",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
            BiasGroup(roles: [.gate, .up, .down],                      presence: .configured("mlp_bias")),
        ]
    ) {
        Row.llamaNames()
    }

    // swift-format-ignore
    static let yi = Family("yi", architectures: ["YiForCausalLM"], modelType: "Yi") {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.ln1.weight")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.weight")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.weight")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.weight")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.weight")
        Row(.feedForwardNorm, "model.layers.{layer}.ln2.weight")
        Row(.gate,            "model.layers.{layer}.mlp.gate_proj.weight")
        Row(.up,              "model.layers.{layer}.mlp.up_proj.weight")
        Row(.down,            "model.layers.{layer}.mlp.down_proj.weight")
        Row(.outputNorm,      "model.norm.weight")
        Row(.outputHead,      "lm_head.weight")
    }
}
