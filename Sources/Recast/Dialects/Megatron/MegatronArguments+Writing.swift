/// The `args` of a checkpoint to be written: what Megatron compares when it loads one, and what it takes from it when told
/// to.
///
/// Source: Specs/megatron.md §1.3 and §6; Megatron-LM, `check_checkpoint_args` and `load_args_from_checkpoint`.
struct MegatronDescription {
    let configuration: ModelConfiguration
    let isTied: Bool
    let layout: MegatronLayout
    let lowering: MegatronLowering
    let dtype: DType
    let spelling: MegatronTarget.Spelling
    let format: MegatronTarget.Format
    private let hasQueryBias: Bool
    private let hasAllBiases: Bool

    private static let attention: Set<Role> = [.query, .key, .value]
    private static let linear: Set<Role> = [.query, .key, .value, .attentionOutput, .gate, .up, .down]
    private static let norms: Set<Role> = [.attentionNorm, .feedForwardNorm, .outputNorm]

    /// - Throws: `unsupported` for a model that Megatron cannot be told about.
    init(
        _ graph: Graph, layout: MegatronLayout, _ lowering: MegatronLowering, dtype: DType, _ target: MegatronTarget
    ) throws(RecastError) {
        configuration = graph.configuration
        isTied = graph.isTied
        self.layout = layout
        self.lowering = lowering
        self.dtype = dtype
        spelling = lowering.spelling
        format = target.format
        let allBiases = Set(graph.entries.filter { $0.slot.part == .bias }.map(\.slot.role))
        let linear = configuration.gatesFeedForward ? Self.linear : Self.linear.subtracting([.gate])
        let biases = allBiases.subtracting(Self.norms)
        guard allBiases.isDisjoint(with: Self.norms) || allBiases.isSuperset(of: Self.norms),
            allBiases.isSuperset(of: Self.norms) == (configuration.norms.kind == .layer)
        else {
            throw .unsupported("Megatron's LayerNorms have a bias each, and its RMSNorms none, unlike this model's")
        }
        guard biases.isEmpty || biases == Self.attention || biases == linear else {
            let names = Role.allCases.filter(biases.contains).map(\.rawValue)
            throw .unsupported(
                "Megatron's layers have a bias on query, key and value, on all linear layers or on none; this model has "
                    + "one on \(names.joined(separator: ", "))")
        }
        hasQueryBias = biases == Self.attention
        hasAllBiases = biases == linear
        guard !configuration.gatesFeedForward || configuration.canonicalActivation == "silu" else {
            throw .unsupported(
                "Megatron computes such a model with silu (SwiGLU), not with \(configuration.activation)")
        }
        guard hasAllBiases || configuration.canonicalActivation != MegatronArguments.fusedGELU else {
            throw .unsupported(
                "Megatron computes GELU with tanh only where it is fused with a bias (bias_gelu_fusion); this model's "
                    + "linear layers have none")
        }
        guard configuration.gatesFeedForward || configuration.experts == nil else {
            throw .unsupported("experts without a gate are not supported for Megatron targets")
        }
        try Self.checkScaling(of: configuration)
        try Self.checkRouting(of: configuration)
    }

    private static func checkScaling(of configuration: ModelConfiguration) throws(RecastError) {
        switch configuration.rope.scaling {
        case .none: return
        case .linear where configuration.latentAttention == nil: return
        case .yarn where configuration.latentAttention != nil: return
        case .llama3(_, let low, let high, let original) where configuration.latentAttention == nil:
            guard low == 1, high == 4, original == 8192 else {
                throw .unsupported(
                    "Megatron's llama3 rotary scaling has the factors 1 and 4 and an original context of 8192; this "
                        + "model has \(low), \(high) and \(original)")
            }
        default: throw .unsupported("Megatron has no argument for the rotary scaling of this model")
        }
    }

