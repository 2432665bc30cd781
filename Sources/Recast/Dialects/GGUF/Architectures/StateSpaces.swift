// Architectures with the state spaces of Mamba and Mamba-2. Source: llama.cpp's converter and loader, Specs/families.md §3.16.
extension GGUFArchitecture {
    /// Mamba, and Falcon Mamba, which normalises what goes into the state.
    static let mamba = GGUFArchitecture(
        "mamba", families: ["mamba", "falcon_mamba"],
        reads: { (reader, configuration) throws(RecastError) in
            let isNormalized = reader.flag("ssm.dt_b_c_rms") ?? false
            if isNormalized { configuration.family = "falcon_mamba" }
            let mamba = try reader.mamba(isNormalized ? .plain : .none, epsilon: configuration.normEpsilon)
            configuration.stateDecayForm = .plain
            configuration.eachLayer {
                $0.mixer = .recurrent(.mamba(mamba))
                $0.feedForward = .none
            }
        },
        writes: { (configuration, keys) throws(RecastError) in
            let mamba = try keys.writeMamba(configuration)
            keys["ssm.dt_b_c_rms"] = .bool(mamba.stateNorms == .plain)
        }
    ) {
        Row.ggufStateSpace
        Row.ggufMamba
    }

    static let jamba = GGUFArchitecture(
        "jamba", families: ["jamba"], listsLayers: true,
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readExperts(into: &configuration, normalizes: false)
            let heads = try reader.layerSizes("attention.head_count_kv", layerCount: configuration.layerCount)
            let mamba = try reader.mamba(.weighted, epsilon: nil)
            configuration.stateDecayForm = .plain
            configuration.eachLayer { number, layer in
                if heads[number] == 0 { layer.mixer = .recurrent(.mamba(mamba)) }
                layer.position = .none
                if reader.seen.denseLayers.contains(number) { layer.feedForward = .dense }
            }
        },
        writes: { (configuration, keys) throws(RecastError) in
            keys["rope.freq_base"] = nil
            _ = try keys.writeMamba(configuration)
            // The size of experts is that of all feed-forward parts.
            if let experts = configuration.experts {
                try keys.writeExperts(experts)
                keys["expert_feed_forward_length"] = nil
            }
        }
    ) {
        Row.ggufNames()
        Row.ggufExperts
        Row.ggufMamba
        Row(.timeStepNorm, "blk.{layer}.ssm_dt_norm.weight")
        Row(.stateInputNorm, "blk.{layer}.ssm_b_norm.weight")
        Row(.stateOutputNorm, "blk.{layer}.ssm_c_norm.weight")
    }

    static let mamba2 = GGUFArchitecture(
        "mamba2", families: ["mamba2"],
        reads: { (reader, configuration) throws(RecastError) in
            let mamba = try reader.mamba2()
            configuration.stateDecayForm = .plain
            configuration.eachLayer {
                $0.mixer = .recurrent(.mamba2(mamba))
                $0.feedForward = .none
            }
        },
        writes: { (configuration, keys) throws(RecastError) in try keys.writeMamba2(configuration) }
    ) {
        Row.ggufStateSpace
        Row.ggufMamba2
    }

    /// Granite 4, dense or with experts, and Bamba, whose attention has positions.
    static let graniteHybrid = GGUFArchitecture(
        "granitehybrid", families: ["granitemoehybrid", "granitemoehybrid_dense", "bamba"], writesRopeDimensions: true,
        listsLayers: true,
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readMultipliers(into: &configuration)
            configuration.multipliers.attention = try reader.positive("attention.scale")
            let isBamba = configuration.multipliers.attention == nil
            try GGUFRouter(keys: [.sharedSize, .sharedCount]).read(reader, into: &configuration)
            configuration.family =
                isBamba ? "bamba" : configuration.experts == nil ? "granitemoehybrid_dense" : "granitemoehybrid"
            try reader.readHybridMamba2(into: &configuration)
            if reader.flag("rope.scaling.finetuned") == false { configuration.eachLayer { $0.position = .none } }
        },
        writes: { (configuration, keys) throws(RecastError) in
            if configuration.family != "bamba" {
                keys.writeMultipliers(configuration.multipliers)
                keys.set("attention.scale", configuration.attentionScale)
            }
            try GGUFRouter(keys: [.sharedSize]).write(configuration, into: &keys)
            if configuration.family == "granitemoehybrid_dense" {
                for key in ["expert_count", "expert_used_count"] { try keys.set(key, 0) }
                try keys.set("expert_shared_feed_forward_length", configuration.feedForwardSize)
            }
            try keys.writeMamba2(configuration)
            keys["rope.scaling.finetuned"] = .bool(configuration.layers.contains { $0.hasRotary })
        }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .linear)
        Row.ggufExperts
        Row.ggufMamba2
    }

    static let nemotronH = nemotron("nemotron_h")
    static let nemotronHMoE = nemotron("nemotron_h_moe")

    /// Attention and Mamba-2 side by side. What its publisher multiplies on the way is in the weights.
    static let falconH1 = GGUFArchitecture(
        "falcon-h1", families: ["falcon_h1"],
        reads: { (reader, configuration) throws(RecastError) in
            var mamba = try reader.mamba2()
            if !reader.seen.normalizesState { (mamba.gate, mamba.normGroupCount) = (.plain, 1) }
            configuration.stateDecayForm = .plain
            configuration.eachLayer { $0.mixer = .attentionAndRecurrence(.mamba2(mamba)) }
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("vocab_size", configuration.vocabularySize)
            try keys.writeHeadDimension(configuration)
            try keys.writeMamba2(configuration)
        }
    ) {
        Row.ggufNames().filter { $0.roles != [.feedForwardNorm] }
        // Without an ending.
        Row(.feedForwardNorm, "blk.{layer}.ffn_norm")
        Row.ggufMamba2
    }

    /// Each layer is one of four kinds, behind one norm.
    private static func nemotron(_ name: String) -> GGUFArchitecture {
        let router = GGUFRouter(
            score: .sigmoid, keys: [.size, .sharedSize, .sharedCount, .groups, .factor, .normalization])
        return GGUFArchitecture(
            name, families: ["nemotron_h"], activation: "relu2", writesRopeDimensions: true, isRotary: false,
            listsLayers: true,
            reads: { (reader, configuration) throws(RecastError) in
                try router.read(reader, into: &configuration)
                let mamba = try reader.mamba2()
                configuration.stateDecayForm = .plain
                configuration.gatesFeedForward = false
                let heads = try reader.layerSizes("attention.head_count_kv", layerCount: configuration.layerCount)
                let sizes = try reader.layerSizes("feed_forward_length", layerCount: configuration.layerCount)
                var experts = configuration.experts
                experts?.latentSize = try reader.optionalSize("moe_latent_size")
                configuration.eachLayer { number, layer in
                    layer.position = .none
                    layer.feedForward = sizes[number] == 0 ? .none : experts.map { .experts($0) } ?? .dense
                    layer.mixer =
                        heads[number] > 0 ? .attention : sizes[number] > 0 ? .none : .recurrent(.mamba2(mamba))
                    layer.norms.sharesPreNorm = layer.mixer == .none
                }
            },
            writes: { (configuration, keys) throws(RecastError) in
                guard configuration.experts == nil || !configuration.hasDenseLayers else {
                    throw .unsupported("llama.cpp has no Nemotron-H with experts in some layers and without in others")
                }
                keys["attention.layer_norm_rms_epsilon"] = nil
                keys.set("attention.layer_norm_epsilon", configuration.normEpsilon)
                keys["rope.freq_base"] = nil
                // Not the size of a head, and of heads that do not turn; yet rows of queries and keys are in the order of those that do.
                try keys.set("rope.dimension_count", configuration.hiddenSize / configuration.headCount)
                try router.write(configuration, into: &keys)
                if let experts = configuration.experts {
                    // All shared experts are one of their size together.
                    try keys.set("expert_shared_count", experts.shared == nil ? 0 : 1)
                    if let latent = experts.latentSize { try keys.set("moe_latent_size", latent) }
                }
                let size = configuration.experts?.feedForwardSize ?? configuration.feedForwardSize
                keys["feed_forward_length"] = .array(
                    .i32(configuration.layers.map { $0.hasFeedForward ? Int32(clamping: size) : 0 }))
                try keys.writeMamba2(configuration)
                keys["rope.scaling.finetuned"] = .bool(false)
            }
        ) {
            Row.ggufNames(rotary: .interleaved).filter { ![[.feedForwardNorm], [.gate]].contains($0.roles) }
            Row.ggufExperts.filter { ![[.gate], [.sharedGate]].contains($0.roles) }
            Row(.expertLatentDown, "blk.{layer}.ffn_latent_down.weight")
            Row(.expertLatentUp, "blk.{layer}.ffn_latent_up.weight")
            Row.ggufMamba2
        }
    }
}

