/// What the norms of a model compute; which there are, each layer says.
public struct Norms: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable {
        /// `x / sqrt(mean(x²) + ε)`
        case rms
        /// `(x - mean(x)) / sqrt(variance(x) + ε)`
        case layer
    }

    public var kind = Kind.rms
    /// Whether what is normalised is multiplied by a weight (not so in OLMo 1).
    public var hasWeights = true
    /// Added to weights before they multiply (Gemma's 1).
    public var offset = 0.0
    /// Whether embeddings are normalised before the first layer (BLOOM).
    public var normalizesEmbedding = false
    /// Whether there is one behind the last layer.
    public var hasOutputNorm = true

    public init() {}
}

/// What numbers are multiplied by on their way through a model, besides weights.
public struct ScaleFactors: Sendable, Hashable, Codable {
    /// What comes out of the embedding.
    public var embedding = 1.0
    /// What comes out of attention and feed-forward, before it is added to the hidden state.
    public var residual = 1.0
    /// The products of queries and keys; nil for the usual `1 / sqrt(headDimension)`.
    public var attention: Double?
    /// Whether these are divided by the number of the layer, from one (GPT-2's `scale_attn_by_inverse_layer_idx`).
    public var dividesAttentionByLayer = false
    /// What logits are divided by.
    public var logitDivisor = 1.0
    /// What goes through the branches of a layer; nil for nothing.
    public var branches: BranchFactors?

    public init() {}
}

/// What numbers are multiplied by within the branches of a layer, so that models of all sizes train alike (maximal update
/// parametrization, Falcon H1). Source: transformers 5.23, `modeling_falcon_h1.py`.
public struct BranchFactors: Sendable, Hashable, Codable {
    /// What attention sees.
    public var attentionInput = 1.0
    /// Keys, besides.
    public var key = 1.0
    /// What attention gives.
    public var attentionOutput = 1.0
    /// What the recurrence sees.
    public var recurrentInput = 1.0
    /// The parts of its projection: gate, `x`, `B`, `C` and time steps.
    public var recurrentParts = [1.0, 1, 1, 1, 1]
    /// What the recurrence gives.
    public var recurrentOutput = 1.0
    public var gate = 1.0
    /// What feed-forward gives.
    public var down = 1.0

    public init() {}
}

/// `cap · tanh(x / cap)` in place of `x`; nil where there is none.
public struct SoftCaps: Sendable, Hashable, Codable {
    /// The products of queries and keys, after scaling.
    public var attention: Double?
    public var logits: Double?

    public init() {}
}
