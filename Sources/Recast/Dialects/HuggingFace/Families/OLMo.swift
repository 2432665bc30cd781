// OLMo 1, whose norms have no weights, OLMo 2 and 3, which normalise what branches give, and OLMoE. Source: Specs/families.md
// §3.13 to §3.15; transformers 5.23, `modeling_olmo.py`, `modeling_olmo2.py`, `modeling_olmo3.py` and `modeling_olmoe.py`.
extension Family {
    // swift-format-ignore
    static let olmo = Family(
        "olmo", architectures: ["OlmoForCausalLM"], modelType: "olmo",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        reads: { (reader, configuration) throws(RecastError) in
            configuration.norms.kind = .layer
            configuration.norms.hasWeights = false
            configuration.normEpsilon = 1e-5
            configuration.projectionLimit = try reader.number("clip_qkv")
            if let limit = configuration.projectionLimit, limit <= 0 { throw reader.failure("\"clip_qkv\" is \(limit)") }
        },
        writes: { configuration, object in
            object["clip_qkv"] = configuration.projectionLimit.map(JSON.double) ?? .null
            object.drop(["rms_norm_eps", "head_dim"])
        }
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.{weight,bias}")
        Row(.gate,            "model.layers.{layer}.mlp.gate_proj.weight")
        Row(.up,              "model.layers.{layer}.mlp.up_proj.weight")
        Row(.down,            "model.layers.{layer}.mlp.down_proj.weight")
        Row(.outputHead,      "lm_head.weight")
    }

    static let olmoE = Family(
        "olmoe", architectures: ["OlmoeForCausalLM"], modelType: "olmoe",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        defaults: Defaults(contextLength: 4096, normEpsilon: 1e-5),
        experts: ExpertKeys(
            count: ["num_experts"], feedForwardSize: "intermediate_size",
            normalization: .configured("norm_topk_prob"), denseLayers: .none, defaultCount: 64, defaultUsedCount: 8),
        reads: { (reader, configuration) throws(RecastError) in
            configuration.eachLayer { $0.norms.qk = .acrossHeads }
            configuration.projectionLimit = try reader.number("clip_qkv")
            if let limit = configuration.projectionLimit, limit <= 0 {
                throw reader.failure("\"clip_qkv\" is \(limit)")
            }
        },
        writes: { configuration, object in
            object["clip_qkv"] = configuration.projectionLimit.map(JSON.double) ?? .null
            object.drop(["head_dim"])
        }
    ) {
        Row.llamaNames(hasQKNorm: true, experts: Row.expertNames())
    }

    static let olmo2 = Family(
        "olmo2", architectures: ["Olmo2ForCausalLM"], modelType: "olmo2",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        defaults: Defaults(normEpsilon: 1e-5),
        reads: { _, configuration in configuration.eachLayer { $0.norms = .after(qk: .acrossHeads) } },
        writes: { _, object in object.drop(["head_dim"]) }
    ) {
        Row.postNormNames
    }

    static let olmo3 = Family(
        "olmo3", architectures: ["Olmo3ForCausalLM"], modelType: "olmo3",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        slidingWindow: .patterned(fullEach: 4),
        defaults: Defaults(slidingWindow: 4096, normEpsilon: 1e-5, theta: 500_000),
        reads: { (reader, configuration) throws(RecastError) in
            configuration.eachLayer { $0.norms = .after(qk: .acrossHeads) }
            try readOLMo3Ropes(reader, &configuration)
        },
        writes: { configuration, object in
            let local = configuration.localRope.map {
                ["rope_type": "default", "rope_theta": .double($0.theta)] as JSON
            }
            var parameters = JSON.Object()
            parameters["full_attention"] = object["rope_parameters"]
            parameters["sliding_attention"] = local ?? object["rope_parameters"]
            object["rope_parameters"] = .object(parameters)
        }
    ) {
        Row.postNormNames
    }

    /// Scaled in layers that see all, plain in those with a window; of two dialects.
    @Sendable private static func readOLMo3Ropes(
        _ reader: HuggingFaceConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let kinds = ["full_attention", "sliding_attention"]
        let parameters = try reader.members("rope_parameters")
        guard parameters.map({ own in kinds.contains { own[$0] != nil } }) ?? true else {
            throw reader.failure(
                "\"rope_parameters\" says nothing of \"\(kinds[0])\" and \"\(kinds[1])\", and transformers looks at nothing else"
            )
        }
        var scaling = parameters?[kinds[0]]?.object ?? JSON.Object()
        for member in try reader.members("rope_scaling")?.members ?? [] { scaling[member.key] = member.value }
        let plain = parameters?[kinds[1]]?.object ?? JSON.Object()
        let outside = try reader.number("rope_theta")
        func rope(_ members: JSON.Object) throws(RecastError) -> Rope {
            try reader.rope(
                members, theta: try reader.number("rope_theta", in: members) ?? outside ?? 500_000,
                dimensions: configuration.headDimension, contextLength: configuration.contextLength)
        }
        configuration.rope = try rope(scaling)
        let local = try rope(plain)
        guard local != configuration.rope else { return }
        configuration.eachLayer { if $0.slidingWindow != nil { $0.position = .localRotary(local) } }
    }
}

extension LayerConfiguration.LayerNorms {
    /// Norms of what branches give, and none before them.
    static func after(qk: QKNorm) -> Self {
        var norms = Self()
        (norms.hasPreNorms, norms.hasPostNorms, norms.qk) = (false, true, qk)
        return norms
    }
}

extension Row {
    /// Llama's names, with norms behind the branches.
    // swift-format-ignore
    static let postNormNames = [
        Row(.tokenEmbedding,      "model.embed_tokens.weight"),
        Row(.query,               "model.layers.{layer}.self_attn.q_proj.{weight,bias}"),
        Row(.key,                 "model.layers.{layer}.self_attn.k_proj.{weight,bias}"),
        Row(.value,               "model.layers.{layer}.self_attn.v_proj.{weight,bias}"),
        Row(.queryNorm,           "model.layers.{layer}.self_attn.q_norm.weight"),
        Row(.keyNorm,             "model.layers.{layer}.self_attn.k_norm.weight"),
        Row(.attentionOutput,     "model.layers.{layer}.self_attn.o_proj.{weight,bias}"),
        Row(.attentionPostNorm,   "model.layers.{layer}.post_attention_layernorm.weight"),
        Row(.gate,                "model.layers.{layer}.mlp.gate_proj.weight"),
        Row(.up,                  "model.layers.{layer}.mlp.up_proj.weight"),
        Row(.down,                "model.layers.{layer}.mlp.down_proj.weight"),
        Row(.feedForwardPostNorm, "model.layers.{layer}.post_feedforward_layernorm.weight"),
        Row(.outputNorm,          "model.norm.weight"),
        Row(.outputHead,          "lm_head.weight"),
    ]
}
