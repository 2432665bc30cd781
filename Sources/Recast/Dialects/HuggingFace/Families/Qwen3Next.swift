// Qwen3-Next and Qwen3.5: three of four layers are gated delta nets, and attention has a gate. Source: Specs/families.md §3.16;
// transformers 5.23, `configuration_qwen3_next.py`, `configuration_qwen3_5.py` and `configuration_qwen3_5_moe.py`.
extension Family {
    static let qwen3Next = Family(
        "qwen3_next", architectures: ["Qwen3NextForCausalLM"], modelType: "qwen3_next", biases: deltaBiases,
        defaults: deltaDefaults,
        experts: ExpertKeys(
            count: ["num_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .named,
            shared: .gated(size: "shared_expert_intermediate_size"), defaultCount: 512, defaultUsedCount: 10),
        partialRotary: 0.25,
        completes: { $0.complete([("moe_intermediate_size", 512), ("shared_expert_intermediate_size", 512)]) },
        reads: { (reader, configuration) throws(RecastError) in try reader.readDeltaNet(into: &configuration) },
        writes: { configuration, object in object.writeDeltaNet(configuration) }
    ) {
        Row.gatedAttentionNames(experts: Row.gatedExpertNames)
        Row(
            [.recurrentInput, .recurrentGate], "model.layers.{layer}.linear_attn.in_proj_qkvz.weight",
            layout: .interleavedKeyHeads)
        Row(
            [.recurrentBeta, .recurrentAlpha], "model.layers.{layer}.linear_attn.in_proj_ba.weight",
            layout: .interleavedKeyHeadRows)
        Row.deltaNames
    }

    static let qwen35 = Family(
        "qwen3_5", architectures: ["Qwen3_5ForCausalLM"], modelType: "qwen3_5_text", biases: deltaBiases,
        defaults: deltaDefaults, partialRotary: 0.25,
        reads: { (reader, configuration) throws(RecastError) in try reader.readDeltaNet(into: &configuration) },
        writes: { configuration, object in object.writeDeltaNet(configuration) }
    ) {
        Row.gatedAttentionNames()
        Row.separateDeltaNames
        Row.deltaNames
    }

    static let qwen35MoE = Family(
        "qwen3_5_moe", architectures: ["Qwen3_5MoeForCausalLM"], modelType: "qwen3_5_moe_text", biases: deltaBiases,
        defaults: deltaDefaults,
        experts: ExpertKeys(
            count: ["num_experts"], feedForwardSize: "moe_intermediate_size", normalization: .always,
            denseLayers: .none,
            shared: .gated(size: "shared_expert_intermediate_size"), defaultCount: 256, defaultUsedCount: 8),
        partialRotary: 0.25,
        completes: { object in
            object.complete([("moe_intermediate_size", 512), ("shared_expert_intermediate_size", 512)])
            // There is no layer without experts, and no key for its size.
            if object.isAbsent("intermediate_size") { object["intermediate_size"] = object["moe_intermediate_size"] }
        },
        reads: { (reader, configuration) throws(RecastError) in try reader.readDeltaNet(into: &configuration) },
        writes: { configuration, object in
            object.writeDeltaNet(configuration)
            object.drop(["intermediate_size"])
        }
    ) {
        Row.gatedAttentionNames(experts: Row.gatedExpertNames)
        Row.separateDeltaNames
        Row.deltaNames
    }

    private static let deltaBiases = [
        BiasGroup(
            roles: [.query, .attentionGate, .key, .value, .attentionOutput], presence: .configured("attention_bias"))
    ]

    private static let deltaDefaults = Defaults(contextLength: 32768, keyValueHeadCount: 4, headDimension: 256)
}

// swift-format-ignore
extension Row {
    /// llama's names with a gate beside queries.
    fileprivate static func gatedAttentionNames(experts: [Row] = []) -> [Row] {
        llamaNames(hasQKNorm: true, experts: experts).filter { $0.roles != [.query] } + [
            Row([.query, .attentionGate], "model.layers.{layer}.self_attn.q_proj.{weight,bias}", layout: .interleavedHeads)
        ]
    }