    private static func checkRouting(of configuration: ModelConfiguration) throws(RecastError) {
        guard let experts = configuration.experts else { return }
        guard experts.routing.score != .sparseMixer else {
            throw .unsupported("Megatron has no SparseMixer, by which this model weighs its experts")
        }
        guard experts.routing.score == .sigmoid || !experts.routing.hasBias else {
            throw .unsupported("Megatron adds the bias of a router only to sigmoids, this model to softmax")
        }
        guard experts.routing.score != .sigmoid || experts.normalizesWeights == (experts.usedCount > 1) else {
            throw .unsupported(
                "Megatron makes the sigmoids of experts add up to one, but for a single one, which this model does not")
        }
        if let groups = experts.routing.groups, groups.usedCount > experts.usedCount {
            throw .unsupported(
                "Megatron cannot pick \(experts.usedCount) experts from \(groups.usedCount) groups, as this model does")
        }
    }

    /// What Megatron computes otherwise than the model says, and can be told nothing of.
    var warnings: [String] {
        guard let experts = configuration.experts, let groups = experts.routing.groups else { return [] }
        let scoreCount = experts.usedCount / groups.usedCount
        guard groups.scoreCount != scoreCount else { return [] }
        return [
            "Megatron looks at the groups of experts whose \(scoreCount) best are best, this model at those whose "
                + "\(groups.scoreCount) best are; nothing in a checkpoint says which"
        ]
    }

    /// Every argument, in the order of their names.
    ///
    /// - Parameter others: what the source's args say besides; those of another layout are not kept.
    func arguments(keeping others: [(key: String, value: PickledValue)] = []) -> PickledValue {
        var values: [String: PickledValue] = [:]
        for (key, value) in others where !Self.dropped.contains(key) { values[key] = value }
        for (key, value) in own { values[key] = value }
        return .object(
            .global("argparse", "Namespace"), state: .dictionary(values.sorted { $0.key < $1.key }.map { ($0, $1) }))
    }

    /// Those that are written, whatever the source says.
    var names: Set<String> { Set(own.map(\.0)) }

    private var own: [(String, PickledValue)] {
        ofModel + ofActivation + ofLatentAttention + ofExperts + ofNumbers + ofLayout
    }

    /// Arguments that speak of the run that wrote the source.
    private static let dropped: Set<String> = [
        "world_size", "rank", "local_rank", "data_parallel_size", "load", "save", "model_parallel_size",
    ]

    // swift-format-ignore
    private var ofModel: [(String, PickledValue)] {
        [
            ("num_layers",                           .int(configuration.layerCount)),
            ("encoder_num_layers",                   .int(configuration.layerCount)),
            ("hidden_size",                          .int(configuration.hiddenSize)),
            ("ffn_hidden_size",                      .int(configuration.feedForwardSize)),
            ("num_attention_heads",                  .int(configuration.headCount)),
            ("group_query_attention",                .bool(isGrouped)),
            ("num_query_groups",                     .int(isGrouped ? configuration.keyValueHeadCount : 1)),
            ("kv_channels",                          .int(configuration.headDimension)),
            ("max_position_embeddings",              .int(configuration.contextLength)),
            ("seq_length",                           .int(configuration.contextLength)),
            ("add_position_embedding",               .bool(true)),
            ("position_embedding_type",              .string(isLearned ? "learned_absolute" : "rope")),
            ("use_rotary_position_embeddings",       .bool(!isLearned)),
            ("rotary_base",                          number(configuration.rope.theta)),
            ("rotary_percent",                       .float(rotaryPart)),
            ("rotary_interleaved",                   .bool(false)),
            ("rotary_seq_len_interpolation_factor",  linearFactor.map(number) ?? .none),
            ("use_rope_scaling",                     .bool(llama3Factor != nil)),
            ("rope_scaling_factor",                  .float(llama3Factor ?? 8)),
            ("swiglu",                               .bool(configuration.gatesFeedForward)),
            ("normalization",                        .string(configuration.norms.kind == .layer ? "LayerNorm" : "RMSNorm")),
            ("norm_epsilon",                         .float(configuration.normEpsilon)),
            ("layernorm_epsilon",                    .float(configuration.normEpsilon)),
            ("apply_layernorm_1p",                   .bool(configuration.norms.offset == 1)),
            ("layernorm_zero_centered_gamma",        .bool(configuration.norms.offset == 1)),
            ("qk_layernorm",                         .bool(configuration.layerNorms.qk != .none || isLatent)),
            ("add_bias_linear",                      .bool(hasAllBiases)),
            ("add_qkv_bias",                         .bool(hasQueryBias || hasAllBiases)),
            ("untie_embeddings_and_output_weights",  .bool(!isTied)),
            ("hidden_dropout",                       .float(0)),
            ("attention_dropout",                    .float(0)),
            ("multi_latent_attention",               .bool(isLatent)),
            ("vocab_size",                           .int(configuration.vocabularySize)),
            ("padded_vocab_size",                    .int(lowering.vocabularyRows)),
            ("make_vocab_size_divisible_by",         .int(lowering.vocabularyDivisor)),
        ]
    }

