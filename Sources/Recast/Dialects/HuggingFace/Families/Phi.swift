// Phi 1 to 2: attention and feed-forward in parallel, behind one norm. Source: Specs/families.md §3.19; transformers 5.23,
// `modeling_phi.py`.
extension Family {
    // swift-format-ignore
    static let phi = Family(
        "phi", architectures: ["PhiForCausalLM"], modelType: "phi",
        biases: [
            BiasGroup(
                roles: .linears + [.attentionNorm, .queryNorm, .keyNorm, .outputNorm, .outputHead], presence: .always)
        ],
        defaults: Defaults(contextLength: 2048, normEpsilon: 1e-5, activation: "gelu_new"),
        spellings: [("layer_norm_eps", "rms_norm_eps")], partialRotary: 0.5,
        reads: { (reader, configuration) throws(RecastError) in
            configuration.setClassic()
            configuration.setParallel(sharesNorm: true)
            let hasNorm = try reader.flag("qk_layernorm") ?? false
            configuration.eachLayer { $0.norms.qk = hasNorm ? .perHead : .none }
        },
        writes: { configuration, object in
            object.spell([("layer_norm_eps", "rms_norm_eps")])
            object["qk_layernorm"] = .bool(configuration.layerNorms.qk != .none)
            // transformers 4 and 5 look for it, and take it for the hidden size shared among heads where it is absent.
            if configuration.headDimension * configuration.headCount == configuration.hiddenSize { object.drop(["head_dim"]) }
        }
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.{weight,bias}")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.queryNorm,       "model.layers.{layer}.self_attn.q_layernorm.{weight,bias}")
        Row(.keyNorm,         "model.layers.{layer}.self_attn.k_layernorm.{weight,bias}")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.dense.{weight,bias}")
        Row(.up,              "model.layers.{layer}.mlp.fc1.{weight,bias}")
        Row(.down,            "model.layers.{layer}.mlp.fc2.{weight,bias}")
        Row(.outputNorm,      "model.final_layernorm.{weight,bias}")
        Row(.outputHead,      "lm_head.{weight,bias}")
    }
}