// swift-format-ignore
extension Row {
    fileprivate static let ggufStateSpace = [
        Row(.tokenEmbedding,  "token_embd.weight"),
        Row(.attentionNorm,   "blk.{layer}.attn_norm.weight"),
        Row(.outputNorm,      "output_norm.weight"),
        Row(.outputHead,      "output.weight"),
    ]

    fileprivate static let ggufMamba = [
        Row(.recurrentInput,  "blk.{layer}.ssm_in.weight"),
        Row(.convolution,     "blk.{layer}.ssm_conv1d.{weight,bias}"),
        Row(.stateProjection, "blk.{layer}.ssm_x.weight"),
        Row(.timeStep,        "blk.{layer}.ssm_dt.{weight,bias}"),
        Row(.stateDecay,      "blk.{layer}.ssm_a"),
        Row(.stateSkip,       "blk.{layer}.ssm_d"),
        Row(.recurrentOutput, "blk.{layer}.ssm_out.weight"),
    ]

    fileprivate static let ggufMamba2 = [
        Row(.recurrentInput,  "blk.{layer}.ssm_in.weight"),
        Row(.convolution,     "blk.{layer}.ssm_conv1d.{weight,bias}"),
        Row(.timeStepBias,    "blk.{layer}.ssm_dt.bias"),
        Row(.stateDecay,      "blk.{layer}.ssm_a", layout: .oneColumn),
        Row(.stateSkip,       "blk.{layer}.ssm_d", layout: .oneColumn),
        Row(.recurrentNorm,   "blk.{layer}.ssm_norm.weight", layout: .normGroups),
        Row(.recurrentOutput, "blk.{layer}.ssm_out.weight"),
    ]
}

