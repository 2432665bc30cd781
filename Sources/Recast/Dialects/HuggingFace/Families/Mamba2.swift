// Mamba-2 and Bamba, and what models with such layers say of them. Source: Specs/families.md §3.16; transformers 5.23,
// `configuration_mamba2.py` and `configuration_bamba.py`.
extension Family {
    static let mamba2 = Family(
        "mamba2", architectures: ["Mamba2ForCausalLM"], modelType: "mamba2",
        biases: [
            BiasGroup(roles: [.convolution], presence: .configured("use_conv_bias", default: true)),
            BiasGroup(roles: [.recurrentInput, .recurrentOutput], presence: .configured("use_bias")),
        ],
        defaults: Defaults(contextLength: 1 << 20, normEpsilon: 1e-5),
        spellings: [("layer_norm_epsilon", "rms_norm_eps")],
        completes: { $0.completeStateSpace() },
        reads: { (reader, configuration) throws(RecastError) in
            let mamba = try reader.mamba2(
                Mamba2Keys(
                    headCount: ("num_heads", 128), headDimension: ("head_dim", 64), groupCount: ("n_groups", 8),
                    stateSize: ("state_size", 128), convolutionSize: "conv_kernel"),
                innerSize: try reader.expandedSize(configuration.hiddenSize, key: "expand"))
            configuration.eachLayer {
                $0.mixer = .recurrent(.mamba2(mamba))
                $0.feedForward = .none
            }
            try reader.checkStateSpaceActivation(configuration)
        },
        writes: { configuration, object in
            object.dropAttention()
            object["layer_norm_epsilon"] = .double(configuration.normEpsilon)
            guard let mamba = configuration.recurrence?.mamba2 else { return }
            object["expand"] = .whole(Double(mamba.innerSize) / Double(configuration.hiddenSize))
            object["num_heads"] = .int(mamba.headCount)
            object["head_dim"] = .int(mamba.headDimension)
            object["n_groups"] = .int(mamba.groupCount)
            object["state_size"] = .int(mamba.stateSize)
            object["conv_kernel"] = .int(mamba.convolutionSize)
            object.writeTimeStepLimit(mamba)
        }
    ) {
        Row.stateSpaceNames
        Row.mamba2Names("backbone.layers.{layer}.mixer")
    }

    static let bamba = Family(
        "bamba", architectures: ["BambaForCausalLM"], modelType: "bamba",
        biases: hybridBiases + [BiasGroup(roles: [.gate, .up, .down], presence: .configured("mlp_bias"))],
        defaults: Defaults(contextLength: 262_144, keyValueHeadCount: 8, normEpsilon: 1e-5), partialRotary: 0.5,
        reads: { (reader, configuration) throws(RecastError) in
            let mamba = try reader.mamba2(
                .prefixed, innerSize: try reader.expandedSize(configuration.hiddenSize, key: "mamba_expand"))
            let attention = try reader.layerNumbers("attn_layer_indices") ?? []
            configuration.eachLayer { if !attention.contains($0) { $1.mixer = .recurrent(.mamba2(mamba)) } }
            try reader.checkStateSpaceActivation(configuration)
        },
        writes: { configuration, object in
            object.drop(["head_dim"])
            object["attn_layer_indices"] = .array(configuration.layers(where: \.hasAttention).map(JSON.int))
            // What llama.cpp's converter looks at.
            object["attn_rotary_emb"] = .int(configuration.rope.dimensions)
            object.writePrefixedMamba2(configuration)
        }
    ) {
        Row.hybridNames
        Row(.feedForwardNorm, "model.layers.{layer}.pre_ff_layernorm.weight")
        Row(.gate, "model.layers.{layer}.feed_forward.gate_proj.{weight,bias}")
        Row(.up, "model.layers.{layer}.feed_forward.up_proj.{weight,bias}")
        Row(.down, "model.layers.{layer}.feed_forward.down_proj.{weight,bias}")
        Row(.outputNorm, "model.final_layernorm.weight")
    }

    static let hybridBiases = [
        BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias")),
        BiasGroup(roles: [.convolution], presence: .configured("mamba_conv_bias", default: true)),
        BiasGroup(roles: [.recurrentInput, .recurrentOutput], presence: .configured("mamba_proj_bias")),
    ]
}

// swift-format-ignore
extension Row {
    static func mamba2Names(_ module: String) -> [Row] {
        [
            Row(.recurrentInput,  module + ".in_proj.{weight,bias}"),
            Row(.convolution,     module + ".conv1d.{weight,bias}", layout: .kernels),
            Row(.timeStepBias,    module + ".dt_bias"),
            Row(.stateDecay,      module + ".A_log"),
            Row(.stateSkip,       module + ".D"),
            Row(.recurrentNorm,   module + ".norm.weight"),
            Row(.recurrentOutput, module + ".out_proj.{weight,bias}"),
        ]
    }

