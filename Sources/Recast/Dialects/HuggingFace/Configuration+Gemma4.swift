// The keys of Gemma 4. Source: transformers 5.23, `configuration_gemma4.py`.
extension HuggingFaceConfiguration {
    func readGemma4(
        into configuration: inout ModelConfiguration, hasLayerInputs: Bool = true
    ) throws(RecastError) {
        let count = configuration.layerCount
        // Whatever is said of it, the last layer sees all.
        configuration.layers[count - 1].slidingWindow = nil
        let isFull = configuration.layers.map { $0.slidingWindow == nil }
        // "vision" means images alone.
        if let direction = try text("use_bidirectional_attention"), direction != "vision" {
            throw .unsupported("\(file): attention in both directions is not supported")
        }
        if let activation = try text("hidden_activation") { configuration.activation = activation }
        configuration.multipliers.embedding = Double(configuration.hiddenSize).squareRoot()
        configuration.multipliers.attention = 1
        if let cap = try number("final_logit_softcapping") {
            guard cap > 0 else { throw failure("\"final_logit_softcapping\" is \(cap)") }
            configuration.softCaps.logits = cap
        }
        configuration.eachLayer {
            $0.norms.hasPostNorms = true
            $0.norms.normalizesValues = true
            $0.hasScale = true
        }
        if hasLayerInputs { try readLayerInputs(into: &configuration) }
        let heads = try headSizes(isFull: isFull, configuration)
        configuration.setHeads(dimensions: heads.dimensions, keyValueCounts: heads.counts)
        try readRopes(isFull: isFull, heads.dimensions, into: &configuration)
        let keysAreValues = try flag("attention_k_eq_v") ?? false
        configuration.eachLayer { if keysAreValues, isFull[$0] { $1.valuesAreKeys = true } }
        try readSharedKeyValues(isFull: isFull, into: &configuration)
    }

    /// What each token adds to every layer.
    private func readLayerInputs(into configuration: inout ModelConfiguration) throws(RecastError) {
        let key = "hidden_size_per_layer_input"
        let size = object[key] == nil ? 256 : try optionalCount(key) ?? 0
        guard size > 0 else { return }
        guard size <= Self.maximumHeadDimension else { throw failure("\"\(key)\" is \(size)") }
        let vocabularySize = try optionalSize("vocab_size_per_layer_input") ?? 262_144
        guard vocabularySize == configuration.vocabularySize else {
            throw .unsupported(
                "\(file): embeddings of each layer for \(vocabularySize) tokens beside a vocabulary of "
                    + "\(configuration.vocabularySize) are not supported")
        }
        configuration.layerInputSize = size
    }

    /// Of layers that see all, and of those that differ in particular.
    private func headSizes(
        isFull: [Bool], _ configuration: ModelConfiguration
    ) throws(RecastError) -> (dimensions: [Int], counts: [Int]) {
        var dimensions = isFull.map { _ in configuration.headDimension }
        var counts = isFull.map { _ in configuration.keyValueHeadCount }
        if object["per_layer_config"] == nil {
            let dimension = try optionalSize("global_head_dim", limit: Self.maximumHeadDimension) ?? 512
            let count = try flag("attention_k_eq_v") == true ? try optionalSize("num_global_key_value_heads") : nil
            for layer in isFull.indices where isFull[layer] {
                dimensions[layer] = dimension
                if let count { counts[layer] = count }
            }
        } else {
            for member in try members("per_layer_config")?.members ?? [] {
                guard let layer = Int(member.key), isFull.indices.contains(layer), let own = member.value.object else {
                    throw failure("\"per_layer_config\" has a member \"\(member.key)\" that is no layer")
                }
                let reader = HuggingFaceConfiguration(object: own, file: file)
                for size in own.members {
                    switch size.key {
                    case "head_dim":
                        dimensions[layer] = try reader.size(size.key, limit: Self.maximumHeadDimension)
                    case "num_key_value_heads": counts[layer] = try reader.size(size.key)
                    default:
                        throw .unsupported("\(file): a \"\(size.key)\" of single layers is not supported")
                    }
                }
            }
        }
        for full in [true, false] {
            let own = Set(isFull.indices.filter { isFull[$0] == full }.map { dimensions[$0] })
            guard own.count <= 1, own.allSatisfy({ $0.isMultiple(of: 2) }) else {
                throw failure(
                    "layers of one kind have heads of \(own.sorted().map(String.init).joined(separator: ", ")) elements"
                )
            }
        }
        for count in Set(counts) where !configuration.headCount.isMultiple(of: count) {
            throw failure("\(configuration.headCount) heads are no multiple of \(count) key/value heads")
        }
        return (dimensions, counts)
    }

