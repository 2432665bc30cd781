// AFM, whose feed-forward has no gate. Source: Specs/families.md §3.15; transformers 5.23, `modeling_arcee.py`.
extension Family {
    static let arcee = Family(
        "arcee", architectures: ["ArceeForCausalLM"], modelType: "arcee",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
            BiasGroup(roles: [.up, .down], presence: .configured("mlp_bias")),
        ],
        defaults: Defaults(contextLength: 4096, normEpsilon: 1e-5, activation: "relu2"),
        reads: { _, configuration in configuration.gatesFeedForward = false }
    ) {
        Row.llamaNames().filter { $0.roles != [.gate] }
    }
}
