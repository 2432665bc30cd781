import Recast

/// A text in the making: what every layer remembers of its tokens, and the hidden state of the last one.
final class TextState {
    /// Tokens seen so far.
    private(set) var count = 0

    private let configuration: ModelConfiguration
    private let capacity: Int
    private let layer: DecoderLayer
    private let states: [any LayerState]
    private let hidden: FloatBuffer
    private let buffers: LayerBuffers
    private let logits: FloatBuffer

    /// - Parameters:
    ///   - capacity: the most tokens of the text.
    ///   - tokensAtOnce: the most tokens that are appended at once.
    init(_ configuration: ModelConfiguration, capacity: Int, tokensAtOnce: Int) throws(RecastError) {
        self.configuration = configuration
        self.capacity = capacity
        let layer = try DecoderLayer(configuration, lengths: [capacity])
        self.layer = layer
        states = (0..<configuration.layerCount).map { _ in layer.makeState(capacity: capacity) }
        hidden = FloatBuffer(count: tokensAtOnce * configuration.hiddenSize)
        buffers = LayerBuffers(configuration, rows: tokensAtOnce, keys: capacity)
        logits = FloatBuffer(count: configuration.vocabularySize)
    }

    func append(_ tokens: ArraySlice<Int32>, _ weights: EncodedWeights) throws(RecastError) {
        try weights.embed(tokens, into: hidden.base)
        let factor = Float(configuration.multipliers.embedding)
        if factor != 1 { for i in 0..<tokens.count * configuration.hiddenSize { hidden.base[i] *= factor } }
        let sequences = [LayerBlock.Sequence(rows: 0..<tokens.count, length: capacity)]
        for (index, state) in states.enumerated() {
            try layer.apply(
                to: LayerBlock(
                    layer: index, sequences: sequences, state: state, hidden: hidden.base, buffers: buffers), weights)
        }
        for state in states { state.append(tokens.count) }
        // Only the last token is asked what comes next.
        let columns = configuration.hiddenSize
        hidden.base.update(from: hidden.base + (tokens.count - 1) * columns, count: columns)
        count += tokens.count
    }

    /// Of the token after the last one: `[vocabulary]`, valid until the next call.
    func logits(_ weights: EncodedWeights) throws(RecastError) -> UnsafeBufferPointer<Float> {
        let normed = buffers[.normed]
        Norm(configuration).apply(
            hidden.base, weights.norm(.outputNorm), rows: 1, columns: configuration.hiddenSize, into: normed)
        try weights.multiply(Slot(.outputHead), normed, rows: 1, into: logits.base, accumulating: false, worker: 0)
        configuration.finish(logits.base, configuration.vocabularySize)
        return UnsafeBufferPointer(start: logits.base, count: configuration.vocabularySize)
    }
}
