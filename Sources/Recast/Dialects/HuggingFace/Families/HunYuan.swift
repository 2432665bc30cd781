#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// Hunyuan, dense, Hunyuan-A13B and Hunyuan 3. Source: Specs/families.md §3.14 and §3.15; transformers 5.23,
// `modeling_hunyuan_v1_dense.py`, `modeling_hunyuan_v1_moe.py` and `configuration_hy_v3.py`.
extension Family {
    static let hunYuanDense = Family(
        "hunyuan_v1_dense", architectures: ["HunYuanDenseV1ForCausalLM"], modelType: "hunyuan_v1_dense",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        defaults: Defaults(normEpsilon: 1e-5),
        reads: { (reader, configuration) throws(RecastError) in
            configuration.eachLayer { $0.norms.qk = .perRotatedHead }
            // transformers looks at neither, Tencent's program at both.
            for (key, usual) in [("use_qk_norm", true), ("use_cla", false)] where try reader.flag(key) == !usual {
                throw .unsupported("\(reader.file): a \"\(key)\" of \(!usual) is not supported; \(usual) is")
            }
            try reader.readFixedNTK(into: &configuration.rope)
        }
    ) {
        Row.llamaNames()
        Row(.queryNorm, "model.layers.{layer}.self_attn.query_layernorm.weight")
        Row(.keyNorm, "model.layers.{layer}.self_attn.key_layernorm.weight")
    }

    static let hunYuanMoE = Family(
        "hunyuan_v1_moe", architectures: ["HunYuanMoEV1ForCausalLM"], modelType: "hunyuan_v1_moe",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        defaults: Defaults(normEpsilon: 1e-5),
        experts: ExpertKeys(
            count: ["num_experts"], usedCount: ["moe_topk"], feedForwardSize: "intermediate_size",
            normalization: .always, denseLayers: .none, shared: .one(size: "intermediate_size"),
            router: Router(statements: [
                .flag("use_qk_norm", true), .flag("use_mixed_mlp_moe", true), .flag("use_cla", false),
            ]),
            defaultCount: 1, defaultUsedCount: 1),
        reads: { (reader, configuration) throws(RecastError) in
            configuration.eachLayer { $0.norms.qk = .perRotatedHead }
            // Tencent's program looks at these, transformers does not.
            for (key, usual) in [("moe_intermediate_size", configuration.feedForwardSize), ("num_shared_expert", 1)] {
                if let size = try reader.uniformSize(key, configuration.layerCount), size != usual {
                    throw .unsupported("\(reader.file): a \"\(key)\" of \(size) is not supported; \(usual) is")
                }
            }
            try reader.readFixedNTK(into: &configuration.rope)
        },
        writes: { configuration, object in
            let size = configuration.experts?.feedForwardSize ?? configuration.feedForwardSize
            for (key, value) in [("moe_intermediate_size", size), ("num_shared_expert", 1)] {
                object[key] = .array(Array(repeating: .int(value), count: configuration.layerCount))
            }
            object["moe_topk"] = .array(
                Array(repeating: .int(configuration.experts?.usedCount ?? 1), count: configuration.layerCount))
        }
    ) {
        Row.llamaNames(experts: Row.expertNames(router: "gate.wg.weight", shared: "shared_mlp"))
        Row(.queryNorm, "model.layers.{layer}.self_attn.query_layernorm.weight")
        Row(.keyNorm, "model.layers.{layer}.self_attn.key_layernorm.weight")
    }

    static let hyV3 = Family(
        "hy_v3", architectures: ["HYV3ForCausalLM"], modelType: "hy_v3",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
            BiasGroup(
                roles: [.gate, .up, .down, .sharedGate, .sharedUp, .sharedDown], presence: .configured("mlp_bias")),
        ],
        defaults: Defaults(
            contextLength: 131_072, keyValueHeadCount: 8, headDimension: 128, normEpsilon: 1e-5, theta: 11_158_840),
        experts: ExpertKeys(
            count: ["num_experts"], feedForwardSize: "moe_intermediate_size", normalization: .always,
            denseLayers: .listed, shared: .several(count: "num_shared_experts", default: 1),
            router: .sigmoid(
                groups: nil, factor: Router.Factor(key: "router_scaling_factor", default: 2.826),
                .flag("route_norm", true), .flag("moe_router_use_sigmoid", true),
                .flag("moe_router_enable_expert_bias", true)),
            defaultCount: 192, defaultUsedCount: 8)
    ) {
        Row.llamaNames(
            hasQKNorm: true,
            experts: Row.expertNames(router: "router.gate.weight", bias: "expert_bias", shared: "shared_mlp"))
    }
}

extension HuggingFaceConfiguration {
    /// The dynamic NTK of HunYuan, whose `alpha` stretches the base once for all lengths.
    func readFixedNTK(into rope: inout Rope) throws(RecastError) {
        let parameters = try members("rope_parameters")
        guard let scaling = try members("rope_scaling") ?? parameters, case .dynamic = rope.scaling,
            let alpha = try number("alpha", in: scaling), alpha != 0
        else { return }
        guard alpha > 0, rope.dimensions > 2 else { throw failure("the \"alpha\" of the rope scaling is \(alpha)") }
        rope.theta *= pow(alpha, Double(rope.dimensions) / Double(rope.dimensions - 2))
        rope.scaling = .none
    }
}
