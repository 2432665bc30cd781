// Phi-3.5-MoE. Source: Specs/families.md §3.14; transformers 5.23, `modeling_phimoe.py`.
extension Family {
    // swift-format-ignore
    static let phiMoE = Family(
        "phimoe", architectures: ["PhiMoEForCausalLM", "PhimoeForCausalLM"], modelType: "phimoe",
        biases: [
            BiasGroup(roles: [.query, .key, .value, .attentionOutput],        presence: .configured("attention_bias")),
            BiasGroup(roles: [.attentionNorm, .feedForwardNorm, .outputNorm], presence: .always),
            BiasGroup(roles: [.outputHead],                                   presence: .configured("lm_head_bias")),
        ],
        slidingWindow: .everywhere,
        defaults: Defaults(contextLength: 131_072, keyValueHeadCount: 8, normEpsilon: 1e-5, theta: 1_000_000),
        experts: ExpertKeys(
            count: ["num_local_experts"], feedForwardSize: "intermediate_size", normalization: .configured("norm_topk_prob"),
            denseLayers: .none, router: Router(score: .sparseMixer), defaultCount: 16, defaultUsedCount: 2),
        reads: { (reader, configuration) throws(RecastError) in
            configuration.norms.kind = .layer
            let jitter = try reader.number("router_jitter_noise") ?? 0.01
            guard jitter >= 0, configuration.experts?.usedCount == 2 else {
                throw .unsupported(
                    "\(reader.file): SparseMixer picks two experts, not \(configuration.experts?.usedCount ?? 0), with a "
                        + "\"router_jitter_noise\" that is not negative (\(jitter))")
            }
            configuration.eachLayer {
                $0.experts?.routing.tolerance = 2 * jitter
                // Each of the two weights is by itself.
                $0.experts?.normalizesWeights = false
            }
            try reader.readMscale(into: &configuration.rope)
        },
        writes: { configuration, object in
            object.drop(["head_dim", "norm_topk_prob"])
            object["router_jitter_noise"] = .double((configuration.experts?.routing.tolerance ?? 0) / 2)
            guard case .longrope(let longrope) = configuration.rope.scaling else { return }
            let scaling: JSON = [
                "type": "longrope", "rope_type": "longrope", "short_factor": .array(longrope.short.map(JSON.double)),
                "long_factor": .array(longrope.long.map(JSON.double)), "short_mscale": .double(longrope.attentionFactor),
                "long_mscale": .double(longrope.attentionFactor),
                "original_max_position_embeddings": .int(longrope.originalContext),
            ]
            object["rope_scaling"] = scaling
            var parameters = scaling.object ?? JSON.Object()
            parameters["rope_theta"] = .double(configuration.rope.theta)
            object["rope_parameters"] = .object(parameters)
            object["original_max_position_embeddings"] = .int(longrope.originalContext)
        }
    ) {
        Row(.tokenEmbedding,  "model.embed_tokens.weight")
        Row(.attentionNorm,   "model.layers.{layer}.input_layernorm.{weight,bias}")
        Row(.query,           "model.layers.{layer}.self_attn.q_proj.{weight,bias}")
        Row(.key,             "model.layers.{layer}.self_attn.k_proj.{weight,bias}")
        Row(.value,           "model.layers.{layer}.self_attn.v_proj.{weight,bias}")
        Row(.attentionOutput, "model.layers.{layer}.self_attn.o_proj.{weight,bias}")
        Row(.feedForwardNorm, "model.layers.{layer}.post_attention_layernorm.{weight,bias}")
        Row(.router,          "model.layers.{layer}.block_sparse_moe.gate.weight", or: "model.layers.{layer}.mlp.router.weight")
        Row(.gate,            "model.layers.{layer}.block_sparse_moe.experts.{expert}.w1.weight")
        Row(.up,              "model.layers.{layer}.block_sparse_moe.experts.{expert}.w3.weight")
        Row(.down,            "model.layers.{layer}.block_sparse_moe.experts.{expert}.w2.weight")
        Row(.outputNorm,      "model.norm.{weight,bias}")
        Row(.outputHead,      "lm_head.{weight,bias}")
    }
}

extension HuggingFaceConfiguration {
    /// What cosines and sines are multiplied by, for short and for long texts: one number for both.
    func readMscale(into rope: inout Rope) throws(RecastError) {
        guard case .longrope(var longrope) = rope.scaling else {
            guard rope.scaling == .none else {
                throw .unsupported("\(file): Phi-3.5-MoE has no rotary scaling or longrope, not \(rope.scaling.name)")
            }
            return
        }
        let parameters = try members("rope_parameters")
        let scaling = try members("rope_scaling") ?? parameters ?? JSON.Object()
        let short = try number("short_mscale", in: scaling)
        let long = try number("long_mscale", in: scaling)
        guard let short, short == long, short > 0 else {
            throw .unsupported(
                "\(file): a \"short_mscale\" of \(short?.plain ?? "none") and a \"long_mscale\" of \(long?.plain ?? "none") are not "
                    + "supported: one positive number for both is")
        }
        longrope.attentionFactor = short
        rope.scaling = .longrope(longrope)
    }
}
