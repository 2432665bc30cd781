// Qwen 1, of both dialects of its configuration. Source: Specs/families.md §3.3.
extension Family {
    // swift-format-ignore
    static let qwen1 = Family(
        "qwen1", architectures: ["QWenLMHeadModel"], modelType: "qwen",
        biases: [BiasGroup(roles: [.query, .key, .value], presence: .always)],
        defaults: Defaults(contextLength: 8192),
        spellings: [
            ("n_embd", "hidden_size"), ("n_layer", "num_hidden_layers"), ("n_head", "num_attention_heads"),
            ("ffn_hidden_size", "intermediate_size"), ("n_positions", "max_position_embeddings"),
            ("padded_vocab_size", "vocab_size"), ("kv_channels", "head_dim"), ("layer_norm_epsilon", "rms_norm_eps"),
            ("rotary_emb_base", "rope_theta"), ("rotary_pct", "partial_rotary_factor"),
        ],
        partialRotary: 1,
        reads: { (reader, configuration) throws(RecastError) in
            if try reader.flag("no_bias") == false {
                throw .unsupported("\(reader.file): a \"no_bias\" of false is not supported")
            }
            // Of both projections together.
            guard configuration.feedForwardSize.isMultiple(of: 2) else {
                throw reader.failure("\"intermediate_size\" \(configuration.feedForwardSize) is not even")
            }
            configuration.feedForwardSize /= 2
            let context = try reader.optionalSize("seq_length") ?? 2048
            let dynamicNTK = try reader.flag("use_dynamic_ntk") ?? true
            let scalesQueries = try reader.flag("use_logn_attn") ?? true
            if dynamicNTK || scalesQueries {
                configuration.longContext = QwenLongContext(context: context, dynamicNTK: dynamicNTK, logNAttention: scalesQueries)
            }
        },
        writes: { configuration, object in
            object.keep(only: ["architectures", "model_type", "vocab_size", "hidden_size", "num_hidden_layers",
                               "num_attention_heads", "max_position_embeddings", "initializer_range", "use_cache",
                               "tie_word_embeddings", "torch_dtype"])
            object["intermediate_size"] = .int(2 * configuration.feedForwardSize)
            object["kv_channels"] = .int(configuration.headDimension)
            object["seq_length"] = .int(configuration.longContext?.context ?? configuration.contextLength)
            object["layer_norm_epsilon"] = .double(configuration.normEpsilon)
            object["rotary_emb_base"] = .whole(configuration.rope.theta)
            object["rotary_pct"] = .double(Double(configuration.rope.dimensions) / Double(configuration.headDimension))
            object["no_bias"] = true
            object["use_dynamic_ntk"] = .bool(configuration.longContext?.dynamicNTK ?? false)
            object["use_logn_attn"] = .bool(configuration.longContext?.logNAttention ?? false)
        }
    ) {
        Row(.tokenEmbedding,          "transformer.wte.weight")
        Row(.attentionNorm,           "transformer.h.{layer}.ln_1.weight")
        Row([.query, .key, .value],   "transformer.h.{layer}.attn.c_attn.{weight,bias}", layout: .concatenatedRows)
        Row(.attentionOutput,         "transformer.h.{layer}.attn.c_proj.weight")
        Row(.feedForwardNorm,         "transformer.h.{layer}.ln_2.weight")
        Row(.up,                      "transformer.h.{layer}.mlp.w1.weight")
        Row(.gate,                    "transformer.h.{layer}.mlp.w2.weight")
        Row(.down,                    "transformer.h.{layer}.mlp.c_proj.weight")
        Row(.outputNorm,              "transformer.ln_f.weight")
        Row(.outputHead,              "lm_head.weight")
    }
}
