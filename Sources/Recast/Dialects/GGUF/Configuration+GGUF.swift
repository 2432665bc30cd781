#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// The keys that describe an architecture. Source: Specs/gguf.md §a.5 and §d.4.

/// Reads the `<architecture>.*` keys.
struct GGUFConfiguration {
    let architecture: GGUFArchitecture
    let metadata: GGUFMetadata
    let file: String

    private static let maximumLayerCount = 512
    private static let maximumSize = 1 << 31

    /// - Parameters:
    ///   - embedding: the shape of the token embedding, which knows the vocabulary's true size.
    ///   - rotaryFactors: the values of `rope_freqs.weight`, if there is one.
    func configuration(embedding: [Int]?, rotaryFactors: [Float]?) throws(RecastError) -> ModelConfiguration {
        let hiddenSize = try size("embedding_length")
        let headCount = try size("attention.head_count")
        let keyLength = try optionalSize(
            "attention.key_length", limit: HuggingFaceConfiguration.maximumHeadDimension)
        guard keyLength != nil || hiddenSize.isMultiple(of: headCount) else {
            throw failure(
                "\(key("embedding_length")) \(hiddenSize) is not a multiple of \(headCount) heads, and there is no "
                    + key("attention.key_length"))
        }
        let headDimension = keyLength ?? min(hiddenSize / headCount, HuggingFaceConfiguration.maximumHeadDimension)
        guard try optionalSize("attention.value_length") ?? headDimension == headDimension else {
            throw .unsupported("\(file): values of another length than keys are not supported")
        }
        guard let vocabularySize = embedding?.first else { throw failure("there is no token_embd.weight") }
        let keyValueHeadCount = try optionalSize("attention.head_count_kv") ?? headCount
        guard headCount.isMultiple(of: keyValueHeadCount), headDimension > 0, headDimension.isMultiple(of: 2) else {
            throw failure("\(headCount) heads of \(headDimension) elements with \(keyValueHeadCount) key/value heads")
        }
        guard let epsilon = value("attention.layer_norm_rms_epsilon")?.double, epsilon > 0, epsilon < 1 else {
            throw failure("\(key("attention.layer_norm_rms_epsilon")) is missing or no small positive number")
        }
        var configuration = ModelConfiguration(
            family: architecture.family,
            vocabularySize: vocabularySize,
            hiddenSize: hiddenSize,
            feedForwardSize: try size("feed_forward_length"),
            layerCount: try size("block_count", limit: Self.maximumLayerCount),
            headCount: headCount,
            keyValueHeadCount: keyValueHeadCount,
            headDimension: headDimension,
            contextLength: try size("context_length"),
            normEpsilon: epsilon.shortened,
            activation: "silu",
            rope: try rope(dimensions: headDimension, factors: rotaryFactors))
        if architecture.normalizesHeads { configuration.norms.heads = .each }
        if let id = metadata["tokenizer.ggml.bos_token_id"]?.int { configuration.bosTokens = [id] }
        if let id = metadata["tokenizer.ggml.eos_token_id"]?.int { configuration.eosTokens = [id] }
        configuration.paddingToken = metadata["tokenizer.ggml.padding_token_id"]?.int
        guard try optionalSize("expert_count") == nil else {
            throw .unsupported("\(file): mixtures of experts are not supported yet")
        }
        return configuration
    }

    private func key(_ name: String) -> String { architecture.name + "." + name }
    private func value(_ name: String) -> GGUFValue? { metadata[key(name)] }
    private func failure(_ message: String) -> RecastError { .malformed(file, message) }

    private func size(_ name: String, limit: Int = maximumSize) throws(RecastError) -> Int {
        guard let size = try optionalSize(name, limit: limit) else { throw failure("\(key(name)) is missing") }
        return size
    }

    /// A size, which may also be written as a list with the same value for every layer.
    private func optionalSize(_ name: String, limit: Int = maximumSize) throws(RecastError) -> Int? {
        guard let value = value(name) else { return nil }
        if let sizes = value.ints, let first = sizes.first {
            guard sizes.allSatisfy({ $0 == first }) else {
                throw .unsupported("\(file): \(key(name)) differs between layers, which is not supported")
            }
            guard first > 0, first <= limit else { throw failure("\(key(name)) is \(first)") }
            return first
        }
        guard let size = value.int, size > 0 || name == "expert_count", size <= limit else {
            throw failure("\(key(name)) is no integer from 1 to \(limit)")
        }
        return size == 0 ? nil : size
    }

    private func positive(_ name: String) throws(RecastError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = value.double, number.isFinite, number > 0 else {
            throw failure("\(key(name)) is no positive number")
        }
        return number.shortened
    }

    private func rope(dimensions: Int, factors: [Float]?) throws(RecastError) -> Rope {
        let theta = try positive("rope.freq_base") ?? 10_000
        if let turned = try optionalSize("rope.dimension_count"), turned != dimensions {
            throw .unsupported("\(file): only \(turned) of \(dimensions) elements of a head are rotated")
        }
        var rope = Rope(theta: theta, dimensions: dimensions)
        // llama.cpp takes a missing type for linear, and knows the factor under an older name too.
        switch value("rope.scaling.type")?.string ?? "linear" {
        case "none": break
        case "linear":
            let old = try positive("rope.scale_linear")
            let factor = try positive("rope.scaling.factor") ?? old ?? 1
            if factor != 1 || value("rope.scaling.type") != nil { rope.scaling = .linear(factor: factor) }
        case let type:
            rope.scaling = .other(type)
            if type == "yarn", let factor = try positive("rope.scaling.factor"),
                let context = try optionalSize("rope.scaling.original_context_length")
            {
                rope.scaling = .yarn(Rope.Yarn(factor: factor, originalContext: context))
            }
        }
        guard let factors else { return rope }
        guard factors.count == rope.pairCount else {
            throw failure("rope_freqs.weight has \(factors.count) factors for \(rope.pairCount) pairs")
        }
        guard factors.allSatisfy({ $0.isFinite && $0 > 0 }) else { throw failure("rope_freqs.weight is not positive") }
        rope.scaling = rope.recognized(factors)
        return rope
    }
}

