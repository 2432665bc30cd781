// What all layers have alike, or some have. Families whose layers are regular read and write it here.
extension ModelConfiguration {
    public var layerCount: Int { layers.count }

    /// Changes every layer.
    public mutating func eachLayer(_ change: (inout LayerConfiguration) -> Void) {
        for index in layers.indices { change(&layers[index]) }
    }

    /// Changes layers by their number.
    mutating func eachLayer(_ change: (Int, inout LayerConfiguration) -> Void) {
        for index in layers.indices { change(index, &layers[index]) }
    }

    /// The numbers of layers that are so, in order.
    func layers(where condition: (LayerConfiguration) -> Bool) -> [Int] {
        layers.indices.filter { condition(layers[$0]) }
    }

    /// The latent attention of the first layer that has one.
    public var latentAttention: LatentAttention? { layers.lazy.compactMap(\.latentAttention).first }

    /// Whether any layer sees the tokens that another one has picked.
    public var sharesIndexers: Bool { layers.contains(where: \.sharesIndexer) }

    /// The recurrence of the first layer that has one.
    public var recurrence: Recurrence? { layers.lazy.compactMap(\.recurrence).first }

    /// Whether any layer attends to tokens.
    public var hasAttention: Bool { layers.contains(where: \.hasAttention) }

    /// The experts of the first layer that has any.
    public var experts: ExpertConfiguration? { layers.lazy.compactMap(\.experts).first }

    /// Gives experts to every layer but those.
    mutating func setExperts(_ experts: ExpertConfiguration?, butIn dense: some Collection<Int>) {
        eachLayer { $0.experts = experts }
        for layer in dense { layers[layer].feedForward = .dense }
    }

    /// Gives layers sizes of heads: those of the last layer are the model's.
    mutating func setHeads(dimensions: [Int], keyValueCounts: [Int]) {
        (headDimension, keyValueHeadCount) = (
            dimensions.last ?? headDimension, keyValueCounts.last ?? keyValueHeadCount
        )
        let (dimension, count) = (headDimension, keyValueHeadCount)
        eachLayer { layer, own in
            own.headDimension = dimensions[layer] == dimension ? nil : dimensions[layer]
            own.keyValueHeadCount = keyValueCounts[layer] == count ? nil : keyValueCounts[layer]
        }
    }

    /// Gives layers sizes of their feed-forward parts: that of the first layer is the model's.
    mutating func setFeedForward(sizes: [Int]) {
        let size = sizes.first ?? feedForwardSize
        feedForwardSize = size
        eachLayer { $1.feedForwardSize = sizes[$0] == size ? nil : sizes[$0] }
    }

    /// Whether layers differ in the sizes of heads.
    var hasOwnHeads: Bool { layers.contains { $0.headDimension != nil || $0.keyValueHeadCount != nil } }

    /// The layers that others take their keys and values of.
    public var keyValueSources: Set<Int> { Set(layers.compactMap(\.keyValueSource)) }

    /// Whether a tensor is one that some checkpoints have, and that no program looks at: keys and values of a layer that looks
    /// at those of another.
    package func isUnused(_ role: Role, inLayer layer: Int?) -> Bool {
        guard let layer, layers.indices.contains(layer), layers[layer].keyValueSource != nil else { return false }
        return role == .key || role == .value || role == .keyNorm && layers[layer].norms.qk.hasWeights
    }

    /// The window of the first layer that has one.
    public var slidingWindow: Int? { layers.lazy.compactMap(\.slidingWindow).first }

    /// The rotary embedding of the first layer that has one of its own.
    public var localRope: Rope? { layers.lazy.compactMap(\.localRope).first }

    public var hasALiBi: Bool { layers.contains { $0.position == .alibi } }

    /// The norms of layers, where all have the same.
    public var layerNorms: LayerConfiguration.LayerNorms { layers.first?.norms ?? .init() }