    private func readRopes(
        isFull: [Bool], _ dimensions: [Int], into configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let parameters = try members("rope_parameters")
        func rope(_ kind: String, usual: JSON, full: Bool) throws(RecastError) -> Rope? {
            guard let layer = isFull.firstIndex(of: full) else { return nil }
            guard let own = (parameters == nil ? usual : parameters?[kind])?.object else {
                throw failure("\"rope_parameters\" says nothing of \(kind)")
            }
            let theta = try number("rope_theta", in: own) ?? 10_000
            guard try text("rope_type", in: own) == "proportional" else {
                return try self.rope(
                    own, theta: theta, dimensions: dimensions[layer], contextLength: configuration.contextLength)
            }
            return try proportional(own, theta: theta, dimensions: dimensions[layer])
        }
        let full = try rope(
            "full_attention",
            usual: ["rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000], full: true)
        if let full { configuration.rope = full }
        let local = try rope("sliding_attention", usual: ["rope_type": "default", "rope_theta": 10_000], full: false)
        configuration.eachLayer { if let local, !isFull[$0] { $1.position = .localRotary(local) } }
    }

    /// Of the pairs of the whole head the first turn, as fast as if all did: no rows are exchanged, as keys may be values, too.
    private func proportional(_ own: JSON.Object, theta: Double, dimensions: Int) throws(RecastError) -> Rope {
        let share = try number("partial_rotary_factor", in: own) ?? 1
        let factor = try number("factor", in: own) ?? 1
        guard (0...1).contains(share), factor > 0, theta > 0 else {
            throw failure(
                "a proportional rotary of \"partial_rotary_factor\" \(share), \"factor\" \(factor) and \"rope_theta\" \(theta)"
            )
        }
        let pairs = Int(share * Double(dimensions) / 2)
        let isWhole = 2 * pairs == dimensions && factor == 1
        return Rope(
            theta: theta, dimensions: dimensions,
            scaling: isWhole ? .none : .proportional(pairs: pairs, factor: factor))
    }

    /// The last layers look at the keys and values of the last one before them that is of their kind.
    private func readSharedKeyValues(
        isFull: [Bool], into configuration: inout ModelConfiguration
    ) throws(RecastError) {
        let shared = try optionalCount("num_kv_shared_layers") ?? 0
        let isWide = try flag("use_double_wide_mlp") ?? false
        guard shared < isFull.count else {
            throw failure("\"num_kv_shared_layers\" is \(shared) of \(isFull.count) layers")
        }
        let first = isFull.count - shared
        for layer in first..<isFull.count {
            guard let source = isFull[..<first].lastIndex(of: isFull[layer]),
                configuration.keyValueHeadCount(inLayer: source) == configuration.keyValueHeadCount(inLayer: layer)
            else {
                throw failure("layer \(layer) has no earlier layer whose keys and values it could look at")
            }
            configuration.layers[layer].keyValueSource = source
            configuration.layers[layer].valuesAreKeys = false
        }
        guard isWide, shared > 0 else { return }
        let size = configuration.feedForwardSize
        configuration.setFeedForward(sizes: isFull.indices.map { $0 < first ? size : 2 * size })
    }
}

extension JSON.Object {
    mutating func writeGemma4(_ configuration: ModelConfiguration) {
        drop(["hidden_act", "rope_theta", "rope_scaling", "partial_rotary_factor"])
        let layers = configuration.layers
        self["hidden_activation"] = .string(configuration.activation)
        self["final_logit_softcapping"] = configuration.softCaps.logits.map(JSON.double) ?? .null
        self["enable_moe_block"] = .bool(configuration.experts != nil)
        self["hidden_size_per_layer_input"] = .int(configuration.layerInputSize ?? 0)
        self["vocab_size_per_layer_input"] = .int(configuration.vocabularySize)
        self["num_kv_shared_layers"] = .int(layers.count { $0.keyValueSource != nil })
        self["use_double_wide_mlp"] = .bool(layers.contains { $0.feedForwardSize != nil })
        let keysAreValues = layers.contains(where: \.valuesAreKeys)
        self["attention_k_eq_v"] = .bool(keysAreValues)
        var ropes = JSON.Object()
        ropes["full_attention"] = self["rope_parameters"]
        let local = configuration.localRope ?? Rope(theta: 10_000, dimensions: configuration.headDimension)
        ropes["sliding_attention"] = ["rope_type": "default", "rope_theta": .double(local.theta)]
        self["rope_parameters"] = .object(ropes)
        writeHeads(configuration, keysAreValues: keysAreValues)
    }

    /// The usual sizes are those of layers with a window; what layers that see all have otherwise is said as transformers
    /// takes it, layer by layer where it must.
    private mutating func writeHeads(_ configuration: ModelConfiguration, keysAreValues: Bool) {
        let layers = configuration.layers.indices
        let local = layers.first { configuration.layers[$0].slidingWindow != nil } ?? layers.lowerBound
        let usual = (
            dimension: configuration.headDimension(inLayer: local),
            count: configuration.keyValueHeadCount(inLayer: local)
        )
        self["head_dim"] = .int(usual.dimension)
        self["num_key_value_heads"] = .int(usual.count)
        self["global_head_dim"] = .int(configuration.headDimension)
        self["num_global_key_value_heads"] = keysAreValues ? .int(configuration.keyValueHeadCount) : .null
        var own = JSON.Object()
        var isUsual = true
        for layer in layers {
            let (dimension, count) = (
                configuration.headDimension(inLayer: layer), configuration.keyValueHeadCount(inLayer: layer)
            )
            let isFull = configuration.layers[layer].slidingWindow == nil
            isUsual =
                isUsual && dimension == (isFull ? configuration.headDimension : usual.dimension)
                && count == (isFull && keysAreValues ? configuration.keyValueHeadCount : usual.count)
            var sizes = JSON.Object()
            if dimension != usual.dimension { sizes["head_dim"] = .int(dimension) }
            if count != usual.count { sizes["num_key_value_heads"] = .int(count) }
            if !sizes.members.isEmpty { own[String(layer)] = .object(sizes) }
        }
        if !isUsual { self["per_layer_config"] = .object(own) }
    }
}
