// Qwen1.5, 2 and 2.5. Source: Specs/families.md §3.4.
extension Family {
    static let qwen2 = Family(
        "qwen2", architectures: ["Qwen2ForCausalLM"], modelType: "qwen2",
        biases: [BiasGroup(roles: [.query, .key, .value], presence: .always)], slidingWindow: .switched,
        defaults: Defaults(contextLength: 32768, keyValueHeadCount: 32, firstSlidingLayer: 28)
    ) {
        Row.llamaNames()
    }
}