    public func hasExperts(inLayer layer: Int) -> Bool { layers[layer].experts != nil }

    /// Whether any layer has a feed-forward part.
    public var hasFeedForward: Bool { layers.contains(where: \.hasFeedForward) }

    /// Whether any layer has an ordinary feed-forward part.
    public var hasDenseLayers: Bool { layers.contains { $0.feedForward == .dense } }

    /// `512 tokens in layers 0, 2, 4, 6, …; all in 1, 3, 5, 7, …`.
    public func text<Value: Hashable>(of value: KeyPath<LayerConfiguration, Value>, _ text: (Value) -> String) -> String
    {
        Self.text(of: layers.map { $0[keyPath: value] }, text)
    }

    static func text<Value: Hashable>(of values: [Value], _ text: (Value) -> String) -> String {
        var order: [Value] = []
        var numbers: [Value: [Int]] = [:]
        for (number, value) in values.enumerated() {
            if numbers[value] == nil { order.append(value) }
            numbers[value, default: []].append(number)
        }
        guard order.count > 1 else { return order.first.map(text) ?? "none" }
        return order.map { value in
            let all = numbers[value]!
            let shown = all.prefix(4).map(String.init).joined(separator: ", ") + (all.count > 4 ? ", …" : "")
            return "\(text(value)) in \(all.count == 1 ? "layer" : "layers") \(shown)"
        }.joined(separator: "; ")
    }
}

// Tensors.
extension ModelConfiguration {
    /// Whether the model has tensors of a role, in any layer.
    public func has(_ role: Role) -> Bool {
        switch role {
        case .outputNorm: norms.hasWeights && norms.hasOutputNorm
        case .embeddingProjection, .headProjection: embeddingSize != nil
        case .embeddingNorm: norms.hasWeights && norms.normalizesEmbedding
        case .positionEmbedding: learnedPositions != nil
        case .tokenEmbedding, .outputHead: true
        case .layerEmbedding, .layerEmbeddingProjection, .layerEmbeddingNorm: layerInputSize != nil
        default: layers.contains { $0.has(role, in: self) }
        }
    }

    /// Whether a layer has tensors of a role; nil for what is in no layer.
    public func has(_ role: Role, inLayer layer: Int?) -> Bool {
        guard let layer else { return !role.isPerLayer && has(role) }
        return layers.indices.contains(layer) && layers[layer].has(role, in: self)
    }

    /// The shape of a tensor; a bias has the first dimension of its weight. One that the model does not have has no rows.
    public func shape(of slot: Slot) -> [Int] {
        let layer = slot.layer.flatMap { layers.indices.contains($0) ? layers[$0] : nil } ?? layers.first
        let shape = shape(of: slot.role, in: layer ?? LayerConfiguration(), isOfExpert: slot.expert != nil)
        return slot.part == .bias ? Array(shape.prefix(1)) : shape
    }