    private var isLatent: Bool { configuration.latentAttention != nil }
    private var isLearned: Bool { configuration.learnedPositions != nil }

    /// Such that Megatron's rounding down gives as many elements of a head.
    private var rotaryPart: Double {
        guard !isLatent, !isLearned else { return 1 }
        let (turning, all) = (configuration.rope.dimensions, configuration.headDimension)
        let part = Double(turning) / Double(all)
        return Int(Double(all) * part) == turning ? part : part.nextUp
    }

    /// What feed-forward without a gate computes.
    private var ofActivation: [(String, PickledValue)] {
        guard !configuration.gatesFeedForward else { return [] }
        return [
            ("squared_relu", .bool(configuration.canonicalActivation == MegatronArguments.squaredReLU)),
            ("bias_gelu_fusion", .bool(configuration.canonicalActivation == MegatronArguments.fusedGELU)),
        ]
    }

    // swift-format-ignore
    private var ofLatentAttention: [(String, PickledValue)] {
        guard let latent = configuration.latentAttention else { return [] }
        var values: [(String, PickledValue)] = [
            ("q_lora_rank",                       .optional(latent.queryRank)),
            ("kv_lora_rank",                      .int(latent.keyValueRank)),
            ("qk_head_dim",                       .int(latent.nopeHeadDimension)),
            ("qk_pos_emb_head_dim",               .int(latent.ropeHeadDimension)),
            ("v_head_dim",                        .int(latent.valueDimension)),
        ]
        guard case .yarn(let yarn) = configuration.rope.scaling else {
            return values + [("rope_type", .string("rope")), ("rotary_scaling_factor", .float(1))]
        }
        values += [
            ("rope_type",                         .string("yarn")),
            ("rotary_scaling_factor",             .float(yarn.factor)),
            ("original_max_position_embeddings",  .int(yarn.originalContext)),
            ("beta_fast",                         .float(yarn.betaFast)),
            ("beta_slow",                         .float(yarn.betaSlow)),
            ("mscale",                            .float(yarn.mscale)),
            ("mscale_all_dim",                    .float(yarn.mscaleAllDimensions)),
        ]
        return values
    }

    // swift-format-ignore
    private var ofExperts: [(String, PickledValue)] {
        guard let experts = configuration.experts else { return [("num_experts", .none)] }
        let layers = (0..<configuration.layerCount).map { configuration.hasExperts(inLayer: $0) ? 1 : 0 }
        return [
            ("num_experts",                .int(experts.count)),
            ("moe_router_topk",            .int(experts.usedCount)),
            ("moe_ffn_hidden_size",        .int(experts.feedForwardSize)),
            ("moe_layer_freq",             layers.contains(0) ? .list(layers.map(PickledValue.int)) : .int(1)),
            ("moe_router_score_function",  .string(experts.routing.score.rawValue)),
            ("moe_router_pre_softmax",     .bool(!experts.normalizesWeights)),
            ("moe_router_num_groups",      .optional(experts.routing.groups?.count)),
            ("moe_router_group_topk",      .optional(experts.routing.groups?.usedCount)),
            ("moe_router_topk_scaling_factor", experts.routing.factor == 1 ? .none : .float(experts.routing.factor)),
            ("moe_router_enable_expert_bias",  .bool(experts.routing.hasBias)),
            ("moe_shared_expert_intermediate_size", .optional(experts.shared?.feedForwardSize)),
            ("moe_shared_expert_gate",     .bool(experts.shared?.isGated ?? false)),
            ("moe_grouped_gemm",           .bool(spelling == .transformerEngine)),
        ]
    }