extension Rope {
    /// The llama3 scaling behind these factors, if there is one that explains them all; else the factors themselves.
    ///
    /// Only ratios of the original context and the two frequency factors matter, so the low one is taken to be 1.
    func recognized(_ factors: [Float]) -> Scaling {
        let factor = Double(factors.max() ?? 1)
        for (original, high) in candidates(factors.map(Double.init), factor: factor) {
            let scaling = Scaling.llama3(
                factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: high, originalContext: original)
            let candidate = Rope(theta: theta, dimensions: dimensions, scaling: scaling)
            if zip(candidate.frequencyFactors ?? [], factors).allSatisfy({ abs($0 / Double($1) - 1) < 1e-5 }) {
                return scaling
            }
        }
        return .factors(factors.map(Double.init))
    }

    /// Original contexts and high frequency factors that the factors suggest.
    ///
    /// Between the two wavelengths the smoothing `s = (original / wavelength - 1) / (high - 1)` is linear in the
    /// frequency: two pairs there give both unknowns, one gives the context for the usual factor of 4, and without any
    /// the context is a power of two between the neighbours.
    private func candidates(_ factors: [Double], factor: Double) -> [(original: Int, high: Double)] {
        let turns = baseFrequencies.map { $0 / (2 * .pi) }
        let between = factors.indices.filter { factors[$0] > 1 && factors[$0] < factor * (1 - 1e-6) }
        let smooth = between.map { (1 / factors[$0] - 1 / factor) / (1 - 1 / factor) }
        guard let first = between.first, let last = between.last else {
            return (5...24).map { (1 << $0, 4) }
        }
        var found = [(Int(((smooth[0] * 3 + 1) / turns[first]).rounded()), 4.0)]
        if first != last {
            let slope = (smooth[0] - smooth[smooth.count - 1]) / (turns[first] - turns[last])
            let high = 1 - 1 / (smooth[0] - slope * turns[first])
            let original = slope * (high - 1)
            if high.isFinite, original.isFinite, (1...1e9).contains(original) {
                found.append((Int(original.rounded()), (high * 1000).rounded() / 1000))
            }
        }
        return found
    }

    /// The factors as the reference converter computes them: in float32 throughout.
    var ggufFactors: [Float]? {
        guard case .llama3(let factor, let low, let high, let original) = scaling else { return nil }
        let lowWavelength = Double(original) / low
        let highWavelength = Double(original) / high
        return (0..<pairCount).map { pair in
            let exponent = Float(2 * pair) / Float(dimensions)
            let frequency = 1 / powf(Float(theta), exponent)
            let wavelength = Float(2 * Double.pi) / frequency
            if Double(wavelength) < highWavelength { return 1 }
            if Double(wavelength) > lowWavelength { return Float(factor) }
            let smooth = (Float(original) / wavelength - Float(low)) / Float(high - low)
            return 1 / ((1 - smooth) / Float(factor) + smooth)
        }
    }
}

extension Double {
    /// The number that float32 stood for: 1e-06 rather than 9.99999997e-07.
    var shortened: Double { Double("\(Float(self))") ?? self }
}

extension GGUFArchitecture {
    /// Adds the keys of a configuration in the order of the reference converter.
    ///
    /// - Parameter hasHeadDimension: whether the source states its head dimension; llama's always does.
    func write(
        _ configuration: ModelConfiguration, hasHeadDimension: Bool, fileType: UInt32, into metadata: inout GGUFMetadata
    ) throws(RecastError) {
        func set(_ key: String, _ value: GGUFValue) { metadata[name + "." + key] = value }
        func u32(_ value: Int) throws(RecastError) -> GGUFValue {
            guard let value = UInt32(exactly: value) else { throw .unsupported("\(value) does not fit GGUF's 32 bits") }
            return .u32(value)
        }
        set("block_count", try u32(configuration.layerCount))
        set("context_length", try u32(configuration.contextLength))
        set("embedding_length", try u32(configuration.hiddenSize))
        set("feed_forward_length", try u32(configuration.feedForwardSize))
        set("attention.head_count", try u32(configuration.headCount))
        set("attention.head_count_kv", try u32(configuration.keyValueHeadCount))
        switch configuration.rope.scaling {
        case .none, .llama3, .factors: break
        case .linear(let factor):
            set("rope.scaling.type", .string("linear"))
            set("rope.scaling.factor", .f32(Float(factor)))
        case .yarn, .dynamic, .longrope, .other:
            throw .unsupported(
                "rotary scaling of the type \(configuration.rope.scaling.name) cannot be written to GGUF")
        }
        set("rope.freq_base", .f32(Float(configuration.rope.theta)))
        set("attention.layer_norm_rms_epsilon", .f32(Float(configuration.normEpsilon)))
        let isUsual = configuration.headDimension * configuration.headCount == configuration.hiddenSize
        if writesRopeDimensions || hasHeadDimension || !isUsual {
            set("attention.key_length", try u32(configuration.headDimension))
            set("attention.value_length", try u32(configuration.headDimension))
        }
        metadata["general.file_type"] = .u32(fileType)
        if writesRopeDimensions {
            set("vocab_size", try u32(configuration.vocabularySize))
            set("rope.dimension_count", try u32(configuration.rope.dimensions))
        }
    }
}
