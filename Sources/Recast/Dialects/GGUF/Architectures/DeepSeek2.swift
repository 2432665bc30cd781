// DeepSeek-V2 and V3: latent attention as one key/value head of compressed numbers. Source: Specs/gguf.md §d.3 and §d.4.
extension GGUFArchitecture {
    static let deepSeek2 = GGUFArchitecture(
        "deepseek2", families: ["deepseek_v3", "deepseek_v2", "glm4_moe_lite"],
        reads: { (reader, configuration) throws(RecastError) in try readLatent(reader, &configuration) },
        writes: { (configuration, keys) throws(RecastError) in try writeLatent(configuration, &keys) }
    ) {
        Row.ggufLatentNames
    }

    private static let latentRouter = GGUFRouter(
        keys: [.size, .denseLayers, .sharedCount, .factor, .normalization, .score, .groups])

    static func readLatent(
        _ reader: GGUFConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let turning = try reader.size("rope.dimension_count", limit: 1 << 16)
        let head = try reader.size("attention.key_length_mla", limit: 1 << 16)
        guard turning.isMultiple(of: 2), turning < head else {
            throw .malformed(reader.file, "the rotary dimension is \(turning), of heads of \(head)")
        }
        let latent = LatentAttention(
            queryRank: try reader.optionalSize("attention.q_lora_rank", limit: 1 << 24),
            keyValueRank: try reader.size("attention.kv_lora_rank", limit: 1 << 24), nopeHeadDimension: head - turning,
            ropeHeadDimension: turning, valueDimension: try reader.size("attention.value_length_mla", limit: 1 << 16))
        configuration.eachLayer { $0.latentAttention = latent }
        configuration.headDimension = head
        configuration.keyValueHeadCount = configuration.headCount
        configuration.rope.dimensions = turning
        if case .yarn(var yarn) = configuration.rope.scaling {
            // 0.1 times the second number. Programs say both, and DeepSeek's models have them equal.
            yarn.mscaleAllDimensions = (try reader.positive("rope.scaling.yarn_log_multiplier") ?? 0) * 10
            if yarn.mscaleAllDimensions != 0 { yarn.mscale = yarn.mscaleAllDimensions }
            configuration.rope.scaling = .yarn(yarn)
        }
        try latentRouter.read(reader, into: &configuration)
        configuration.family = configuration.experts?.routing.score == .sigmoid ? "deepseek_v3" : "deepseek_v2"
    }

    static func writeLatent(_ configuration: ModelConfiguration, _ keys: inout GGUFKeys) throws(RecastError) {
        guard let latent = configuration.latentAttention, configuration.experts != nil else {
            throw .unsupported(
                "llama.cpp's \(keys.architecture) has latent attention and, in some layers, experts, which this model has not"
            )
        }
        try keys.set("attention.head_count_kv", 1)
        try keys.set("attention.key_length", latent.keyValueRank + latent.ropeHeadDimension)
        try keys.set("attention.value_length", latent.keyValueRank)
        try keys.set("attention.key_length_mla", configuration.headDimension)
        try keys.set("attention.value_length_mla", latent.valueDimension)
        if let rank = latent.queryRank { try keys.set("attention.q_lora_rank", rank) }
        try keys.set("attention.kv_lora_rank", latent.keyValueRank)
        try keys.set("rope.dimension_count", latent.ropeHeadDimension)
        try keys.set("vocab_size", configuration.vocabularySize)
        try latentRouter.write(configuration, into: &keys)
        if case .yarn(let yarn) = configuration.rope.scaling, yarn.mscaleAllDimensions != 0 {
            keys.set("rope.scaling.yarn_log_multiplier", 0.1 * yarn.mscaleAllDimensions)
        }
    }
}

extension Row {
    // swift-format-ignore
    static let ggufLatentNames = [
        Row(.tokenEmbedding,   "token_embd.weight"),
        Row(.attentionNorm,    "blk.{layer}.attn_norm.weight"),
        Row(.query,            "blk.{layer}.attn_q.weight"),
        Row(.queryDown,        "blk.{layer}.attn_q_a.weight"),
        Row(.queryDownNorm,    "blk.{layer}.attn_q_a_norm.weight"),
        Row(.queryUp,          "blk.{layer}.attn_q_b.weight"),
        Row(.keyValueDown,     "blk.{layer}.attn_kv_a_mqa.weight"),
        Row(.keyValueDownNorm, "blk.{layer}.attn_kv_a_norm.weight"),
        Row(.keyValueUp,       "blk.{layer}.attn_kv_b.weight"),
        Row(.attentionOutput,  "blk.{layer}.attn_output.weight"),
        Row(.feedForwardNorm,  "blk.{layer}.ffn_norm.weight"),
        Row(.gate,             "blk.{layer}.ffn_gate.weight"),
        Row(.up,               "blk.{layer}.ffn_up.weight"),
        Row(.down,             "blk.{layer}.ffn_down.weight"),
    ] + ggufExperts + [
        Row(.outputNorm,       "output_norm.weight"),
        Row(.outputHead,       "output.weight"),
    ]
}
