/// What a tensor does in the model, whatever a family calls it.
public enum Role: String, Sendable, Hashable, Codable, CaseIterable {
    case tokenEmbedding
    /// Learned positions: what is added to the embedding of a token at each place.
    case positionEmbedding
    /// Of embeddings, before the first layer.
    case embeddingNorm
    /// From embeddings to hidden states, where these are of another size (OPT 350M).
    case embeddingProjection
    /// From hidden states to what the head is multiplied with, likewise.
    case headProjection
    /// Of each token, what it adds to the input of every layer: `[vocabulary, layers · size]` (Gemma 4).
    case layerEmbedding
    /// From the embedding of a token to what is added to that.
    case layerEmbeddingProjection
    /// Of what the projection gives, for each layer.
    case layerEmbeddingNorm
    case attentionNorm
    case query
    case key
    case value
    /// Of each query head, before it is rotated.
    case queryNorm
    /// Of each key head, before it is rotated.
    case keyNorm
    /// Latent attention: from the hidden state to what queries are made of.
    case queryDown
    case queryDownNorm
    /// Latent attention: the queries of all heads.
    case queryUp
    /// Latent attention: from the hidden state to what keys and values are made of, and to the rotary key.
    case keyValueDown
    case keyValueDownNorm
    /// Latent attention: the non-rotary key and the value, of each head in turn.
    case keyValueUp
    /// What picks the tokens that latent attention sees: queries of its heads, from what queries are made of.
    case indexerQuery
    /// From the hidden state to the one key of all its heads.
    case indexerKey
    /// A LayerNorm, whatever the model's norms are.
    case indexerKeyNorm
    /// How much the scores of each of its heads count, from the hidden state.
    case indexerWeights
    /// Of each head, a score for no token, which takes part in the softmax.
    case sinks
    /// What attention gives is multiplied by the sigmoid of this, before the output projection.
    case attentionGate
    case attentionOutput
    /// Of a recurrent layer: from the hidden state to what its convolution sees, and to what else comes of one projection.
    case recurrentInput
    /// Gated delta net: the gate of what it gives.
    case recurrentGate
    /// Gated delta net: how much of a value is written.
    case recurrentBeta
    /// Gated delta net: how much is forgotten.
    case recurrentAlpha
    /// Of each channel, weights of the last tokens, the newest last.
    case convolution
    /// Mamba: what time steps are made of, and the input and the output of the state.
    case stateProjection
    case timeStepNorm
    case stateInputNorm
    case stateOutputNorm
    /// Mamba: the time step of each channel.
    case timeStep
    /// Gated delta net and Mamba-2: added to the time step of each head.
    case timeStepBias
    /// The rate at which the state decays, in the form that the model has it.
    case stateDecay
    /// What is added of the input itself.
    case stateSkip
    /// Of what a recurrent layer gives, beside its gate.
    case recurrentNorm
    case recurrentOutput
    /// Of what attention gives, before it is added to the hidden state.
    case attentionPostNorm
    case feedForwardNorm
    /// What picks experts.
    case router
    /// Added to the scores of experts while they are picked, but not to their weights.
    case routerBias
    /// What the input of a router is multiplied by, where it is normalised by itself (Gemma 4).
    case routerScale
    /// What the weight of each expert is multiplied by in the end (Gemma 4).
    case expertScale
    /// Before the routed experts, where these and the shared one have norms of their own.
    case expertNorm
    /// Of what the routed experts give together, where these and the shared one have norms of their own.
    case expertPostNorm
    /// Of what the shared expert gives, likewise.
    case sharedPostNorm
    /// From the hidden state to the latent space that routed experts work in, where they do (Nemotron 3 Super).
    case expertLatentDown
    /// From what routed experts give together in it back to the hidden state.
    case expertLatentUp
    case gate
    case up
    case down
    /// Numbers of the layer's activation, where that is xIELU (Apertus): what its softplus is for positive inputs.
    case xieluAlphaP
    /// What its softplus and beta are for others.
    case xieluAlphaN
    case xieluBeta
    case xieluEpsilon
    /// The gate of the shared expert.
    case sharedRouter
    case sharedGate
    case sharedUp
    case sharedDown
    /// Of what feed-forward gives, before it is added to the hidden state.
    case feedForwardPostNorm
    /// From the hidden state behind a layer to a gate of what the token's embedding for the layer is multiplied with.
    case layerInputGate
    /// From there back to the hidden state.
    case layerInputProjection
    /// Of what that gives, before it is added to the hidden state.
    case layerInputNorm
    /// One number, which the hidden state behind a layer is multiplied by.
    case layerScale
    case outputNorm
    case outputHead

    /// Whether there is one for each layer.
    public var isPerLayer: Bool {
        switch self {
        case .tokenEmbedding, .positionEmbedding, .embeddingNorm, .embeddingProjection, .headProjection,
            .layerEmbedding, .layerEmbeddingProjection, .layerEmbeddingNorm, .outputNorm, .outputHead:
            false
        default: true
        }
    }

