/// Positions that a model has learned: a row for each, which is added to the embedding of the token there.
///
/// Source: transformers 5.23, `modeling_gpt2.py` and `modeling_opt.py`.
public struct LearnedPositions: Sendable, Hashable, Codable {
    /// How many there are; no text can be longer.
    public var count: Int
    /// Rows before that of the first position, which nothing is added of (two in OPT).
    public var offset: Int

    public init(count: Int, offset: Int = 0) {
        self.count = count
        self.offset = offset
    }

    /// Rows of the matrix.
    public var rowCount: Int { count + offset }
}

extension LearnedPositions {
    /// `1024`, `2048 behind 2 others`
    var text: String { "\(count)" + (offset > 0 ? " behind \(offset) others" : "") }
}

/// A bias of attention scores by head and distance: `-slope · distance`.
public struct ALiBi: Sendable, Hashable, Codable {
    /// Slopes are powers of `2^(-maximum / heads)` (MPT's `alibi_bias_max`).
    public var maximum = 8.0
    /// Whether biases are multiplied as products of queries and keys are, after they have been rounded to bfloat16 (Falcon).
    ///
    /// Source: transformers 5.23, `modeling_falcon.py`.
    public var isScaled = false

    public init() {}
}
