/// Reads `config.json` in the dialects of transformers 4 and 5. Source: Specs/families.md §2.
struct HuggingFaceConfiguration {
    let object: JSON.Object
    let file: String

    /// Sizes beyond these are no model, but would cost memory before anything else is checked.
    private static let maximumLayerCount = 10_000
    static let maximumSize = 1 << 31
    static let maximumHeadDimension = 1 << 16

    func configuration(of family: Family) throws(RecastError) -> ModelConfiguration {
        try spelledUsually(family).usual(family)
    }

    /// The family's own names of keys replaced by the usual ones.
    private func spelledUsually(_ family: Family) -> HuggingFaceConfiguration {
        var object = object
        for (theirs, usual) in family.spellings {
            if let value = object[theirs], !value.isNull { object[usual] = value }
        }
        family.completes(&object)
        return HuggingFaceConfiguration(object: object, file: file)
    }

    private func usual(_ family: Family) throws(RecastError) -> ModelConfiguration {
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
            normEpsilon: try number("rms_norm_eps") ?? family.defaults.normEpsilon,
            activation: try text("hidden_act") ?? family.defaults.activation,
            rope: try rope(
                family, headDimension: latent?.ropeHeadDimension ?? headDimension, contextLength: contextLength))
        configuration.eachLayer { $0.latentAttention = latent }
        if family.normalizesHeads { configuration.eachLayer { $0.norms.qk = .perHead } }
        if let keys = family.experts {
            configuration.setExperts(
                try experts(keys, layerCount: configuration.layerCount),
                butIn: try denseLayers(keys.denseLayers, layerCount: configuration.layerCount))
        }
        try readSlidingWindow(family, into: &configuration)
        configuration.bosTokens = tokens("bos_token_id")
        configuration.eosTokens = tokens("eos_token_id")
        configuration.paddingToken = tokens("pad_token_id").first
        try family.reads(self, &configuration)
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
            configuration.hasAttention,
            !configuration.hiddenSize.isMultiple(of: configuration.headCount)
        {
            throw failure(
                "hidden_size \(configuration.hiddenSize) is not a multiple of num_attention_heads "
                    + "\(configuration.headCount), and there is no head_dim")
        }
        let turning = configuration.rope.dimensions
        guard !configuration.hasAttention || turning > 0, turning.isMultiple(of: 2),
            turning <= configuration.headDimension
        else {
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
    func members(_ key: String) throws(RecastError) -> JSON.Object? {
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

    // MARK: Attention

    private func readSlidingWindow(
        _ family: Family, into configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let isSwitchedOn = try flag("use_sliding_window") == true
        let usual = object["sliding_window"] == nil ? family.defaults.slidingWindow : nil
        let layers = configuration.layers.indices
        switch family.slidingWindow {
        case .none: break
        case .refused:
            guard !isSwitchedOn else {
                throw .unsupported("\(file): the sliding window of \(family.name) is not supported")
            }
        case .everywhere:
            let size = try optionalSize("sliding_window") ?? usual
            configuration.eachLayer { $0.slidingWindow = size }
        case .patterned(let fullEach):
            let listed = try slidingLayers(layerCount: layers.count)
            guard let size = try optionalSize("sliding_window") ?? usual else {
                guard listed?.isEmpty ?? true else {
                    throw failure("\"layer_types\" names layers with a window, but \"sliding_window\" is null")
                }
                return
            }
            let patterned = try patternedLayers(layerCount: layers.count, fullEach: fullEach)
            for layer in listed ?? patterned { configuration.layers[layer].slidingWindow = size }
        case .fromLayer:
            guard let size = try optionalSize("sliding_window") ?? usual else { return }
            let first = max(0, object["max_window_layers"]?.int ?? family.defaults.firstSlidingLayer)
            let sliding = try slidingLayers(layerCount: layers.count) ?? Array(layers.dropFirst(first))
            for layer in sliding { configuration.layers[layer].slidingWindow = size }
        case .switched:
            guard isSwitchedOn, let size = try optionalSize("sliding_window") else { return }
            let first = max(0, object["max_window_layers"]?.int ?? family.defaults.firstSlidingLayer)
            let sliding = try slidingLayers(layerCount: layers.count) ?? Array(layers.dropFirst(first))
            for layer in sliding { configuration.layers[layer].slidingWindow = size }
        }
    }

    /// All layers but each so many-th, or as letters say that are repeated: those of `LLLG` but the fourth. There the last layer
    /// sees all, whatever its letter.
    private func patternedLayers(layerCount: Int, fullEach usual: Int) throws(RecastError) -> [Int] {
        guard let text = object["sliding_window_pattern"]?.string else {
            let pattern = try optionalSize("sliding_window_pattern") ?? usual
            return (0..<layerCount).filter { !($0 + 1).isMultiple(of: pattern) }
        }
        let letters = Array(text.utf8)
        guard !letters.isEmpty, Set(letters).isSubset(of: Set("LG".utf8)) else {
            throw failure("\"sliding_window_pattern\" is \"\(text)\", neither a number nor a sequence of L and G")
        }
        return (0..<max(layerCount - 1, 0)).filter { letters[$0 % letters.count] == UInt8(ascii: "L") }
    }

    /// The layers that `layer_types` says have a window; nil where it is absent.
    private func slidingLayers(layerCount: Int) throws(RecastError) -> [Int]? {
        guard let types = object["layer_types"], !types.isNull else { return nil }
        let names = types.array?.map { $0.string ?? "" } ?? []
        let known = ["full_attention", "sliding_attention"]
        guard names.count == layerCount, names.allSatisfy(known.contains) else {
            throw failure(
                "\"layer_types\" does not say of each of \(layerCount) layers whether it is \(known[0]) or \(known[1])")
        }
        return names.indices.filter { names[$0] == known[1] }
    }
}
