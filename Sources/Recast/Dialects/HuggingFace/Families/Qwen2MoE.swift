// Qwen1.5-MoE and Qwen2 with experts. Source: Specs/families.md §3.5; transformers 5.23, `configuration_qwen2_moe.py`.
extension Family {
    // swift-format-ignore
    static let qwen2MoE = Family(
        "qwen2_moe", architectures: ["Qwen2MoeForCausalLM"], modelType: "qwen2_moe",
        biases: [BiasGroup(roles: [.query, .key, .value], presence: .configured("qkv_bias", default: true))],
        slidingWindow: .refused,
        defaults: Defaults(contextLength: 32768, keyValueHeadCount: 16),
        experts: ExpertKeys(
            count: ["num_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob"), denseLayers: .named,
            shared: .gated(size: "shared_expert_intermediate_size"), defaultCount: 60, defaultUsedCount: 4)
    ) {
        Row.llamaNames(experts: [
            Row(.router,       "model.layers.{layer}.mlp.gate.weight"),
            Row(.gate,         "model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight"),
            Row(.up,           "model.layers.{layer}.mlp.experts.{expert}.up_proj.weight"),
            Row(.down,         "model.layers.{layer}.mlp.experts.{expert}.down_proj.weight"),
            Row(.sharedRouter, "model.layers.{layer}.mlp.shared_expert_gate.weight"),
            Row(.sharedGate,   "model.layers.{layer}.mlp.shared_expert.gate_proj.weight"),
            Row(.sharedUp,     "model.layers.{layer}.mlp.shared_expert.up_proj.weight"),
            Row(.sharedDown,   "model.layers.{layer}.mlp.shared_expert.down_proj.weight"),
        ])
    }
}
