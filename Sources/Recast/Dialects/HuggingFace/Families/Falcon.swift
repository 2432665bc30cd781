// Falcon: 7B and 11B, and 1B with ALiBi; 40B and 180B, whose branches have a norm each. Source: Specs/families.md §3.19;
// transformers 5.23, `modeling_falcon.py`.
extension Family {
    static let falcon = falcon(
        "falcon", recognizes: { !$0.hasTwoFalconNorms },
        reads: { (reader, configuration) throws(RecastError) in
            let isParallel = try reader.flag("parallel_attn") ?? true
            if try reader.isNewFalcon() {
                guard isParallel else {
                    throw .unsupported(
                        "\(reader.file): a \"parallel_attn\" of false with \"new_decoder_architecture\" is not supported; true is"
                    )
                }
            } else {
                let isMultiQuery = try reader.flag("multi_query") ?? true
                configuration.keyValueHeadCount = isMultiQuery ? 1 : configuration.headCount
                let normCount = try reader.optionalSize("num_ln_in_parallel_attn") ?? 1
                guard !isParallel || normCount == 1 else {
                    throw .unsupported(
                        "\(reader.file): a \"num_ln_in_parallel_attn\" of 2 without \"new_decoder_architecture\" is not supported"
                    )
                }
            }
            if isParallel { configuration.setParallel(sharesNorm: true) }
        },
        writes: { configuration, object in
            let (count, heads) = (configuration.keyValueHeadCount, configuration.headCount)
            let isNew = count != 1 && count != heads
            object["new_decoder_architecture"] = .bool(isNew)
            object["multi_query"] = .bool(count == 1)
            object["parallel_attn"] = .bool(configuration.layers.first?.hasParallelResidual ?? true)
            if isNew { object["num_ln_in_parallel_attn"] = 1 }
        }
    ) {
        Row(.attentionNorm, "transformer.h.{layer}.input_layernorm.{weight,bias}")
        Row(.feedForwardNorm, "transformer.h.{layer}.post_attention_layernorm.{weight,bias}")
    }

    static let falcon40B = falcon(
        "falcon40b", recognizes: { $0.hasTwoFalconNorms },
        reads: { (reader, configuration) throws(RecastError) in
            try reader.refuse([("parallel_attn", true)])
            configuration.setParallel(sharesNorm: false)
        },
        writes: { configuration, object in
            object["new_decoder_architecture"] = true
            object["num_ln_in_parallel_attn"] = 2
            object["multi_query"] = true
            object["parallel_attn"] = true
        }
    ) {
        Row(.attentionNorm, "transformer.h.{layer}.ln_attn.{weight,bias}")
        Row(.feedForwardNorm, "transformer.h.{layer}.ln_mlp.{weight,bias}")
    }

    // swift-format-ignore
    private static func falcon(
        _ name: String, recognizes: @escaping Recognizing, reads: @escaping Reading, writes: @escaping Writing,
        @RowBuilder norms: () -> [Row]
    ) -> Family {
        let norms = norms()
        return Family(
            name, architectures: ["FalconForCausalLM", "RWForCausalLM"], modelType: "falcon",
            biases: [
                BiasGroup(roles: .linears, presence: .configured("bias")),
                BiasGroup(roles: .norms,   presence: .always),
            ],
            tiesByDefault: true,
            defaults: Defaults(contextLength: 2048, normEpsilon: 1e-5, feedForwardTimes: 4, activation: "gelu"),
            // Of those before transformers had a class of its own, too.
            spellings: falconSpellings + [
                ("n_embed", "hidden_size"), ("n_layer", "num_hidden_layers"), ("n_head", "num_attention_heads"),
                ("n_head_kv", "num_key_value_heads"),
            ],
            recognizes: recognizes,
            reads: { (reader, configuration) throws(RecastError) in
                configuration.setClassic()
                if try reader.flag("alibi") ?? false {
                    configuration.alibi.isScaled = true
                    configuration.eachLayer { $0.position = .alibi }
                }
                try reads(reader, &configuration)
            },
            writes: { configuration, object in
                object.drop(["head_dim"])
                object.spell(falconSpellings.map { (theirs: $0.0, usual: $0.1) })
                object["alibi"] = .bool(configuration.hasALiBi)
                writes(configuration, &object)
            }
        ) {
            Row(.tokenEmbedding,        "transformer.word_embeddings.weight")
            norms
            Row([.query, .key, .value], "transformer.h.{layer}.self_attention.query_key_value.{weight,bias}", layout: .interleavedGroups)
            Row(.attentionOutput,       "transformer.h.{layer}.self_attention.dense.{weight,bias}")
            Row(.up,                    "transformer.h.{layer}.mlp.dense_h_to_4h.{weight,bias}")
            Row(.down,                  "transformer.h.{layer}.mlp.dense_4h_to_h.{weight,bias}")
            Row(.outputNorm,            "transformer.ln_f.{weight,bias}")
            Row(.outputHead,            "lm_head.weight")
        }
    }

    private static let falconSpellings = [
        ("num_kv_heads", "num_key_value_heads"), ("ffn_hidden_size", "intermediate_size"), ("activation", "hidden_act"),
        ("layer_norm_epsilon", "rms_norm_eps"),
    ]
}

extension JSON.Object {
    /// Whether a configuration is that of a model with a norm for each of two parallel branches.
    fileprivate var hasTwoFalconNorms: Bool {
        let isNew = self["new_decoder_architecture"]?.bool ?? (self["model_type"]?.string == "RefinedWeb")
        return isNew && self["num_ln_in_parallel_attn"]?.int ?? 2 == 2
    }
}

extension HuggingFaceConfiguration {
    fileprivate func isNewFalcon() throws(RecastError) -> Bool { try flag("new_decoder_architecture") ?? false }
}
