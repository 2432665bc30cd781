// DeepSeek-V3.2 and GLM-5: DeepSeek-V3's layers, whose attention sees the tokens that an indexer picks. Source: Specs/families.md
// §3.17; transformers 5.23, `configuration_deepseek_v32.py` and `configuration_glm_moe_dsa.py`.
extension Family {
    static let deepSeekV32 = deepSeekLike(
        "deepseek_v32", architecture: "DeepseekV32ForCausalLM", defaults: Defaults(contextLength: 163_840),
        latent: LatentAttention(
            queryRank: 1536, keyValueRank: 512, nopeHeadDimension: 128, ropeHeadDimension: 64, valueDimension: 128,
            indexer: TokenIndexer(headCount: 64, headDimension: 128, pickedCount: 2048, turnsNeighbours: false)),
        experts: sparseExperts(groups: (8, 4)),
        writes: { _, object in object["num_nextn_predict_layers"] = 0 })

    static let glmMoEDSA = deepSeekLike(
        "glm_moe_dsa", architecture: "GlmMoeDsaForCausalLM",
        defaults: Defaults(contextLength: 202_752, normEpsilon: 1e-5),
        latent: LatentAttention(
            queryRank: 2048, keyValueRank: 512, nopeHeadDimension: 192, ropeHeadDimension: 64, valueDimension: 256,
            indexer: TokenIndexer(headCount: 32, headDimension: 128, pickedCount: 2048, turnsNeighbours: true)),
        experts: sparseExperts(groups: (1, 1)),
        reads: { (reader, configuration) throws(RecastError) in
            try refusePartialRotary(reader, &configuration)
            let types = try reader.indexerTypes(layerCount: configuration.layerCount)
            configuration.eachLayer { $1.sharesIndexer = !types[$0] }
        },
        writes: { configuration, object in
            object["num_nextn_predict_layers"] = 0
            object["indexer_types"] = .array(configuration.layers.map { $0.sharesIndexer ? "shared" : "full" })
        })

    private static func sparseExperts(groups: (Int, Int)) -> ExpertKeys {
        ExpertKeys(
            count: ["n_routed_experts"], feedForwardSize: "moe_intermediate_size",
            normalization: .configured("norm_topk_prob", default: true), denseLayers: .listedOrFirst(default: 3),
            shared: .several(count: "n_shared_experts", default: 1),
            router: .sigmoid(
                groups: groups, factor: Router.Factor(default: 2.5), .text("scoring_func", ["sigmoid"]),
                .text("topk_method", ["noaux_tc"])),
            defaultCount: 256, defaultUsedCount: 8)
    }
}

extension Row {
    // swift-format-ignore
    static let indexerNames = [
        Row(.indexerQuery,   "model.layers.{layer}.self_attn.indexer.wq_b.weight"),
        Row(.indexerKey,     "model.layers.{layer}.self_attn.indexer.wk.weight"),
        Row(.indexerKeyNorm, "model.layers.{layer}.self_attn.indexer.k_norm.{weight,bias}"),
        Row(.indexerWeights, "model.layers.{layer}.self_attn.indexer.weights_proj.weight"),
    ]
}

extension HuggingFaceConfiguration {
    /// Which layers have an indexer of their own (`full`); the others take the tokens that the last of those has picked.
    ///
    /// `indexer_types`, or `index_topk_pattern` (`FSSF`), or each `index_topk_freq`-th from layer `index_skip_topk_offset` - 1 on and
    /// all before it. Of those that are there the first counts, as in transformers.
    fileprivate func indexerTypes(layerCount: Int) throws(RecastError) -> [Bool] {
        let listed = try listedIndexerTypes(layerCount)
        let counted = try countedIndexerTypes(layerCount)
        let types = listed ?? counted
        guard types.first ?? true else {
            throw failure("the first layer shares the indexer of one before it, and there is none")
        }
        return types
    }

    private func listedIndexerTypes(_ layerCount: Int) throws(RecastError) -> [Bool]? {
        for key in ["indexer_types", "index_topk_pattern"] {
            guard let value = object[key], !value.isNull else { continue }
            var types: [Bool?] = []
            if key == "index_topk_pattern", let letters = value.string {
                for letter in letters { types.append(letter == "F" ? true : letter == "S" ? false : nil) }
            } else {
                for type in value.array ?? [] {
                    types.append(type.string == "full" ? true : type.string == "shared" ? false : nil)
                }
            }
            let known = types.compactMap { $0 }
            guard known.count == types.count, known.count >= layerCount else {
                throw failure(
                    "\"\(key)\" does not say of each of \(layerCount) layers whether its indexer is full or shared")
            }
            return Array(known.prefix(layerCount))
        }
        return nil
    }

    private func countedIndexerTypes(_ layerCount: Int) throws(RecastError) -> [Bool] {
        let step = max(1, try optionalCount("index_topk_freq") ?? 1)
        let offset = try optionalCount("index_skip_topk_offset") ?? 2
        return (0..<layerCount).map { max($0 - offset + 1, 0).isMultiple(of: step) }
    }
}
