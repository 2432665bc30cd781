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
    /// Between hidden states and the latent space of routed experts, and back.
    case expertLatentDown
    case expertLatentUp
    /// With the activation.
    case gateUp(FeedForward.Site)
    case down(FeedForward.Site)
    /// Between the shared expert and the routed ones, where these have norms of their own: what goes into them and the router.
    case expertNorm
    /// What a token adds to this layer, of its own embedding and that of the layer.
    case layerInput
    case layerInputGate
    case layerInputProjection
    /// Multiplies the hidden states by the layer's number.
    case layerScale

    /// Whether it belongs to the feed-forward branch.
    var isFeedForward: Bool {
        switch self {
        case .norm(let branch), .residual(let branch): branch == .feedForward
        case .queryKeyValue, .latentDown, .latentUp, .mix, .attentionOutput, .recurrentInput, .convolve,
            .stateProjection, .timeStep, .scan, .recurrentOutput:
            false
        case .route, .expertLatentDown, .expertLatentUp, .gateUp, .down, .expertNorm, .layerInput, .layerInputGate,
            .layerInputProjection, .layerScale:
            true
        }
    }

    /// What it does with the hidden states.
    var access: HiddenStates.Access {
        switch self {
        case .norm, .expertNorm, .layerInput: .read
        case .attentionOutput, .recurrentOutput, .residual, .down, .expertLatentUp, .layerInputProjection, .layerScale:
            .update
        case .queryKeyValue, .latentDown, .latentUp, .mix, .recurrentInput, .convolve, .stateProjection, .timeStep,
            .scan, .route, .expertLatentDown, .gateUp, .layerInputGate:
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
        func stages(of sites: [FeedForward.Site]) -> [Stage] { sites.flatMap { [.gateUp($0), .down($0)] } }
        let own: [Stage]
        switch layers[layer].feedForward {
        case .none: return []
        case .dense: own = stages(of: [.dense])
        case .experts(let experts):
            let isLatent = experts.latentSize != nil
            let routed =
                [.route] + (isLatent ? [.expertLatentDown] : []) + stages(of: (0..<experts.count).map { .expert($0) })
                + (isLatent ? [.expertLatentUp] : [])
            let shared = experts.shared == nil ? [] : stages(of: [.shared])
            own = experts.hasOwnNorms ? shared + [.expertNorm] + routed : routed + shared
        }
        return [.norm(.feedForward)] + own + [.residual(.feedForward)]
            + (layerInputSize == nil ? [] : [.layerInput, .layerInputGate, .layerInputProjection])
            + (layers[layer].hasScale ? [.layerScale] : [])
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
                sites: roles.map { Slot($0, layer: layer) }, values: values,
                columns: configuration.columns(of: values, inLayer: layer))
        }
        let hasQueryRank = configuration.latentAttention?.queryRank != nil
        let own = configuration.layers[layer]
        let hasIndexer = own.ownIndexer != nil
        switch self {
        case .norm, .mix, .convolve, .scan, .residual, .expertNorm, .layerInput, .layerScale: return []
        case .layerInputGate: return [input([.layerInputGate], .normed)]
        case .layerInputProjection: return [input([.layerInputProjection], .layerGate)]
        case .queryKeyValue:
            let roles = [Role.query, .key, .value, .attentionGate].filter { configuration.has($0, inLayer: layer) }
            return [input(roles, .normed)]
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
            let isGated = configuration.experts?.shared?.isGated ?? false
            return [input(isGated ? [.router, .sharedRouter] : [.router], configuration.routerInput)]
        case .expertLatentDown: return [input([.expertLatentDown], .normed)]
        case .expertLatentUp: return [input([.expertLatentUp], .expertLatentSum)]
        case .gateUp(let site):
            return [
                Input(
                    sites: site.gateAndUp(layer, isGated: configuration.gatesFeedForward),
                    values: site.expert == nil ? .normed : .expertInput,
                    columns: site.expert == nil ? configuration.hiddenSize : configuration.expertColumns)
            ]
        case .down(let site):
            return [
                Input(
                    sites: [site.down(layer)], values: .gate,
                    columns: configuration.feedForwardSize(of: site, inLayer: layer))
            ]
        }
    }

    /// What it leaves in the place of what may have been kept for stages before it, besides the gate and what a branch gives.
    var replacedOperands: Set<Intermediate> {
        switch self {
        case .expertNorm: [.normed, .routerInput, .besideBranch]
        case .expertLatentDown: [.expertLatent, .expertLatentSum]
        case .down(let site) where site.expert != nil: [.expertLatentSum]
        case .layerInput: [.normed, .layerInput]
        default: []
        }
    }

    /// What must be there of a block before this stage, besides the hidden states and the routing.
    func operands(_ configuration: ModelConfiguration, layer: Int) -> [Intermediate] {
        if configuration.hasParallelResidual, self == .norm(.feedForward) { return [.branch] }
        // The branch is done.
        if self == .layerInputGate { return [.normed, .layerInput] }
        if self == .layerInputProjection { return [.layerGate] }
        var operands: [Intermediate] =
            switch self {
            case .norm, .mix, .convolve, .scan, .residual, .expertNorm, .layerInput, .layerInputGate,
                .layerInputProjection, .layerScale:
                []
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
            case .route, .gateUp, .expertLatentDown, .expertLatentUp: [.normed]
            case .down: [.gate]
            }
        let own = configuration.layers[layer]
        // A recurrence beside attention sees the same.
        if self == .attentionOutput, own.recurrence != nil { operands.append(.normed) }
        guard isFeedForward, !operands.isEmpty else { return operands.filter { configuration.columns(of: $0) > 0 } }
        operands.append(.branch)
        if configuration.hasExperts(inLayer: layer) {
            if self != .route { operands += [.sharedLogits] + (operands[0] == .gate ? [.normed] : []) }
            operands += [.routerInput, .besideBranch]
            if ![.route, .expertLatentDown].contains(self) { operands += [.expertLatent, .expertLatentSum] }
        }
        return operands.filter { configuration.columns(of: $0) > 0 }
    }
}