    fileprivate static let gatedExpertNames = expertNames() + [
        Row(.sharedRouter, "model.layers.{layer}.mlp.shared_expert_gate.weight"),
        Row(.sharedGate,   "model.layers.{layer}.mlp.shared_expert.gate_proj.weight"),
        Row(.sharedUp,     "model.layers.{layer}.mlp.shared_expert.up_proj.weight"),
        Row(.sharedDown,   "model.layers.{layer}.mlp.shared_expert.down_proj.weight"),
    ]

    fileprivate static let separateDeltaNames = [
        Row(.recurrentInput, "model.layers.{layer}.linear_attn.in_proj_qkv.weight"),
        Row(.recurrentGate,  "model.layers.{layer}.linear_attn.in_proj_z.weight"),
        Row(.recurrentBeta,  "model.layers.{layer}.linear_attn.in_proj_b.weight"),
        Row(.recurrentAlpha, "model.layers.{layer}.linear_attn.in_proj_a.weight"),
    ]

    fileprivate static let deltaNames = [
        Row(.convolution,     "model.layers.{layer}.linear_attn.conv1d.weight", layout: .kernels),
        Row(.timeStepBias,    "model.layers.{layer}.linear_attn.dt_bias"),
        Row(.stateDecay,      "model.layers.{layer}.linear_attn.A_log"),
        Row(.recurrentNorm,   "model.layers.{layer}.linear_attn.norm.weight"),
        Row(.recurrentOutput, "model.layers.{layer}.linear_attn.out_proj.weight"),
    ]
}

extension HuggingFaceConfiguration {
    fileprivate func readDeltaNet(into configuration: inout ModelConfiguration) throws(RecastError) {
        configuration.norms.offset = 1
        let net = GatedDeltaNet(
            keyHeadCount: try stateSize("linear_num_key_heads", default: 16),
            valueHeadCount: try stateSize("linear_num_value_heads", default: 32),
            keyHeadDimension: try stateSize("linear_key_head_dim", default: 128),
            valueHeadDimension: try stateSize("linear_value_head_dim", default: 128),
            convolutionSize: try convolutionSize("linear_conv_kernel_dim", default: 4))
        guard net.valueHeadCount.isMultiple(of: net.keyHeadCount) else {
            throw failure(
                "linear_num_value_heads \(net.valueHeadCount) is not a multiple of linear_num_key_heads \(net.keyHeadCount)"
            )
        }
        let interval = try optionalSize("full_attention_interval") ?? 4
        try readRecurrentLayers(.gatedDeltaNet(net), into: &configuration) { !($0 + 1).isMultiple(of: interval) }
        configuration.eachLayer { $0.gatesAttention = $0.hasAttention }
        guard configuration.activation == "silu" else {
            throw .unsupported(
                "\(file): a gated delta net with the activation \(configuration.activation) is not supported; silu is")
        }
    }
}

extension JSON.Object {
    /// What keys mean that are not there.
    mutating func complete(_ keys: [(String, Int)]) {
        for (key, value) in keys where isAbsent(key) { self[key] = .int(value) }
    }

    func isAbsent(_ key: String) -> Bool { self[key]?.isNull ?? true }

    fileprivate mutating func writeDeltaNet(_ configuration: ModelConfiguration) {
        self["layer_types"] = configuration.layerKinds()
        guard let net = configuration.recurrence?.delta else { return }
        self["linear_num_key_heads"] = .int(net.keyHeadCount)
        self["linear_num_value_heads"] = .int(net.valueHeadCount)
        self["linear_key_head_dim"] = .int(net.keyHeadDimension)
        self["linear_value_head_dim"] = .int(net.valueHeadDimension)
        self["linear_conv_kernel_dim"] = .int(net.convolutionSize)
    }
}
