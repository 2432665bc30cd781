// Source: transformers 5.23, `configuration_mixtral.py`; Specs/megatron.md §2.2.
extension Family {
    // swift-format-ignore
    static let mixtral = Family(
        "mixtral", architectures: ["MixtralForCausalLM"], modelType: "mixtral", biases: [],
        slidingWindow: .everywhere,
        defaults: Defaults(contextLength: 131072, keyValueHeadCount: 8, normEpsilon: 1e-5, theta: 1_000_000),
        experts: ExpertKeys(
            count: ["num_local_experts"], feedForwardSize: "intermediate_size", normalization: .always,
            denseLayers: .none, defaultCount: 8, defaultUsedCount: 2)
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.weight")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.weight")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.weight")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.weight")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.weight")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.weight")
        Row(.router,          "model.layers.{layer}.block_sparse_moe.gate.weight")
        Row(.gate,            "model.layers.{layer}.block_sparse_moe.experts.{expert}.w1.weight")
        Row(.up,              "model.layers.{layer}.block_sparse_moe.experts.{expert}.w3.weight")
        Row(.down,            "model.layers.{layer}.block_sparse_moe.experts.{expert}.w2.weight")
        Row(.outputNorm,      "model.norm.weight")
        Row(.outputHead,      "lm_head.weight")
    }
}
