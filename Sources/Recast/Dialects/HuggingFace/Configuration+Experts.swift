extension HuggingFaceConfiguration {
    private static let maximumExpertCount = 1 << 16

    /// What the configuration says of experts.
    func experts(_ keys: Family.ExpertKeys, layerCount: Int) throws(RecastError) -> ExpertConfiguration {
        func first(_ names: [String]) throws(RecastError) -> Int? {
            for name in names {
                if let size = try uniformSize(name, layerCount, limit: Self.maximumExpertCount) { return size }
            }
            return nil
        }
        guard let count = try first(keys.count) ?? keys.defaultCount else {
            throw failure("\"\(keys.count[0])\" is missing")
        }
        guard let used = try first(keys.usedCount) ?? keys.defaultUsedCount else {
            throw failure("\"\(keys.usedCount[0])\" is missing")
        }
        guard count <= ExpertConfiguration.maximumCount / layerCount else {
            throw failure("\(count) experts in each of \(layerCount) layers are no model")
        }
        guard used <= count else { throw failure("a token cannot go through \(used) of \(count) experts") }
        let normalizes: Bool
        switch keys.normalization {
        case .always: normalizes = true
        case .never: normalizes = false
        case .configured(let key, let usual): normalizes = try flag(key) ?? usual
        case .refused(let key):
            // transformers does not look at it, and DeepSeek's own program leaves the factor out where it is true.
            if try flag(key) == true {
                throw .unsupported("\(file): \"\(key)\" is true, which programs compute differently")
            }
            normalizes = false
        }
        let size = try size(keys.feedForwardSize)
        return ExpertConfiguration(
            count: count, usedCount: used, feedForwardSize: size, normalizesWeights: normalizes,
            shared: try shared(keys.shared, size: size),
            routing: try routing(keys.router, count: count, usedCount: used))
    }

    /// A size that may also be said of every layer, in a list.
    func uniformSize(
        _ key: String, _ layerCount: Int, limit: Int = maximumSize
    ) throws(RecastError) -> Int? {
        guard let list = object[key]?.array else { return try optionalSize(key, limit: limit) }
        let sizes = list.compactMap(\.int)
        guard sizes.count == list.count, sizes.count >= layerCount, let first = sizes.first, (1...limit).contains(first)
        else {
            throw failure("\"\(key)\" does not say a size of each of \(layerCount) layers")
        }
        guard sizes.prefix(layerCount).allSatisfy({ $0 == first }) else {
            throw .unsupported("\(file): \"\(key)\" differs between layers, which is not supported")
        }
        return first
    }

    /// The layers that have an ordinary feed-forward part instead.
    func denseLayers(
        _ keys: Family.ExpertKeys.DenseLayers, layerCount: Int
    ) throws(RecastError) -> [Int] {
        switch keys {
        case .none, .readByFamily: return []
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
        case .listed: return try listedDenseLayers(layerCount, default: 1)
        case .listedOrFirst(let usual):
            let count = try optionalCount("first_k_dense_replace") ?? usual
            return try listedDenseLayers(layerCount, default: count)
        case .outsideOfPeriod(let usualPeriod, let usualOffset):
            let period = try optionalSize("expert_layer_period") ?? usualPeriod
            let offset = try optionalCount("expert_layer_offset") ?? usualOffset
            guard offset < period else {
                throw failure("\"expert_layer_offset\" is \(offset), not below an \"expert_layer_period\" of \(period)")
            }
            return (0..<layerCount).filter { $0 % period != offset }
        case .outsideOfInterval:
            let first = try optionalCount("moe_layer_start_index") ?? 1
            let interval = try optionalSize("moe_layer_interval") ?? 1
            let end = object["moe_layer_end_index"]
            let last =
                end == nil || end?.int == -1
                ? layerCount - 1 : try optionalCount("moe_layer_end_index") ?? layerCount - 1
            let sparse = (0..<layerCount).filter { ($0 + 1).isMultiple(of: interval) && $0 >= first && $0 <= last }
            guard !sparse.isEmpty else {
                throw failure(
                    "no layer of \(layerCount) has experts: each \(interval). from layer \(first) to \(last) would have some"
                )
            }
            return (0..<layerCount).filter { !sparse.contains($0) }
        case .spaced:
            guard let list = object["moe_layers"], !list.isNull else {
                let step = try optionalSize("interleave_moe_layer_step") ?? 1
                return (0..<layerCount).filter { !($0 + 1).isMultiple(of: step) }
            }
            let numbers = list.array?.compactMap(\.int) ?? []
            guard let count = list.array?.count, count == numbers.count else {
                throw failure("\"moe_layers\" is \(list.text()), not a list of layers")
            }
            let sparse = Set(numbers)
            return (0..<layerCount).filter { !sparse.contains($0) }
        }
    }

    /// Of the first of two keys that is there. Other programs count layers at the beginning, which must be the same.
    private func listedDenseLayers(_ layerCount: Int, default count: Int) throws(RecastError) -> [Int] {
        var dense = Array(0..<min(count, layerCount))
        if let list = object["mlp_layer_types"], !list.isNull {
            let types = list.array?.map { $0.string ?? "" } ?? []
            guard types.count >= layerCount, types.allSatisfy({ $0 == "dense" || $0 == "sparse" }) else {
                throw failure(
                    "\"mlp_layer_types\" does not say of each of \(layerCount) layers whether it is dense or sparse")
            }
            dense = (0..<layerCount).filter { types[$0] == "dense" }
        }
        if let count = try optionalCount("first_k_dense_replace"), dense != Array(0..<min(count, layerCount)) {
            let numbers = dense.map(String.init).joined(separator: ", ")
            throw failure(
                "\"first_k_dense_replace\" is \(count), but layers without experts are \(numbers.isEmpty ? "none" : numbers) by "
                    + "\"mlp_layer_types\"" + (object["mlp_layer_types"] == nil ? ", which is missing" : ""))
        }
        return dense
    }

    private func shared(_ keys: Family.ExpertKeys.Shared, size: Int) throws(RecastError) -> SharedExpert? {
        switch keys {
        case .none: return nil
        case .gated(let key): return SharedExpert(feedForwardSize: try self.size(key), isGated: true)
        case .one(let key): return SharedExpert(feedForwardSize: try self.size(key), isGated: false)
        case .several(let key, let usual):
            let count = try optionalCount(key) ?? usual
            let (total, overflows) = count.multipliedReportingOverflow(by: size)
            guard !overflows, total <= Self.maximumSize else {
                throw failure("\(count) shared experts of \(size) rows are no model")
            }
            return count == 0 ? nil : SharedExpert(feedForwardSize: total, isGated: false)
        }
    }

    /// Source: transformers 5.23, the routers' `forward` in each family's model file.
    private func routing(_ router: Family.Router, count: Int, usedCount: Int) throws(RecastError) -> Routing {
        for statement in router.statements {
            switch statement {
            case .text(let key, let known): try check(key, among: known)
            case .flag(let key, let known):
                guard try flag(key) ?? known == known else {
                    throw .unsupported("\(file): a \"\(key)\" of \(!known) is not supported")
                }
            }
        }
        var routing = Routing(score: router.score, hasBias: router.hasBias)
        routing.scalesInput = router.scalesInput
        if let groups = router.groups {
            let methods = ["greedy", "group_limited_greedy"]
            if !groups.areSwitched {
                routing.groups = try self.groups(groups, of: count, picking: usedCount)
            } else if try check("topk_method", among: methods) == methods[1] {
                routing.groups = try self.groups(groups, of: count, picking: usedCount)
            }
        }
        if let factor = router.factor {
            routing.factor = try number(factor.key) ?? factor.default
            guard routing.factor > 0 else {
                throw failure("\"\(factor.key)\" is \(routing.factor), not a positive number")
            }
        }
        return routing
    }

    @discardableResult
    private func check(_ key: String, among known: [String]) throws(RecastError) -> String {
        let text = try text(key) ?? known[0]
        guard known.contains(text) else {
            throw .unsupported(
                "\(file): a \"\(key)\" of \"\(text)\" is not supported; \(known.joined(separator: " and ")) can be")
        }
        return text
    }

    private func groups(
        _ keys: Family.Router.Groups, of count: Int, picking usedCount: Int
    ) throws(RecastError) -> Routing.Groups? {
        let groups = try optionalSize("n_group") ?? keys.defaultCount
        let used = try optionalSize("topk_group") ?? keys.defaultUsedCount
        // Where all are looked at, there might as well be none.
        if used == groups { return nil }
        let result = Routing.Groups(count: groups, usedCount: used, scoreCount: keys.scoreCount)
        guard result.canPick(usedCount, of: count) else {
            throw failure("\(usedCount) of \(count) experts cannot be picked from \(used) of \(groups) groups")
        }
        return result
    }
}

