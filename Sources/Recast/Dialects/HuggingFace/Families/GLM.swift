// ChatGLM2 and 3 and GLM-4-9B as they were published; GLM and GLM-4-0414 in transformers' layout. Source:
// Specs/families.md §3.8.
extension Family {
    // swift-format-ignore
    static let chatGLM = Family(
        "chatglm", architectures: ["ChatGLMModel", "ChatGLMForConditionalGeneration"], modelType: "chatglm",
        biases: [
            BiasGroup(roles: [.query, .key, .value],               presence: .configured("add_qkv_bias")),
            BiasGroup(roles: [.attentionOutput, .gate, .up, .down], presence: .configured("add_bias_linear")),
        ],
        defaults: Defaults(contextLength: 2048, keyValueHeadCount: 1, normEpsilon: 1e-5),
        spellings: [
            ("num_layers", "num_hidden_layers"), ("ffn_hidden_size", "intermediate_size"), ("kv_channels", "head_dim"),
            ("multi_query_group_num", "num_key_value_heads"), ("padded_vocab_size", "vocab_size"),
            ("layernorm_epsilon", "rms_norm_eps"), ("seq_length", "max_position_embeddings"),
        ],
        partialRotary: 0.5,
        // ChatGLM-1 says so of itself.
        recognizes: { $0["position_encoding_2d"]?.bool != true && $0["inner_hidden_size"] == nil },
        reads: { (reader, configuration) throws(RecastError) in
            for (key, usual) in [
                ("rmsnorm", true), ("post_layer_norm", true), ("apply_residual_connection_post_layernorm", false),
            ] where try reader.flag(key) ?? usual != usual {
                throw .unsupported("\(reader.file): a \"\(key)\" of \(!usual) is not supported")
            }
            // Which an absent key means: fused by heads, and in no released model of this layout.
            if try reader.flag("multi_query_attention") != true {
                throw .unsupported("\(reader.file): ChatGLM without \"multi_query_attention\" is not supported")
            }
            configuration.rope = Rope(
                theta: 10_000 * (try reader.number("rope_ratio") ?? 1), dimensions: configuration.headDimension / 2)
        },
        writes: { configuration, object in
            object.keep(only: ["architectures", "model_type", "hidden_size", "num_attention_heads", "add_qkv_bias",
                               "add_bias_linear", "use_cache", "tie_word_embeddings", "eos_token_id", "pad_token_id",
                               "torch_dtype"])
            object["num_layers"] = .int(configuration.layerCount)
            object["ffn_hidden_size"] = .int(configuration.feedForwardSize)
            object["kv_channels"] = .int(configuration.headDimension)
            object["multi_query_attention"] = true
            object["multi_query_group_num"] = .int(configuration.keyValueHeadCount)
            object["padded_vocab_size"] = .int(configuration.vocabularySize)
            object["layernorm_epsilon"] = .double(configuration.normEpsilon)
            object["seq_length"] = .int(configuration.contextLength)
            object["rope_ratio"] = .whole(configuration.rope.theta / 10_000)
            object["rmsnorm"] = true
            object["post_layer_norm"] = true
            object["original_rope"] = true
            object["apply_residual_connection_post_layernorm"] = false
        }
    ) {
        Row(.tokenEmbedding,        "transformer.embedding.word_embeddings.weight")
        Row(.attentionNorm,         "transformer.encoder.layers.{layer}.input_layernorm.weight")
        Row([.query, .key, .value], "transformer.encoder.layers.{layer}.self_attention.query_key_value.{weight,bias}",
            layout: .concatenatedRows, rotary: .interleaved)
        Row(.attentionOutput,       "transformer.encoder.layers.{layer}.self_attention.dense.{weight,bias}")
        Row(.feedForwardNorm,       "transformer.encoder.layers.{layer}.post_attention_layernorm.weight")
        Row([.gate, .up],           "transformer.encoder.layers.{layer}.mlp.dense_h_to_4h.{weight,bias}", layout: .concatenatedRows)
        Row(.down,                  "transformer.encoder.layers.{layer}.mlp.dense_4h_to_h.{weight,bias}")
        Row(.outputNorm,            "transformer.encoder.final_layernorm.weight")
        Row(.outputHead,            "transformer.output_layer.weight")
    }

    static let glm = glm("glm", "GlmForCausalLM") {}

    static let glm4 = glm("glm4", "Glm4ForCausalLM") {
        Row(.attentionPostNorm, "model.layers.{layer}.post_self_attn_layernorm.weight")
        Row(.feedForwardPostNorm, "model.layers.{layer}.post_mlp_layernorm.weight")
    }

    // swift-format-ignore
    private static func glm(_ name: String, _ architecture: String, @RowBuilder postNorms: () -> [Row]) -> Family {
        let postNorms = postNorms()
        let normalizesAfter = !postNorms.isEmpty
        return Family(
            name, architectures: [architecture], modelType: name,
            biases: [BiasGroup(roles: [.query, .key, .value], presence: .configured("attention_bias", default: true))],
            defaults: Defaults(contextLength: 131072, keyValueHeadCount: 2, headDimension: 128, normEpsilon: 1.5625e-07),
            partialRotary: 0.5,
            reads: { _, configuration in configuration.eachLayer { $0.norms.hasPostNorms = normalizesAfter } }
        ) {
            Row(.tokenEmbedding,  "model.embed_tokens.weight")
            Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.weight")
            Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}", rotary: .interleaved)
            Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}", rotary: .interleaved)
            Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
            Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.weight")
            postNorms
            Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.weight")
            Row([.gate, .up],     "model.layers.{layer}.mlp.gate_up_proj.weight", layout: .concatenatedRows)
            Row(.down,            "model.layers.{layer}.mlp.down_proj.weight")
            Row(.outputNorm,      "model.norm.weight")
            Row(.outputHead,      "lm_head.weight")
        }
    }
}
