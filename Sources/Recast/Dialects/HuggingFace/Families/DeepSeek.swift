// DeepSeek-V2 and V3 (and Kimi K2, which has V3's names), and GLM-4.7-Flash, with latent attention and experts. Source:
// Specs/families.md §3.10 and §3.14; transformers 5.23, `configuration_deepseek_v2.py`, `configuration_deepseek_v3.py` and
// `configuration_glm4_moe_lite.py`.
extension Family {
    static let deepSeekV2 = deepSeekLike(
        "deepseek_v2", architecture: "DeepseekV2ForCausalLM", defaults: Defaults(contextLength: 2048),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .refused("norm_topk_prob"), denseLayers: .first(default: 0),
            shared: .several(count: "n_shared_experts", default: 2),
            router: Router(
                groups: Router.Groups(defaultCount: 1, defaultUsedCount: 1, scoreCount: 1, areSwitched: true),
                factor: Router.Factor(default: 1), statements: [.text("scoring_func", ["softmax"])]),
            defaultCount: 64),
        writes: { _, _ in })

    static let deepSeekV3 = deepSeekLike(
        "deepseek_v3", architecture: "DeepseekV3ForCausalLM", defaults: Defaults(contextLength: 4096),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .first(default: 3),
            shared: .several(count: "n_shared_experts", default: 1),
            router: .sigmoid(
                groups: (8, 4), factor: Router.Factor(default: 2.5), .text("scoring_func", ["sigmoid"]),
                .text("topk_method", ["noaux_tc"])),
            defaultCount: 256, defaultUsedCount: 8),
        // Layers that guess further tokens, which transformers believes to be there otherwise.
        writes: { _, object in object["num_nextn_predict_layers"] = 0 })

    static let glm4MoELite = deepSeekLike(
        "glm4_moe_lite", architecture: "Glm4MoeLiteForCausalLM",
        defaults: Defaults(contextLength: 202_752, normEpsilon: 1e-5),
        latent: LatentAttention(
            queryRank: 768, keyValueRank: 512, nopeHeadDimension: 192, ropeHeadDimension: 64, valueDimension: 256),
        experts: ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .listed,
            shared: .several(count: "n_shared_experts", default: 1),
            router: .sigmoid(
                factor: Router.Factor(default: 1.8), .text("scoring_func", ["sigmoid"]),
                .text("topk_method", ["noaux_tc"])),
            defaultCount: 64, defaultUsedCount: 4),
        writes: { _, object in object["num_nextn_predict_layers"] = 0 })

    /// A family with DeepSeek's names.
    // swift-format-ignore
    static func deepSeekLike(
        _ name: String, architecture: String, defaults: Defaults, latent: LatentAttention = .deepSeek,
        experts: ExpertKeys, reads: @escaping Reading = refusePartialRotary, writes: @escaping Writing
    ) -> Family {
        Family(
            name, architectures: [architecture], modelType: name,
            biases: latent.indexer == nil ? [] : [.init(roles: [.indexerKeyNorm], presence: .always)], defaults: defaults, latent: latent,
            experts: experts, reads: reads, writes: writes
        ) {
            Row(.tokenEmbedding,   "model.embed_tokens.weight")
            Row(.attentionNorm,    "model.layers.{layer}.input_layernorm.weight")
            Row(.query,            "model.layers.{layer}.self_attn.q_proj.weight")
            Row(.queryDown,        "model.layers.{layer}.self_attn.q_a_proj.weight")
            Row(.queryDownNorm,    "model.layers.{layer}.self_attn.q_a_layernorm.weight")
            Row(.queryUp,          "model.layers.{layer}.self_attn.q_b_proj.weight")
            Row(.keyValueDown,     "model.layers.{layer}.self_attn.kv_a_proj_with_mqa.weight")
            Row(.keyValueDownNorm, "model.layers.{layer}.self_attn.kv_a_layernorm.weight")
            Row(.keyValueUp,       "model.layers.{layer}.self_attn.kv_b_proj.weight")
            latent.indexer == nil ? [] : Row.indexerNames
            Row(.attentionOutput,  "model.layers.{layer}.self_attn.o_proj.weight")
            Row(.feedForwardNorm,  "model.layers.{layer}.post_attention_layernorm.weight")
            Row(.router,           "model.layers.{layer}.mlp.gate.weight")
            Row(.routerBias,       "model.layers.{layer}.mlp.gate.e_score_correction_bias")
            Row(.gate,             "model.layers.{layer}.mlp.experts.{expert}.gate_proj.weight")
            Row(.up,               "model.layers.{layer}.mlp.experts.{expert}.up_proj.weight")
            Row(.down,             "model.layers.{layer}.mlp.experts.{expert}.down_proj.weight")
            Row(.sharedGate,       "model.layers.{layer}.mlp.shared_experts.gate_proj.weight")
            Row(.sharedUp,         "model.layers.{layer}.mlp.shared_experts.up_proj.weight")
            Row(.sharedDown,       "model.layers.{layer}.mlp.shared_experts.down_proj.weight")
            Row(.gate,             "model.layers.{layer}.mlp.gate_proj.weight")
            Row(.up,               "model.layers.{layer}.mlp.up_proj.weight")
            Row(.down,             "model.layers.{layer}.mlp.down_proj.weight")
            Row(.outputNorm,       "model.norm.weight")
            Row(.outputHead,       "lm_head.weight")
        }
    }

    @Sendable static func refusePartialRotary(
        _ reader: HuggingFaceConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let parameters = try reader.members("rope_parameters")
        for place in [parameters, reader.object] {
            let share = try reader.number("partial_rotary_factor", in: place ?? JSON.Object()) ?? 1
            guard share == 1 else {
                throw .unsupported(
                    "\(reader.file): latent attention with a \"partial_rotary_factor\" of \(share) is not supported")
            }
        }
    }
}
