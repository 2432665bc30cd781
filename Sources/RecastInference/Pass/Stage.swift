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
    /// A recurrent layer: from the hidden state to all that it needs.
    case recurrentInput
    /// A recurrent layer: the convolution, in which tokens see those before them.
    case convolve
    /// Mamba: time steps, and the input and the output of the state.
    case stateProjection
    case timeStep
    /// A recurrent layer: the state, from token to token, and what is read of it.
    case scan
    case recurrentOutput
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
        case .queryKeyValue, .latentDown, .latentUp, .mix, .attentionOutput, .recurrentInput, .convolve,
            .stateProjection, .timeStep, .scan, .recurrentOutput:
            false
        case .route, .gateUp, .down: true
        }
    }

    /// What it does with the hidden states.
    var access: HiddenStates.Access {
        switch self {
        case .norm: .read
        case .attentionOutput, .recurrentOutput, .residual, .down: .update
        case .queryKeyValue, .latentDown, .latentUp, .mix, .recurrentInput, .convolve, .stateProjection, .timeStep,
            .scan, .route, .gateUp:
            .none
        }
    }
}

extension ModelConfiguration {
    /// The stages of the branch that mixes tokens, in order.
    func mixerStages(inLayer layer: Int) -> [Stage] {
        let own = layers[layer]
        guard own.mixer != .none else { return [] }
        var stages: [Stage] = [.norm(.attention)]
        if own.hasAttention {
            stages += own.latentAttention == nil ? [.queryKeyValue] : [.latentDown, .latentUp]
            stages += [.mix, .attentionOutput]
        }
        if let recurrence = own.recurrence {
            let projections: [Stage] = recurrence.mamba == nil ? [] : [.stateProjection, .timeStep]
            stages += [.recurrentInput, .convolve] + projections + [.scan, .recurrentOutput]
        }
        // A parallel layer adds what both branches give in the end.
        return stages + (hasParallelResidual ? [] : [.residual(.attention)])
    }

    /// The stages of the feed-forward branch, in order: each expert is done before the next.
    func feedForwardStages(inLayer layer: Int) -> [Stage] {
        var sites: [FeedForward.Site]
        switch layers[layer].feedForward {
        case .none: return []
        case .dense: sites = [.dense]
        case .experts(let experts):
            sites = (0..<experts.count).map { .expert($0) } + (experts.shared == nil ? [] : [.shared])
        }
        return [.norm(.feedForward)] + (hasExperts(inLayer: layer) ? [.route] : [])
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
        let own = configuration.layers[layer]
        let hasIndexer = own.ownIndexer != nil
        switch self {
        case .norm, .mix, .convolve, .scan, .residual: return []
        case .queryKeyValue:
            return [input([.query, .key, .value] + (own.gatesAttention ? [.attentionGate] : []), .normed)]
        case .recurrentInput:
            let isDelta = own.recurrence?.delta != nil
            return [
                input([.recurrentInput] + (isDelta ? [.recurrentGate, .recurrentBeta, .recurrentAlpha] : []), .normed)
            ]
        case .stateProjection: return [input([.stateProjection], .convolved)]
        case .timeStep: return [input([.timeStep], .timeStepInput)]
        case .recurrentOutput: return [input([.recurrentOutput], .recurrentOutput)]
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
            case .norm, .mix, .convolve, .scan, .residual: []
            case .queryKeyValue, .latentDown, .recurrentInput: [.normed]
            // The gate stands beside what was convolved.
            case .stateProjection: [.convolved, .recurrentInput]
            case .timeStep: [.timeStepInput, .stateParameters, .convolved, .recurrentInput]
            case .recurrentOutput: [.recurrentOutput]
            case .latentUp:
                [
                    configuration.latentAttention?.queryRank == nil ? .queries : .latentQueries, .latentKeys,
                    .latentValues,
                ] + (configuration.layers[layer].ownIndexer == nil ? [] : [.indexerKeys, .indexerWeights])
            case .attentionOutput: [.attended]
            case .route, .gateUp: [.normed]
            case .down: [.gate]
            }
        let own = configuration.layers[layer]
        // A recurrence beside attention sees the same.
        if self == .attentionOutput, own.recurrence != nil { operands.append(.normed) }
        guard isFeedForward, !operands.isEmpty else { return operands.filter { configuration.columns(of: $0) > 0 } }
        operands.append(.branch)
        if configuration.hasExperts(inLayer: layer), self != .route {
            operands += [.sharedLogits] + (operands[0] == .gate ? [.normed] : [])
        }
        return operands.filter { configuration.columns(of: $0) > 0 }
    }
}
