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
    /// What no key says.
    var seen: Seen

    /// What the tensors of a file say of its model where no key does.
    struct Seen {
        var normalizesHeads: Bool
        /// Whether what state spaces give is normalised.
        var normalizesState: Bool
        /// Layers with an ordinary feed-forward part.
        var denseLayers: Set<Int>
        /// Layers whose keys stand without values.
        var valuelessLayers: Set<Int> = []
        /// Layers whose hidden state is multiplied by a number.
        var scaledLayers: Set<Int> = []
    }

    private static let maximumLayerCount = 512
    private static let maximumSize = 1 << 31

    /// What the file says of rotary embeddings besides its keys.
    struct RotaryFactors {
        /// `rope_freqs.weight`
        var all: [Float]?
        /// `rope_factors_short.weight` and `rope_factors_long.weight`
        var short: [Float]?
        var long: [Float]?
    }

    /// - Parameter embedding: the shape of the token embedding, which knows the vocabulary's true size.
    func configuration(embedding: [Int]?, factors: RotaryFactors) throws(RecastError) -> ModelConfiguration {
        let hiddenSize = try size("embedding_length")
        let hasAttention = architecture.table.rows.contains { $0.roles.contains(.attentionOutput) }
        // Models of state spaces alone say 0.
        let headCount = hasAttention ? try size("attention.head_count") : 1
        let isLatent = architecture.table.row(of: Slot(.keyValueDown)) != nil
        let keyLength =
            isLatent
            ? nil : try optionalSize("attention.key_length", limit: HuggingFaceConfiguration.maximumHeadDimension)
        guard keyLength != nil || isLatent || hiddenSize.isMultiple(of: headCount) else {
            throw failure(
                "\(key("embedding_length")) \(hiddenSize) is not a multiple of \(headCount) heads, and there is no "
                    + key("attention.key_length"))
        }
        let headDimension = keyLength ?? min(hiddenSize / headCount, HuggingFaceConfiguration.maximumHeadDimension)
        let valueLength = isLatent ? nil : try optionalSize("attention.value_length")
        guard valueLength ?? headDimension == headDimension else {
            throw .unsupported("\(file): values of another length than keys are not supported")
        }
        guard let vocabularySize = embedding?.first else { throw failure("there is no token_embd.weight") }
        let keyValueHeadCount = isLatent ? headCount : try optionalSize("attention.head_count_kv") ?? headCount
        func headFailure() -> RecastError {
            failure("\(headCount) heads of \(headDimension) elements with \(keyValueHeadCount) key/value heads")
        }
        guard headCount.isMultiple(of: keyValueHeadCount), headDimension > 0 else { throw headFailure() }
        var configuration = ModelConfiguration(
            family: architecture.families[0],
            vocabularySize: vocabularySize,
            hiddenSize: hiddenSize,
            feedForwardSize: try feedForwardSize(),
            layerCount: try ownLayerCount(),
            headCount: headCount,
            keyValueHeadCount: keyValueHeadCount,
            headDimension: headDimension,
            contextLength: try size("context_length"),
            normEpsilon: try epsilon(),
            activation: architecture.activation,
            rope: try rope(
                headDimension: isLatent ? try size("attention.key_length_mla", limit: 1 << 16) : headDimension,
                factors: factors))
        if architecture.normalizesHeads { configuration.eachLayer { $0.norms.qk = .perHead } }
        if let id = metadata["tokenizer.ggml.bos_token_id"]?.int { configuration.bosTokens = [id] }
        if let id = metadata["tokenizer.ggml.eos_token_id"]?.int { configuration.eosTokens = [id] }
        configuration.paddingToken = metadata["tokenizer.ggml.padding_token_id"]?.int
        try architecture.reads(self, &configuration)
        let isRotary = configuration.layers.contains(where: \.hasRotary)
        guard isLatent || !isRotary || headDimension.isMultiple(of: 2) else { throw headFailure() }
        if configuration.experts == nil, try optionalSize("expert_count") != nil {
            throw .unsupported("\(file): a mixture of experts in the architecture \(architecture.name)")
        }
        return configuration
    }

    /// The layers of the model itself: those for predicting further tokens are counted with them.
    private func ownLayerCount() throws(RecastError) -> Int {
        let count = try size("block_count", limit: Self.maximumLayerCount)
        let further = number("nextn_predict_layers") ?? 0
        guard (0..<count).contains(further) else {
            throw failure("\(key("nextn_predict_layers")) is \(further) of \(count) layers")
        }
        return count - further
    }

    /// Where all layers have experts, or no layer has a feed-forward part, there may be none.
    private func feedForwardSize() throws(RecastError) -> Int {
        let hasAny = architecture.table.rows.contains { $0.roles.contains(.down) }
        guard hasAny else { return try size("embedding_length") }
        let ofExperts = try optionalSize("expert_feed_forward_length")
        return value("feed_forward_length") == nil && ofExperts != nil ? ofExperts! : try size("feed_forward_length")
    }

    private func epsilon() throws(RecastError) -> Double {
        let names = ["attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"]
        guard let epsilon = names.lazy.compactMap({ value($0)?.double?.shortened }).first, epsilon > 0, epsilon < 1
        else { throw failure("\(key(names[0])) is missing or no small positive number") }
        return epsilon
    }

    /// The keys that all architectures with experts have.
    func readExperts(into configuration: inout ModelConfiguration, normalizes: Bool) throws(RecastError) {
        guard let experts = try experts(normalizes: normalizes, of: configuration) else { return }
        let dense = number("leading_dense_block_count") ?? 0
        guard (0...configuration.layerCount).contains(dense) else {
            throw failure("\(key("leading_dense_block_count")) is \(dense) of \(configuration.layerCount) layers")
        }
        configuration.setExperts(experts, butIn: 0..<dense)
    }

    private func experts(
        normalizes: Bool, of configuration: ModelConfiguration
    ) throws(RecastError) -> ExpertConfiguration? {
        guard let count = try optionalSize("expert_count", limit: 1 << 16) else { return nil }
        let used = try size("expert_used_count", limit: 1 << 16)
        guard used <= count, count <= ExpertConfiguration.maximumCount / configuration.layerCount else {
            throw failure("a token cannot go through \(used) of \(count) experts")
        }
        let size = try optionalSize("expert_feed_forward_length") ?? configuration.feedForwardSize
        var experts = ExpertConfiguration(
            count: count, usedCount: used, feedForwardSize: size, normalizesWeights: normalizes)
        if let length = try optionalSize("expert_shared_feed_forward_length") {
            experts.shared = SharedExpert(feedForwardSize: length, isGated: true)
        } else if let shared = try optionalSize("expert_shared_count", limit: 1 << 10) {
            experts.shared = SharedExpert(feedForwardSize: shared * size, isGated: false)
        }
        return experts
    }

    /// A number for each layer: a list, or one for all.
    func layerSizes(_ name: String, layerCount: Int) throws(RecastError) -> [Int] {
        if let size = value(name)?.int { return Array(repeating: size, count: layerCount) }
        guard let sizes = value(name)?.ints, sizes.count >= layerCount, sizes.allSatisfy({ $0 >= 0 }) else {
            throw failure("\(key(name)) does not say a number of each of \(layerCount) layers")
        }
        return Array(sizes.prefix(layerCount))
    }

    func key(_ name: String) -> String { architecture.name + "." + name }
    func value(_ name: String) -> GGUFValue? { metadata[key(name)] }
    func flag(_ name: String) -> Bool? { if case .bool(let value)? = value(name) { value } else { nil } }
    func number(_ name: String) -> Int? { value(name)?.int }
    func failure(_ message: String) -> RecastError { .malformed(file, message) }

    func size(_ name: String, limit: Int = maximumSize) throws(RecastError) -> Int {
        guard let size = try optionalSize(name, limit: limit) else { throw failure("\(key(name)) is missing") }
        return size
    }

    /// A size, which may also be written as a list with the same value for every layer.
    func optionalSize(_ name: String, limit: Int = maximumSize) throws(RecastError) -> Int? {
        guard let value = value(name) else { return nil }
        if let sizes = value.ints, let first = architecture.listsLayers ? sizes.first(where: { $0 != 0 }) : sizes.first
        {
            guard
                sizes.allSatisfy({ $0 == first || $0 == 0 && architecture.listsLayers })
                    || architecture.sizesOfLayers.contains(name)
            else {
                throw .unsupported("\(file): \(key(name)) differs between layers, which is not supported")
            }
            guard first > 0, first <= limit else { throw failure("\(key(name)) is \(first)") }
            return first
        }
        let mayBeNone = [
            "expert_count", "expert_shared_count", "embedding_length_per_layer_input", "attention.shared_kv_layers",
        ].contains(name)
        guard let size = value.int, size > 0 || size == 0 && mayBeNone, size <= limit else {
            throw failure("\(key(name)) is no integer from 1 to \(limit)")
        }
        return size == 0 ? nil : size
    }

    /// A size of each layer, said once or for each.
    func sizes(_ name: String, layerCount: Int, limit: Int = maximumSize) throws(RecastError) -> [Int]? {
        guard let sizes = value(name)?.ints else {
            return try optionalSize(name, limit: limit).map { [Int](repeating: $0, count: layerCount) }
        }
        guard sizes.count == layerCount, sizes.allSatisfy({ (1...limit).contains($0) }) else {
            throw failure("\(key(name)) does not say a size of each of \(layerCount) layers")
        }
        return sizes
    }

    func positive(_ name: String) throws(RecastError) -> Double? {
        guard let value = value(name) else { return nil }
        // As programs have it, in float32, where a float64 may be nothing or infinite.
        guard let number = value.double?.shortened, number.isFinite, number > 0 else {
            throw failure("\(key(name)) is no positive number")
        }
        return number
    }

    private func rope(headDimension: Int, factors: RotaryFactors) throws(RecastError) -> Rope {
        let theta = try positive("rope.freq_base") ?? 10_000
        let said = try optionalSize("rope.dimension_count")
        let dimensions = architecture.isRotary ? said ?? headDimension : headDimension
        // Heads that are not rotated may have any size.
        guard dimensions <= headDimension, dimensions.isMultiple(of: 2) || dimensions == headDimension else {
            throw failure("the rotary dimension is \(dimensions), of heads of \(headDimension)")
        }
        var rope = Rope(theta: theta, dimensions: dimensions)
        try checkSections(of: rope)
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
                var yarn = Rope.Yarn(factor: factor, originalContext: context)
                yarn.betaFast = try positive("rope.scaling.yarn_beta_fast") ?? yarn.betaFast
                yarn.betaSlow = try positive("rope.scaling.yarn_beta_slow") ?? yarn.betaSlow
                rope.scaling = .yarn(yarn)
            }
        }
        if let short = factors.short, let long = factors.long {
            try check(short, of: rope, GGUFArchitecture.shortFactorsName)
            try check(long, of: rope, GGUFArchitecture.longFactorsName)
            rope.scaling = .longrope(
                Rope.Longrope(
                    short: short.map { Double($0).shortened }, long: long.map { Double($0).shortened },
                    originalContext: try size("rope.scaling.original_context_length"),
                    attentionFactor: try positive("rope.scaling.attn_factor") ?? 1))
        }
        guard let all = factors.all else { return rope }
        try check(all, of: rope, GGUFArchitecture.rotaryFactorsName)
        rope.scaling = rope.recognized(all)
        return rope
    }

    /// Positions of several dimensions are all alike in text, but for the fourth, which llama.cpp leaves at 0.
    private func checkSections(of rope: Rope) throws(RecastError) {
        let name = "rope.dimension_sections"
        guard let value = value(name) else { return }
        // One number stands for four of it.
        let counts = value.ints ?? value.int.map { [Int](repeating: $0, count: 4) }
        // What a model of any rotary dimension is told where nothing is said.
        if let counts, counts == architecture.sections { return }
        let text = counts.map { "\($0)" } ?? "no list of numbers"
        let stated = RotarySections.Stated(key: key(name), counts: counts, text: text)
        let sections = try RotarySections(stated, count: 4, of: rope, file: file)
        guard sections.counts[3] == 0 else {
            throw .unsupported(
                "\(file): \(key(name)) is \(text): in text the fourth dimension of positions does not move, and its "
                    + "\(sections.counts[3]) rotary pairs do not turn, which is not supported")
        }
    }

    private func check(_ factors: [Float], of rope: Rope, _ name: String) throws(RecastError) {
        guard factors.count == rope.pairCount else {
            throw failure("\(name) has \(factors.count) factors for \(rope.pairCount) pairs")
        }
        guard factors.allSatisfy({ $0.isFinite && $0 > 0 }) else { throw failure("\(name) is not positive") }
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
        // Any base and any factors may stand in a file, and make for contexts beyond all integers.
        let contexts = 1...1_000_000_000
        var found: [(original: Int, high: Double)] = []
        if let original = Int(rounding: (smooth[0] * 3 + 1) / turns[first], within: contexts) {
            found.append((original, 4))
        }
        if first != last {
            let slope = (smooth[0] - smooth[smooth.count - 1]) / (turns[first] - turns[last])
            let high = 1 - 1 / (smooth[0] - slope * turns[first])
            let original = slope * (high - 1)
            if high.isFinite, let original = Int(rounding: original, within: contexts) {
                found.append((original, (high * 1000).rounded() / 1000))
            }
        }
        return found
    }

    /// The factors as the reference converter computes them: in float32 throughout.
    var ggufFactors: [Float]? {
        if case .factors(let factors) = scaling { return factors.map { Float($0) } }
        if case .proportional = scaling { return frequencyFactors?.map { Float($0) } }
        guard case .llama3(let factor, let low, let high, let original) = scaling else { return nil }
        let lowWavelength = Double(original) / low
        let highWavelength = Double(original) / high
        return (0..<pairCount).map { pair in
            let exponent = Float(2 * pair) / Float(dimensions)
            let frequency = 1 / powf(Float(theta), exponent)
            let wavelength = Float(2 * Double.pi) / frequency
            if Double(wavelength) < highWavelength { return 1 }
            if Double(wavelength) > lowWavelength { return Float(factor) }
            if low == high { return 1 }
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
        var keys = GGUFKeys(architecture: name, metadata: metadata)
        try keys.set("block_count", configuration.layerCount)
        try keys.set("context_length", configuration.contextLength)
        try keys.set("embedding_length", configuration.hiddenSize)
        try keys.set("feed_forward_length", configuration.hasFeedForward ? configuration.feedForwardSize : 0)
        try keys.set("attention.head_count", configuration.hasAttention ? configuration.headCount : 0)
        if configuration.hasAttention {
            try keys.set("attention.head_count_kv", configuration.keyValueHeadCount)
            if listsLayers {
                keys["attention.head_count_kv"] = .array(
                    .i32(
                        configuration.layers.map {
                            $0.hasAttention ? Int32(clamping: configuration.keyValueHeadCount) : 0
                        }))
            }
            try keys.writeScaling(configuration.rope.scaling, rotaryFactors)
            keys.set("rope.freq_base", configuration.rope.theta)
        }
        let isRMS = configuration.norms.kind == .rms
        keys.set(isRMS ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", configuration.normEpsilon)
        let isUsual = configuration.headDimension * configuration.headCount == configuration.hiddenSize
        if configuration.hasAttention, writesRopeDimensions || hasHeadDimension || !isUsual {
            try keys.writeHeadDimension(configuration)
        }
        keys.metadata["general.file_type"] = .u32(fileType)
        if writesRopeDimensions {
            try keys.set("vocab_size", configuration.vocabularySize)
            try keys.set("rope.dimension_count", configuration.rope.dimensions)
        }
        try writes(configuration, &keys)
        metadata = keys.metadata
    }

    /// Divisors of rotary frequencies that lie beside the weights.
    func rotaryTensors(of rope: Rope) throws(RecastError) -> [NamedTensor] {
        switch rope.scaling {
        case .none where rotaryFactors == .always:
            return [NamedTensor(Self.rotaryFactorsName, .vector([Float](repeating: 1, count: rope.pairCount)))]
        case .llama3, .factors, .proportional:
            guard [.one, .always].contains(rotaryFactors), let factors = rope.ggufFactors else {
                throw .unsupported(
                    "llama.cpp knows no \(rope.scaling.name) rotary scaling for the architecture \(name)")
            }
            return [NamedTensor(Self.rotaryFactorsName, .vector(factors))]
        case .longrope(let longrope):
            guard rotaryFactors == .two else {
                throw .unsupported("llama.cpp knows no longrope scaling for the architecture \(name)")
            }
            return [
                NamedTensor(Self.longFactorsName, .vector(longrope.long.map { Float($0) })),
                NamedTensor(Self.shortFactorsName, .vector(longrope.short.map { Float($0) })),
            ]
        default: return []
        }
    }
}

extension GGUFKeys {
    fileprivate mutating func writeScaling(
        _ scaling: Rope.Scaling, _ factors: GGUFArchitecture.RotaryFactors
    ) throws(RecastError) {
        switch scaling {
        case .none, .llama3, .factors, .proportional, .longrope: break
        case .linear(let factor):
            self["rope.scaling.type"] = .string("linear")
            set("rope.scaling.factor", factor)
        case .yarn(let yarn):
            guard yarn.statesUsualAttentionFactor, yarn.mscale == 1 || yarn.mscale == yarn.mscaleAllDimensions else {
                throw .unsupported("llama.cpp cannot be told by what this model's yarn scaling multiplies attention")
            }
            self["rope.scaling.type"] = .string("yarn")
            set("rope.scaling.factor", yarn.factor)
            try set("rope.scaling.original_context_length", yarn.originalContext)
            // No program looks at it.
            if let factor = yarn.statedAttentionFactor { set("rope.scaling.yarn_attn_factor", factor) }
            if yarn.betaFast != Rope.Yarn.usualBetaFast { set("rope.scaling.yarn_beta_fast", yarn.betaFast) }
            if yarn.betaSlow != Rope.Yarn.usualBetaSlow { set("rope.scaling.yarn_beta_slow", yarn.betaSlow) }
        case .dynamic, .other:
            throw .unsupported("rotary scaling of the type \(scaling.name) cannot be written to GGUF")
        }
    }

    /// What is said elsewhere only where it is unusual.
    mutating func writeBetas(of scaling: Rope.Scaling) {
        guard case .yarn(let yarn) = scaling else { return }
        set("rope.scaling.yarn_beta_fast", yarn.betaFast)
        set("rope.scaling.yarn_beta_slow", yarn.betaSlow)
    }

    /// The keys that all architectures with experts have.
    mutating func writeExperts(_ experts: ExpertConfiguration) throws(RecastError) {
        try set("expert_count", experts.count)
        try set("expert_used_count", experts.usedCount)
        try set("expert_feed_forward_length", experts.feedForwardSize)
    }
}

extension GGUFConfiguration.Seen {
    init(_ tensors: [NamedTensor]) {
        (normalizesHeads, normalizesState, denseLayers) = (false, false, [])
        var valued = Set<Int>()
        for tensor in tensors {
            let parts = tensor.name.split(separator: ".", maxSplits: 3)
            guard parts.count > 2, parts[0] == "blk", let layer = Int(parts[1]) else { continue }
            if parts[2] == "attn_q_norm" { normalizesHeads = true }
            if parts[2] == "ssm_norm" { normalizesState = true }
            if parts[2] == "ffn_gate" { denseLayers.insert(layer) }
            if parts[2] == "attn_k" { valuelessLayers.insert(layer) }
            if parts[2] == "attn_v" { valued.insert(layer) }
            if parts[2] == "layer_output_scale" { scaledLayers.insert(layer) }
        }
        valuelessLayers.subtract(valued)
    }

    /// What the tensors of a model will say.
    init(_ configuration: ModelConfiguration) {
        normalizesHeads = configuration.has(.queryNorm)
        normalizesState = configuration.has(.recurrentNorm)
        denseLayers = Set(configuration.layers { $0.experts == nil })
        valuelessLayers = Set(configuration.layers { $0.valuesAreKeys })
        scaledLayers = Set(configuration.layers { $0.hasScale })
    }
}
