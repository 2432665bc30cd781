extension HuggingFaceConfiguration {
    private static let maximumExpertCount = 1 << 16

    /// What the configuration says of experts.
    func experts(_ keys: Family.ExpertKeys, layerCount: Int) throws(RecastError) -> ExpertConfiguration {
        var found: Int?
        for key in keys.count where found == nil { found = try optionalSize(key, limit: Self.maximumExpertCount) }
        let count = found ?? keys.defaultCount
        guard
            let used = try optionalSize("num_experts_per_tok", limit: Self.maximumExpertCount) ?? keys.defaultUsedCount
        else { throw failure("\"num_experts_per_tok\" is missing") }
        guard count <= ExpertConfiguration.maximumCount / layerCount else {
            throw failure("\(count) experts in each of \(layerCount) layers are no model")
        }
        guard used <= count else { throw failure("a token cannot go through \(used) of \(count) experts") }
        let normalizes: Bool
        switch keys.normalization {
        case .always: normalizes = true
        case .configured(let key, let usual): normalizes = try flag(key) ?? usual
        }
        let size = try size(keys.feedForwardSize)
        return ExpertConfiguration(
            count: count, usedCount: used, feedForwardSize: size, normalizesWeights: normalizes,
            shared: try shared(keys.shared, size: size),
            routing: try routing(keys.routing, count: count))
    }

    /// The layers that have an ordinary feed-forward part instead.
    func denseLayers(
        _ keys: Family.ExpertKeys.DenseLayers, layerCount: Int
    ) throws(RecastError) -> [Int] {
        switch keys {
        case .none: return []
        case .named:
            let step = try optionalSize("decoder_sparse_step") ?? 1
            let named = object["mlp_only_layers"]?.array ?? []
            let numbers = Set(named.compactMap(\.int))
            guard numbers.count == named.count || named.isEmpty else {
                throw failure("\"mlp_only_layers\" is \(object["mlp_only_layers"]?.text() ?? ""), not a list of layers")
            }
            return (0..<layerCount).filter { numbers.contains($0) || !($0 + 1).isMultiple(of: step) }
        case .first(let usual):
            if let frequency = object["moe_layer_freq"], !frequency.isNull, frequency.int != 1 {
                throw .unsupported("\(file): a \"moe_layer_freq\" of \(frequency.text()) is not supported; 1 is")
            }
            let count = try optionalCount("first_k_dense_replace") ?? usual
            return Array(0..<min(count, layerCount))
        }
    }

    private func shared(_ keys: Family.ExpertKeys.Shared, size: Int) throws(RecastError) -> SharedExpert? {
        switch keys {
        case .none: return nil
        case .gated(let key): return SharedExpert(feedForwardSize: try self.size(key), isGated: true)
        case .several(let key, let usual):
            let count = try optionalCount(key) ?? usual
            let (total, overflows) = count.multipliedReportingOverflow(by: size)
            guard !overflows, total <= Self.maximumSize else {
                throw failure("\(count) shared experts of \(size) rows are no model")
            }
            return count == 0 ? nil : SharedExpert(feedForwardSize: total, isGated: false)
        }
    }

    /// Source: transformers 5.23, `modeling_deepseek_v2.py` and `modeling_deepseek_v3.py`, the router's `forward`.
    private func routing(_ keys: Family.ExpertKeys.Routing, count: Int) throws(RecastError) -> Routing {
        func check(_ key: String, among known: [String]) throws(RecastError) -> String {
            let text = try text(key) ?? known[0]
            guard known.contains(text) else {
                throw .unsupported(
                    "\(file): a \"\(key)\" of \"\(text)\" is not supported; \(known.joined(separator: " and ")) can be")
            }
            return text
        }
        switch keys {
        case .plain: return Routing()
        case .deepSeekV2:
            _ = try check("scoring_func", among: ["softmax"])
            // transformers does not look at it, and DeepSeek's own program leaves the factor out where it is true.
            if try flag("norm_topk_prob") == true {
                throw .unsupported("\(file): \"norm_topk_prob\" is true, which programs compute differently")
            }
            let method = try check("topk_method", among: ["greedy", "group_limited_greedy"])
            let groups = method == "greedy" ? nil : try groups(of: count, usually: (1, 1), scoreCount: 1)
            return Routing(groups: groups, factor: try factor(usually: 1))
        case .deepSeekV3:
            _ = try check("scoring_func", among: ["sigmoid"])
            _ = try check("topk_method", among: ["noaux_tc"])
            return Routing(
                score: .sigmoid, hasBias: true, groups: try groups(of: count, usually: (8, 4), scoreCount: 2),
                factor: try factor(usually: 2.5))
        }
    }

    private func groups(
        of count: Int, usually usual: (count: Int, used: Int), scoreCount: Int
    ) throws(RecastError) -> Routing.Groups? {
        let groups = try optionalSize("n_group") ?? usual.count
        let used = try optionalSize("topk_group") ?? usual.used
        // Where all are looked at, there might as well be none.
        if used == groups { return nil }
        guard used < groups, count.isMultiple(of: groups), count / groups >= scoreCount else {
            throw failure("\(count) experts cannot be looked at in \(used) of \(groups) groups")
        }
        return Routing.Groups(count: groups, usedCount: used, scoreCount: scoreCount)
    }

    private func factor(usually usual: Double) throws(RecastError) -> Double {
        let factor = try number("routed_scaling_factor") ?? usual
        guard factor > 0 else { throw failure("\"routed_scaling_factor\" is \(factor), not a positive number") }
        return factor
    }
}

