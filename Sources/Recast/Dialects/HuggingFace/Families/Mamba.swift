// Mamba, Falcon Mamba and Jamba: selective state spaces, in Jamba beside attention and experts. Source: Specs/families.md §3.16;
// transformers 5.23, `configuration_mamba.py`, `configuration_falcon_mamba.py` and `configuration_jamba.py`.
extension Family {
    static let mamba = mamba("mamba", "MambaForCausalLM") { (_, _) throws(RecastError) in }

    static let falconMamba = mamba("falcon_mamba", "FalconMambaForCausalLM") { (reader, mamba) throws(RecastError) in
        mamba.stateNorms = .plain
        mamba.stateNormEpsilon = try reader.number("mixer_rms_eps") ?? 1e-6
    }

    private static func mamba(
        _ name: String, _ architecture: String,
        _ change: @escaping @Sendable (HuggingFaceConfiguration, inout Mamba) throws(RecastError) -> Void
    ) -> Family {
        Family(
            name, architectures: [architecture], modelType: name, biases: stateSpaceBiases, tiesByDefault: true,
            defaults: Defaults(contextLength: 1 << 20, normEpsilon: 1e-5),
            spellings: [("layer_norm_epsilon", "rms_norm_eps")],
            completes: { object in
                // That of the channels, as configurations may say it; else it follows from another.
                let inner = object["intermediate_size"]
                object.completeStateSpace()
                object["inner_size"] = inner
            },
            reads: { (reader, configuration) throws(RecastError) in
                let hidden = configuration.hiddenSize
                let expanded = try reader.expandedSize(hidden, key: "expand")
                var mamba = Mamba(
                    innerSize: try reader.optionalSize("inner_size", limit: 1 << 24) ?? expanded,
                    stateSize: try reader.stateSize("state_size", default: 16),
                    timeStepRank: try reader.timeStepRank("time_step_rank", hiddenSize: hidden),
                    convolutionSize: try reader.convolutionSize("conv_kernel", default: 4))
                try change(reader, &mamba)
                configuration.eachLayer {
                    $0.mixer = .recurrent(.mamba(mamba))
                    $0.feedForward = .none
                }
                try reader.checkStateSpaceActivation(configuration)
            },
            writes: { configuration, object in
                object.dropAttention()
                object["layer_norm_epsilon"] = .double(configuration.normEpsilon)
                guard let mamba = configuration.recurrence?.mamba else { return }
                object["intermediate_size"] = .int(mamba.innerSize)
                object["expand"] = .whole(Double(mamba.innerSize) / Double(configuration.hiddenSize))
                object["state_size"] = .int(mamba.stateSize)
                object["time_step_rank"] = .int(mamba.timeStepRank)
                object["conv_kernel"] = .int(mamba.convolutionSize)
                if let epsilon = mamba.stateNormEpsilon { object["mixer_rms_eps"] = .double(epsilon) }
            }
        ) {
            Row.stateSpaceNames
            Row.mambaNames("backbone.layers.{layer}.mixer")
        }
    }

    static let jamba = Family(
        "jamba", architectures: ["JambaForCausalLM"], modelType: "jamba",
        biases: [
            BiasGroup(roles: [.convolution], presence: .configured("mamba_conv_bias", default: true)),
            BiasGroup(roles: [.recurrentInput, .recurrentOutput], presence: .configured("mamba_proj_bias")),
            BiasGroup(roles: [.timeStep], presence: .always),
        ],
        defaults: Defaults(contextLength: 262_144, keyValueHeadCount: 8),
        experts: ExpertKeys(
            count: ["num_experts"], feedForwardSize: "intermediate_size", normalization: .never,
            denseLayers: .outsideOfPeriod(period: 2, offset: 1), defaultCount: 16, defaultUsedCount: 2),
        completes: { object in
            // One expert is none, of which a token cannot go through two.
            if object["num_experts"]?.int == 1 { object["num_experts_per_tok"] = 1 }
        },
        reads: { (reader, configuration) throws(RecastError) in
            let hidden = configuration.hiddenSize
            let mamba = Mamba(
                innerSize: try reader.expandedSize(hidden, key: "mamba_expand"),
                stateSize: try reader.stateSize("mamba_d_state", default: 16),
                timeStepRank: try reader.timeStepRank("mamba_dt_rank", hiddenSize: hidden),
                convolutionSize: try reader.convolutionSize("mamba_d_conv", default: 4), stateNorms: .weighted)
            let period = try reader.optionalSize("attn_layer_period") ?? 8
            let offset = try reader.optionalCount("attn_layer_offset") ?? 4
            guard offset < period else {
                throw reader.failure(
                    "\"attn_layer_offset\" is \(offset), not below an \"attn_layer_period\" of \(period)")
            }
            configuration.eachLayer { number, layer in
                if number % period != offset { layer.mixer = .recurrent(.mamba(mamba)) }
                layer.position = .none
                if layer.experts?.count == 1 { layer.feedForward = .dense }
            }
            try reader.checkStateSpaceActivation(configuration)
        },
        writes: { configuration, object in
            object.drop(["head_dim", "rope_theta", "rope_scaling", "rope_parameters"])
            let attention = configuration.layers(where: \.hasAttention)
            object["attn_layer_period"] = .int(
                attention.count > 1 ? attention[1] - attention[0] : configuration.layerCount)
            object["attn_layer_offset"] = .int(attention.first ?? 0)
            if configuration.experts == nil {
                (object["num_experts"], object["num_experts_per_tok"]) = (1, 1)
                (object["expert_layer_period"], object["expert_layer_offset"]) = (2, 1)
            }
            guard let mamba = configuration.recurrence?.mamba else { return }
            object["mamba_expand"] = .whole(Double(mamba.innerSize) / Double(configuration.hiddenSize))
            object["mamba_d_state"] = .int(mamba.stateSize)
            object["mamba_dt_rank"] = .int(mamba.timeStepRank)
            object["mamba_d_conv"] = .int(mamba.convolutionSize)
        }
    ) {
        Row.jambaNames
        Row.mambaNames("model.layers.{layer}.mamba")
    }

