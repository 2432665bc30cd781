/// What one layer computes: how it mixes tokens, and what it does with each of them.
///
/// The defaults are llama's; a family whose layers differ says so of each (`configuration.layers[3].position = .none`).
public struct LayerConfiguration: Sendable, Hashable, Codable {
    /// What mixes tokens.
    public enum Mixer: Sendable, Hashable, Codable {
        case attention
        case latentAttention(LatentAttention)
        case recurrent(Recurrence)
        /// Attention and a recurrence beside it, which see the same (Falcon H1).
        case attentionAndRecurrence(Recurrence)
        /// Nothing: the layer is a feed-forward part alone (Nemotron-H).
        case none
    }

    /// What tells a layer how far tokens are apart.
    public enum Position: Sendable, Hashable, Codable {
        /// The rotary embedding of the model.
        case rotary
        /// One of the layer's own (the local rotary of Gemma 3).
        case localRotary(Rope)
        /// A bias on attention scores, by head and distance.
        case alibi
        /// What the model has learned of each position, which is part of the hidden states (``LearnedPositions``).
        case learned
        /// Nothing (NoPE).
        case none
    }

    public enum FeedForward: Sendable, Hashable, Codable {
        /// Of the model's feed-forward size.
        case dense
        case experts(ExpertConfiguration)
        /// There is none: the layer mixes tokens alone (Mamba).
        case none
    }

    /// Which norms a layer has; what they compute is the model's (``Norms``).
    public struct LayerNorms: Sendable, Hashable, Codable {
        /// How queries and keys are normalised, before they are rotated where nothing else is said.
        public enum QKNorm: String, Sendable, Hashable, Codable {
            case none
            case perHead
            /// Each head, after it is rotated (HunYuan).
            case perRotatedHead
            /// The same without weights (Llama 4).
            case perRotatedHeadUnweighted
            /// All heads of a token as one vector.
            case acrossHeads
            /// Each head by itself, by the norm of the model, with weights of its own (Command R+).
            case ofEachHead

            var hasWeights: Bool { self != .none && self != .perRotatedHeadUnweighted }

            /// Whether heads are rotated before.
            public var isOfRotatedHeads: Bool { self == .perRotatedHead || self == .perRotatedHeadUnweighted }
        }

        /// Before attention and feed-forward.
        public var hasPreNorms = true
        /// Whether the one before attention is that of feed-forward as well, where both branches are parallel, or where feed-forward is all
        /// that a layer has.
        public var sharesPreNorm = false
        /// Of what they give, before it is added to the hidden state.
        public var hasPostNorms = false
        /// Of the hidden state, after what attention and feed-forward give has been added to it (post-LN); these are called as those
        /// before them are elsewhere.
        public var isPostLN = false
        public var qk = QKNorm.none
        /// Whether each value head is normalised, too, without weights (Gemma 4).
        public var normalizesValues = false

        public init() {}
    }

    public var mixer = Mixer.attention
    /// Elements of one query, key or value; nil for as many as the model says.
    public var headDimension: Int?
    /// nil for as many as the model says.
    public var keyValueHeadCount: Int?
    /// Of a layer without experts; nil for the model's.
    public var feedForwardSize: Int?
    /// Whether values are what the key projection gives, before it is normalised or rotated (Gemma 4).
    public var valuesAreKeys = false
    /// The earlier layer whose keys and values this one looks at, having none of its own; nil for its own.
    public var keyValueSource: Int?
    /// Tokens the layer may look back on, itself included; nil where it sees all.
    public var slidingWindow: Int?
    /// Tokens of a chunk, of which each sees those before it in its own; nil where it sees more (Llama 4).
    public var attentionChunk: Int?
    public var position = Position.rotary
    public var feedForward = FeedForward.dense
    public var norms = LayerNorms()
    /// Whether feed-forward sees what comes into the layer, not what attention has made of it (parallel residual).
    public var hasParallelResidual = false
    /// Whether each head has a score for no token at all, which takes its share of the softmax (attention sinks).
    public var hasSinks = false
    /// Whether it sees the tokens that the last layer before with an indexer of its own has picked, and has none.
    public var sharesIndexer = false
    /// Whether the hidden state behind the layer is multiplied by a number of the layer (`layerScale`).
    public var hasScale = false
    /// Whether what attention gives is multiplied by the sigmoid of a projection of its own, before the output projection.
    public var gatesAttention = false

    public init() {}
}

extension LayerConfiguration {
    /// Whether tokens see each other by attention, of whatever kind.
    public var hasAttention: Bool {
        switch mixer {
        case .attention, .latentAttention, .attentionAndRecurrence: true
        case .recurrent, .none: false
        }
    }

