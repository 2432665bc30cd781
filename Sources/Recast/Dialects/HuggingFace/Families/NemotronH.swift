// Nemotron-H and Nemotron 3: each layer is Mamba-2, attention, a feed-forward part or experts, behind one norm. Source:
// Specs/families.md §3.16; transformers 5.23, `configuration_nemotron_h.py`.
extension Family {
    static let nemotronH = Family(
        "nemotron_h", architectures: ["NemotronHForCausalLM"], modelType: "nemotron_h",
        biases: [
            BiasGroup(roles: [.convolution], presence: .configured("use_conv_bias", default: true)),
            BiasGroup(roles: [.recurrentInput, .recurrentOutput], presence: .configured("use_bias")),
            BiasGroup(
                roles: [.up, .down, .sharedUp, .sharedDown, .expertLatentDown, .expertLatentUp],
                presence: .configured("mlp_bias")),
        ],
        defaults: Defaults(
            contextLength: 4096, keyValueHeadCount: 8, headDimension: 128, normEpsilon: 1e-5, activation: "relu2"),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .readByFamily,
            shared: .one(size: "moe_shared_expert_intermediate_size"), router: .sigmoid(), defaultCount: 8,
            defaultUsedCount: 2),
        spellings: [
            ("layer_norm_epsilon", "rms_norm_eps"), ("mlp_hidden_act", "hidden_act"), ("mamba_n_groups", "n_groups"),
            ("mamba_d_conv", "conv_kernel"), ("mamba_conv_bias", "use_conv_bias"), ("mamba_dt_min", "time_step_min"),
        ],
        completes: { object in
            object.complete([
                ("moe_intermediate_size", 7688), ("moe_shared_expert_intermediate_size", 7688),
                ("num_attention_heads", 32),
                ("intermediate_size", 21504),
            ])
            if let kinds = object.layerKinds { object["num_hidden_layers"] = .int(kinds.count) }
        },
        reads: { (reader, configuration) throws(RecastError) in try reader.readNemotronH(into: &configuration) },
        writes: { configuration, object in object.writeNemotronH(configuration) }
    ) {
        Row.stateSpaceNames
        Row.mamba2Names("backbone.layers.{layer}.mixer")
        Row.nemotronNames
    }
}

// swift-format-ignore
extension Row {
    fileprivate static let nemotronNames = [
        Row(.query,           "backbone.layers.{layer}.mixer.q_proj.weight"),
        Row(.key,             "backbone.layers.{layer}.mixer.k_proj.weight"),
        Row(.value,           "backbone.layers.{layer}.mixer.v_proj.weight"),
        Row(.attentionOutput, "backbone.layers.{layer}.mixer.o_proj.weight"),
        Row(.router,          "backbone.layers.{layer}.mixer.gate.weight"),
        Row(.routerBias,      "backbone.layers.{layer}.mixer.gate.e_score_correction_bias"),
        Row(.expertLatentDown, "backbone.layers.{layer}.mixer.fc1_latent_proj.{weight,bias}"),
        Row(.expertLatentUp,   "backbone.layers.{layer}.mixer.fc2_latent_proj.{weight,bias}"),
        Row(.up,              "backbone.layers.{layer}.mixer.experts.{expert}.up_proj.weight"),
        Row(.down,            "backbone.layers.{layer}.mixer.experts.{expert}.down_proj.weight"),
        Row(.sharedUp,        "backbone.layers.{layer}.mixer.shared_experts.up_proj.{weight,bias}"),
        Row(.sharedDown,      "backbone.layers.{layer}.mixer.shared_experts.down_proj.{weight,bias}"),
        Row(.up,              "backbone.layers.{layer}.mixer.up_proj.{weight,bias}"),
        Row(.down,            "backbone.layers.{layer}.mixer.down_proj.{weight,bias}"),
    ]
}

