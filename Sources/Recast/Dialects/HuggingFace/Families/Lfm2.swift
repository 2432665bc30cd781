// LFM2: gated short convolutions, and attention in some layers. Source: Specs/families.md §3.16; transformers 5.23,
// `configuration_lfm2.py` and `configuration_lfm2_moe.py`.
extension Family {
    static let lfm2 = Family(
        "lfm2", architectures: ["Lfm2ForCausalLM"], modelType: "lfm2", biases: convolutionBiases, tiesByDefault: true,
        defaults: lfm2Defaults,
        spellings: lfm2Spellings + [("block_ff_dim", "intermediate_size")],
        reads: { (reader, configuration) throws(RecastError) in
            configuration.feedForwardSize = try reader.adjustedFeedForwardSize(configuration.feedForwardSize)
            let attention = try reader.layerNumbers("full_attn_idxs")
            try reader.readShortConvolution(into: &configuration) { !(attention?.contains($0) ?? true) }
        },
        writes: { configuration, object in
            object.writeShortConvolution(configuration)
            object["block_auto_adjust_ff_dim"] = false
            object["block_ff_dim"] = .int(configuration.feedForwardSize)
            // llama.cpp's converter looks for both.
            object["block_ffn_dim_multiplier"] = 1.0
            object["block_multiple_of"] = 256
        }
    ) {
        Row.lfm2Names
    }

    static let lfm2MoE = Family(
        "lfm2_moe", architectures: ["Lfm2MoeForCausalLM"], modelType: "lfm2_moe", biases: convolutionBiases,
        tiesByDefault: true, defaults: lfm2Defaults,
        experts: ExpertKeys(
            count: ["num_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .first(default: 2),
            router: .sigmoid(groups: nil, .flag("use_expert_bias", true)), defaultCount: 32, defaultUsedCount: 4),
        spellings: lfm2Spellings + [("num_dense_layers", "first_k_dense_replace")],
        completes: { $0.complete([("moe_intermediate_size", 1792)]) },
        reads: { (reader, configuration) throws(RecastError) in
            guard reader.object["layer_types"]?.array != nil else { throw reader.failure("\"layer_types\" is missing") }
            try reader.readShortConvolution(into: &configuration) { _ in false }
            configuration.eachLayer { $0.experts?.routing.sumEpsilon = 1e-6 }
        },
        writes: { configuration, object in
            object.writeShortConvolution(configuration)
            object["num_dense_layers"] = object["first_k_dense_replace"]
            object.drop(["first_k_dense_replace", "moe_layer_freq"])
        }
    ) {
        Row.lfm2Names
        Row(.router, "model.layers.{layer}.feed_forward.gate.weight")
        Row(.routerBias, "model.layers.{layer}.feed_forward.expert_bias")
        Row(.gate, "model.layers.{layer}.feed_forward.experts.{expert}.w1.weight")
        Row(.up, "model.layers.{layer}.feed_forward.experts.{expert}.w3.weight")
        Row(.down, "model.layers.{layer}.feed_forward.experts.{expert}.w2.weight")
    }

    private static let convolutionBiases = [
        BiasGroup(roles: [.recurrentInput, .convolution, .recurrentOutput], presence: .configured("conv_bias"))
    ]

    private static let lfm2Defaults = Defaults(
        contextLength: 128_000, keyValueHeadCount: 8, normEpsilon: 1e-5, theta: 1_000_000)

    private static let lfm2Spellings = [("norm_eps", "rms_norm_eps"), ("tie_embedding", "tie_word_embeddings")]
}

// swift-format-ignore
extension Row {
    fileprivate static let lfm2Names = [
        Row(.tokenEmbedding,  "model.embed_tokens.weight"),
        Row(.attentionNorm,   "model.layers.{layer}.operator_norm.weight"),
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.weight"),
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.weight"),
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.weight"),
        Row(.queryNorm,       "model.layers.{layer}.self_attn.q_layernorm.weight"),
        Row(.keyNorm,         "model.layers.{layer}.self_attn.k_layernorm.weight"),
        Row(.attentionOutput, "model.layers.{layer}.self_attn.out_proj.weight"),
        Row(.recurrentInput,  "model.layers.{layer}.conv.in_proj.{weight,bias}"),
        Row(.convolution,     "model.layers.{layer}.conv.conv.{weight,bias}", layout: .kernels),
        Row(.recurrentOutput, "model.layers.{layer}.conv.out_proj.{weight,bias}"),
        Row(.feedForwardNorm, "model.layers.{layer}.ffn_norm.weight"),
        Row(.gate,            "model.layers.{layer}.feed_forward.w1.weight"),
        Row(.up,              "model.layers.{layer}.feed_forward.w3.weight"),
        Row(.down,            "model.layers.{layer}.feed_forward.w2.weight"),
        Row(.outputNorm,      "model.embedding_norm.weight"),
        Row(.outputHead,      "lm_head.weight"),
    ]
}

extension HuggingFaceConfiguration {
    /// Two thirds of what is written, times a factor, up to a multiple.
    fileprivate func adjustedFeedForwardSize(_ size: Int) throws(RecastError) -> Int {
        guard try flag("block_auto_adjust_ff_dim") ?? true else { return size }
        let multiple = try optionalSize("block_multiple_of") ?? 256
        let isNull = object["block_ffn_dim_multiplier"]?.isNull ?? false
        let factor = try number("block_ffn_dim_multiplier") ?? 1
        let adjusted = (2 * Double(size) / 3).rounded(.down)
        guard !isNull else { return max(1, Int(adjusted)) }
        guard let scaled = Int(rounding: (factor * adjusted).rounded(.down), within: 1...Self.maximumSize) else {
            throw failure("a feed-forward size of \(factor) times \(adjusted) is no model")
        }
        return multiple * scaled.dividedRoundingUp(by: multiple)
    }

    fileprivate func readShortConvolution(
        into configuration: inout ModelConfiguration, usual: (Int) -> Bool
    ) throws(RecastError) {
        let convolution = ShortConvolution(
            channelCount: configuration.hiddenSize, convolutionSize: try convolutionSize("conv_L_cache", default: 3))
        try readRecurrentLayers(
            .shortConvolution(convolution), into: &configuration, kinds: ["conv": true, "full_attention": false],
            usual: usual)
        guard configuration.activation == "silu" else {
            throw .unsupported("\(file): LFM2 computes silu, whatever its configuration says")
        }
    }
}

extension JSON.Object {
    fileprivate mutating func writeShortConvolution(_ configuration: ModelConfiguration) {
        drop(["rms_norm_eps", "head_dim", "hidden_act"])
        self["norm_eps"] = .double(configuration.normEpsilon)
        self["conv_L_cache"] = .int(configuration.recurrence?.convolutionSize ?? 3)
        self["layer_types"] = configuration.layerKinds(recurrent: "conv")
        self["tie_embedding"] = self["tie_word_embeddings"]
    }
}