extension GGUFConfiguration {
    fileprivate func mamba(_ norms: Mamba.StateNorms, epsilon: Double?) throws(RecastError) -> Mamba {
        Mamba(
            innerSize: try stateSize("ssm.inner_size"), stateSize: try stateSize("ssm.state_size"),
            timeStepRank: try stateSize("ssm.time_step_rank"), convolutionSize: try convolutionSize("ssm.conv_kernel"),
            stateNorms: norms, stateNormEpsilon: norms == .plain ? epsilon : nil)
    }

    fileprivate func mamba2() throws(RecastError) -> Mamba2 {
        let (inner, heads) = (try stateSize("ssm.inner_size"), try stateSize("ssm.time_step_rank"))
        let groups = try stateSize("ssm.group_count")
        guard inner.isMultiple(of: heads), heads.isMultiple(of: groups) else {
            throw failure("\(inner) channels in \(heads) heads and \(groups) groups")
        }
        return Mamba2(
            headCount: heads, headDimension: inner / heads, groupCount: groups,
            stateSize: try stateSize("ssm.state_size"),
            convolutionSize: try convolutionSize("ssm.conv_kernel"), gate: .beforeNorm, normGroupCount: groups)
    }

    fileprivate func readHybridMamba2(into configuration: inout ModelConfiguration) throws(RecastError) {
        let mamba = try mamba2()
        let heads = try layerSizes("attention.head_count_kv", layerCount: configuration.layerCount)
        configuration.stateDecayForm = .plain
        configuration.eachLayer { if heads[$0] == 0 { $1.mixer = .recurrent(.mamba2(mamba)) } }
    }
}

extension GGUFKeys {
    fileprivate mutating func writeMamba(_ configuration: ModelConfiguration) throws(RecastError) -> Mamba {
        guard let mamba = configuration.recurrence?.mamba else {
            throw .unsupported("llama.cpp's \(architecture) has state spaces, which this model has not")
        }
        try set("ssm.conv_kernel", mamba.convolutionSize)
        try set("ssm.inner_size", mamba.innerSize)
        try set("ssm.state_size", mamba.stateSize)
        try set("ssm.time_step_rank", mamba.timeStepRank)
        return mamba
    }

    fileprivate mutating func writeMamba2(_ configuration: ModelConfiguration) throws(RecastError) {
        guard let mamba = configuration.recurrence?.mamba2 else {
            throw .unsupported("llama.cpp's \(architecture) has state spaces, which this model has not")
        }
        try set("ssm.conv_kernel", mamba.convolutionSize)
        try set("ssm.inner_size", mamba.innerSize)
        try set("ssm.state_size", mamba.stateSize)
        try set("ssm.time_step_rank", mamba.headCount)
        try set("ssm.group_count", mamba.groupCount)
    }
}
