// Architectures whose feed-forward layers are experts, of 2024 to 2026. Source: llama.cpp's converter and loader, Specs/families.md
// §3.14.
extension GGUFArchitecture {
    private static func routed(
        _ name: String, _ family: String, _ router: GGUFRouter, writesRotary: Bool = false,
        reads: @escaping Reading = { _, _ in }, writes: @escaping Writing = { _, _ in }, @RowBuilder rows: () -> [Row]
    ) -> GGUFArchitecture {
        GGUFArchitecture(
            name, families: [family],
            reads: { (reader, configuration) throws(RecastError) in
                try router.read(reader, into: &configuration)
                try reads(reader, &configuration)
            },
            writes: { (configuration, keys) throws(RecastError) in
                try router.write(configuration, into: &keys)
                if writesRotary { try keys.set("rope.dimension_count", configuration.rope.dimensions) }
                try writes(configuration, &keys)
            }, rows: rows)
    }

    /// GLM-4.5 to 4.7. Its norm before feed-forward has the name of the one after attention.
    static let glm4MoE = routed(
        "glm4moe", "glm4_moe",
        GGUFRouter(
            score: .sigmoid, keys: [.size, .denseLayers, .sharedCount, .factor, .normalization, .score, .groups]),
        writesRotary: true,
        reads: { (reader, configuration) throws(RecastError) in
            if !reader.seen.normalizesHeads { configuration.eachLayer { $0.norms.qk = .none } }
        }
    ) {
        Row.ggufNames(biases: .projections).filter { $0.roles != [.feedForwardNorm] }
        Row(.feedForwardNorm, "blk.{layer}.post_attention_norm.weight")
        Row.ggufHeadNorms
        Row.ggufExperts
    }

    static let miniMaxM2 = routed(
        "minimax-m2", "minimax_m2", GGUFRouter(score: .sigmoid, keys: [.size, .score]), writesRotary: true,
        reads: { (_, configuration) throws(RecastError) in configuration.eachLayer { $0.norms.qk = .acrossHeads } }
    ) {
        Row.ggufNames()
        Row.ggufHeadNorms
        Row.ggufExperts
    }

    /// Softmax with a correction bias.
    static let ernie45MoE = routed(
        "ernie4_5-moe", "ernie4_5_moe",
        GGUFRouter(hasBias: true, keys: [.size, .denseLayers, .sharedCount, .sharedSize]),
        reads: { (reader, configuration) throws(RecastError) in
            let step = try reader.size("interleave_moe_layer_step", limit: 1 << 16)
            configuration.eachLayer { if !($0 + 1).isMultiple(of: step) { $1.feedForward = .dense } }
        },
        writes: { (configuration, keys) throws(RecastError) in
            let interval = configuration.expertInterval
            try keys.set("interleave_moe_layer_step", interval.step)
            try keys.set("leading_dense_block_count", interval.layers.lowerBound)
        }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .attention)
        Row.ggufExperts
    }

    /// Hunyuan-A13B, which normalises heads after it has rotated them.
    static let hunYuanMoE = routed(
        "hunyuan-moe", "hunyuan_v1_moe", GGUFRouter(keys: [.size, .sharedCount, .sharedSize]),
        reads: { (_, configuration) throws(RecastError) in configuration.eachLayer { $0.norms.qk = .perRotatedHead } }
    ) {
        Row.ggufNames(biases: .projections)
        Row.ggufHeadNorms
        Row.ggufExperts
    }

    /// Hunyuan 3. Which layers have experts, its tensors say.
    static let hyV3 = routed(
        "hy_v3", "hy_v3", GGUFRouter(score: .sigmoid, keys: [.size, .sharedSize, .factor, .normalization, .score]),
        reads: { (reader, configuration) throws(RecastError) in
            for layer in reader.seen.denseLayers where configuration.layers.indices.contains(layer) {
                configuration.layers[layer].feedForward = .dense
            }
        }
    ) {
        Row.ggufNames(biases: .projections)
        Row.ggufHeadNorms
        Row.ggufExperts.filter { $0.roles != [.routerBias] }
        Row(.routerBias, "blk.{layer}.exp_probs_b")
    }

    /// Ling and Ring 2.0.
    static let bailingMoE2 = routed(
        "bailingmoe2", "bailing_moe_v2",
        GGUFRouter(
            score: .sigmoid,
            keys: [.size, .denseLayers, .sharedCount, .sharedSizeOfOne, .factor, .normalization, .score, .groups]),
        writesRotary: true,
        writes: { (configuration, keys) throws(RecastError) in
            try keys.set("vocab_size", configuration.vocabularySize)
        }
    ) {
        Row.ggufNames().filter { !Set($0.roles).isSubset(of: .projections) }
        Row([.query, .key, .value], "blk.{layer}.attn_qkv.weight", layout: .concatenatedRows)
        Row.ggufHeadNorms
        Row.ggufExperts
    }

    static let dots1 = routed(
        "dots1", "dots1",
        GGUFRouter(keys: [.size, .denseLayers, .sharedCount, .factor, .normalization, .score, .groups])
    ) {
        Row.ggufNames(biases: .projections)
        Row.ggufHeadNorms
        Row.ggufExperts
    }

    static let olmoE = routed(
        "olmoe", "olmoe", GGUFRouter(normalizes: false, keys: []),
        reads: { (_, configuration) throws(RecastError) in configuration.eachLayer { $0.norms.qk = .acrossHeads } }
    ) {
        Row.ggufNames(biases: .projections)
        Row.ggufHeadNorms
        Row.ggufExperts
    }

    /// Phi-3.5-MoE, whose experts llama.cpp weighs by the softmax of all.
    static let phiMoE = GGUFArchitecture(
        "phimoe", families: ["phimoe"], rotaryFactors: .two,
        reads: { (reader, configuration) throws(RecastError) in
            configuration.norms.kind = .layer
            if let size = reader.number("attention.sliding_window"), size > 0 {
                configuration.eachLayer { $0.slidingWindow = size }
            }
            try GGUFRouter(keys: []).read(reader, into: &configuration)
        },
        writes: { (configuration, keys) throws(RecastError) in
            try GGUFRouter(keys: []).write(configuration, into: &keys)
            try keys.writeLongrope(configuration)
            // llama.cpp has one name for both kinds here.
            keys["attention.layer_norm_epsilon"] = nil
            keys.set("attention.layer_norm_rms_epsilon", configuration.normEpsilon)
        }
    ) {
        Row.ggufNames(
            biases: .attention.union([.attentionNorm, .feedForwardNorm, .outputNorm, .outputHead]))
        Row.ggufExperts
    }
}
