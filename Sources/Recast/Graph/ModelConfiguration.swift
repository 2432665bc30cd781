/// What must be known besides the tensors to compute a model.
///
/// The defaults are llama's; whatever another family does besides has a member of its own.
public struct ModelConfiguration: Sendable, Hashable, Codable {
    /// The family's name: `llama`, `qwen2`, …
    public var family: String
    public var vocabularySize: Int
    public var hiddenSize: Int
    public var feedForwardSize: Int
    public var layerCount: Int
    public var headCount: Int
    public var keyValueHeadCount: Int
    /// Elements of one query, key or value; need not be `hiddenSize / headCount`. With latent attention of a query or
    /// key, those included that do not turn.
    public var headDimension: Int
    /// The longest text the model was made for, in tokens.
    public var contextLength: Int
    /// Added to the mean square, or the variance, under the root of a norm.
    public var normEpsilon: Double
    /// The gate's activation, by its name in transformers: `silu`, `gelu_pytorch_tanh`, …
    public var activation: String
    public var rope: Rope
    public var norms = Norms()
    public var multipliers = ScaleFactors()
    public var softCaps = SoftCaps()
    /// Whether rows of the output head are divided by their length before they are multiplied (Baichuan 2).
    public var normalizesOutputHead = false
    /// What queries, keys and values are limited to, in both directions (OLMo 1's `clip_qkv`).
    public var projectionLimit: Double?
    /// Whether distance is said by a bias on attention scores, by head, instead of by turning.
    public var hasALiBi = false
    /// The layers whose queries and keys do not turn (SmolLM3), in order.
    public var unturnedLayers: [Int] = []
    /// How queries and keys turn in layers with a sliding window; nil where they turn as in the others.
    public var slidingRope: Rope?
    /// What changes in texts longer than this many tokens, in a way that only the family itself computes (Qwen 1).
    public var longContext: QwenLongContext?
    /// Where keys and values are made of few numbers a token; nil for ordinary attention.
    public var latentAttention: LatentAttention?
    /// Where a router picks experts; nil where every layer has one feed-forward part.
    public var experts: ExpertConfiguration?
    /// Tokens a layer may look back on, itself included; nil where it sees all.
    public var slidingWindow: SlidingWindow?
    public var bosTokens: [Int] = []
    public var eosTokens: [Int] = []
    public var paddingToken: Int?

    public init(
        family: String, vocabularySize: Int, hiddenSize: Int, feedForwardSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int, headDimension: Int, contextLength: Int, normEpsilon: Double, activation: String,
        rope: Rope
    ) {
        self.family = family
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.feedForwardSize = feedForwardSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headDimension = headDimension
        self.contextLength = contextLength
        self.normEpsilon = normEpsilon
        self.activation = activation
        self.rope = rope
    }
}

/// Multi-head latent attention (DeepSeek): queries, keys and values of all heads are made of a short vector each.
///
/// The elements of a head that turn do so in pairs of neighbours, in all programs that store such models.
public struct LatentAttention: Sendable, Hashable, Codable {
    /// Elements of what queries are made of (`q_lora_rank`); nil where they are made of the hidden state itself.
    public var queryRank: Int?
    /// Elements of what keys and values are made of (`kv_lora_rank`).
    public var keyValueRank: Int
    /// Elements of a query and of a key that do not turn (`qk_nope_head_dim`); they come first.
    public var nopeHeadDimension: Int
    /// Elements of a query, and of the one key for all heads, that turn (`qk_rope_head_dim`).
    public var ropeHeadDimension: Int
    /// Elements of a value (`v_head_dim`).
    public var valueDimension: Int

    /// Elements of a query, and of a key.
    var headDimension: Int { nopeHeadDimension + ropeHeadDimension }

    public init(
        queryRank: Int?, keyValueRank: Int, nopeHeadDimension: Int, ropeHeadDimension: Int, valueDimension: Int
    ) {
        self.queryRank = queryRank
        self.keyValueRank = keyValueRank
        self.nopeHeadDimension = nopeHeadDimension
        self.ropeHeadDimension = ropeHeadDimension
        self.valueDimension = valueDimension
    }
}

extension ModelConfiguration {
    /// Whether programs differ in what the norms of latent attention add: transformers adds 1e-6, whatever others add.
    ///
    /// Source: transformers 5.23, `modeling_deepseek_v3.py`.
    var hasUnusualLatentNorm: Bool { latentAttention != nil && Float(normEpsilon) != 1e-6 }

    /// Rows of the query projection.
    public var queryRows: Int { headCount * headDimension }
    /// Rows of the key projection, and of the value projection.
    public var keyValueRows: Int { keyValueHeadCount * headDimension }
    /// Elements of the values of a token; fewer than of its keys in latent attention.
    public var valueRows: Int { keyValueHeadCount * (latentAttention?.valueDimension ?? headDimension) }

    /// The shape of a role's weight outside of experts; one of a role that the model does not have has no rows.
    public func shape(of role: Role) -> [Int] {
        let latent = latentAttention
        let (queryRank, keyValueRank) = (latent?.queryRank ?? 0, latent?.keyValueRank ?? 0)
        let sharedSize = experts?.shared?.feedForwardSize ?? 0
        return switch role {
        case .tokenEmbedding, .outputHead: [vocabularySize, hiddenSize]
        case .attentionNorm, .attentionPostNorm, .feedForwardNorm, .feedForwardPostNorm, .outputNorm: [hiddenSize]
        case .queryNorm: [norms.qk == .acrossHeads ? queryRows : headDimension]
        case .keyNorm: [norms.qk == .acrossHeads ? keyValueRows : headDimension]
        case .query: [queryRows, hiddenSize]
        case .key, .value: [keyValueRows, hiddenSize]
        case .queryDown: [queryRank, hiddenSize]
        case .queryDownNorm: [queryRank]
        case .queryUp: [queryRows, queryRank]
        case .keyValueDown: [keyValueRank + (latent?.ropeHeadDimension ?? 0), hiddenSize]
        case .keyValueDownNorm: [keyValueRank]
        case .keyValueUp:
            [headCount * ((latent?.nopeHeadDimension ?? 0) + (latent?.valueDimension ?? 0)), keyValueRank]
        case .attentionOutput: [hiddenSize, latent.map { headCount * $0.valueDimension } ?? queryRows]
        case .gate, .up: [feedForwardSize, hiddenSize]
        case .down: [hiddenSize, feedForwardSize]
        case .router: [experts?.count ?? 0, hiddenSize]
        case .routerBias: [experts?.count ?? 0]
        case .sharedRouter: [1, hiddenSize]
        case .sharedGate, .sharedUp: [sharedSize, hiddenSize]
        case .sharedDown: [hiddenSize, sharedSize]
        }
    }

    /// The shape of a tensor; a bias has the first dimension of its weight.
    public func shape(of slot: Slot) -> [Int] {
        var configuration = self
        if slot.expert != nil, let experts { configuration.feedForwardSize = experts.feedForwardSize }
        let shape = configuration.shape(of: slot.role)
        return slot.part == .bias ? [shape[0]] : shape
    }
}