    // swift-format-ignore
    private var ofNumbers: [(String, PickledValue)] {
        [
            ("params_dtype",      .global("torch", TorchArchive.knownTypeName(dtype))),
            ("bf16",              .bool(dtype == .bf16)),
            ("fp16",              .bool(dtype == .f16)),
            ("ckpt_format",       .string(format.rawValue)),
            ("transformer_impl",  .string(spelling == .local ? "local" : "transformer_engine")),
        ]
    }

    // swift-format-ignore
    private var ofLayout: [(String, PickledValue)] {
        let sizes = layout.sizes
        let virtual = sizes.virtualPipeline > 1
        let uneven = unevenStages
        return [
            ("tensor_model_parallel_size",               .int(sizes.tensor)),
            ("pipeline_model_parallel_size",             .int(sizes.pipeline)),
            ("transformer_pipeline_model_parallel_size", .int(sizes.pipeline)),
            ("virtual_pipeline_model_parallel_size",     virtual ? .int(sizes.virtualPipeline) : .none),
            ("num_layers_per_virtual_pipeline_stage",    virtual && layout.isEven ? .int(layout.counts[0]) : .none),
            ("num_virtual_stages_per_pipeline_rank",     .none),
            ("expert_model_parallel_size",               .int(sizes.expert)),
            ("expert_tensor_parallel_size",              .int(sizes.expertTensor)),
            ("context_parallel_size",                    .int(1)),
            ("decoder_first_pipeline_num_layers",        .optional(uneven.first)),
            ("decoder_last_pipeline_num_layers",         .optional(uneven.last)),
            ("pipeline_model_parallel_layout",           uneven.layout.map(PickledValue.string) ?? .none),
            ("account_for_embedding_in_pipeline_split",  .bool(false)),
            ("account_for_loss_in_pipeline_split",       .bool(false)),
        ]
    }

    private var isGrouped: Bool { configuration.keyValueHeadCount != configuration.headCount }

    private var linearFactor: Double? {
        if case .linear(let factor) = configuration.rope.scaling { factor } else { nil }
    }

    private var llama3Factor: Double? {
        if case .llama3(let factor, _, _, _) = configuration.rope.scaling { factor } else { nil }
    }

    /// Megatron's parsers give whole numbers where there are any.
    private func number(_ value: Double) -> PickledValue { Int(exactly: value).map(PickledValue.int) ?? .float(value) }

    /// How Megatron is told of uneven stages: by the layers of the first and of the last, where that is enough, or by a
    /// text with a letter for each layer.
    private var unevenStages: (first: Int?, last: Int?, layout: String?) {
        guard !layout.isEven else { return (nil, nil, nil) }
        let counts = layout.counts
        let inner = Set(counts.dropFirst().dropLast())
        if layout.sizes.virtualPipeline == 1, inner.count <= 1, counts.allSatisfy({ $0 > 0 }) {
            return counts.count == 2 ? (counts[0], nil, nil) : (counts.first, counts.last, nil)
        }
        var stages = counts.map { String(repeating: "t", count: $0) }
        stages[0] = "E" + stages[0]
        stages[stages.count - 1] += "L"
        return (nil, nil, stages.joined(separator: "|"))
    }
}

extension MegatronArguments {
    /// All that is a plain value, to be written again.
    var plainValues: [(key: String, value: PickledValue)] {
        names.compactMap { name in plain(name).map { (name, $0) } }
    }

    /// The names of all else.
    var namesOfOthers: [String] { names.filter { plain($0) == nil } }
}
