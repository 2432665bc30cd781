// Qwen3 with experts. Source: Specs/families.md §3.5; transformers 5.23, `configuration_qwen3_moe.py`.
extension Family {
    // swift-format-ignore
    static let qwen3MoE = Family(
        "qwen3_moe", architectures: ["Qwen3MoeForCausalLM"], modelType: "qwen3_moe",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        slidingWindow: .switched,
        defaults: Defaults(contextLength: 32768, keyValueHeadCount: 4, firstSlidingLayer: 28),
        experts: ExpertKeys(
            count: ["num_local_experts", "num_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob"), denseLayers: .named, defaultCount: 128, defaultUsedCount: 8)
    ) {
        Row.llamaNames(hasQKNorm: true, experts: [
            Row(.router,      "model.layers.{layer}.mlp.gate.weight"),
            Row(.gate,        "model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight"),
            Row(.up,          "model.layers.{layer}.mlp.experts.{expert}.up_proj.weight"),
            Row(.down,        "model.layers.{layer}.mlp.experts.{expert}.down_proj.weight"),
        ])
    }
}
