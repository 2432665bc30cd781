import Recast

/// A text in the making: the keys and values of its tokens in every layer, and the hidden state of the last one.
final class TextState {
    /// Tokens seen so far.
    private(set) var count = 0

    private let configuration: ModelConfiguration
    private let layer: DecoderLayer
    private let keys: [FloatBuffer]
    private let values: [FloatBuffer]
    private let hidden: FloatBuffer
    private let buffers: LayerBuffers
    private let logits: FloatBuffer

    /// - Parameters:
    ///   - capacity: the most tokens of the text.
    ///   - tokensAtOnce: the most tokens that are appended at once.
    init(_ configuration: ModelConfiguration, capacity: Int, tokensAtOnce: Int) throws(RecastError) {
        self.configuration = configuration
        layer = try DecoderLayer(configuration, positions: capacity)
        keys = (0..<configuration.layerCount).map { _ in FloatBuffer(count: capacity * configuration.keyValueRows) }
        values = (0..<configuration.layerCount).map { _ in FloatBuffer(count: capacity * configuration.keyValueRows) }
        hidden = FloatBuffer(count: tokensAtOnce * configuration.hiddenSize)
        buffers = LayerBuffers(configuration, rows: tokensAtOnce, keys: capacity)
        logits = FloatBuffer(count: configuration.vocabularySize)
    }

    func append(_ tokens: ArraySlice<Int32>, _ weights: EncodedWeights) throws(RecastError) {
        try weights.embed(tokens, into: hidden.base)
        let sequence = DecoderLayer.Sequence(rows: 0..<tokens.count, past: count)
        let offset = count * configuration.keyValueRows
        for index in 0..<configuration.layerCount {
            try layer.apply(
                index, to: hidden.base, sequences: [sequence],
                keysAndValues: .init(keys: keys[index].base + offset, values: values[index].base + offset),
                buffers: buffers, multiplier: weights)
        }
        // Only the last token is asked what comes next.
        let columns = configuration.hiddenSize
        hidden.base.update(from: hidden.base + (tokens.count - 1) * columns, count: columns)
        count += tokens.count
    }

    /// Of the token after the last one: `[vocabulary]`, valid until the next call.
    func logits(_ weights: EncodedWeights) throws(RecastError) -> UnsafeBufferPointer<Float> {
        let normed = buffers.normed.base
        RMSNorm(epsilon: configuration.normEpsilon).apply(
            hidden.base, weight: weights.norm(Slot(.outputNorm)), rows: 1, columns: configuration.hiddenSize,
            into: normed)
        try weights.multiply(Slot(.outputHead), normed, rows: 1, into: logits.base, accumulating: false)
        return UnsafeBufferPointer(start: logits.base, count: configuration.vocabularySize)
    }
}