    /// llama's names up to the feed-forward part, and Mamba-2 in some layers.
    static let hybridNames = llamaNames().filter {
        Set($0.roles).isDisjoint(with: [.feedForwardNorm, .gate, .up, .down, .outputNorm])
    } + mamba2Names("model.layers.{layer}.mamba")
}

/// What a family calls the sizes of its Mamba-2 layers, and what absent keys mean.
struct Mamba2Keys {
    var headCount: (key: String, usual: Int)
    /// The inner size shared among the heads where it is `auto`, or absent without a number.
    var headDimension: (key: String, usual: Int?)
    var groupCount: (key: String, usual: Int)
    var stateSize: (key: String, usual: Int)
    var convolutionSize: String

    static let prefixed = Mamba2Keys(
        headCount: ("mamba_n_heads", 128), headDimension: ("mamba_d_head", nil), groupCount: ("mamba_n_groups", 1),
        stateSize: ("mamba_d_state", 256), convolutionSize: "mamba_d_conv")
}

extension HuggingFaceConfiguration {
    /// - Parameter innerSize: what heads must make up; nil where it is whatever they do.
    func mamba2(_ keys: Mamba2Keys, innerSize: Int?) throws(RecastError) -> Mamba2 {
        let heads = try stateSize(keys.headCount.key, default: keys.headCount.usual)
        let isAutomatic = object[keys.headDimension.key]?.string == "auto"
        let usual = keys.headDimension.usual ?? innerSize.map { $0 / heads } ?? 64
        let dimension = isAutomatic ? usual : try stateSize(keys.headDimension.key, default: usual)
        let groups = try stateSize(keys.groupCount.key, default: keys.groupCount.usual)
        guard dimension > 0, innerSize ?? (heads * dimension) == heads * dimension, heads.isMultiple(of: groups) else {
            throw failure(
                "\(keys.headCount.key) \(heads) of \(dimension) elements in \(groups) groups do not make an inner size of "
                    + "\(innerSize ?? heads * dimension)")
        }
        let (minimum, maximum) = try timeStepLimit()
        return Mamba2(
            headCount: heads, headDimension: dimension, groupCount: groups,
            stateSize: try stateSize(keys.stateSize.key, default: keys.stateSize.usual),
            convolutionSize: try convolutionSize(keys.convolutionSize, default: 4), gate: .beforeNorm,
            normGroupCount: groups, minimumTimeStep: minimum, maximumTimeStep: maximum)
    }

    /// Between what numbers time steps are kept; nil for zero, and for no limit.
    private func timeStepLimit() throws(RecastError) -> (Double?, Double?) {
        guard let value = object["time_step_limit"], !value.isNull else { return (nil, nil) }
        // transformers 5 writes what JSON has no number for as an object.
        let numbers = value.array?.map {
            $0.double ?? $0["__float__"]?.string.flatMap(Double.init) ?? $0.string.flatMap(Double.init)
        }
        guard let numbers, numbers.count == 2, let low = numbers[0], let high = numbers[1], low >= 0, high > low else {
            throw failure("\"time_step_limit\" is \(value.text()), not two numbers from 0")
        }
        return (low == 0 ? nil : low, high == .infinity ? nil : high)
    }

    /// Numbers of layers; nil where the key is absent.
    func layerNumbers(_ key: String) throws(RecastError) -> [Int]? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let list = value.array, list.allSatisfy({ $0.int != nil }) else {
            throw failure("\"\(key)\" is \(value.text()), not a list of layers")
        }
        return list.compactMap(\.int)
    }
}

extension JSON.Object {
    /// What transformers and others take for no limit is not written.
    mutating func writeTimeStepLimit(_ mamba: Mamba2) {
        guard mamba.minimumTimeStep != nil || mamba.maximumTimeStep != nil else { return }
        self["time_step_limit"] = [
            .double(mamba.minimumTimeStep ?? 0), mamba.maximumTimeStep.map(JSON.double) ?? ["__float__": "Infinity"],
        ]
    }

    mutating func writePrefixedMamba2(_ configuration: ModelConfiguration) {
        guard let mamba = configuration.recurrence?.mamba2 else { return }
        self["mamba_expand"] = .whole(Double(mamba.innerSize) / Double(configuration.hiddenSize))
        self["mamba_n_heads"] = .int(mamba.headCount)
        self["mamba_d_head"] = .int(mamba.headDimension)
        self["mamba_n_groups"] = .int(mamba.groupCount)
        self["mamba_d_state"] = .int(mamba.stateSize)
        self["mamba_d_conv"] = .int(mamba.convolutionSize)
        writeTimeStepLimit(mamba)
    }
}
