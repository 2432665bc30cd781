#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// Architectures that multiply on the way, or limit what they compute. Source: Specs/gguf.md §d.3 and §d.4.
extension GGUFArchitecture {
    static let granite = GGUFArchitecture(
        "granite", families: ["granite"], writesRopeDimensions: true,
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readMultipliers(into: &configuration)
            configuration.multipliers.attention = try reader.positive("attention.scale")
        },
        writes: { (configuration, keys) throws(RecastError) in
            keys.writeMultipliers(configuration.multipliers)
            keys.set("attention.scale", configuration.attentionScale)
        }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .linear)
    }

    /// Whose experts are all its feed-forward layers.
    static let graniteMoE = GGUFArchitecture(
        "granitemoe", families: ["granitemoe"], writesRopeDimensions: true,
        reads: { (reader, configuration) throws(RecastError) in
            try reader.readMultipliers(into: &configuration)
            configuration.multipliers.attention = try reader.positive("attention.scale")
            if try reader.optionalSize("expert_shared_feed_forward_length") != nil {
                throw .unsupported("\(reader.file): Granite with shared experts is not supported")
            }
            try GGUFRouter(keys: []).read(reader, into: &configuration)
        },
        writes: { (configuration, keys) throws(RecastError) in
            keys.writeMultipliers(configuration.multipliers)
            keys.set("attention.scale", configuration.attentionScale)
            try GGUFRouter(keys: []).write(configuration, into: &keys)
        }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .attention)
        Row.ggufExperts
    }

    static let miniCPM = GGUFArchitecture(
        "minicpm", families: ["minicpm"],
        reads: { (reader, configuration) throws(RecastError) in
            // What older files mean that do not say it.
            configuration.multipliers.embedding = 12
            configuration.multipliers.residual = 1.4 / Double(configuration.layerCount).squareRoot()
            configuration.multipliers.logitDivisor = Double(configuration.hiddenSize) / 256
            try reader.readMultipliers(into: &configuration)
        },
        writes: { (configuration, keys) throws(RecastError) in keys.writeMultipliers(configuration.multipliers) }
    ) {
        Row.ggufNames(rotary: .interleaved, biases: .linear)
    }

    static let gemma = GGUFArchitecture(
        "gemma", families: ["gemma"], activation: "gelu_pytorch_tanh",
        reads: { (_, configuration) throws(RecastError) in multiplyEmbedding(&configuration) },
        writes: { (configuration, keys) throws(RecastError) in try keys.writeHeadDimension(configuration) }
    ) {
        Row.ggufNames()
    }

    static let gemma2 = GGUFArchitecture(
        "gemma2", families: ["gemma2"], activation: "gelu_pytorch_tanh",
        reads: { (reader, configuration) throws(RecastError) in
            multiplyEmbedding(&configuration)
            configuration.eachLayer { $0.norms.hasPostNorms = true }
            configuration.softCaps.attention = try reader.positive("attn_logit_softcapping")
            configuration.softCaps.logits = try reader.positive("final_logit_softcapping")
            try readWindow(reader, fullEach: 2, &configuration)
            // llama.cpp takes a model of 46 layers for the one of 27B.
            if configuration.layerCount == 46 {
                configuration.multipliers.attention =
                    1 / (Double(configuration.hiddenSize) / Double(configuration.headCount)).squareRoot()
            }
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.writeHeadDimension(configuration)
            if let cap = configuration.softCaps.attention { keys.set("attn_logit_softcapping", cap) }
            if let cap = configuration.softCaps.logits { keys.set("final_logit_softcapping", cap) }
            try keys.set("attention.sliding_window", configuration.slidingWindow ?? 0)
        }
    ) {
        Row.ggufNames()
        Row.ggufPostNorms
    }

    static let gemma3 = GGUFArchitecture(
        "gemma3", families: ["gemma3_text"], activation: "gelu_pytorch_tanh",
        reads: { (reader, configuration) throws(RecastError) in
            multiplyEmbedding(&configuration)
            configuration.eachLayer { $0.norms.hasPostNorms = true }
            configuration.softCaps.logits = try reader.positive("final_logit_softcapping")
            try readWindow(reader, fullEach: 6, &configuration)
            try readPattern(reader, &configuration)
            // llama.cpp takes a model of 62 layers for the one of 27B.
            if configuration.layerCount == 62 {
                configuration.multipliers.attention =
                    1 / (Double(configuration.hiddenSize) / Double(configuration.headCount)).squareRoot()
            }
            let theta = try reader.positive("rope.freq_base_swa") ?? 10_000
            let local = Rope(theta: theta, dimensions: configuration.rope.dimensions)
            configuration.eachLayer { if $0.slidingWindow != nil { $0.position = .localRotary(local) } }
        },
        writes: { (configuration, keys) throws(RecastError) in
            try keys.writeHeadDimension(configuration)
            if let cap = configuration.softCaps.logits { keys.set("final_logit_softcapping", cap) }
            try keys.set("attention.sliding_window", configuration.slidingWindow ?? 0)
            // What llama.cpp's converter leaves unsaid is said where it is otherwise.
            let windows = configuration.layers.map { $0.slidingWindow != nil }
            if configuration.slidingWindow != nil, windows != windows.indices.map({ !($0 + 1).isMultiple(of: 6) }) {
                keys["attention.sliding_window_pattern"] = .array(.bool(windows))
            }
            if let local = configuration.localRope, local.theta != 10_000 {
                keys.set("rope.freq_base_swa", local.theta)
            }
        }
    ) {
        Row.ggufNames()
        Row.ggufHeadNorms
        Row.ggufPostNorms
    }

    /// llama.cpp multiplies by the root itself; the one that norms add is in the weights.
    @Sendable private static func multiplyEmbedding(_ configuration: inout ModelConfiguration) {
        configuration.multipliers.embedding = Double(configuration.hiddenSize).squareRoot()
    }

    /// Which layers have a window, of each layer or as a number.
    @Sendable static func readPattern(
        _ reader: GGUFConfiguration, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let key = "attention.sliding_window_pattern"
        guard let size = reader.number("attention.sliding_window"), size > 0, let value = reader.value(key) else {
            return
        }
        if case .array(.bool(let windows)) = value, windows.count == configuration.layerCount {
            configuration.eachLayer { $1.slidingWindow = windows[$0] ? size : nil }
        } else if let count = value.int, (1...configuration.layerCount).contains(count) {
            configuration.eachLayer { $1.slidingWindow = count == 1 || ($0 + 1).isMultiple(of: count) ? nil : size }
        } else {
            throw RecastError(.malformedInput, "\(key) is neither a number nor one answer for each layer")
        }
    }

    @Sendable static func readWindow(
        _ reader: GGUFConfiguration, fullEach count: Int, _ configuration: inout ModelConfiguration
    ) throws(RecastError) {
        guard let size = reader.number("attention.sliding_window"), size > 0 else { return }
        configuration.eachLayer { if !($0 + 1).isMultiple(of: count) { $1.slidingWindow = size } }
    }
}