    private static let stateSpaceBiases = [
        BiasGroup(roles: [.convolution], presence: .configured("use_conv_bias", default: true)),
        BiasGroup(roles: [.recurrentInput, .recurrentOutput], presence: .configured("use_bias")),
        BiasGroup(roles: [.timeStep], presence: .always),
    ]
}

// swift-format-ignore
extension Row {
    /// Names around the layers of a model of state spaces alone.
    static let stateSpaceNames = [
        Row(.tokenEmbedding, "backbone.embeddings.weight"),
        Row(.attentionNorm,  "backbone.layers.{layer}.norm.weight"),
        Row(.outputNorm,     "backbone.norm_f.weight"),
        Row(.outputHead,     "lm_head.weight"),
    ]

    fileprivate static func mambaNames(_ module: String) -> [Row] {
        [
            Row(.recurrentInput,  module + ".in_proj.{weight,bias}"),
            Row(.convolution,     module + ".conv1d.{weight,bias}", layout: .kernels),
            Row(.stateProjection, module + ".x_proj.weight"),
            Row(.timeStep,        module + ".dt_proj.{weight,bias}"),
            Row(.timeStepNorm,    module + ".dt_layernorm.weight"),
            Row(.stateInputNorm,  module + ".b_layernorm.weight"),
            Row(.stateOutputNorm, module + ".c_layernorm.weight"),
            Row(.stateDecay,      module + ".A_log"),
            Row(.stateSkip,       module + ".D"),
            Row(.recurrentOutput, module + ".out_proj.{weight,bias}"),
        ]
    }

    fileprivate static let jambaNames = [
        Row(.tokenEmbedding,  "model.embed_tokens.weight"),
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.weight"),
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.weight"),
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.weight"),
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.weight"),
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.weight"),
        Row(.feedForwardNorm, "model.layers.{layer}.pre_ff_layernorm.weight"),
        Row(.router,          "model.layers.{layer}.feed_forward.router.weight"),
        Row(.gate,            "model.layers.{layer}.feed_forward.experts.{expert}.gate_proj.weight"),
        Row(.up,              "model.layers.{layer}.feed_forward.experts.{expert}.up_proj.weight"),
        Row(.down,            "model.layers.{layer}.feed_forward.experts.{expert}.down_proj.weight"),
        Row(.gate,            "model.layers.{layer}.feed_forward.gate_proj.weight"),
        Row(.up,              "model.layers.{layer}.feed_forward.up_proj.weight"),
        Row(.down,            "model.layers.{layer}.feed_forward.down_proj.weight"),
        Row(.outputNorm,      "model.final_layernorm.weight"),
        Row(.outputHead,      "lm_head.weight"),
    ]
}

extension HuggingFaceConfiguration {
    /// The hidden size times a factor, which need not be whole.
    func expandedSize(_ hiddenSize: Int, key: String) throws(RecastError) -> Int {
        let factor = try number(key) ?? 2
        guard factor > 0, let size = Int(rounding: (factor * Double(hiddenSize)).rounded(.down), within: 1...1 << 24)
        else {
            throw failure("\"\(key)\" is \(factor), of a hidden size of \(hiddenSize)")
        }
        return size
    }

    /// A rank, where `auto` means a sixteenth of the hidden size.
    fileprivate func timeStepRank(_ key: String, hiddenSize: Int) throws(RecastError) -> Int {
        if object[key]?.string == "auto" { return hiddenSize.dividedRoundingUp(by: 16) }
        return try stateSize(key, default: hiddenSize.dividedRoundingUp(by: 16))
    }

    func checkStateSpaceActivation(_ configuration: ModelConfiguration) throws(RecastError) {
        guard configuration.activation == "silu" else {
            throw .unsupported(
                "\(file): a state space with the activation \(configuration.activation) is not supported; silu is")
        }
    }
}

extension JSON.Object {
    /// What a model without attention has no keys for.
    mutating func completeStateSpace() {
        complete([("num_attention_heads", 1), ("num_key_value_heads", 1)])
        if isAbsent("intermediate_size") { self["intermediate_size"] = self["hidden_size"] }
    }

    /// Keys that such a model does not have.
    mutating func dropAttention() {
        drop([
            "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "max_position_embeddings",
            "rms_norm_eps", "attention_dropout", "rope_theta", "rope_scaling", "rope_parameters",
        ])
    }
}