    public var recurrence: Recurrence? {
        switch mixer {
        case .recurrent(let recurrence), .attentionAndRecurrence(let recurrence): recurrence
        case .attention, .latentAttention, .none: nil
        }
    }

    public var hasFeedForward: Bool { feedForward != .none }

    public var latentAttention: LatentAttention? {
        get { if case .latentAttention(let latent) = mixer { latent } else { nil } }
        set { mixer = newValue.map(Mixer.latentAttention) ?? .attention }
    }

    public var experts: ExpertConfiguration? {
        get { if case .experts(let experts) = feedForward { experts } else { nil } }
        set { feedForward = newValue.map(FeedForward.experts) ?? .dense }
    }

    /// The indexer whose tensors the layer has.
    public var ownIndexer: TokenIndexer? { sharesIndexer ? nil : latentAttention?.indexer }

    public var localRope: Rope? { if case .localRotary(let rope) = position { rope } else { nil } }

    /// Whether queries and keys are rotated.
    public var hasRotary: Bool {
        guard hasAttention else { return false }
        return switch position {
        case .rotary, .localRotary: true
        case .alibi, .learned, .none: false
        }
    }

    /// Whether the layer has tensors of a role, in such a model.
    func has(_ role: Role, in model: ModelConfiguration) -> Bool {
        if role.isFeedForward, !hasFeedForward { return false }
        return switch role {
        case .attentionNorm:
            model.norms.hasWeights && (norms.hasPreNorms || norms.isPostLN)
                && (mixer != .none || norms.sharesPreNorm)
        case .feedForwardNorm:
            model.norms.hasWeights && (norms.hasPreNorms || norms.isPostLN) && !norms.sharesPreNorm
                && hasFeedForward
        case .attentionPostNorm: model.norms.hasWeights && norms.hasPostNorms && mixer != .none
        case .feedForwardPostNorm: model.norms.hasWeights && norms.hasPostNorms && hasFeedForward
        case .queryNorm: norms.qk.hasWeights && hasAttention
        case .keyNorm: norms.qk.hasWeights && hasAttention && keyValueSource == nil
        case .query: hasAttention && (latentAttention == nil || latentAttention?.queryRank == nil)
        case .attentionGate: gatesAttention && hasAttention
        case .key: hasAttention && latentAttention == nil && keyValueSource == nil
        case .value: hasAttention && latentAttention == nil && keyValueSource == nil && !valuesAreKeys
        case .queryDown, .queryDownNorm, .queryUp: latentAttention?.queryRank != nil
        case .keyValueDown, .keyValueDownNorm, .keyValueUp: latentAttention != nil
        case .indexerQuery, .indexerKey, .indexerKeyNorm, .indexerWeights: ownIndexer != nil
        case .router: experts != nil
        case .routerBias: experts?.routing.hasBias ?? false
        case .routerScale, .expertScale, .expertNorm, .expertPostNorm: experts?.hasOwnNorms ?? false
        case .sharedPostNorm: experts?.hasOwnNorms ?? false && experts?.shared != nil
        case .expertLatentDown, .expertLatentUp: experts?.latentSize != nil
        case .sharedRouter: experts?.shared?.isGated ?? false
        case .sharedGate: experts?.shared != nil && model.gatesFeedForward
        case .sharedUp, .sharedDown: experts?.shared != nil
        case .gate: model.gatesFeedForward
        case .sinks: hasSinks
        case .layerInputGate, .layerInputProjection, .layerInputNorm: model.layerInputSize != nil
        case .layerScale: hasScale
        case .xieluAlphaP, .xieluAlphaN, .xieluBeta, .xieluEpsilon: model.activation == "xielu"
        case .attentionOutput: hasAttention
        case .up, .down: true
        case .recurrentInput, .convolution, .recurrentOutput: recurrence != nil
        case .recurrentGate, .recurrentBeta, .recurrentAlpha: recurrence?.delta != nil
        case .stateProjection, .timeStep: recurrence?.mamba != nil
        case .timeStepNorm, .stateInputNorm, .stateOutputNorm: recurrence?.mamba?.stateNorms == .weighted
        case .timeStepBias: recurrence?.delta != nil || recurrence?.mamba2 != nil
        case .stateDecay: recurrence.map { $0.stateCount > 0 } ?? false
        case .stateSkip: recurrence?.mamba != nil || recurrence?.mamba2 != nil
        case .recurrentNorm: recurrence?.delta != nil || recurrence?.mamba2.map { $0.gate != .plain } ?? false
        case .tokenEmbedding, .positionEmbedding, .embeddingNorm, .embeddingProjection, .headProjection,
            .layerEmbedding, .layerEmbeddingProjection, .layerEmbeddingNorm, .outputNorm, .outputHead:
            false
        }
    }
}