extension GGUFConfiguration {
    func readMultipliers(into configuration: inout ModelConfiguration) throws(RecastError) {
        if let factor = try positive("embedding_scale") { configuration.multipliers.embedding = factor }
        if let factor = try positive("residual_scale") { configuration.multipliers.residual = factor }
        if let divisor = try positive("logit_scale") { configuration.multipliers.logitDivisor = divisor }
    }
}

extension GGUFKeys {
    mutating func writeMultipliers(_ multipliers: ScaleFactors) {
        set("embedding_scale", multipliers.embedding)
        set("residual_scale", multipliers.residual)
        set("logit_scale", multipliers.logitDivisor)
    }

    /// The window, and which layers have it.
    ///
    /// - Parameter usual: each so many-th layer sees all where nothing else is said; where that is so, nothing is.
    mutating func writeWindows(
        _ configuration: ModelConfiguration, unlessFullEach usual: Int? = nil
    ) throws(RecastError) {
        try set("attention.sliding_window", configuration.slidingWindow ?? 0)
        let windows = configuration.layers.map { $0.slidingWindow != nil }
        if let usual, windows == windows.indices.map({ !($0 + 1).isMultiple(of: usual) }) { return }
        self["attention.sliding_window_pattern"] = .array(.bool(windows))
    }

    mutating func writeHeadDimension(_ configuration: ModelConfiguration) throws(RecastError) {
        try set("attention.key_length", configuration.headDimension)
        try set("attention.value_length", configuration.headDimension)
    }
}