extension HuggingFaceConfiguration {
    fileprivate func readNemotronH(into configuration: inout ModelConfiguration) throws(RecastError) {
        if let activation = try text("mamba_hidden_act"), activation != "silu" {
            throw .unsupported("\(file): a \"mamba_hidden_act\" of \"\(activation)\" is not supported; silu is")
        }
        var mamba = try mamba2(
            Mamba2Keys(
                headCount: ("mamba_num_heads", 128), headDimension: ("mamba_head_dim", 64), groupCount: ("n_groups", 8),
                stateSize: ("ssm_state_size", 128), convolutionSize: "conv_kernel"), innerSize: nil)
        // transformers looks at this key instead.
        let minimum = try number("time_step_min") ?? 0.001
        (mamba.minimumTimeStep, mamba.maximumTimeStep) = (minimum > 0 ? minimum : nil, nil)
        guard let kinds = object.layerKinds else {
            throw failure("neither \"layers_block_type\" nor \"hybrid_override_pattern\" says what each layer is")
        }
        let known = kinds.compactMap(\.self)
        guard kinds.count == configuration.layerCount, known.count == kinds.count else {
            throw failure(
                "\"layers_block_type\" or \"hybrid_override_pattern\" does not say of each of \(configuration.layerCount) layers "
                    + "whether it is Mamba-2 (M), attention (*), a feed-forward part (-) or experts (E)")
        }
        var experts = configuration.experts
        experts?.latentSize = try optionalSize("moe_latent_size")
        configuration.gatesFeedForward = false
        configuration.eachLayer { number, layer in
            layer.position = .none
            layer.feedForward = .none
            switch known[number] {
            case .mamba: layer.mixer = .recurrent(.mamba2(mamba))
            case .attention: layer.mixer = .attention
            case .feedForward:
                layer.mixer = .none
                layer.feedForward = .dense
            case .experts:
                layer.mixer = .none
                layer.feedForward = experts.map { .experts($0) } ?? .dense
            }
            layer.norms.sharesPreNorm = layer.mixer == .none
        }
    }
}

private enum NemotronLayer: Character {
    case mamba = "M"
    case attention = "*"
    case feedForward = "-"
    case experts = "E"

    init?(word: String) {
        switch word {
        case "linear_attention", "mamba": self = .mamba
        case "full_attention", "attention": self = .attention
        case "mlp": self = .feedForward
        case "moe": self = .experts
        default: return nil
        }
    }

    var word: String {
        switch self {
        case .mamba: "linear_attention"
        case .attention: "full_attention"
        case .feedForward: "mlp"
        case .experts: "moe"
        }
    }

    init(_ layer: LayerConfiguration) {
        self =
            layer.recurrence != nil
            ? .mamba : layer.hasAttention ? .attention : layer.experts == nil ? .feedForward : .experts
    }
}

extension JSON.Object {
    /// What each layer is, nil for what is not known; nil where nothing says it. The list is believed where both are there.
    fileprivate var layerKinds: [NemotronLayer?]? {
        for key in ["layers_block_type", "layer_types"] {
            if let list = self[key]?.array { return list.map { $0.string.flatMap(NemotronLayer.init(word:)) } }
        }
        return self["hybrid_override_pattern"]?.string.map { $0.map(NemotronLayer.init(rawValue:)) }
    }

    fileprivate mutating func writeNemotronH(_ configuration: ModelConfiguration) {
        drop(["rms_norm_eps", "hidden_act", "rope_theta", "rope_scaling", "rope_parameters", "num_hidden_layers"])
        let layers = configuration.layers.map(NemotronLayer.init)
        self["layers_block_type"] = .array(layers.map { .string($0.word) })
        self["hybrid_override_pattern"] = .string(String(layers.map(\.rawValue)))
        self["layer_norm_epsilon"] = .double(configuration.normEpsilon)
        self["moe_latent_size"] = configuration.experts?.latentSize.map(JSON.int)
        self["mlp_hidden_act"] = .string(configuration.activation)
        guard let mamba = configuration.recurrence?.mamba2 else { return }
        self["mamba_num_heads"] = .int(mamba.headCount)
        self["mamba_head_dim"] = .int(mamba.headDimension)
        self["n_groups"] = .int(mamba.groupCount)
        self["ssm_state_size"] = .int(mamba.stateSize)
        self["conv_kernel"] = .int(mamba.convolutionSize)
        self["expand"] = .whole(Double(mamba.innerSize) / Double(configuration.hiddenSize))
        self["time_step_min"] = .double(mamba.minimumTimeStep ?? 0)
    }
}
