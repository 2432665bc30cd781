// DeepSeek-V2 and V3, with latent attention and experts. Source: Specs/families.md §3.10; transformers 5.23,
// `configuration_deepseek_v2.py` and `configuration_deepseek_v3.py`.
extension Family {
    static let deepSeekV2 = deepSeek(
        "deepseek_v2", architecture: "DeepseekV2ForCausalLM", defaults: Defaults(contextLength: 2048),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob"), denseLayers: .first(default: 0),
            shared: .several(count: "n_shared_experts", default: 2), routing: .deepSeekV2, defaultCount: 64))

    static let deepSeekV3 = deepSeek(
        "deepseek_v3", architecture: "DeepseekV3ForCausalLM", defaults: Defaults(contextLength: 4096),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .first(default: 3),
            shared: .several(count: "n_shared_experts", default: 1), routing: .deepSeekV3, defaultCount: 256,
            defaultUsedCount: 8))

    // swift-format-ignore
    private static func deepSeek(
        _ name: String, architecture: String, defaults: Defaults, experts: ExpertKeys
    ) -> Family {
        Family(name, architectures: [architecture], modelType: name, biases: [], defaults: defaults, experts: experts) {
            Row(.tokenEmbedding,   "model.embed_tokens.weight")
            Row(.attentionNorm,    "model.layers.{layer}.input_layernorm.weight")
            Row(.query,            "model.layers.{layer}.self_attn.q_proj.weight")
            Row(.queryDown,        "model.layers.{layer}.self_attn.q_a_proj.weight")
            Row(.queryDownNorm,    "model.layers.{layer}.self_attn.q_a_layernorm.weight")
            Row(.queryUp,          "model.layers.{layer}.self_attn.q_b_proj.weight")
            Row(.keyValueDown,     "model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight")
            Row(.keyValueDownNorm, "model.layers.{layer}.self_attn.kv_a_layernorm.weight")
            Row(.keyValueUp,       "model.layers.{layer}.self_attn.kv_b_proj.weight")
            Row(.attentionOutput,  "model.layers.{layer}.self_attn.o_proj.weight")
            Row(.feedForwardNorm,  "model.layers.{layer}.post_attention_layernorm.weight")
            Row(.router,           "model.layers.{layer}.mlp.gate.weight")
            Row(.routerBias,       "model.layers.{layer}.mlp.gate.e_score_correction_bias")
            Row(.gate,             "model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight")
            Row(.up,               "model.layers.{layer}.mlp.experts.{expert}.up_proj.weight")
            Row(.down,             "model.layers.{layer}.mlp.experts.{expert}.down_proj.weight")
            Row(.sharedGate,       "model.layers.{layer}.mlp.shared_experts.gate_proj.weight")
            Row(.sharedUp,         "model.layers.{layer}.mlp.shared_experts.up_proj.weight")
            Row(.sharedDown,       "model.layers.{layer}.mlp.shared_experts.down_proj.weight")
            Row(.gate,             "model.layers.{layer}.mlp.gate_proj.weight")
            Row(.up,               "model.layers.{layer}.mlp.up_proj.weight")
            Row(.down,             "model.layers.{layer}.mlp.down_proj.weight")
            Row(.outputNorm,       "model.norm.weight")
            Row(.outputHead,       "lm_head.weight")
        }
    }
}
