extension MegatronArguments {
    /// Whether the embedding is the head, too.
    var tiesEmbeddings: Bool { bool("untie_embeddings_and_output_weights") != true }

    /// Whether norm weights are stored less one.
    var hasZeroCenteredNorms: Bool { bool("layernorm_zero_centered_gamma", "apply_layernorm_1p") ?? false }

    /// What the arguments say of the model. Source: Specs/megatron.md §6.
    ///
    /// - Parameters:
    ///   - layersWithExperts: the layers that are seen to have experts, where any have.
    ///   - gatesSharedExpert: whether the shared expert is seen to have a gate.
    /// - Throws: `malformedInput` for arguments that make no model, `unsupported` for what is not of the llama kind.
    func configuration(
        family: String, vocabularySize: Int, layersWithExperts: Set<Int>, gatesSharedExpert: Bool
    ) throws(RecastError) -> ModelConfiguration {
        try checkKind()
        let heads = try needed(int("num_attention_heads"), "num_attention_heads")
        let hidden = try needed(int("hidden_size"), "hidden_size")
        let isGrouped = bool("group_query_attention") ?? false
        let groups = isGrouped && !hasLatentAttention ? try needed(int("num_query_groups"), "num_query_groups") : heads
        let latent = try latentAttention()
        let headDimension = try needed(
            latent?.headDimension ?? int("kv_channels") ?? hidden / heads, latent == nil ? "kv_channels" : "qk_head_dim"
        )
        let turning = latent?.ropeHeadDimension ?? Int(Double(headDimension) * rotaryPart)
        guard heads.isMultiple(of: groups) else {
            throw .malformed(file, "args name \(heads) heads in \(groups) groups")
        }
        guard headDimension <= HuggingFaceConfiguration.maximumHeadDimension, turning.isMultiple(of: 2) else {
            throw .malformed(file, "args name heads of \(turning) elements, which cannot be rotated in pairs")
        }
        let epsilon = double("layernorm_epsilon", "norm_epsilon") ?? Self.usualEpsilon
        guard epsilon > 0, epsilon < 1 else {
            throw .malformed(file, "args.layernorm_epsilon \(epsilon) is not a small positive number")
        }
        var configuration = ModelConfiguration(
            family: family, vocabularySize: vocabularySize, hiddenSize: hidden,
            feedForwardSize: try needed(int("ffn_hidden_size"), "ffn_hidden_size"),
            layerCount: try needed(int("num_layers", "encoder_num_layers"), "num_layers", limit: 10_000),
            headCount: heads, keyValueHeadCount: groups, headDimension: headDimension,
            contextLength: try needed(
                int("max_position_embeddings", "seq_length") ?? Self.usualContext, "max_position_embeddings"),
            normEpsilon: epsilon, activation: activation, rope: try rope(dimensions: turning))
        try setClassicParts(of: &configuration)
        configuration.eachLayer { $0.latentAttention = latent }
        configuration.setExperts(
            try experts(gatesSharedExpert: gatesSharedExpert, of: configuration),
            butIn: configuration.layers.indices.filter { !layersWithExperts.contains($0) })
        return configuration
    }

    private static let usualEpsilon = 1e-5
    private static let usualContext = 2048
    private static let usualBase = 10_000.0
    private static let usualFactor = 8.0

    /// What the arguments do not say, and Megatron's default for it, by the names of ``ModelConfiguration/fields``.
    var defaults: [(name: String, value: String)] {
        var defaults: [(String, String)] = []
        if double("rotary_base") == nil { defaults.append(("rotary base", Self.usualBase.plain)) }
        if bool("use_rope_scaling") == true, double("rope_scaling_factor") == nil {
            defaults.append(("rotary scaling", "a factor of \(Self.usualFactor)"))
        }
        if hasLatentAttention, string("rope_type") != "rope" {
            if double("rotary_scaling_factor") == nil { defaults.append(("rotary scaling", "a factor of 1.0")) }
            if case .yarn(let yarn)? = try? yarn() {
                let names = [
                    "original_max_position_embeddings", "beta_fast", "beta_slow", "mscale", "mscale_all_dim",
                ].filter { double($0) == nil }
                if !names.isEmpty {
                    defaults.append(("rotary scaling", "that of \(names.joined(separator: ", ")): yarn, \(yarn)"))
                }
            }
        }
        if double("layernorm_epsilon", "norm_epsilon") == nil {
            defaults.append(("norm epsilon", "\(Self.usualEpsilon)"))
        }
        if int("max_position_embeddings", "seq_length") == nil {
            defaults.append(("context length", "\(Self.usualContext)"))
        }
        return defaults
    }

