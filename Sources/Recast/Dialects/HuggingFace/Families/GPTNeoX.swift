// GPT-NeoX and Pythia: query, key and value of each head in turn, and branches in parallel, each behind a norm of its own. Source:
// Specs/families.md §3.19; transformers 5.23, `modeling_gpt_neox.py`.
extension Family {
    // swift-format-ignore
    static let gptNeoX = Family(
        "gpt_neox", architectures: ["GPTNeoXForCausalLM"], modelType: "gpt_neox",
        biases: [
            BiasGroup(
                roles: [.query, .key, .value, .attentionOutput], presence: .configured("attention_bias", default: true)),
            BiasGroup(roles: [.up, .down] + .norms, presence: .always),
        ],
        defaults: Defaults(contextLength: 2048, normEpsilon: 1e-5, activation: "gelu"), spellings: gptNeoXSpellings,
        partialRotary: 0.25, buffers: [".attention.bias", ".attention.masked_bias"],
        reads: { (reader, configuration) throws(RecastError) in
            configuration.setClassic()
            configuration.keyValueHeadCount = configuration.headCount
            if try reader.flag("use_parallel_residual") ?? true { configuration.setParallel(sharesNorm: false) }
        },
        writes: { configuration, object in
            object.dropHeadSizes()
            object.spell(gptNeoXSpellings.map { (theirs: $0.0, usual: $0.1) })
            object["use_parallel_residual"] = .bool(configuration.layers.first?.hasParallelResidual ?? true)
        }
    ) {
        Row(.tokenEmbedding,        "gpt_neox.embed_in.weight")
        Row(.attentionNorm,         "gpt_neox.layers.{layer}.input_layernorm.{weight,bias}")
        Row([.query, .key, .value], "gpt_neox.layers.{layer}.attention.query_key_value.{weight,bias}", layout: .interleavedGroups)
        Row(.attentionOutput,       "gpt_neox.layers.{layer}.attention.dense.{weight,bias}")
        Row(.feedForwardNorm,       "gpt_neox.layers.{layer}.post_attention_layernorm.{weight,bias}")
        Row(.up,                    "gpt_neox.layers.{layer}.mlp.dense_h_to_4h.{weight,bias}")
        Row(.down,                  "gpt_neox.layers.{layer}.mlp.dense_4h_to_h.{weight,bias}")
        Row(.outputNorm,            "gpt_neox.final_layer_norm.{weight,bias}")
        Row(.outputHead,            "embed_out.weight", or: "lm_head.weight")
    }

    private static let gptNeoXSpellings = [
        ("layer_norm_eps", "rms_norm_eps"), ("rotary_pct", "partial_rotary_factor"), ("rotary_emb_base", "rope_theta"),
    ]
}
