// ERNIE 4.5, dense, and Helium, whose pairs are neighbours. Source: Specs/families.md §3.13; transformers 5.23,
// `configuration_ernie4_5.py` and `configuration_helium.py`.
extension Family {
    static let ernie45 = Family(
        "ernie4_5", architectures: ["Ernie4_5ForCausalLM"], modelType: "ernie4_5",
        biases: [
            BiasGroup(
                roles: [.query, .key, .value, .attentionOutput, .gate, .up, .down], presence: .configured("use_bias"))
        ],
        tiesByDefault: true,
        defaults: Defaults(
            contextLength: 131072, keyValueHeadCount: 2, headDimension: 128, normEpsilon: 1e-5, theta: 500_000)
    ) {
        Row.llamaNames(rotary: .interleaved)
    }

    static let helium = Family(
        "helium", architectures: ["HeliumForCausalLM"], modelType: "helium",
        biases: [
            BiasGroup(roles: [.query, .key, .value], presence: .configured("attention_bias")),
            BiasGroup(roles: [.gate, .up, .down], presence: .configured("mlp_bias")),
        ],
        defaults: Defaults(
            contextLength: 4096, keyValueHeadCount: 20, headDimension: 128, normEpsilon: 1e-8, theta: 100_000),
        reads: { (reader, configuration) throws(RecastError) in
            // Its output projection is square, whatever heads there are.
            guard configuration.queryRows == configuration.hiddenSize else {
                throw reader.failure(
                    "\(configuration.headCount) heads of \(configuration.headDimension) elements do not make the hidden size "
                        + "\(configuration.hiddenSize), as Helium's must")
            }
        }
    ) {
        Row.llamaNames(rotary: .interleaved)
    }
}
