// GLM-4.5, 4.6 and 4.7. Source: Specs/families.md §3.14; transformers 5.23, `configuration_glm4_moe.py`.
extension Family {
    static let glm4MoE = Family(
        "glm4_moe", architectures: ["Glm4MoeForCausalLM"], modelType: "glm4_moe",
        biases: [BiasGroup(roles: [.query, .key, .value], presence: .configured("attention_bias"))],
        defaults: Defaults(contextLength: 131_072, keyValueHeadCount: 8, normEpsilon: 1e-5),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .first(default: 1),
            shared: .several(count: "n_shared_experts", default: 1),
            router: .sigmoid(.text("scoring_func", ["sigmoid"])), defaultCount: 128, defaultUsedCount: 8),
        partialRotary: 0.5,
        reads: { (reader, configuration) throws(RecastError) in
            if try reader.flag("use_qk_norm") != true { configuration.eachLayer { $0.norms.qk = .none } }
        },
        writes: { configuration, object in
            object["use_qk_norm"] = .bool(configuration.layerNorms.qk != .none)
            // Layers that guess further tokens, which transformers believes to be there otherwise.
            object["num_nextn_predict_layers"] = 0
        }
    ) {
        Row.llamaNames(
            hasQKNorm: true, experts: Row.expertNames(bias: "gate.e_score_correction_bias", shared: "shared_experts"))
    }
}
