// ERNIE 4.5, dense and with experts, and Helium, whose pairs are neighbours. Source: Specs/families.md §3.13 and §3.14;
// transformers 5.23, `configuration_ernie4_5.py`, `configuration_ernie4_5_moe.py` and `configuration_helium.py`.
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

    static let ernie45MoE = Family(
        "ernie4_5_moe", architectures: ["Ernie4_5_MoeForCausalLM"], modelType: "ernie4_5_moe",
        biases: [
            BiasGroup(
                roles: [
                    .query, .key, .value, .attentionOutput, .gate, .up, .down, .sharedGate, .sharedUp, .sharedDown,
                    .outputHead,
                ], presence: .configured("use_bias"))
        ],
        tiesByDefault: true,
        defaults: Defaults(contextLength: 131_072, keyValueHeadCount: 4, normEpsilon: 1e-5, theta: 500_000),
        experts: ExpertKeys(
            count: ["moe_num_experts"], usedCount: ["moe_k"], feedForwardSize: "moe_intermediate_size",
            normalization: .always, denseLayers: .outsideOfInterval,
            shared: .several(count: "moe_num_shared_experts", default: 2), router: Router(hasBias: true),
            defaultCount: 64, defaultUsedCount: 6),
        reads: { (reader, _) throws(RecastError) in
            // What the sum of weights is divided by at least, which it never is but where it is next to nothing.
            if let least = try reader.number("moe_norm_min"), least > 1e-6 {
                throw .unsupported("\(reader.file): a \"moe_norm_min\" of \(least) is not supported; up to 1e-6 is")
            }
        },
        writes: { _, object in object["moe_norm_min"] = 1e-12 }
    ) {
        Row.llamaNames(
            rotary: .interleaved,
            experts: Row.expertNames(
                bias: "moe_statics.e_score_correction_bias", biasLayout: .oneRow, shared: "shared_experts")
        ).filter { $0.roles != [.outputHead] }
        Row(.outputHead, "lm_head.{weight,bias}")
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
            guard configuration.headCount * configuration.headDimension == configuration.hiddenSize else {
                throw reader.failure(
                    "\(configuration.headCount) heads of \(configuration.headDimension) elements do not make the hidden size "
                        + "\(configuration.hiddenSize), as Helium's must")
            }
        }
    ) {
        Row.llamaNames(rotary: .interleaved)
    }
}
