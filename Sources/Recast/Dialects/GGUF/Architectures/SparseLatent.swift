// DeepSeek-V3.2 and GLM-5: DeepSeek 2's tensors and keys, and those of the indexer. Source: llama.cpp's converter and loader,
// `deepseek32.cpp` and `glm-dsa.cpp`.
extension GGUFArchitecture {
    static let deepSeek32 = GGUFArchitecture(
        "deepseek32", families: ["deepseek_v32"],
        reads: { (reader, configuration) throws(RecastError) in
            try readLatent(reader, &configuration)
            try readIndexer(reader, turnsNeighbours: false, &configuration)
            configuration.family = "deepseek_v32"
        },
        writes: { (configuration, keys) throws(RecastError) in
            try writeLatent(configuration, &keys)
            try writeIndexer(configuration, &keys)
        }
    ) {
        Row.ggufLatentNames
        Row.ggufIndexerNames
    }

    static let glmDSA = GGUFArchitecture(
        "glm-dsa", families: ["glm_moe_dsa"],
        reads: { (reader, configuration) throws(RecastError) in
            try readLatent(reader, &configuration)
            try readIndexer(reader, turnsNeighbours: true, &configuration)
            try readSharing(reader, &configuration)
            configuration.family = "glm_moe_dsa"
        },
        writes: { (configuration, keys) throws(RecastError) in
            try writeLatent(configuration, &keys)
            try writeIndexer(configuration, &keys)
            keys[sharingKey] = .array(.bool(configuration.layers.map { !$0.sharesIndexer }))
        }
    ) {
        Row.ggufLatentNames
        Row.ggufIndexerNames
    }

    private static func readIndexer(
        _ reader: GGUFConfiguration, turnsNeighbours: Bool, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let indexer = TokenIndexer(
            headCount: try reader.size("attention.indexer.head_count", limit: 1 << 16),
            headDimension: try reader.size("attention.indexer.key_length", limit: 1 << 16),
            pickedCount: try reader.size("attention.indexer.top_k"), turnsNeighbours: turnsNeighbours)
        let turning = configuration.latentAttention?.ropeHeadDimension ?? 0
        guard turning <= indexer.headDimension, configuration.latentAttention?.queryRank != nil else {
            throw .malformed(
                reader.file, "an indexer with heads of \(indexer.headDimension) does not fit this latent attention")
        }
        configuration.eachLayer { $0.latentAttention?.indexer = indexer }
    }

    static let sharingKey = "attention.indexer.types"
    /// What llama.cpp takes for GLM-5.2, which is the first with so long a context, where the key is missing.
    private static let contextOfSharing = 1_048_576

    private static func readSharing(
        _ reader: GGUFConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        guard let value = reader.value(sharingKey) else {
            let isUsual = configuration.contextLength >= contextOfSharing
            configuration.eachLayer { $1.sharesIndexer = isUsual && $0 > 1 && !($0 - 2).isMultiple(of: 4) }
            return
        }
        let types: [Bool]? =
            if let all = value.bool {
                Array(repeating: all, count: configuration.layerCount)
            } else if case .array(.bool(let each)) = value { each } else { nil }
        guard let types, types.count >= configuration.layerCount, types.first ?? true else {
            throw reader.failure(
                "\(reader.key(sharingKey)) does not say of each of \(configuration.layerCount) layers whether it has an indexer, or "
                    + "denies it of the first")
        }
        configuration.eachLayer { $1.sharesIndexer = !types[$0] }
    }

    private static func writeIndexer(
        _ configuration: ModelConfiguration, _ keys: inout GGUFKeys
    ) throws(RecastError) {
        keys.writeBetas(of: configuration.rope.scaling)
        guard let indexer = configuration.latentAttention?.indexer else { return }
        try keys.set("attention.indexer.head_count", indexer.headCount)
        try keys.set("attention.indexer.key_length", indexer.headDimension)
        try keys.set("attention.indexer.top_k", indexer.pickedCount)
    }
}

extension Row {
    // swift-format-ignore
    static let ggufIndexerNames = [
        Row(.indexerQuery,   "blk.{layer}.indexer.attn_q_b.weight"),
        Row(.indexerKey,     "blk.{layer}.indexer.attn_k.weight"),
        Row(.indexerKeyNorm, "blk.{layer}.indexer.k_norm.{weight,bias}"),
        Row(.indexerWeights, "blk.{layer}.indexer.proj.weight"),
    ]
}
