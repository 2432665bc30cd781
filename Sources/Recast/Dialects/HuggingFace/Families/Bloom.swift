// BLOOM: embeddings are normalised, and scores biased by distance. Source: Specs/families.md §3.19; transformers 5.23,
// `modeling_bloom.py`.
extension Family {
    // swift-format-ignore
    static let bloom = Family(
        "bloom", architectures: ["BloomForCausalLM"], modelType: "bloom",
        biases: [BiasGroup(roles: .linears + [.embeddingNorm] + .norms, presence: .always)],
        tiesByDefault: true,
        defaults: Defaults(contextLength: 2048, normEpsilon: 1e-5, feedForwardTimes: 4, activation: "gelu_pytorch_tanh"),
        spellings: bloomSpellings + [("n_embed", "hidden_size")],
        reads: { (reader, configuration) throws(RecastError) in
            configuration.setClassic()
            configuration.norms.normalizesEmbedding = true
            configuration.keyValueHeadCount = configuration.headCount
            configuration.feedForwardSize = 4 * configuration.hiddenSize
            configuration.activation = "gelu_pytorch_tanh"
            configuration.eachLayer { $0.position = .alibi }
            try reader.refuse([("apply_residual_connection_post_layernorm", false)])
        },
        writes: { configuration, object in
            object.dropRotary()
            object.dropHeadSizes()
            object.drop(["hidden_act", "intermediate_size"])
            object.spell(bloomSpellings.map { (theirs: $0.0, usual: $0.1) })
            object["apply_residual_connection_post_layernorm"] = false
        }
    ) {
        Row(.tokenEmbedding,        "transformer.word_embeddings.weight")
        Row(.embeddingNorm,         "transformer.word_embeddings_layernorm.{weight,bias}")
        Row(.attentionNorm,         "transformer.h.{layer}.input_layernorm.{weight,bias}")
        Row([.query, .key, .value], "transformer.h.{layer}.self_attention.query_key_value.{weight,bias}", layout: .interleavedGroups)
        Row(.attentionOutput,       "transformer.h.{layer}.self_attention.dense.{weight,bias}")
        Row(.feedForwardNorm,       "transformer.h.{layer}.post_attention_layernorm.{weight,bias}")
        Row(.up,                    "transformer.h.{layer}.mlp.dense_h_to_4h.{weight,bias}")
        Row(.down,                  "transformer.h.{layer}.mlp.dense_4h_to_h.{weight,bias}")
        Row(.outputNorm,            "transformer.ln_f.{weight,bias}")
        Row(.outputHead,            "lm_head.weight")
    }

    private static let bloomSpellings = [
        ("n_layer", "num_hidden_layers"), ("n_head", "num_attention_heads"), ("seq_length", "max_position_embeddings"),
        ("layer_norm_epsilon", "rms_norm_eps"),
    ]
}
