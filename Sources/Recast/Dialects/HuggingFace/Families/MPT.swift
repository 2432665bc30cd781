// MPT: biases by distance, and mostly no others. Source: Specs/families.md §3.19; transformers 5.23, `modeling_mpt.py`; for what its
// class does not look at, llama.cpp's loader.
extension Family {
    // swift-format-ignore
    static let mpt = Family(
        "mpt", architectures: ["MptForCausalLM", "MPTForCausalLM"], modelType: "mpt",
        biases: [
            BiasGroup(roles: .linears + [.queryNorm, .keyNorm] + .norms, presence: .switchedOff("no_bias", default: true))
        ],
        tiesByDefault: true,
        defaults: Defaults(contextLength: 2048, normEpsilon: 1e-5, feedForwardTimes: 4, activation: "gelu"),
        spellings: mptSpellings,
        reads: { (reader, configuration) throws(RecastError) in try reader.readMPT(into: &configuration) },
        writes: { configuration, object in
            object.dropRotary()
            object.dropHeadSizes()
            object.drop(["hidden_act", "intermediate_size", "attention_dropout"])
            object.spell(mptSpellings.map { (theirs: $0.0, usual: $0.1) })
            object["expansion_ratio"] = .int(configuration.feedForwardSize / configuration.hiddenSize)
            object["attn_config"] = [
                "attn_type": "multihead_attention", "alibi": .bool(configuration.hasALiBi),
                "alibi_bias_max": .whole(configuration.alibi.maximum),
                "clip_qkv": configuration.projectionLimit.map(JSON.double) ?? .null,
                "softmax_scale": configuration.multipliers.attention.map(JSON.double) ?? .null,
                "qk_ln": .bool(configuration.layerNorms.qk != .none), "prefix_lm": false, "attn_uses_sequence_id": false,
            ]
        }
    ) {
        Row(.tokenEmbedding,        "transformer.wte.weight")
        Row(.attentionNorm,         "transformer.blocks.{layer}.norm_1.{weight,bias}")
        Row([.query, .key, .value], "transformer.blocks.{layer}.attn.Wqkv.{weight,bias}", layout: .concatenatedRows)
        Row(.queryNorm,             "transformer.blocks.{layer}.attn.q_ln.{weight,bias}")
        Row(.keyNorm,               "transformer.blocks.{layer}.attn.k_ln.{weight,bias}")
        Row(.attentionOutput,       "transformer.blocks.{layer}.attn.out_proj.{weight,bias}")
        Row(.feedForwardNorm,       "transformer.blocks.{layer}.norm_2.{weight,bias}")
        Row(.up,                    "transformer.blocks.{layer}.ffn.up_proj.{weight,bias}")
        Row(.down,                  "transformer.blocks.{layer}.ffn.down_proj.{weight,bias}")
        Row(.outputNorm,            "transformer.norm_f.{weight,bias}")
        Row(.outputHead,            "lm_head.weight")
    }

    private static let mptSpellings = [
        ("d_model", "hidden_size"), ("n_layers", "num_hidden_layers"), ("n_heads", "num_attention_heads"),
        ("max_seq_len", "max_position_embeddings"), ("layer_norm_epsilon", "rms_norm_eps"),
    ]
}

extension HuggingFaceConfiguration {
    fileprivate func readMPT(into configuration: inout ModelConfiguration) throws(RecastError) {
        configuration.setClassic()
        configuration.activation = "gelu"
        configuration.feedForwardSize = try optionalSize("expansion_ratio", limit: 1 << 16) ?? 4
        configuration.feedForwardSize *= configuration.hiddenSize
        let attention = HuggingFaceConfiguration(object: try members("attn_config") ?? JSON.Object(), file: file)
        let type = try attention.text("attn_type") ?? "multihead_attention"
        guard type == "multihead_attention", try attention.optionalSize("kv_n_heads") == nil else {
            throw .unsupported("\(file): an \"attn_type\" of \(type) is not supported; multihead_attention is")
        }
        try attention.refuse([("alibi", true), ("prefix_lm", false), ("attn_uses_sequence_id", false)])
        guard object["logit_scale"] ?? .null == .null else {
            throw .unsupported(
                "\(file): a \"logit_scale\" of \(object["logit_scale"]!.text()) is not supported; null is")
        }
        let norm = try text("norm_type") ?? "low_precision_layernorm"
        guard norm.hasSuffix("layernorm") else {
            throw .unsupported("\(file): a \"norm_type\" of \(norm) is not supported; low_precision_layernorm is")
        }
        configuration.keyValueHeadCount = configuration.headCount
        configuration.eachLayer { $0.position = .alibi }
        configuration.alibi.maximum = try attention.number("alibi_bias_max") ?? 8
        configuration.projectionLimit = try attention.number("clip_qkv").flatMap { $0 == 0 ? nil : $0 }
        configuration.multipliers.attention = try attention.number("softmax_scale")
        let hasNorm = try attention.flag("qk_ln") ?? false
        configuration.eachLayer { $0.norms.qk = hasNorm ? .acrossHeads : .none }
        guard configuration.alibi.maximum > 0, configuration.projectionLimit ?? 1 > 0,
            configuration.multipliers.attention ?? 1 > 0
        else {
            throw failure(
                "\"attn_config\" names an \"alibi_bias_max\", \"clip_qkv\" or \"softmax_scale\" that is not positive")
        }
        guard !hasNorm || configuration.projectionLimit == nil else {
            throw .unsupported("\(file): a \"clip_qkv\" before the norms of \"qk_ln\" is not supported; null is")
        }
    }
}
