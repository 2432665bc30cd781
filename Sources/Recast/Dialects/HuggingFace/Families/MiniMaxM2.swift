// MiniMax-M2. Source: Specs/families.md §3.14; transformers 5.23, `configuration_minimax_m2.py`.
extension Family {
    // swift-format-ignore
    static let miniMaxM2 = Family(
        "minimax_m2", architectures: ["MiniMaxM2ForCausalLM"], modelType: "minimax_m2",
        defaults: Defaults(contextLength: 196_608, keyValueHeadCount: 8, headDimension: 128, theta: 5_000_000),
        experts: ExpertKeys(
            count: ["num_local_experts", "num_experts"], feedForwardSize: "intermediate_size", normalization: .always,
            denseLayers: .none,
            router: .sigmoid(
                groups: nil, factor: nil, .text("scoring_func", ["sigmoid"]), .flag("use_routing_bias", true),
                .flag("use_qk_norm", true), .text("qk_norm_type", ["per_layer"])),
            defaultCount: 256, defaultUsedCount: 8),
        partialRotary: 1,
        reads: { (reader, configuration) throws(RecastError) in
            configuration.eachLayer { $0.norms.qk = .acrossHeads }
            if let size = try reader.optionalCount("shared_intermediate_size"), size > 0 {
                throw .unsupported("\(reader.file): a \"shared_intermediate_size\" of \(size) is not supported")
            }
            // An older way to say it, which counts where the newer one is absent.
            let parameters = try reader.members("rope_parameters")
            let isStated = [parameters, reader.object].contains { $0?["partial_rotary_factor"] != nil }
            if !isStated, let dimensions = try reader.optionalSize("rotary_dim") { configuration.rope.dimensions = dimensions }
        },
        writes: { configuration, object in object["rotary_dim"] = .int(configuration.rope.dimensions) }
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.weight")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.weight")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.weight")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.weight")
        Row(.queryNorm,       "model.layers.{layer}.self_attn.q_norm.weight")
        Row(.keyNorm,         "model.layers.{layer}.self_attn.k_norm.weight")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.weight")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.weight")
        Row(.router,          "model.layers.{layer}.block_sparse_moe.gate.weight", or: "model.layers.{layer}.mlp.gate.weight")
        Row(.routerBias,      "model.layers.{layer}.block_sparse_moe.e_score_correction_bias",
                              or: "model.layers.{layer}.mlp.e_score_correction_bias")
        Row(.gate,            "model.layers.{layer}.block_sparse_moe.experts.{expert}.w1.weight")
        Row(.up,              "model.layers.{layer}.block_sparse_moe.experts.{expert}.w3.weight")
        Row(.down,            "model.layers.{layer}.block_sparse_moe.experts.{expert}.w2.weight")
        Row(.outputNorm,      "model.norm.weight")
        Row(.outputHead,      "lm_head.weight")
    }
}
