// GPT-2, whose weights are stored with rows and columns exchanged. Source: Specs/families.md §3.19; transformers 5.23,
// `modeling_gpt2.py`.
extension Family {
    static let gpt2 = Family(
        "gpt2", architectures: ["GPT2LMHeadModel", "GPT2Model"], modelType: "gpt2",
        biases: [BiasGroup(roles: .linears + .norms, presence: .always)],
        tiesByDefault: true,
        defaults: Defaults(contextLength: 1024, normEpsilon: 1e-5, feedForwardTimes: 4, activation: "gelu_new"),
        spellings: gpt2Spellings, buffers: [".attn.bias", ".attn.masked_bias"],
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readGPT2(into: &configuration)
            configuration.keyValueHeadCount = configuration.headCount
            configuration.multipliers.dividesAttentionByLayer =
                try reader.flag("scale_attn_by_inverse_layer_idx") ?? false
        },
        writes: { configuration, object in
            object.writeGPT2(configuration)
            object["scale_attn_by_inverse_layer_idx"] = .bool(configuration.multipliers.dividesAttentionByLayer)
        }
    ) {
        gpt2Rows(attention: .transposedRows, matrices: .transposedRows)
    }

    static let gpt2Spellings = [
        ("n_embd", "hidden_size"), ("n_layer", "num_hidden_layers"), ("n_head", "num_attention_heads"),
        ("n_positions", "max_position_embeddings"), ("n_inner", "intermediate_size"),
        ("activation_function", "hidden_act"), ("layer_norm_epsilon", "rms_norm_eps"),
    ]

    /// - Parameters:
    ///   - attention: how queries, keys and values lie in one tensor.
    ///   - matrices: how the other weights of a layer lie.
    // swift-format-ignore
    static func gpt2Rows(attention: Layout, matrices: Layout) -> [Row] {
        [
            Row(.tokenEmbedding,        "transformer.wte.weight"),
            Row(.positionEmbedding,     "transformer.wpe.weight"),
            Row(.attentionNorm,         "transformer.h.{layer}.ln_1.{weight,bias}"),
            Row([.query, .key, .value], "transformer.h.{layer}.attn.c_attn.{weight,bias}", layout: attention),
            Row(.attentionOutput,       "transformer.h.{layer}.attn.c_proj.{weight,bias}", layout: matrices),
            Row(.feedForwardNorm,       "transformer.h.{layer}.ln_2.{weight,bias}"),
            Row(.up,                    "transformer.h.{layer}.mlp.c_fc.{weight,bias}",    layout: matrices),
            Row(.down,                  "transformer.h.{layer}.mlp.c_proj.{weight,bias}",  layout: matrices),
            Row(.outputNorm,            "transformer.ln_f.{weight,bias}"),
            Row(.outputHead,            "lm_head.weight"),
        ]
    }
}

extension HuggingFaceConfiguration {
    func readGPT2(into configuration: inout ModelConfiguration) throws(RecastError) {
        configuration.setClassic()
        configuration.setLearnedPositions()
        try refuse([("add_cross_attention", false)])
        if try flag("scale_attn_weights") == false { configuration.multipliers.attention = 1 }
    }
}

extension JSON.Object {
    mutating func writeGPT2(_ configuration: ModelConfiguration) {
        dropRotary()
        dropHeadSizes()
        drop(["attention_dropout"])
        spell(Family.gpt2Spellings.map { (theirs: $0.0, usual: $0.1) })
        writePositions(configuration)
        self["scale_attn_weights"] = .bool(configuration.multipliers.attention == nil)
    }

    /// How many positions there are, under the two names that programs look for.
    mutating func writePositions(_ configuration: ModelConfiguration) {
        let count = JSON.int(configuration.learnedPositions?.count ?? configuration.contextLength)
        self["n_positions"] = count
        self["n_ctx"] = count
    }
}