    private func shape(of role: Role, in layer: LayerConfiguration, isOfExpert: Bool) -> [Int] {
        let latent = layer.latentAttention
        let (queryRank, keyValueRank) = (latent?.queryRank ?? 0, latent?.keyValueRank ?? 0)
        let sharedSize = layer.experts?.shared?.feedForwardSize ?? 0
        let size = isOfExpert ? layer.experts?.feedForwardSize ?? 0 : layer.feedForwardSize ?? feedForwardSize
        let outerSize = isOfExpert ? layer.experts?.latentSize ?? hiddenSize : hiddenSize
        let headDimension = layer.headDimension ?? headDimension
        let keyValueHeadCount = layer.keyValueHeadCount ?? keyValueHeadCount
        let (queryRows, keyValueRows) = (headCount * headDimension, keyValueHeadCount * headDimension)
        let inputSize = layerInputSize ?? 0
        return switch role {
        case .tokenEmbedding, .outputHead: [vocabularySize, embeddingSize ?? hiddenSize]
        case .embeddingProjection: [hiddenSize, embeddingSize ?? hiddenSize]
        case .headProjection: [embeddingSize ?? hiddenSize, hiddenSize]
        case .positionEmbedding: [learnedPositions?.rowCount ?? 0, hiddenSize]
        case .embeddingNorm, .attentionNorm, .attentionPostNorm, .feedForwardNorm, .feedForwardPostNorm, .outputNorm,
            .layerInputNorm, .expertNorm, .expertPostNorm, .sharedPostNorm, .routerScale:
            [hiddenSize]
        case .layerEmbedding: [vocabularySize, layerCount * inputSize]
        case .layerEmbeddingProjection: [layerCount * inputSize, hiddenSize]
        case .layerEmbeddingNorm: [inputSize]
        case .layerInputGate: [inputSize, hiddenSize]
        case .layerInputProjection: [hiddenSize, inputSize]
        case .layerScale, .xieluAlphaP, .xieluAlphaN: [1]
        case .xieluBeta, .xieluEpsilon: []
        case .queryNorm: qkNorm(layer.norms.qk, heads: headCount, of: headDimension)
        case .keyNorm: qkNorm(layer.norms.qk, heads: keyValueHeadCount, of: headDimension)
        case .sinks: [headCount]
        case .query: [queryRows, hiddenSize]
        case .key, .value: [keyValueRows, hiddenSize]
        case .queryDown: [queryRank, hiddenSize]
        case .queryDownNorm: [queryRank]
        case .queryUp: [queryRows, queryRank]
        case .keyValueDown: [keyValueRank + (latent?.ropeHeadDimension ?? 0), hiddenSize]
        case .keyValueDownNorm: [keyValueRank]
        case .keyValueUp:
            [headCount * ((latent?.nopeHeadDimension ?? 0) + (latent?.valueDimension ?? 0)), keyValueRank]
        case .indexerQuery: [(latent?.indexer?.headCount ?? 0) * (latent?.indexer?.headDimension ?? 0), queryRank]
        case .indexerKey: [latent?.indexer?.headDimension ?? 0, hiddenSize]
        case .indexerKeyNorm: [latent?.indexer?.headDimension ?? 0]
        case .indexerWeights: [latent?.indexer?.headCount ?? 0, hiddenSize]
        case .attentionGate: [queryRows, hiddenSize]
        case .attentionOutput: [hiddenSize, latent.map { headCount * $0.valueDimension } ?? queryRows]
        case .gate, .up: [size, outerSize]
        case .down: [outerSize, size]
        case .expertLatentDown: [layer.experts?.latentSize ?? 0, hiddenSize]
        case .expertLatentUp: [hiddenSize, layer.experts?.latentSize ?? 0]
        case .router: [layer.experts?.count ?? 0, hiddenSize]
        case .routerBias, .expertScale: [layer.experts?.count ?? 0]
        case .sharedRouter: [1, hiddenSize]
        case .sharedGate, .sharedUp: [sharedSize, hiddenSize]
        case .sharedDown: [hiddenSize, sharedSize]
        case .recurrentInput, .recurrentGate, .recurrentBeta, .recurrentAlpha, .convolution, .stateProjection,
            .timeStepNorm, .stateInputNorm, .stateOutputNorm, .timeStep, .timeStepBias, .stateDecay, .stateSkip,
            .recurrentNorm, .recurrentOutput:
            layer.recurrence?.shape(of: role, hiddenSize: hiddenSize) ?? [0]
        }
    }

    private func qkNorm(_ norm: LayerConfiguration.LayerNorms.QKNorm, heads: Int, of headDimension: Int) -> [Int] {
        switch norm {
        case .acrossHeads: [heads * headDimension]
        case .ofEachHead: [heads, headDimension]
        case .none, .perHead, .perRotatedHead, .perRotatedHeadUnweighted: [headDimension]
        }
    }
}
