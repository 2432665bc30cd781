/// Reads `config.json` in the dialects of transformers 4 and 5. Source: Specs/families.md §2.
struct HuggingFaceConfiguration {
    let object: JSON.Object
    let file: String

    /// Sizes beyond these are no model, but would cost memory before anything else is checked.
    private static let maximumLayerCount = 10_000
    static let maximumSize = 1 << 31
    static let maximumHeadDimension = 1 << 16

    func configuration(of family: Family) throws(RecastError) -> ModelConfiguration {
        let hiddenSize = try size("hidden_size")
        let headCount = try size("num_attention_heads")
        let latent = try latentAttention(family)
        let givenDimension = try optionalSize("head_dim", limit: Self.maximumHeadDimension)
        let headDimension =
            latent?.headDimension ?? givenDimension
            ?? family.defaults.headDimension ?? min(hiddenSize / headCount, Self.maximumHeadDimension)
        let contextLength = try optionalSize("max_position_embeddings") ?? family.defaults.contextLength
        var configuration = ModelConfiguration(
            family: family.name,
            vocabularySize: try size("vocab_size"),
            hiddenSize: hiddenSize,
            feedForwardSize: try size("intermediate_size"),
            layerCount: try size("num_hidden_layers", limit: Self.maximumLayerCount),
            headCount: headCount,
            keyValueHeadCount: latent == nil ? try keyValueHeadCount(family) ?? headCount : headCount,
            headDimension: headDimension,
            contextLength: contextLength,
            normEpsilon: try number("rms_norm_eps") ?? 1e-6,
            activation: try text("hidden_act") ?? "silu",
            rope: try rope(dimensions: latent?.turningDimension ?? headDimension, contextLength: contextLength))
        configuration.latentAttention = latent
        configuration.normalizesHeads = family.normalizesHeads
        configuration.experts = try experts(family, layerCount: configuration.layerCount)
        configuration.slidingWindow = try slidingWindow(family, layerCount: configuration.layerCount)
        configuration.bosTokens = tokens("bos_token_id")
        configuration.eosTokens = tokens("eos_token_id")
        configuration.paddingToken = tokens("pad_token_id").first
        try check(configuration, family)
        return configuration
    }

    /// The type most weights are said to have.
    var dtype: String? { (object["dtype"] ?? object["torch_dtype"])?.string }

    func tiesEmbeddings(_ family: Family) throws(RecastError) -> Bool {
        try flag("tie_word_embeddings") ?? family.tiesByDefault
    }

    /// The roles that have biases.
    func biases(of family: Family) throws(RecastError) -> Set<Role> {
        var roles = Set<Role>()
        for group in family.biasGroups {
            switch group.presence {
            case .always: roles.formUnion(group.roles)
            case .configured(let key, let usual): if try flag(key) ?? usual { roles.formUnion(group.roles) }
            }
        }
        return roles
    }

    private func check(_ configuration: ModelConfiguration, _ family: Family) throws(RecastError) {
        guard configuration.headCount.isMultiple(of: configuration.keyValueHeadCount) else {
            throw failure(
                "num_attention_heads \(configuration.headCount) is not a multiple of num_key_value_heads "
                    + "\(configuration.keyValueHeadCount)")
        }
        if object["head_dim"]?.int == nil, family.defaults.headDimension == nil, !family.hasLatentAttention,
            !configuration.hiddenSize.isMultiple(of: configuration.headCount)
        {
            throw failure(
                "hidden_size \(configuration.hiddenSize) is not a multiple of num_attention_heads "
                    + "\(configuration.headCount), and there is no head_dim")
        }
        let turning = configuration.rope.dimensions
        guard turning > 0, turning.isMultiple(of: 2) else {
            throw failure("heads of \(turning) elements cannot be rotated in pairs")
        }
        guard configuration.normEpsilon > 0, configuration.normEpsilon < 1 else {
            throw failure("rms_norm_eps \(configuration.normEpsilon) is not a small positive number")
        }
    }

    // MARK: Keys

    func failure(_ message: String) -> RecastError { .malformed(file, message) }

    func size(_ key: String, limit: Int = maximumSize) throws(RecastError) -> Int {
        guard let size = try optionalSize(key, limit: limit) else { throw failure("\"\(key)\" is missing") }
        return size
    }

