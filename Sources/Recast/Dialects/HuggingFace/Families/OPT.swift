// OPT: learned positions behind two rows that no position has. Source: Specs/families.md §3.19; transformers 5.23, `modeling_opt.py`.
extension Family {
    // swift-format-ignore
    static let opt = Family(
        "opt", architectures: ["OPTForCausalLM"], modelType: "opt",
        biases: [
            BiasGroup(roles: .linears, presence: .configured("enable_bias", default: true)),
            BiasGroup(roles: .norms,   presence: .configured("layer_norm_elementwise_affine", default: true)),
        ],
        tiesByDefault: true,
        // No key says what norms add: it is what torch takes.
        defaults: Defaults(contextLength: 2048, normEpsilon: 1e-5, activation: "relu"), spellings: optSpellings,
        reads: { (reader, configuration) throws(RecastError) in
            configuration.setClassic()
            configuration.setLearnedPositions(offset: 2)
            configuration.normEpsilon = 1e-5
            configuration.keyValueHeadCount = configuration.headCount
            configuration.norms.hasWeights = try reader.flag("layer_norm_elementwise_affine") ?? true
            let isBefore = try reader.flag("do_layer_norm_before") ?? true
            let isRemoved = try reader.flag("_remove_final_layer_norm") ?? false
            configuration.norms.hasOutputNorm = isBefore && !isRemoved
            configuration.eachLayer {
                $0.norms.hasPreNorms = isBefore
                $0.norms.isPostLN = !isBefore
            }
            let width = try reader.optionalSize("word_embed_proj_dim") ?? configuration.hiddenSize
            if width != configuration.hiddenSize { configuration.embeddingSize = width }
        },
        writes: { configuration, object in
            object.dropRotary()
            object.dropHeadSizes()
            object.drop(["rms_norm_eps", "initializer_range"])
            object.spell(optSpellings.map { (theirs: $0.0, usual: $0.1) })
            object["max_position_embeddings"] = .int(configuration.learnedPositions?.count ?? configuration.contextLength)
            object["word_embed_proj_dim"] = .int(configuration.embeddingSize ?? configuration.hiddenSize)
            let isBefore = !configuration.layers.contains { $0.norms.isPostLN }
            object["do_layer_norm_before"] = .bool(isBefore)
            object["layer_norm_elementwise_affine"] = .bool(configuration.norms.hasWeights)
            object["_remove_final_layer_norm"] = .bool(isBefore && !configuration.norms.hasOutputNorm)
        }
    ) {
        Row(.tokenEmbedding,    "model.decoder.embed_tokens.weight")
        Row(.embeddingProjection, "model.decoder.project_in.weight")
        Row(.headProjection,    "model.decoder.project_out.weight")
        Row(.positionEmbedding, "model.decoder.embed_positions.weight")
        Row(.attentionNorm,     "model.decoder.layers.{layer}.self_attn_layer_norm.{weight,bias}")
        Row(.query,             "model.decoder.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,               "model.decoder.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,             "model.decoder.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.attentionOutput,   "model.decoder.layers.{layer}.self_attn.out_proj.{weight,bias}")
        Row(.feedForwardNorm,   "model.decoder.layers.{layer}.final_layer_norm.{weight,bias}")
        Row(.up,                "model.decoder.layers.{layer}.fc1.{weight,bias}")
        Row(.down,              "model.decoder.layers.{layer}.fc2.{weight,bias}")
        Row(.outputNorm,        "model.decoder.final_layer_norm.{weight,bias}")
        Row(.outputHead,        "lm_head.weight")
    }

    private static let optSpellings = [("ffn_dim", "intermediate_size"), ("activation_function", "hidden_act")]
}
