// What only some models have: experts and latent attention. Source: Specs/megatron.md §2.2, §2.3 and §6.
extension MegatronArguments {
    /// Arguments of dense models name experts, too, but not how many.
    private var hasExperts: Bool { int("num_experts").map { $0 > 0 } ?? false }

    func experts(
        gatesSharedExpert: Bool, of configuration: ModelConfiguration
    ) throws(RecastError) -> ExpertConfiguration? {
        guard hasExperts else { return nil }
        let count = try needed(
            int("num_experts"), "num_experts", limit: ExpertConfiguration.maximumCount / configuration.layerCount)
        let used = try needed(int("moe_router_topk"), "moe_router_topk", limit: count)
        let routing = try routing(of: count, usedCount: used)
        return ExpertConfiguration(
            count: count, usedCount: used,
            feedForwardSize: try needed(
                int("moe_ffn_hidden_size") ?? configuration.feedForwardSize, "moe_ffn_hidden_size"),
            // A single sigmoid is taken as it is.
            normalizesWeights: routing.score == .sigmoid ? used > 1 : !(bool("moe_router_pre_softmax") ?? false),
            shared: try int("moe_shared_expert_intermediate_size").map { (size) throws(RecastError) in
                SharedExpert(
                    feedForwardSize: try needed(size, "moe_shared_expert_intermediate_size"),
                    isGated: gatesSharedExpert)
            },
            routing: routing)
    }

    /// Source: megatron-core 0.16.1, `moe_utils.topk_routing_with_score_function` and `group_limited_topk`.
    private func routing(of count: Int, usedCount: Int) throws(RecastError) -> Routing {
        let name = string("moe_router_score_function") ?? Routing.Score.softmax.rawValue
        guard let score = Routing.Score(rawValue: name), score != .sparseMixer else {
            throw RecastError(
                .unsupported,
                "routers with the score function \(name) cannot be read; those with softmax and sigmoid can",
                trail: [file])
        }
        var routing = Routing(score: score, hasBias: bool("moe_router_enable_expert_bias") ?? false)
        if let factor = double("moe_router_topk_scaling_factor"), factor != 0 {
            guard factor > 0, factor.isFinite else {
                throw .malformed(file, "args.moe_router_topk_scaling_factor is \(factor), not a positive number")
            }
            routing.factor = factor
        }
        if let used = int("moe_router_group_topk") {
            let groups = try needed(int("moe_router_num_groups"), "moe_router_num_groups", limit: count)
            let result = Routing.Groups(count: groups, usedCount: used, scoreCount: usedCount / max(1, used))
            guard used > 0, used <= usedCount, result.canPick(usedCount, of: count) else {
                throw .malformed(file, "args name \(used) of \(groups) groups of \(count) experts for \(usedCount)")
            }
            if used < groups { routing.groups = result }
        }
        return routing
    }

    /// Arguments of other models name the sizes of latent attention, too.
    var hasLatentAttention: Bool { bool("multi_latent_attention") ?? false }

    func latentAttention() throws(RecastError) -> LatentAttention? {
        guard hasLatentAttention else { return nil }
        let limit = HuggingFaceConfiguration.maximumHeadDimension / 2
        func size(_ name: String, limit: Int) throws(RecastError) -> Int { try needed(int(name), name, limit: limit) }
        return LatentAttention(
            queryRank: int("q_lora_rank") == nil ? nil : try size("q_lora_rank", limit: 1 << 24),
            keyValueRank: try size("kv_lora_rank", limit: 1 << 24),
            nopeHeadDimension: try size("qk_head_dim", limit: limit),
            ropeHeadDimension: try size("qk_pos_emb_head_dim", limit: limit),
            valueDimension: try size("v_head_dim", limit: limit))
    }

    /// The rows of the first projections of latent attention, whole.
    var latentRows: [Role: Int] {
        guard let latent = try? latentAttention() else { return [:] }
        var rows = [Role.keyValueDown: latent.keyValueRank + latent.ropeHeadDimension]
        rows[.queryDown] = latent.queryRank
        return rows
    }
}
