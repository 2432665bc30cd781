/// What must be known besides the tensors to compute a model.
///
/// The defaults are llama's; whatever another family does besides has a member of its own.
public struct ModelConfiguration: Sendable, Hashable, Codable {
    /// The family's name: `llama`, `qwen2`, …
    public var family: String
    public var vocabularySize: Int
    public var hiddenSize: Int
    /// Of layers without experts, where they say nothing else; stated also where there are none.
    public var feedForwardSize: Int
    /// What each layer is made of, the first one first.
    public var layers: [LayerConfiguration]
    public var headCount: Int
    /// Of layers that say nothing else.
    public var keyValueHeadCount: Int
    /// Elements of one query, key or value, in layers that say nothing else; need not be `hiddenSize / headCount`. With latent
    /// attention of a query or key, the non-rotary ones included.
    public var headDimension: Int
    /// The longest text the model was made for, in tokens.
    public var contextLength: Int
    /// Added to the mean square, or the variance, under the root of a norm.
    public var normEpsilon: Double
    /// The activation of the gate, or of up where there is none, by its name in transformers: `silu`, `gelu_pytorch_tanh`, …
    public var activation: String
    /// Whether feed-forward is `down(f(gate · x) · (up · x))`; else it is `down(f(up · x))`.
    public var gatesFeedForward = true
    /// How gate and up are limited before they are multiplied; nil where they are not.
    public var gateLimit: GateLimit?
    /// The rotary embedding of layers that have none of their own.
    public var rope: Rope
    public var norms = Norms()
    public var multipliers = ScaleFactors()
    public var softCaps = SoftCaps()
    /// Whether rows of the output head are divided by their length before they are multiplied (Baichuan 2).
    public var normalizesOutputHead = false
    /// What queries, keys and values are limited to, in both directions (OLMo 1's `clip_qkv`).
    public var projectionLimit: Double?
    /// What changes in texts longer than this many tokens, in a way that only the family itself computes (Qwen 1).
    public var longContext: QwenLongContext?
    /// Positions that are learned, each a vector that is added to the embedding of its token.
    public var learnedPositions: LearnedPositions?
    /// What scores are biased by in layers with ALiBi.
    public var alibi = ALiBi()
    /// Elements of an embedding, which is projected to the hidden size, and back before the head (OPT 350M); nil for the hidden size itself.
    public var embeddingSize: Int?
    /// Elements of what each token adds to every layer (per-layer embeddings, Gemma 4's small models); nil for no such thing.
    public var layerInputSize: Int?
    /// How queries grow with their position (Ministral 3, Llama 4).
    public var temperature: AttentionTemperature?
    /// How recurrent layers store at which rates their states decay.
    public var stateDecayForm = StateDecayForm.logarithm
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
        layers = Array(repeating: LayerConfiguration(), count: layerCount)
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headDimension = headDimension
        self.contextLength = contextLength
        self.normEpsilon = normEpsilon
        self.activation = activation
        self.rope = rope
    }
}

/// Gate and up within limits, and up plus one: `min(g, limit) · sigmoid(alpha · min(g, limit)) · (clamp(u, ±limit) + 1)` (gpt-oss).
///
/// Source: transformers 5.23, `modeling_gpt_oss.py`.
public struct GateLimit: Sendable, Hashable, Codable {
    /// `swiglu_limit`
    public var limit: Double
    /// `swiglu_alpha`
    public var alpha: Double

    public init(limit: Double, alpha: Double) {
        self.limit = limit
        self.alpha = alpha
    }
}

/// Multi-head latent attention (DeepSeek): queries, keys and values of all heads are made of a short vector each.
///
/// The rotary elements of a head are interleaved pairs, in all programs that store such models.
public struct LatentAttention: Sendable, Hashable, Codable {
    /// Elements of what queries are made of (`q_lora_rank`); nil where they are made of the hidden state itself.
    public var queryRank: Int?
    /// Elements of what keys and values are made of (`kv_lora_rank`).
    public var keyValueRank: Int
    /// Non-rotary elements of a query and of a key (`qk_nope_head_dim`); they come first.
    public var nopeHeadDimension: Int
    /// Rotary elements of a query, and of the one key for all heads (`qk_rope_head_dim`).
    public var ropeHeadDimension: Int
    /// Elements of a value (`v_head_dim`).
    public var valueDimension: Int
    /// What picks the tokens that each token sees; nil where it sees all before it.
    public var indexer: TokenIndexer?

    /// Elements of a query, and of a key.
    var headDimension: Int { nopeHeadDimension + ropeHeadDimension }

    public init(
        queryRank: Int?, keyValueRank: Int, nopeHeadDimension: Int, ropeHeadDimension: Int, valueDimension: Int,
        indexer: TokenIndexer? = nil
    ) {
        self.queryRank = queryRank
        self.keyValueRank = keyValueRank
        self.nopeHeadDimension = nopeHeadDimension
        self.ropeHeadDimension = ropeHeadDimension
        self.valueDimension = valueDimension
        self.indexer = indexer
    }
}

/// DeepSeek Sparse Attention: heads of their own score the tokens before each token, which then sees the best alone.
///
/// Of a token `t` and one before it, `s`: `Σ weight(t, h) · relu(query(t, h) · key(s))` over the heads `h`. In a text of no more
/// than `pickedCount` tokens all are seen. Source: transformers 5.23, `modeling_deepseek_v32.py`.
public struct TokenIndexer: Sendable, Hashable, Codable {
    /// `index_n_heads`
    public var headCount: Int
    /// Elements of a query, and of the one key (`index_head_dim`); the rotary ones, as many as a head of attention has, come first.
    public var headDimension: Int
    /// How many tokens a token sees, itself among them or not (`index_topk`).
    public var pickedCount: Int
    /// Whether its rotary pairs are neighbours; else halves, though those of the attention are neighbours.
    public var turnsNeighbours: Bool

    public init(headCount: Int, headDimension: Int, pickedCount: Int, turnsNeighbours: Bool) {
        self.headCount = headCount
        self.headDimension = headDimension
        self.pickedCount = pickedCount
        self.turnsNeighbours = turnsNeighbours
    }
}

extension ModelConfiguration {
    /// Whether programs differ in what the norms of latent attention add: transformers adds 1e-6, whatever others add.
    ///
    /// Source: transformers 5.23, `modeling_deepseek_v3.py`.
    var hasUnusualLatentNorm: Bool { latentAttention != nil && Float(normEpsilon) != 1e-6 }

    /// Elements of one query, key or value of a layer.
    public func headDimension(inLayer layer: Int) -> Int { layers[layer].headDimension ?? headDimension }
    /// Key and value heads of a layer.
    public func keyValueHeadCount(inLayer layer: Int) -> Int { layers[layer].keyValueHeadCount ?? keyValueHeadCount }
    /// The feed-forward size of a layer without experts.
    public func feedForwardSize(inLayer layer: Int) -> Int { layers[layer].feedForwardSize ?? feedForwardSize }
    /// Rows of the query projection.
    public func queryRows(inLayer layer: Int) -> Int { headCount * headDimension(inLayer: layer) }
    /// Rows of the key projection, and of the value projection.
    public func keyValueRows(inLayer layer: Int) -> Int {
        keyValueHeadCount(inLayer: layer) * headDimension(inLayer: layer)
    }
    /// Elements of the values of a token; fewer than of its keys in latent attention.
    public func valueRows(inLayer layer: Int) -> Int {
        keyValueHeadCount(inLayer: layer)
            * (layers[layer].latentAttention?.valueDimension ?? headDimension(inLayer: layer))
    }
}
