import Recast

/// The mathematics of one layer of the llama kind: attention and feed-forward, each normalised before and added after.
struct DecoderLayer: Sendable {
    let configuration: ModelConfiguration
    let activation: Activation
    let rotary: RotaryEmbedding

    /// - Parameter positions: the length of the longest text.
    /// - Throws: `unsupported` for an activation or a rotary scaling that cannot be computed.
    init(_ configuration: ModelConfiguration, positions: Int) throws(RecastError) {
        self.configuration = configuration
        activation = try Activation(named: configuration.activation)
        rotary = try RotaryEmbedding(configuration.rope, positions: positions)
    }

    /// Consecutive rows that belong to one text.
    struct Sequence {
        /// Among the rows of the block.
        var rows: Range<Int>
        /// Tokens of the same text before these, whose keys and values stand before theirs.
        var past = 0
    }

    /// Where the keys and values of a block's first row go: `[rows, keyValueRows]` each.
    struct KeysAndValues {
        var keys: UnsafeMutablePointer<Float>
        var values: UnsafeMutablePointer<Float>
    }

    /// Replaces hidden states `[rows, hiddenSize]` by what layer `index` makes of them.
    func apply(
        _ index: Int, to hidden: UnsafeMutablePointer<Float>, sequences: [Sequence], keysAndValues: KeysAndValues,
        buffers: LayerBuffers, multiplier: some Multiplier
    ) throws(RecastError) {
        let rows = sequences.last?.rows.upperBound ?? 0
        let norm = RMSNorm(epsilon: configuration.normEpsilon)
        let normed = buffers.normed.base

        norm.apply(
            hidden, weight: multiplier.norm(Slot(.attentionNorm, layer: index)), rows: rows,
            columns: configuration.hiddenSize, into: normed)
        let queries = buffers.queries.base
        let (keys, values) = (keysAndValues.keys, keysAndValues.values)
        try multiplier.multiply(Slot(.query, layer: index), normed, rows: rows, into: queries, accumulating: false)
        try multiplier.multiply(Slot(.key, layer: index), normed, rows: rows, into: keys, accumulating: false)
        try multiplier.multiply(Slot(.value, layer: index), normed, rows: rows, into: values, accumulating: false)
        if configuration.norms.heads != .none {
            norm.apply(
                queries, weight: multiplier.norm(Slot(.queryNorm, layer: index)), rows: rows * configuration.headCount,
                columns: configuration.headDimension, into: queries)
            norm.apply(
                keys, weight: multiplier.norm(Slot(.keyNorm, layer: index)),
                rows: rows * configuration.keyValueHeadCount, columns: configuration.headDimension, into: keys)
        }
        for sequence in sequences {
            attend(sequence, queries: queries, keysAndValues: keysAndValues, scores: buffers.scores.base)
        }
        try multiplier.multiply(
            Slot(.attentionOutput, layer: index), queries, rows: rows, into: hidden, accumulating: true)

        let feedForward = FeedForward(activation: activation, columns: configuration.feedForwardSize)
        for part in LayerBuffers.parts(of: rows) {
            let hidden = hidden + part.lowerBound * configuration.hiddenSize
            norm.apply(
                hidden, weight: multiplier.norm(Slot(.feedForwardNorm, layer: index)), rows: part.count,
                columns: configuration.hiddenSize, into: normed)
            try feedForward.apply(
                normed, layer: index, rows: part.count, addingTo: hidden, buffers: buffers, multiplier: multiplier)
        }
    }

    private func attend(
        _ sequence: Sequence, queries: UnsafeMutablePointer<Float>, keysAndValues: KeysAndValues,
        scores: UnsafeMutablePointer<Float>
    ) {
        let attention = Attention(configuration)
        let (first, count) = (sequence.rows.lowerBound, sequence.rows.count)
        let queries = queries + first * configuration.queryRows
        let keys = keysAndValues.keys + first * configuration.keyValueRows
        rotary.rotate(
            queries, rows: count, heads: configuration.headCount, headDimension: configuration.headDimension,
            position: sequence.past)
        rotary.rotate(
            keys, rows: count, heads: configuration.keyValueHeadCount, headDimension: configuration.headDimension,
            position: sequence.past)
        let before = sequence.past * configuration.keyValueRows
        attention.attend(
            queries: queries, count: count, keys: keys - before,
            values: keysAndValues.values + first * configuration.keyValueRows - before, past: sequence.past,
            scores: scores)
    }
}

extension Attention {
    init(_ configuration: ModelConfiguration) {
        self.init(
            heads: configuration.headCount, keyValueHeads: configuration.keyValueHeadCount,
            headDimension: configuration.headDimension)
    }
}

/// The intermediate results of one block of rows; used again for every block and layer.
final class LayerBuffers: Sendable {
    let normed: FloatBuffer
    /// The queries, whose place their attention's output takes.
    let queries: FloatBuffer
    let gate: FloatBuffer
    let up: FloatBuffer
    let scores: FloatBuffer

    /// The feed-forward network sees each row by itself, and a long text in parts of
    /// nearly the same size, which bounds its large buffers.
    static func parts(of rows: Int) -> [Range<Int>] {
        let count = rows.dividedRoundingUp(by: ForwardPass.rowsAtOnce)
        return (0..<count).map { $0 * rows / count..<($0 + 1) * rows / count }
    }

    /// - Parameters:
    ///   - rows: the most rows of a block.
    ///   - keys: the most tokens of a text.
    init(_ configuration: ModelConfiguration, rows: Int, keys: Int) {
        normed = FloatBuffer(count: rows * configuration.hiddenSize)
        queries = FloatBuffer(count: rows * configuration.queryRows)
        let part = min(rows, ForwardPass.rowsAtOnce)
        gate = FloatBuffer(count: part * configuration.feedForwardSize)
        up = FloatBuffer(count: part * configuration.feedForwardSize)
        scores = FloatBuffer(count: Attention(configuration).scoreCount(keys: keys))
    }
}
