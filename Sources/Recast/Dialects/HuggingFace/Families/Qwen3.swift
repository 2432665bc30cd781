// Qwen3, dense. Source: Specs/families.md §3.5.
extension Family {
    // swift-format-ignore
    static let qwen3 = Family(
        "qwen3", architectures: ["Qwen3ForCausalLM"], modelType: "qwen3",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        slidingWindow: .switched,
        defaults: Defaults(contextLength: 32768, keyValueHeadCount: 32, headDimension: 128, firstSlidingLayer: 28)
    ) {
        Row.llamaNames(hasQKNorm: true)
    }
}
