// StableLM 2, with LayerNorm and partial rotary. Source: Specs/families.md §3.13;
// transformers 5.23, `modeling_stablelm.py`.
extension Family {
    // swift-format-ignore
    static let stableLM = Family(
        "stablelm", architectures: ["StableLmForCausalLM", "StableLMEpochForCausalLM"], modelType: "stablelm",
        biases: [
            BiasGroup(roles: [.query, .key, .value],                       presence: .configured("use_qkv_bias")),
            BiasGroup(roles: [.attentionNorm, .feedForwardNorm, .outputNorm], presence: .always),
        ],
        defaults: Defaults(contextLength: 4096, normEpsilon: 1e-5),
        spellings: [("layer_norm_eps", "rms_norm_eps"), ("norm_eps", "rms_norm_eps"), ("rope_pct", "partial_rotary_factor")],
        partialRotary: 0.25,
        reads: { (reader, configuration) throws(RecastError) in
            for key in ["use_parallel_residual", "qk_layernorm"] where try reader.flag(key) == true {
                throw .unsupported("\(reader.file): a StableLM with \"\(key)\" is not supported")
            }
            configuration.norms.kind = .layer
        },
        writes: { configuration, object in
            object.drop(["rms_norm_eps", "head_dim"])
            object["layer_norm_eps"] = .double(configuration.normEpsilon)
            object["use_parallel_residual"] = false
            object["qk_layernorm"] = false
        }
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.{weight,bias}")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.weight")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.{weight,bias}")
        Row(.gate,            "model.layers.{layer}.mlp.gate_proj.weight")
        Row(.up,              "model.layers.{layer}.mlp.up_proj.weight")
        Row(.down,            "model.layers.{layer}.mlp.down_proj.weight")
        Row(.outputNorm,      "model.norm.{weight,bias}")
        Row(.outputHead,      "lm_head.weight")
    }
}
