import Recast

/// A step of a layer. What a stage needs of the tokens is there when the one before it is done for all of them; where it
/// multiplies by weights, it does so first.
enum Stage: Hashable, Sendable {
    enum Branch: Hashable, Sendable {
        case attention
        case feedForward
    }

    /// What goes into a branch, from the hidden states.
    case norm(Branch)
    case queryKeyValue
    /// Latent attention: from the hidden size to the ranks.
    case latentDown
    /// Latent attention: from the ranks to queries, keys and values of all heads.
    case latentUp
    /// Attention: the only stage in which tokens see each other.
    case mix
    case attentionOutput
    /// Adds what a branch gave to the hidden states, where that was not done at once.
    case residual(Branch)
    case route
    /// With the activation.
    case gateUp(FeedForward.Site)
    case down(FeedForward.Site)

    /// Whether it belongs to the feed-forward branch.
    var isFeedForward: Bool {
        switch self {
        case .norm(let branch), .residual(let branch): branch == .feedForward
        case .queryKeyValue, .latentDown, .latentUp, .mix, .attentionOutput: false
        case .route, .gateUp, .down: true
        }
    }

    /// What it does with the hidden states.
    var access: HiddenStates.Access {
        switch self {
        case .norm: .read
        case .attentionOutput, .residual, .down: .update
        case .queryKeyValue, .latentDown, .latentUp, .mix, .route, .gateUp: .none
        }
    }
}

extension ModelConfiguration {
    /// The stages of the attention branch, in order.
    var attentionStages: [Stage] {
        let projections: [Stage] = latentAttention == nil ? [.queryKeyValue] : [.latentDown, .latentUp]
        // A parallel layer adds what both branches give in the end.
        return [.norm(.attention)] + projections + [.mix, .attentionOutput]
            + (hasParallelResidual ? [] : [.residual(.attention)])
    }

    /// The stages of the feed-forward branch, in order: each expert is done before the next.
    func feedForwardStages(withExperts: Bool) -> [Stage] {
        var sites = [FeedForward.Site.dense]
        if withExperts, let experts {
            sites = (0..<experts.count).map { .expert($0) } + (experts.shared == nil ? [] : [.shared])
        }
        return [.norm(.feedForward)] + (withExperts ? [.route] : [])
            + sites.flatMap { [.gateUp($0), .down($0)] } + [.residual(.feedForward)]
    }
}

// MARK: Inputs

extension Stage {
    /// What some weights are multiplied with.
    struct Input {
        var sites: [Slot]
        var values: Intermediate
        var columns: Int
    }

    /// What a stage of a layer multiplies weights with, in the order in which it does; nothing for one without weights.
    func inputs(_ configuration: ModelConfiguration, layer: Int) -> [Input] {
        func input(_ roles: [Role], _ values: Intermediate) -> Input {
            Input(
                sites: roles.map { Slot($0, layer: layer) }, values: values, columns: configuration.columns(of: values))
        }
        let hasQueryRank = configuration.latentAttention?.queryRank != nil
        let hasIndexer = configuration.layers[layer].ownIndexer != nil
        switch self {
        case .norm, .mix, .residual: return []
        case .queryKeyValue: return [input([.query, .key, .value], .normed)]
        case .latentDown:
            let indexer: [Role] = hasIndexer ? [.indexerKey, .indexerWeights] : []
            return [input([hasQueryRank ? .queryDown : .query, .keyValueDown] + indexer, .normed)]
        case .latentUp:
            let queries: [Role] = hasQueryRank ? [.queryUp] + (hasIndexer ? [.indexerQuery] : []) : []
            return (queries.isEmpty ? [] : [input(queries, .latentQueries)]) + [input([.keyValueUp], .latentValues)]
        case .attentionOutput: return [input([.attentionOutput], .attended)]
        case .route:
            return [
                input(configuration.experts?.shared?.isGated ?? false ? [.router, .sharedRouter] : [.router], .normed)
            ]
        case .gateUp(let site):
            return [
                Input(
                    sites: site.gateAndUp(layer, isGated: configuration.gatesFeedForward),
                    values: site.expert == nil ? .normed : .expertInput, columns: configuration.hiddenSize)
            ]
        case .down(let site):
            return [
                Input(sites: [site.down(layer)], values: .gate, columns: configuration.feedForwardSize(of: site))
            ]
        }
    }

    /// What must be there of a block before this stage, besides the hidden states and the routing.
    func operands(_ configuration: ModelConfiguration, layer: Int) -> [Intermediate] {
        if configuration.hasParallelResidual, self == .norm(.feedForward) { return [.branch] }
        var operands: [Intermediate] =
            switch self {
            case .norm, .mix, .residual: []
            case .queryKeyValue, .latentDown: [.normed]
            case .latentUp:
                [
                    configuration.latentAttention?.queryRank == nil ? .queries : .latentQueries, .latentKeys,
                    .latentValues,
                ] + (configuration.layers[layer].ownIndexer == nil ? [] : [.indexerKeys, .indexerWeights])
            case .attentionOutput: [.attended]
            case .route, .gateUp: [.normed]
            case .down: [.gate]
            }
        guard isFeedForward, !operands.isEmpty else { return operands }
        operands.append(.branch)
        if configuration.hasExperts(inLayer: layer), self != .route {
            operands += [.sharedLogits] + (operands[0] == .gate ? [.normed] : [])
        }
        return operands.filter { configuration.columns(of: $0) > 0 }
    }
}
