/// Reads `config.json` in the dialects of transformers 4 and 5. Source: Specs/families.md §2.
struct HuggingFaceConfiguration {
    let object: JSON.Object
    let file: String

    /// Sizes beyond these are no model, but would cost memory before anything else is checked.
    private static let maximumLayerCount = 10_000
    private static let maximumSize = 1 << 31
    static let maximumHeadDimension = 1 << 16

    func configuration(of family: Family) throws(RecastError) -> ModelConfiguration {
        let hiddenSize = try size("hidden_size")
        let headCount = try size("num_attention_heads")
        let headDimension =
            try optionalSize("head_dim", limit: Self.maximumHeadDimension)
            ?? family.defaults.headDimension ?? min(hiddenSize / headCount, Self.maximumHeadDimension)
        var configuration = ModelConfiguration(
            family: family.name,
            vocabularySize: try size("vocab_size"),
            hiddenSize: hiddenSize,
            feedForwardSize: try size("intermediate_size"),
            layerCount: try size("num_hidden_layers", limit: Self.maximumLayerCount),
            headCount: headCount,
            keyValueHeadCount: try keyValueHeadCount(family) ?? headCount,
            headDimension: headDimension,
            contextLength: try optionalSize("max_position_embeddings") ?? family.defaults.contextLength,
            normEpsilon: try number("rms_norm_eps") ?? 1e-6,
            activation: try text("hidden_act") ?? "silu",
            rope: try rope(dimensions: headDimension))
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
            case .configured(let key): if try flag(key) ?? false { roles.formUnion(group.roles) }
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
        if object["head_dim"]?.int == nil, family.defaults.headDimension == nil,
            !configuration.hiddenSize.isMultiple(of: configuration.headCount)
        {
            throw failure(
                "hidden_size \(configuration.hiddenSize) is not a multiple of num_attention_heads "
                    + "\(configuration.headCount), and there is no head_dim")
        }
        guard configuration.headDimension > 0, configuration.headDimension.isMultiple(of: 2) else {
            throw failure("heads of \(configuration.headDimension) elements cannot be rotated in pairs")
        }
        guard configuration.normEpsilon > 0, configuration.normEpsilon < 1 else {
            throw failure("rms_norm_eps \(configuration.normEpsilon) is not a small positive number")
        }
    }

    // MARK: Keys

    private func failure(_ message: String) -> RecastError { .malformed(file, message) }

    private func size(_ key: String, limit: Int = maximumSize) throws(RecastError) -> Int {
        guard let size = try optionalSize(key, limit: limit) else { throw failure("\"\(key)\" is missing") }
        return size
    }

    private func optionalSize(_ key: String, limit: Int = maximumSize) throws(RecastError) -> Int? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let size = value.int, size > 0, size <= limit else {
            throw failure("\"\(key)\" is \(value.text()), not an integer from 1 to \(limit)")
        }
        return size
    }

    private func number(_ key: String, in object: JSON.Object? = nil) throws(RecastError) -> Double? {
        guard let value = (object ?? self.object)[key], !value.isNull else { return nil }
        guard let number = value.double, number.isFinite else {
            throw failure("\"\(key)\" is \(value.text()), not a number")
        }
        return number
    }

    private func flag(_ key: String) throws(RecastError) -> Bool? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let flag = value.bool else { throw failure("\"\(key)\" is \(value.text()), not true or false") }
        return flag
    }

    private func text(_ key: String, in object: JSON.Object? = nil) throws(RecastError) -> String? {
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

    // MARK: Experts

    private static let maximumExpertCount = 1 << 16

    private func experts(_ family: Family, layerCount: Int) throws(RecastError) -> ExpertConfiguration? {
        guard let keys = family.experts else { return nil }
        var count: Int?
        for key in keys.count where count == nil { count = try optionalSize(key, limit: Self.maximumExpertCount) }
        let total = count ?? keys.defaultCount
        let used = try optionalSize("num_experts_per_tok", limit: Self.maximumExpertCount) ?? keys.defaultUsedCount
        guard total <= ExpertConfiguration.maximumCount / layerCount else {
            throw failure("\(total) experts in each of \(layerCount) layers are no model")
        }
        guard used <= total else { throw failure("a token cannot go through \(used) of \(total) experts") }
        let normalizes: Bool
        switch keys.normalization {
        case .always: normalizes = true
        case .configured(let key): normalizes = try flag(key) ?? false
        }
        return ExpertConfiguration(
            count: total, usedCount: used, feedForwardSize: try size(keys.feedForwardSize),
            normalizesWeights: normalizes,
            denseLayers: keys.hasDenseLayers ? try denseLayers(layerCount: layerCount) : [])
    }

    /// The layers that `decoder_sparse_step` and `mlp_only_layers` leave without experts.
    private func denseLayers(layerCount: Int) throws(RecastError) -> [Int] {
        let step = try optionalSize("decoder_sparse_step") ?? 1
        let named = object["mlp_only_layers"]?.array ?? []
        let numbers = Set(named.compactMap(\.int))
        guard numbers.count == named.count || named.isEmpty else {
            throw failure("\"mlp_only_layers\" is \(object["mlp_only_layers"]?.text() ?? ""), not a list of layers")
        }
        return (0..<layerCount).filter { numbers.contains($0) || !($0 + 1).isMultiple(of: step) }
    }

    // MARK: Position

    private func rope(dimensions: Int) throws(RecastError) -> Rope {
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
        case "su": kind = .other("longrope")
        default: kind = .other(type)
        }
        return Rope(theta: theta, dimensions: dimensions, scaling: kind)
    }

    private func slidingWindow(_ family: Family, layerCount: Int) throws(RecastError) -> SlidingWindow? {
        guard family.hasSlidingWindow, try flag("use_sliding_window") == true,
            let size = try optionalSize("sliding_window")
        else { return nil }
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