    private func rope(dimensions: Int) throws(RecastError) -> Rope {
        let theta = double("rotary_base") ?? Self.usualBase
        guard theta > 0, theta.isFinite else {
            throw .malformed(file, "args.rotary_base is \(theta), not a positive number")
        }
        for name in ["rope_scaling_factor", "rotary_seq_len_interpolation_factor"] {
            guard let factor = double(name) else { continue }
            guard factor > 0, factor.isFinite else {
                throw .malformed(file, "args.\(name) is \(factor), not a positive number")
            }
        }
        var scaling = Rope.Scaling.none
        if hasLatentAttention {
            scaling = try yarn() ?? Rope.Scaling.none
        } else if bool("use_rope_scaling") ?? false {
            // Megatron has no arguments for the others.
            scaling = .llama3(
                factor: double("rope_scaling_factor") ?? Self.usualFactor, lowFrequencyFactor: 1,
                highFrequencyFactor: 4,
                originalContext: 8192)
        } else if let factor = double("rotary_seq_len_interpolation_factor"), factor != 1 {
            scaling = .linear(factor: factor)
        }
        return Rope(theta: theta, dimensions: dimensions, scaling: scaling)
    }

    /// Latent attention knows no other scaling, and is scaled unless `rope_type` or the factor say it is not.
    ///
    /// Source: megatron-core 0.16.1, `MLATransformerConfig`.
    private func yarn() throws(RecastError) -> Rope.Scaling? {
        let type = string("rope_type") ?? "yarn"
        guard hasLatentAttention else { return nil }
        guard type != "rope" else {
            // The sharper attention of yarn without its rotary scaling.
            guard double("rotary_scaling_factor") ?? 1 == 1 || double("mscale_all_dim") ?? 0 == 0 else {
                throw RecastError(
                    .unsupported,
                    "a rope_type of rope with a rotary_scaling_factor and an mscale_all_dim cannot be read",
                    trail: [file])
            }
            return nil
        }
        guard type == "yarn" else {
            throw RecastError(.unsupported, "rotary embeddings of the type \(type) cannot be read", trail: [file])
        }
        let factor = double("rotary_scaling_factor") ?? 1
        guard factor > 0, factor.isFinite else {
            throw .malformed(file, "args.rotary_scaling_factor is \(factor), not a positive number")
        }
        guard factor != 1 else { return nil }
        let yarn = Rope.Yarn(
            factor: factor,
            originalContext: try needed(
                int("original_max_position_embeddings") ?? Self.usualYarnContext, "original_max_position_embeddings"),
            betaFast: double("beta_fast") ?? Rope.Yarn.usualBetaFast,
            betaSlow: double("beta_slow") ?? Rope.Yarn.usualBetaSlow,
            mscale: double("mscale") ?? Rope.Yarn.usualMscale,
            mscaleAllDimensions: double("mscale_all_dim") ?? Rope.Yarn.usualMscaleAllDimensions)
        guard [yarn.betaFast, yarn.betaSlow, yarn.mscale, yarn.mscaleAllDimensions].allSatisfy(\.isFinite) else {
            throw .malformed(file, "args name a rotary scaling whose numbers are not finite")
        }
        return .yarn(yarn)
    }

    private static let usualYarnContext = 4096

    func needed(_ value: Int?, _ name: String, limit: Int = 1 << 31) throws(RecastError) -> Int {
        guard let value else { throw .malformed(file, "args.\(name) is missing") }
        guard value > 0, value <= limit else {
            throw .malformed(file, "args.\(name) is \(value), not from 1 to \(limit)")
        }
        return value
    }
}

extension ModelConfiguration {
    /// What Megatron's args can state of this model: everything else is as they mean it when they do not mention it.
    var asMegatronStates: ModelConfiguration {
        var stated = ModelConfiguration(
            family: family, vocabularySize: vocabularySize, hiddenSize: hiddenSize, feedForwardSize: feedForwardSize,
            layerCount: layerCount, headCount: headCount, keyValueHeadCount: keyValueHeadCount,
            headDimension: headDimension, contextLength: contextLength, normEpsilon: normEpsilon,
            activation: MegatronArguments.stated(activation, isGated: gatesFeedForward), rope: rope)
        stated.gatesFeedForward = gatesFeedForward
        if norms.kind == .layer, norms.hasWeights {
            stated.norms.kind = .layer
            stated.norms.offset = norms.offset == 1 ? 1 : 0
        }
        let isLearned = learnedPositions?.offset == 0 && layers.allSatisfy { $0.position == .learned }
        if isLearned { stated.learnedPositions = learnedPositions }
        stated.layers = layers.map { layer in
            var stated = LayerConfiguration()
            stated.latentAttention = layer.latentAttention
            stated.latentAttention?.indexer = nil
            stated.experts = layer.experts
            stated.experts?.hasOwnNorms = false
            stated.experts?.routing.scalesInput = false
            if isLearned { stated.position = .learned }
            // Of each head, before it is rotated.
            if layer.norms.qk != .none { stated.norms.qk = .perHead }
            return stated
        }
        return stated
    }

    /// What another description of the same model says differently: sizes that its tensors must have, and what only the
    /// description can say.
    func disagreements(with other: ModelConfiguration) -> (sizes: [Difference], others: [Difference]) {
        let mute = asMegatronStates
        let differences = differences(from: other).filter { difference in
            // What no args could say is no contradiction.
            difference.field.isSame(self, mute) && ![.family, .specialTokens].contains(difference.field.kind)
        }
        // How many rows of the vocabulary are padding, no checkpoint says for certain.
        return (
            differences.filter { $0.field.kind == .size && $0.field.name != "vocabulary size" },
            differences.filter { $0.field.kind != .size }
        )
    }
}
