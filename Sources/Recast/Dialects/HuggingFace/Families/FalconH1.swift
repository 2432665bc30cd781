// Falcon H1: attention and Mamba-2 side by side in every layer, multiplied on the way. Source: Specs/families.md §3.16; transformers
// 5.23, `configuration_falcon_h1.py` and `modeling_falcon_h1.py`.
extension Family {
    static let falconH1 = Family(
        "falcon_h1", architectures: ["FalconH1ForCausalLM"], modelType: "falcon_h1",
        biases: hybridBiases + [BiasGroup(roles: [.gate, .up, .down], presence: .configured("mlp_bias"))],
        defaults: Defaults(contextLength: 8192, keyValueHeadCount: 8, normEpsilon: 1e-5),
        reads: { (reader, configuration) throws(RecastError) in
            let expanded = try reader.expandedSize(configuration.hiddenSize, key: "mamba_expand")
            let usual = reader.object["mamba_d_ssm"] == nil ? 1024 : expanded
            var mamba = try reader.mamba2(
                .prefixed, innerSize: try reader.optionalSize("mamba_d_ssm", limit: 1 << 24) ?? usual)
            let normalizesFirst = try reader.flag("mamba_norm_before_gate") ?? true
            if try reader.flag("mamba_rms_norm") ?? false {
                mamba.gate = normalizesFirst ? .afterNorm : .beforeNorm
            } else {
                (mamba.gate, mamba.normGroupCount) = (.plain, 1)
            }
            configuration.eachLayer { $0.mixer = .attentionAndRecurrence(.mamba2(mamba)) }
            try reader.readBranchFactors(into: &configuration)
            try reader.checkStateSpaceActivation(configuration)
        },
        writes: { configuration, object in
            object.writePrefixedMamba2(configuration)
            object["mamba_d_ssm"] = .int(configuration.recurrence?.mamba2?.innerSize ?? 0)
            let gate = configuration.recurrence?.mamba2?.gate ?? .plain
            object["mamba_rms_norm"] = .bool(gate != .plain)
            object["mamba_norm_before_gate"] = .bool(gate == .afterNorm)
            object.writeBranchFactors(configuration)
        }
    ) {
        Row.hybridNames
        Row(.feedForwardNorm, "model.layers.{layer}.pre_ff_layernorm.weight")
        Row(.gate, "model.layers.{layer}.feed_forward.gate_proj.{weight,bias}")
        Row(.up, "model.layers.{layer}.feed_forward.up_proj.{weight,bias}")
        Row(.down, "model.layers.{layer}.feed_forward.down_proj.{weight,bias}")
        Row(.outputNorm, "model.final_layernorm.weight")
    }
}

extension HuggingFaceConfiguration {
    fileprivate func readBranchFactors(into configuration: inout ModelConfiguration) throws(RecastError) {
        var branches = BranchFactors()
        branches.attentionInput = try factor("attention_in_multiplier")
        branches.key = try factor("key_multiplier")
        branches.attentionOutput = try factor("attention_out_multiplier")
        branches.recurrentInput = try factor("ssm_in_multiplier")
        branches.recurrentParts = try factors("ssm_multipliers", count: 5)
        branches.recurrentOutput = try factor("ssm_out_multiplier")
        let feedForward = try factors("mlp_multipliers", count: 2)
        (branches.gate, branches.down) = (feedForward[0], feedForward[1])
        configuration.multipliers.embedding = try factor("embedding_multiplier")
        configuration.multipliers.logitDivisor = 1 / (try factor("lm_head_multiplier"))
        guard branches != BranchFactors() else { return }
        configuration.multipliers.branches = branches
        for key in ["attention_bias", "mlp_bias", "mamba_proj_bias", "projectors_bias"] where try flag(key) == true {
            throw .unsupported("\(file): multipliers beside biases (\"\(key)\") are not supported")
        }
    }

    private func factors(_ key: String, count: Int) throws(RecastError) -> [Double] {
        guard let value = object[key], !value.isNull else { return Array(repeating: 1, count: count) }
        let numbers = value.array?.compactMap(\.double).filter { $0 > 0 && $0.isFinite } ?? []
        guard numbers.count == count, value.array?.count == count else {
            throw failure("\"\(key)\" is no list of \(count) positive numbers")
        }
        return numbers
    }
}

extension JSON.Object {
    fileprivate mutating func writeBranchFactors(_ configuration: ModelConfiguration) {
        let branches = configuration.multipliers.branches ?? BranchFactors()
        self["attention_in_multiplier"] = .double(branches.attentionInput)
        self["key_multiplier"] = .double(branches.key)
        self["attention_out_multiplier"] = .double(branches.attentionOutput)
        self["ssm_in_multiplier"] = .double(branches.recurrentInput)
        self["ssm_multipliers"] = .array(branches.recurrentParts.map(JSON.double))
        self["ssm_out_multiplier"] = .double(branches.recurrentOutput)
        self["mlp_multipliers"] = [.double(branches.gate), .double(branches.down)]
        self["embedding_multiplier"] = .double(configuration.multipliers.embedding)
        self["lm_head_multiplier"] = .double(1 / configuration.multipliers.logitDivisor)
    }
}
