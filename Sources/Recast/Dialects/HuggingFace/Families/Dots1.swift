// dots.llm1. Source: Specs/families.md §3.14; transformers 5.23, `configuration_dots1.py`.
extension Family {
    static let dots1 = Family(
        "dots1", architectures: ["Dots1ForCausalLM"], modelType: "dots1",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        slidingWindow: .fromLayer,
        defaults: Defaults(keyValueHeadCount: 32, firstSlidingLayer: 62, slidingWindow: 4096),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob"), denseLayers: .first(default: 0),
            shared: .several(count: "n_shared_experts", default: 0),
            router: .sigmoid(.text("scoring_func", ["sigmoid", "noaux_tc"])), defaultCount: nil)
    ) {
        Row.llamaNames(
            hasQKNorm: true, experts: Row.expertNames(bias: "gate.e_score_correction_bias", shared: "shared_experts"))
    }
}