    /// Whether it is the weight of a linear layer of a block: what the packed encodings quantize.
    public var isLinear: Bool {
        switch self {
        case .query, .key, .value, .queryDown, .queryUp, .keyValueDown, .keyValueUp, .attentionOutput, .gate, .up,
            .down, .sharedGate, .sharedUp, .sharedDown, .attentionGate, .recurrentInput, .recurrentGate,
            .stateProjection, .timeStep, .recurrentOutput, .indexerQuery, .indexerKey, .layerInputGate,
            .layerInputProjection, .expertLatentDown, .expertLatentUp:
            true
        case .tokenEmbedding, .positionEmbedding, .embeddingNorm, .attentionNorm, .queryNorm, .keyNorm, .queryDownNorm,
            .keyValueDownNorm,
            .attentionPostNorm, .sinks, .feedForwardNorm, .router, .routerBias, .sharedRouter, .feedForwardPostNorm,
            .outputNorm, .outputHead, .recurrentBeta, .recurrentAlpha, .convolution, .timeStepNorm, .stateInputNorm,
            .stateOutputNorm, .timeStepBias, .stateDecay, .stateSkip, .recurrentNorm, .indexerKeyNorm, .indexerWeights,
            .layerEmbedding, .layerEmbeddingProjection, .layerEmbeddingNorm, .routerScale, .expertScale, .expertNorm,
            .expertPostNorm, .sharedPostNorm, .layerInputNorm, .layerScale, .xieluAlphaP, .xieluAlphaN, .xieluBeta,
            .xieluEpsilon, .embeddingProjection, .headProjection:
            false
        }
    }

    /// Whether programs have a linear layer for it that the packed encodings leave alone.
    var isPlainLinear: Bool {
        switch self {
        case .outputHead, .router, .sharedRouter, .recurrentBeta, .recurrentAlpha, .indexerWeights,
            .layerEmbeddingProjection, .embeddingProjection, .headProjection:
            true
        default: false
        }
    }

    /// Whether it is the weight of a norm: a vector, kept in float32 by GGUF.
    public var isNorm: Bool {
        switch self {
        case .embeddingNorm, .attentionNorm, .queryNorm, .keyNorm, .queryDownNorm, .keyValueDownNorm,
            .attentionPostNorm, .feedForwardNorm, .feedForwardPostNorm, .outputNorm, .timeStepNorm, .stateInputNorm,
            .stateOutputNorm, .recurrentNorm, .indexerKeyNorm, .expertNorm, .expertPostNorm, .sharedPostNorm,
            .layerEmbeddingNorm, .layerInputNorm:
            true
        default: false
        }
    }

    /// Whether what a family adds to the weights of norms is added to it.
    var hasNormOffset: Bool {
        switch self {
        case .timeStepNorm, .stateInputNorm, .stateOutputNorm, .recurrentNorm: false
        default: isNorm
        }
    }

    /// Whether it is multiplied number by number, and read whole.
    public var isElementwise: Bool { isNorm || self == .convolution || self == .stateDecay || self == .stateSkip }

    /// Whether its rows are elements of rotary heads.
    var isRotary: Bool { self == .query || self == .key || self == .queryNorm || self == .keyNorm }

    /// Whether it belongs to a router: what it says, and what weighs the shared expert.
    public var isRouting: Bool {
        switch self {
        case .router, .routerBias, .routerScale, .expertScale, .sharedRouter: true
        default: false
        }
    }

    /// Whether only layers with experts have it.
    public var isOfExperts: Bool {
        switch self {
        case .sharedGate, .sharedUp, .sharedDown, .expertLatentDown, .expertLatentUp: true
        default: isRouting
        }
    }

    /// Whether it is of the feed-forward part of a layer, but for the norm before it.
    public var isFeedForward: Bool { isOfExperts || self == .gate || self == .up || self == .down }
}

/// The place of one tensor in the canonical graph.
public struct Slot: Sendable, Hashable, Codable {
    public enum Part: String, Sendable, Hashable, Codable {
        case weight
        case bias
    }

    public var role: Role
    public var layer: Int?
    public var expert: Int?
    public var part: Part

    public init(_ role: Role, layer: Int? = nil, expert: Int? = nil, _ part: Part = .weight) {
        self.role = role
        self.layer = layer
        self.expert = expert
        self.part = part
    }
}

extension Slot: CustomStringConvertible {
    /// `layers.3.query.bias`, `outputNorm.weight`.
    public var description: String {
        var names: [String] = []
        if let layer { names.append("layers.\(layer)") }
        names.append(role.rawValue)
        if let expert { names.append("experts.\(expert)") }
        names.append(part.rawValue)
        return names.joined(separator: ".")
    }
}