// MARK: Latent attention

extension HuggingFaceConfiguration {
    private static let maximumRank = 1 << 24

    func latentAttention(_ family: Family) throws(RecastError) -> LatentAttention? {
        guard family.hasLatentAttention else { return nil }
        if try flag("rope_interleave") == false {
            throw .unsupported("\(file): latent attention with half-split rotary is not supported")
        }
        if try flag("attention_bias") == true {
            throw .unsupported("\(file): latent attention with biases is not supported")
        }
        let (limit, usual) = (Self.maximumHeadDimension / 2, family.latent)
        return LatentAttention(
            queryRank: object["q_lora_rank"] == nil
                ? usual.queryRank : try optionalSize("q_lora_rank", limit: Self.maximumRank),
            keyValueRank: try optionalSize("kv_lora_rank", limit: Self.maximumRank) ?? usual.keyValueRank,
            nopeHeadDimension: try optionalSize("qk_nope_head_dim", limit: limit) ?? usual.nopeHeadDimension,
            ropeHeadDimension: try optionalSize("qk_rope_head_dim", limit: limit) ?? usual.ropeHeadDimension,
            valueDimension: try optionalSize("v_head_dim", limit: limit) ?? usual.valueDimension,
            indexer: try usual.indexer.map { (usual) throws(RecastError) in try indexer(usual, family) })
    }

