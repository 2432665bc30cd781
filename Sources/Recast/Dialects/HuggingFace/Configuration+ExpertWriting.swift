extension ModelConfiguration {
    /// Which layers have experts, as each so many-th of a range has: what is read again of it may be something else.
    var expertInterval: (layers: Range<Int>, step: Int) {
        let sparse = layers { $0.experts != nil }
        guard let first = sparse.first, let last = sparse.last else { return (0..<0, 1) }
        // Layers count from one here. A step that needs no end is one that GGUF can say, too.
        let steps = (1...first + 1).filter { (first + 1).isMultiple(of: $0) }
        let step =
            steps.first { Array(stride(from: first, to: layerCount, by: $0)) == sparse }
            ?? steps.first { Array(stride(from: first, through: last, by: $0)) == sparse }
        return (first..<last + 1, step ?? 1)
    }
}

extension HuggingFaceConfiguration {
    static func addLatentAttention(of configuration: ModelConfiguration, to object: inout JSON.Object) {
        guard let latent = configuration.latentAttention else { return }
        // As transformers writes them; `head_dim` is what its rotary embedding looks at.
        object["head_dim"] = .int(latent.ropeHeadDimension)
        object["q_lora_rank"] = latent.queryRank.map(JSON.int) ?? .null
        object["kv_lora_rank"] = .int(latent.keyValueRank)
        object["qk_nope_head_dim"] = .int(latent.nopeHeadDimension)
        object["qk_rope_head_dim"] = .int(latent.ropeHeadDimension)
        object["qk_head_dim"] = .int(configuration.headDimension)
        object["v_head_dim"] = .int(latent.valueDimension)
        object["attention_bias"] = false
        guard let indexer = latent.indexer else { return }
        object["index_n_heads"] = .int(indexer.headCount)
        object["index_head_dim"] = .int(indexer.headDimension)
        object["index_topk"] = .int(indexer.pickedCount)
    }

    static func add(
        expertsOf configuration: ModelConfiguration, _ keys: Family.ExpertKeys, original: JSON.Object?,
        to object: inout JSON.Object
    ) {
        let dense = configuration.layers { $0.feedForward == .dense }
        switch keys.denseLayers {
        case .none, .readByFamily: break
        case .named:
            object["decoder_sparse_step"] = 1
            object["mlp_only_layers"] = .array(dense.map(JSON.int))
        case .first:
            object["first_k_dense_replace"] = .int(dense.count)
            object["moe_layer_freq"] = 1
        case .listed, .listedOrFirst:
            object["mlp_layer_types"] = .array(configuration.layers.map { $0.experts == nil ? "dense" : "sparse" })
            // What other programs look at.
            if dense == Array(0..<dense.count) { object["first_k_dense_replace"] = .int(dense.count) }
        case .outsideOfPeriod:
            let sparse = configuration.layers { $0.experts != nil }
            let period = sparse.count > 1 ? sparse[1] - sparse[0] : configuration.layerCount
            // Where others have experts, it is read again as something else, and refused.
            object["expert_layer_period"] = .int(period)
            object["expert_layer_offset"] = .int(sparse.first ?? 0)
        case .outsideOfInterval:
            let interval = configuration.expertInterval
            object["moe_layer_interval"] = .int(interval.step)
            object["moe_layer_start_index"] = .int(interval.layers.lowerBound)
            object["moe_layer_end_index"] = .int(interval.layers.upperBound - 1)
        case .spaced:
            object["moe_layers"] = .array(configuration.layers { $0.experts != nil }.map(JSON.int))
            object["interleave_moe_layer_step"] = .int(configuration.expertInterval.step)
        }
        guard let experts = configuration.experts else { return }
        for key in keys.count { object[key] = .int(experts.count) }
        for key in keys.usedCount { object[key] = .int(experts.usedCount) }
        object[keys.feedForwardSize] = .int(experts.feedForwardSize)
        switch keys.normalization {
        case .always, .never: break
        case .configured(let key, _): object[key] = .bool(experts.normalizesWeights)
        case .refused(let key): object[key] = false
        }
        switch keys.shared {
        case .none: break
        case .gated(let key), .one(let key): object[key] = .int(experts.shared?.feedForwardSize ?? 0)
        case .several(let key, _):
            object[key] = .int((experts.shared?.feedForwardSize ?? 0) / experts.feedForwardSize)
        }
        for statement in keys.router.statements {
            switch statement {
            case .text(let key, let known): object[key] = .string(known[0])
            case .flag(let key, let known): object[key] = .bool(known)
            }
        }
        if let groups = keys.router.groups {
            if groups.areSwitched {
                object["topk_method"] = experts.routing.groups == nil ? "greedy" : "group_limited_greedy"
            }
            object["n_group"] = .int(experts.routing.groups?.count ?? 1)
            object["topk_group"] = .int(experts.routing.groups?.usedCount ?? 1)
        }
        if let factor = keys.router.factor { object[factor.key] = .double(experts.routing.factor) }
        object["router_aux_loss_coef"] = original?["router_aux_loss_coef"] ?? .double(0.001)
        object["output_router_logits"] = original?["output_router_logits"] ?? false
    }
}
