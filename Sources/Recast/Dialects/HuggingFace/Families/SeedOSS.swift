// Seed-OSS. Source: Specs/families.md §3.13; transformers 5.23, `configuration_seed_oss.py`.
extension Family {
    // swift-format-ignore
    static let seedOSS = Family(
        "seed_oss", architectures: ["SeedOssForCausalLM"], modelType: "seed_oss",
        biases: [
            BiasGroup(roles: [.query, .key, .value], presence: .configured("attention_bias", default: true)),
            BiasGroup(roles: [.attentionOutput],     presence: .configured("attention_out_bias")),
            BiasGroup(roles: [.gate, .up, .down],    presence: .configured("mlp_bias")),
        ],
        defaults: Defaults(contextLength: 524288, keyValueHeadCount: 8, headDimension: 128)
    ) {
        Row.llamaNames()
    }
}
