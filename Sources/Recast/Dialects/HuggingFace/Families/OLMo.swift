// OLMo 1, whose norms have no weights, OLMo 2, which normalises what branches give, and OLMoE. Source: Specs/families.md §3.13
// and §3.14; transformers 5.23, `modeling_olmo.py`, `modeling_olmo2.py` and `modeling_olmoe.py`.
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

    // swift-format-ignore
    static let olmo2 = Family(
        "olmo2", architectures: ["Olmo2ForCausalLM"], modelType: "olmo2",
        biases: [BiasGroup(roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias"))],
        defaults: Defaults(normEpsilon: 1e-5),
        reads: { _, configuration in
            configuration.eachLayer { $0.norms.hasPreNorms = false }
            configuration.eachLayer { $0.norms.hasPostNorms = true }
            configuration.eachLayer { $0.norms.qk = .acrossHeads }
        },
        writes: { _, object in object.drop(["head_dim"]) }
    ) {
        Row(.tokenEmbedding,      "model.embed_tokens.weight")
        Row(.query,               "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,                 "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,               "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.queryNorm,           "model.layers.{layer}.self_attn.q_norm.weight")
        Row(.keyNorm,             "model.layers.{layer}.self_attn.k_norm.weight")
        Row(.attentionOutput,     "model.layers.{layer}.self_attn.o_proj.{weight,bias}")
        Row(.attentionPostNorm,   "model.layers.{layer}.post_attention_layernorm.weight")
        Row(.gate,                "model.layers.{layer}.mlp.gate_proj.weight")
        Row(.up,                  "model.layers.{layer}.mlp.up_proj.weight")
        Row(.down,                "model.layers.{layer}.mlp.down_proj.weight")
        Row(.feedForwardPostNorm, "model.layers.{layer}.post_feedforward_layernorm.weight")
        Row(.outputNorm,          "model.norm.weight")
        Row(.outputHead,          "lm_head.weight")
    }
}
