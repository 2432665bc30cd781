// Architectures whose layers are put together otherwise than llama's: in parallel, without a gate, with sinks. Source: llama.cpp's converter and loader,
// Specs/families.md §3.15.
extension GGUFArchitecture {
    static let arcee = GGUFArchitecture(
        "arcee", families: ["arcee"], activation: "relu2", writesRopeDimensions: true, rotaryFactors: .one,
        reads: { (_, configuration) throws(RecastError) in configuration.gatesFeedForward = false }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .projections).filter { $0.roles != [.gate] }
    }

    /// llama.cpp looks for QK norms in models of 64 layers and more.
    static let cohere = GGUFArchitecture(
        "command-r", families: ["cohere"],
        reads: { (reader, configuration) throws(RecastError) in
            try readParallel(reader, &configuration)
            let hasNorm = configuration.layerCount >= 64
            configuration.eachLayer { $0.norms.qk = hasNorm ? .ofEachHead : .none }
        },
        writes: { (configuration, keys) throws(RecastError) in writeParallel(configuration, &keys) }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .projections).filter { $0.roles != [.feedForwardNorm] }
        Row(.queryNorm, "blk.{layer}.attn_q_norm.weight", rotary: .interleaved)
        Row(.keyNorm, "blk.{layer}.attn_k_norm.weight", rotary: .interleaved)
    }

    static let cohere2 = GGUFArchitecture(
        "cohere2", families: ["cohere2"], needsWindows: true,
        reads: { (reader, configuration) throws(RecastError) in
            try readParallel(reader, &configuration)
            try readWindow(reader, fullEach: 4, &configuration)
            try readPattern(reader, &configuration)
            configuration.eachLayer { if $0.slidingWindow == nil { $0.position = .none } }
        },
        writes: { (configuration, keys) throws(RecastError) in
            writeParallel(configuration, &keys)
            try keys.set("vocab_size", configuration.vocabularySize)
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
            try keys.writeWindows(configuration, unlessFullEach: 4)
        }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .projections).filter { $0.roles != [.feedForwardNorm] }
    }

    static let gptOSS = GGUFArchitecture(
        "gpt-oss", families: ["gpt_oss"], needsWindows: true,
        reads: { (reader, configuration) throws(RecastError) in
            try GGUFRouter(keys: [.size]).read(reader, into: &configuration)
            configuration.gateLimit = GateLimit(limit: 7, alpha: 1.702)
            configuration.eachLayer { $0.hasSinks = true }
            try readWindow(reader, fullEach: 2, &configuration)
            try readPattern(reader, &configuration)
        },
        writes: { (configuration, keys) throws(RecastError) in
            try GGUFRouter(keys: [.size]).write(configuration, into: &keys)
            try keys.writeWindows(configuration, unlessFullEach: 2)
            keys.writeBetas(of: configuration.rope.scaling)
        }
    ) {
        Row.ggufNames(biases: .attention).filter {
            Set($0.roles).isDisjoint(with: [.feedForwardNorm, .gate, .up, .down])
        }
        Row(.sinks, "blk.{layer}.attn_sinks.weight")
        Row(.feedForwardNorm, "blk.{layer}.post_attention_norm.weight")
        Row(.router, "blk.{layer}.ffn_gate_inp.{weight,bias}")
        Row(.gate, "blk.{layer}.ffn_gate_exps.{expert}.{weight,bias}")
        Row(.up, "blk.{layer}.ffn_up_exps.{expert}.{weight,bias}")
        Row(.down, "blk.{layer}.ffn_down_exps.{expert}.{weight,bias}")
    }

    private static func readParallel(
        _ reader: GGUFConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        configuration.norms.kind = .layer
        configuration.eachLayer {
            $0.hasParallelResidual = true
            $0.norms.sharesPreNorm = true
        }
        if let scale = try reader.positive("logit_scale") { configuration.multipliers.logitDivisor = 1 / scale }
    }

    private static func writeParallel(_ configuration: ModelConfiguration, _ keys: inout GGUFKeys) {
        keys.set("logit_scale", 1 / configuration.multipliers.logitDivisor)
        if configuration.rope.scaling == .none { keys["rope.scaling.type"] = .string("none") }
    }
}
