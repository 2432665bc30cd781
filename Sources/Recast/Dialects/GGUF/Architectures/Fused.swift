// Architectures with fused projections. Source: Specs/gguf.md §d.3 and §d.4; llama.cpp's converter.
extension GGUFArchitecture {
    // swift-format-ignore
    private static func fusedRows(rotary: RotaryLayout, isFused: Bool = true, postNorms: Bool = false) -> [Row] {
        let projections = isFused
            ? [Row([.query, .key, .value], "blk.{layer}.attn_qkv.{weight,bias}", layout: .concatenatedRows, rotary: rotary)]
            : [
                Row(.query, "blk.{layer}.attn_q.{weight,bias}", rotary: rotary),
                Row(.key,   "blk.{layer}.attn_k.{weight,bias}", rotary: rotary),
                Row(.value, "blk.{layer}.attn_v.{weight,bias}"),
            ]
        return [
            Row(.tokenEmbedding,  "token_embd.weight"),
            Row(.attentionNorm,   "blk.{layer}.attn_norm.weight"),
            Row(.attentionOutput, "blk.{layer}.attn_output.{weight,bias}"),
            Row(.feedForwardNorm, "blk.{layer}.ffn_norm.weight"),
            Row([.gate, .up],     "blk.{layer}.ffn_up.{weight,bias}", layout: .concatenatedRows),
            Row(.down,            "blk.{layer}.ffn_down.{weight,bias}"),
            Row(.outputNorm,      "output_norm.weight"),
            Row(.outputHead,      "output.weight"),
        ] + projections + (postNorms ? Row.ggufPostNorms : [])
    }

    /// Qwen 1, whose feed-forward length counts gate and up together.
    // swift-format-ignore
    static let qwen = GGUFArchitecture(
        "qwen", families: ["qwen1"],
        reads: { (reader, configuration) throws(RecastError) in
            guard configuration.feedForwardSize.isMultiple(of: 2) else {
                throw .malformed(reader.file, "qwen.feed_forward_length \(configuration.feedForwardSize) is not even")
            }
            configuration.feedForwardSize /= 2
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("feed_forward_length", 2 * configuration.feedForwardSize)
            // llama.cpp's converter writes the one, its loader reads the other.
            keys.set("attention.layer_norm_epsilon", configuration.normEpsilon)
        }
    ) {
        Row(.tokenEmbedding,        "token_embd.weight")
        Row(.attentionNorm,         "blk.{layer}.attn_norm.weight")
        Row([.query, .key, .value], "blk.{layer}.attn_qkv.{weight,bias}", layout: .concatenatedRows)
        Row(.attentionOutput,       "blk.{layer}.attn_output.weight")
        Row(.feedForwardNorm,       "blk.{layer}.ffn_norm.weight")
        Row(.up,                    "blk.{layer}.ffn_up.weight")
        Row(.gate,                  "blk.{layer}.ffn_gate.weight")
        Row(.down,                  "blk.{layer}.ffn_down.weight")
        Row(.outputNorm,            "output_norm.weight")
        Row(.outputHead,            "output.weight")
    }

    static let chatGLM = GGUFArchitecture(
        "chatglm", families: ["chatglm"], distinguishingTensor: "attn_qkv", reads: readHalfRotary, writes: writeChatGLM
    ) {
        fusedRows(rotary: .interleaved)
    }

    static let glm = GGUFArchitecture(
        "chatglm", families: ["glm"], reads: readHalfRotary,
        writes: { (configuration, keys) throws(RecastError) in
            try writeChatGLM(configuration, &keys)
            // What llama.cpp's converter makes of a configuration without ChatGLM's own key.
            try keys.set("context_length", configuration.hiddenSize)
        }
    ) {
        fusedRows(rotary: .interleaved, isFused: false)
    }

    static let glm4 = GGUFArchitecture(
        "glm4", families: ["glm4"],
        reads: { (_, configuration) throws(RecastError) in configuration.eachLayer { $0.norms.hasPostNorms = true } },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
        }
    ) {
        fusedRows(rotary: .interleaved, isFused: false, postNorms: true)
    }

    static let phi3 = GGUFArchitecture(
        "phi3", families: ["phi3"], rotaryFactors: .two,
        reads: { (reader, configuration) throws(RecastError) in
            if let size = reader.number("attention.sliding_window"), size > 0 {
                configuration.eachLayer { $0.slidingWindow = size }
            }
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.writeLongrope(configuration)
        }
    ) {
        fusedRows(rotary: .halfSplit)
    }

    @Sendable private static func readHalfRotary(
        _ reader: GGUFConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        guard configuration.headDimension.isMultiple(of: 4) else {
            throw .malformed(
                reader.file, "half of the head dimension, \(configuration.headDimension), is no rotary dimension")
        }
        // The key counts elements of the head that llama.cpp's converter takes for granted.
        configuration.rope.dimensions = configuration.headDimension / 2
    }

    /// - Note: llama.cpp's converter takes heads to be as long as the hidden size allows; the length that a model with
    ///   others has is written beside.
    @Sendable private static func writeChatGLM(
        _ configuration: ModelConfiguration, _ keys: inout GGUFKeys
    ) throws(RecastError) {
        let usual = configuration.hiddenSize / configuration.headCount
        try keys.set("rope.dimension_count", usual / 2)
        if usual != configuration.headDimension { try keys.writeHeadDimension(configuration) }
        keys.metadata["tokenizer.ggml.add_bos_token"] = .bool(false)
    }
}

extension GGUFKeys {
    /// What Phi's architectures say of positions.
    mutating func writeLongrope(_ configuration: ModelConfiguration) throws(RecastError) {
        var original = configuration.contextLength
        if case .longrope(let longrope) = configuration.rope.scaling {
            original = longrope.originalContext
            set("rope.scaling.attn_factor", longrope.attentionFactor)
        }
        try set("rope.scaling.original_context_length", original)
        try set("rope.dimension_count", configuration.rope.dimensions)
        try set("attention.sliding_window", configuration.slidingWindow ?? 0)
    }
}
