import Recast

/// The intermediate results of a layer, each with a row for each token.
enum Intermediate: Int, CaseIterable, Sendable {
    /// What goes into a branch.
    case normed
    /// What a branch gives, where it is not added to the hidden state at once.
    case branch
    case queries
    case latentQueries
    case latentKeys
    case latentValues
    case latentUp
    case indexerQueries
    case indexerKeys
    case indexerWeights
    /// What attention gives; it takes the place of the queries where these are as wide.
    case attended
    /// What a router sees, where it is not what experts do.
    case routerInput
    /// What it is multiplied by the sigmoid of.
    case attentionGate
    /// What the projection into a recurrent layer gives.
    case recurrentInput
    /// What its convolution gives, with the activation.
    case convolved
    /// Gated delta net: the gate, and of each head the logits of how much is written and how much is forgotten.
    case recurrentGate
    case recurrentBeta
    case recurrentAlpha
    /// Mamba: what time steps are made of, the input and the output of the state, and time steps.
    case stateParameters
    case timeStepInput
    case timeStep
    /// What a recurrent layer gives, before its projection.
    case recurrentOutput
    case routerLogits
    case sharedLogits
    /// What the shared expert gives, while the branch is that of the routed ones.
    case besideBranch
    /// The gate, then its product with the up projection. Of an expert only the tokens that go through it, side by side.
    case gate
    case up
    case expertInput
    case expertOutput
    /// What routed experts see, and what they give together, where they work in a latent space.
    case expertLatent
    case expertLatentSum
    /// What a token adds to a layer.
    case layerInput
    /// The gate of that, then its product with it.
    case layerGate

    /// Whether it is of the feed-forward network alone, which sees a long text in parts.
    var isOfParts: Bool {
        switch self {
        case .routerInput, .routerLogits, .sharedLogits, .besideBranch, .gate, .up, .expertInput, .expertOutput,
            .expertLatent, .expertLatentSum, .layerInput, .layerGate:
            true
        default: false
        }
    }
}

extension ModelConfiguration {
    /// Numbers of a token, in the layer that has the most.
    func columns(of intermediate: Intermediate) -> Int {
        let (latent, shared, recurrence) = (latentAttention, experts?.shared, recurrence)
        let (delta, mamba) = (recurrence?.delta, recurrence?.mamba)
        let dense = layers.indices.map { feedForwardSize(inLayer: $0) }.max() ?? feedForwardSize
        let widest = max(dense, experts?.feedForwardSize ?? 0, shared?.feedForwardSize ?? 0)
        let widestQueries = hasAttention ? layers.indices.map { queryRows(inLayer: $0) }.max() ?? 0 : 0
        let hasOwnNorms = experts?.hasOwnNorms ?? false
        // swift-format-ignore
        return switch intermediate {
        case .normed:        hiddenSize
        case .branch:        addsBranchesAtOnce ? 0 : hiddenSize
        case .queries:       widestQueries
        case .latentQueries: latent?.queryRank ?? 0
        case .latentKeys:    latent.map { $0.keyValueRank + $0.ropeHeadDimension } ?? 0
        case .latentValues:  latent?.keyValueRank ?? 0
        case .latentUp:      latent.map { headCount * ($0.nopeHeadDimension + $0.valueDimension) } ?? 0
        case .indexerQueries: latent?.indexer.map { $0.headCount * $0.headDimension } ?? 0
        case .indexerKeys:   latent?.indexer?.headDimension ?? 0
        case .indexerWeights: latent?.indexer?.headCount ?? 0
        case .attended:      latent.map { headCount * $0.valueDimension } ?? widestQueries
        case .attentionGate: layers.contains(where: \.gatesAttention) ? widestQueries : 0
        case .recurrentInput:  recurrence?.inputRows ?? 0
        case .convolved:       recurrence?.channelCount ?? 0
        case .recurrentGate:   delta?.valueRows ?? 0
        case .recurrentBeta, .recurrentAlpha: delta?.valueHeadCount ?? 0
        case .stateParameters: mamba.map { $0.timeStepRank + 2 * $0.stateSize } ?? 0
        case .timeStepInput:   mamba?.timeStepRank ?? 0
        case .timeStep:        mamba?.innerSize ?? 0
        case .recurrentOutput: recurrence?.outputColumns ?? 0
        case .routerInput, .besideBranch: hasOwnNorms ? hiddenSize : 0
        case .routerLogits:  experts?.count ?? 0
        case .sharedLogits:  shared?.isGated ?? false ? 1 : 0
        case .gate, .up:     widest
        case .expertInput, .expertOutput: experts == nil ? 0 : max(hiddenSize, experts?.latentSize ?? 0)
        case .expertLatent, .expertLatentSum: experts?.latentSize ?? 0
        case .layerInput, .layerGate: layerInputSize ?? 0
        }
    }

    /// Numbers of a token in a layer, side by side.
    func columns(of intermediate: Intermediate, inLayer layer: Int) -> Int {
        switch intermediate {
        case .queries: queryRows(inLayer: layer)
        case .attended: layers[layer].latentAttention.map { headCount * $0.valueDimension } ?? queryRows(inLayer: layer)
        default: columns(of: intermediate)
        }
    }

    /// What rows that go through an expert are gathered from.
    var expertSource: Intermediate { experts?.latentSize == nil ? .normed : .expertLatent }

    /// Numbers of a token that go into an expert, and come out of it.
    var expertColumns: Int { experts?.latentSize ?? hiddenSize }

    /// What routers are multiplied with.
    var routerInput: Intermediate { experts?.hasOwnNorms ?? false ? .routerInput : .normed }

    /// Whether what a branch gives is added to the hidden state as it is.
    var addsBranchesAtOnce: Bool {
        !layers.contains { $0.norms.hasPostNorms || $0.norms.isPostLN || $0.hasParallelResidual }
            && multipliers.residual == 1 && layerInputSize == nil && !(experts?.hasOwnNorms ?? false)
    }

    /// Whether layers are parallel: all are, or none (``Graph/checkComputable()``).
    var hasParallelResidual: Bool { layers.first?.hasParallelResidual ?? false }
}