// MARK: Latent attention

extension HuggingFaceConfiguration {
    private static let maximumRank = 1 << 24

    /// Source: transformers 5.23, `configuration_deepseek_v3.py`, whose defaults are those of V2, too.
    func latentAttention(_ family: Family) throws(RecastError) -> LatentAttention? {
        guard family.hasLatentAttention else { return nil }
        if try flag("rope_interleave") == false {
            throw .unsupported("\(file): latent attention with half-split rotary is not supported")
        }
        if try flag("attention_bias") == true {
            throw .unsupported("\(file): latent attention with biases is not supported")
        }
        let limit = Self.maximumHeadDimension / 2
        return LatentAttention(
            queryRank: object["q_lora_rank"] == nil
                ? 1536 : try optionalSize("q_lora_rank", limit: Self.maximumRank),
            keyValueRank: try optionalSize("kv_lora_rank", limit: Self.maximumRank) ?? 512,
            nopeHeadDimension: try optionalSize("qk_nope_head_dim", limit: limit) ?? 128,
            ropeHeadDimension: try optionalSize("qk_rope_head_dim", limit: limit) ?? 64,
            valueDimension: try optionalSize("v_head_dim", limit: limit) ?? 128)
    }
}

// MARK: Writing

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
    }

    static func add(
        expertsOf configuration: ModelConfiguration, _ keys: Family.ExpertKeys, original: JSON.Object?,
        to object: inout JSON.Object
    ) {
        let dense = configuration.layers { $0.feedForward == .dense }
        switch keys.denseLayers {
        case .none: break
        case .named:
            object["decoder_sparse_step"] = 1
            object["mlp_only_layers"] = .array(dense.map(JSON.int))
        case .first:
            object["first_k_dense_replace"] = .int(dense.count)
            object["moe_layer_freq"] = 1
        }
        guard let experts = configuration.experts else { return }
        for key in keys.count { object[key] = .int(experts.count) }
        object["num_experts_per_tok"] = .int(experts.usedCount)
        object[keys.feedForwardSize] = .int(experts.feedForwardSize)
        if case .configured(let key, _) = keys.normalization { object[key] = .bool(experts.normalizesWeights) }
        switch keys.shared {
        case .none: break
        case .gated(let key): object[key] = .int(experts.shared?.feedForwardSize ?? 0)
        case .several(let key, _):
            object[key] = .int((experts.shared?.feedForwardSize ?? 0) / experts.feedForwardSize)
        }
        if keys.routing != .plain {
            let isV3 = keys.routing == .deepSeekV3
            object["scoring_func"] = .string(experts.routing.score.rawValue)
            object["topk_method"] =
                isV3 ? "noaux_tc" : experts.routing.groups == nil ? "greedy" : "group_limited_greedy"
            object["n_group"] = .int(experts.routing.groups?.count ?? 1)
            object["topk_group"] = .int(experts.routing.groups?.usedCount ?? 1)
            object["routed_scaling_factor"] = .double(experts.routing.factor)
            // Layers that guess further tokens, which transformers believes to be there otherwise.
            if isV3 { object["num_nextn_predict_layers"] = 0 }
        }
        object["router_aux_loss_coef"] = original?["router_aux_loss_coef"] ?? .double(0.001)
        object["output_router_logits"] = original?["output_router_logits"] ?? false
    }
}