    func optionalSize(_ key: String, limit: Int = maximumSize) throws(RecastError) -> Int? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let size = value.int, size > 0, size <= limit else {
            throw failure("\"\(key)\" is \(value.text()), not an integer from 1 to \(limit)")
        }
        return size
    }

    /// A count, which may be none.
    func optionalCount(_ key: String) throws(RecastError) -> Int? {
        object[key]?.int == 0 ? 0 : try optionalSize(key)
    }

    func number(_ key: String, in object: JSON.Object? = nil) throws(RecastError) -> Double? {
        guard let value = (object ?? self.object)[key], !value.isNull else { return nil }
        guard let number = value.double, number.isFinite else {
            throw failure("\"\(key)\" is \(value.text()), not a number")
        }
        return number
    }

    func flag(_ key: String) throws(RecastError) -> Bool? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let flag = value.bool else { throw failure("\"\(key)\" is \(value.text()), not true or false") }
        return flag
    }

    func text(_ key: String, in object: JSON.Object? = nil) throws(RecastError) -> String? {
        guard let value = (object ?? self.object)[key], !value.isNull else { return nil }
        guard let text = value.string else { throw failure("\"\(key)\" is \(value.text()), not a string") }
        return text
    }

    /// A member that is an object. An empty one says nothing, as in transformers.
    private func members(_ key: String) throws(RecastError) -> JSON.Object? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let members = value.object else { throw failure("\"\(key)\" is \(value.text()), not an object") }
        return members.members.isEmpty ? nil : members
    }

    /// One id or a list of ids.
    private func tokens(_ key: String) -> [Int] {
        object[key]?.array?.compactMap(\.int) ?? object[key]?.int.map { [$0] } ?? []
    }

    /// Null means one for each head; a missing key means the default of the family's class.
    private func keyValueHeadCount(_ family: Family) throws(RecastError) -> Int? {
        object["num_key_value_heads"] == nil
            ? family.defaults.keyValueHeadCount : try optionalSize("num_key_value_heads")
    }

    // MARK: Position

    private func rope(dimensions: Int, contextLength: Int) throws(RecastError) -> Rope {
        let parameters = try members("rope_parameters")
        // transformers 5: a non-null `rope_scaling` wins over `rope_parameters`.
        let scaling = try members("rope_scaling") ?? parameters ?? JSON.Object()
        var theta = 10_000.0
        for place in [parameters, object, scaling] {
            if let value = try number("rope_theta", in: place ?? JSON.Object()) { theta = value }
        }
        guard theta > 0 else { throw failure("\"rope_theta\" is \(theta), not a positive number") }

        func required(_ key: String) throws(RecastError) -> Double {
            guard let value = try number(key, in: scaling), value > 0 else {
                throw failure("the rope scaling needs a positive \"\(key)\"")
            }
            return value
        }
        let oldType = try text("type", in: scaling)
        let type = try text("rope_type", in: scaling) ?? oldType ?? "default"
        let kind: Rope.Scaling
        switch type {
        case "default": kind = .none
        case "linear": kind = .linear(factor: try required("factor"))
        case "llama3":
            let low = try required("low_freq_factor")
            let high = try required("high_freq_factor")
            let original = try required("original_max_position_embeddings")
            guard high != low, let context = Int(exactly: original) else {
                throw failure("the llama3 rope scaling contradicts itself")
            }
            kind = .llama3(
                factor: try required("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
                originalContext: context)
        case "yarn" where Self.yarnKeys.isSuperset(of: scaling.members.map(\.key)):
            kind = try yarn(scaling, contextLength: contextLength).map(Rope.Scaling.yarn) ?? .other(type)
        case "su": kind = .other("longrope")
        default: kind = .other(type)
        }
        return Rope(theta: theta, dimensions: dimensions, scaling: kind)
    }

    /// With other keys it is another yarn, which can only be carried along.
    private static let yarnKeys: Set<String> = [
        "type", "rope_type", "rope_theta", "factor", "original_max_position_embeddings", "beta_fast", "beta_slow",
        "mscale", "mscale_all_dim",
    ]

    /// Nil for one that DeepSeek's two numbers do not say.
    private func yarn(
        _ scaling: JSON.Object, contextLength: Int
    ) throws(RecastError) -> Rope.Yarn? {
        guard let factor = try number("factor", in: scaling) else { return nil }
        guard factor > 0 else { throw failure("the yarn rope scaling has a factor of \(factor)") }
        // transformers believes the one outside of the scaling.
        let inner = try number("original_max_position_embeddings", in: scaling)
        let original = try number("original_max_position_embeddings") ?? inner ?? Double(contextLength)
        guard original > 0, let context = Int(exactly: original) else {
            throw failure("the original context of the yarn rope scaling is \(original)")
        }
        var yarn = Rope.Yarn(factor: factor, originalContext: context)
        // Zero is as good as nothing.
        if let beta = try number("beta_fast", in: scaling), beta != 0 { yarn.betaFast = beta }
        if let beta = try number("beta_slow", in: scaling), beta != 0 { yarn.betaSlow = beta }
        // One of the two alone does not count, but for the second, which makes attention sharper by itself.
        let (one, all) = (try number("mscale", in: scaling) ?? 0, try number("mscale_all_dim", in: scaling) ?? 0)
        if all != 0 {
            guard one != 0 else { return nil }
            (yarn.mscale, yarn.mscaleAllDimensions) = (one, all)
        }
        return yarn
    }

    private func slidingWindow(_ family: Family, layerCount: Int) throws(RecastError) -> SlidingWindow? {
        let isSwitchedOn = try flag("use_sliding_window") == true
        switch family.slidingWindow {
        case .none: return nil
        case .refused:
            guard !isSwitchedOn else {
                throw .unsupported("\(file): the sliding window of \(family.name) is not supported")
            }
            return nil
        case .everywhere: return try optionalSize("sliding_window").map { SlidingWindow(size: $0) }
        case .switched:
            guard isSwitchedOn, let size = try optionalSize("sliding_window") else { return nil }
            if let types = object["layer_types"]?.array?.map(\.string) {
                guard let first = types.firstIndex(of: "sliding_attention") else { return nil }
                guard types[first...].allSatisfy({ $0 == "sliding_attention" }) else {
                    throw .unsupported("\(file): full and sliding layers alternate, which \(family.name) does not do")
                }
                return SlidingWindow(size: size, firstLayer: first)
            }
            let first = object["max_window_layers"]?.int ?? family.defaults.firstSlidingLayer
            return first < layerCount ? SlidingWindow(size: size, firstLayer: max(0, first)) : nil
        }
    }
}