    private func indexer(_ usual: TokenIndexer, _ family: Family) throws(RecastError) -> TokenIndexer {
        if let rank = object["q_lora_rank"], rank.isNull {
            throw .unsupported(
                "\(file): an indexer whose queries have no rank (\"q_lora_rank\" is null) is not supported")
        }
        // transformers does not look at it.
        if let neighbours = try flag("indexer_rope_interleave"), neighbours != usual.turnsNeighbours {
            throw .unsupported("\(file): an \"indexer_rope_interleave\" of \(neighbours) is not supported")
        }
        let indexer = TokenIndexer(
            headCount: try optionalSize("index_n_heads", limit: Self.maximumRank) ?? usual.headCount,
            headDimension: try optionalSize("index_head_dim", limit: Self.maximumHeadDimension) ?? usual.headDimension,
            pickedCount: try optionalSize("index_topk") ?? usual.pickedCount, turnsNeighbours: usual.turnsNeighbours)
        let turning = try optionalSize("qk_rope_head_dim") ?? family.latent.ropeHeadDimension
        guard turning <= indexer.headDimension else {
            throw failure(
                "\"index_head_dim\" is \(indexer.headDimension), fewer than the \(turning) elements that are rotated")
        }
        guard indexer.headCount <= Self.maximumRank / indexer.headDimension else {
            throw failure("\(indexer.headCount) indexer heads of \(indexer.headDimension) elements are no model")
        }
        return indexer
    }
}

extension LatentAttention {
    /// What absent keys mean in DeepSeek V2 and V3. Source: transformers 5.23, `configuration_deepseek_v3.py`.
    static let deepSeek = LatentAttention(
        queryRank: 1536, keyValueRank: 512, nopeHeadDimension: 128, ropeHeadDimension: 64, valueDimension: 128)
}
