import Recast

/// A text in the making: what every layer remembers of its tokens, and the hidden state of the last one.
final class TextState {
    /// Tokens seen so far.
    private(set) var count = 0
    /// The most tokens of the text.
    let capacity: Int

    fileprivate let layers: [LayerState]
    /// Layers with a state of their own.
    private let own: [Int]
    /// Of the last token.
    fileprivate let last: FloatBuffer
    private let configuration: ModelConfiguration

    init(_ configuration: ModelConfiguration, capacity: Int) {
        self.configuration = configuration
        self.capacity = capacity
        var layers: [LayerState] = []
        for (layer, own) in configuration.layers.enumerated() {
            // A layer without keys and values of its own looks at those of another.
            layers.append(
                own.keyValueSource.map { layers[$0] }
                    ?? LayerState(configuration, layers: layer..<layer + 1, capacity: capacity))
        }
        self.layers = layers
        own = layers.indices.filter { configuration.layers[$0].keyValueSource == nil }
        last = FloatBuffer(count: configuration.hiddenSize)
    }

    /// Another text that begins in the same way.
    ///
    /// - Parameter capacity: of the copy; at least the tokens of this text.
    func copy(capacity: Int) -> TextState {
        let copy = TextState(configuration, capacity: capacity)
        copy.assign(self)
        return copy
    }

    /// Makes this the text that another is, which must not be longer than this may be.
    func assign(_ other: TextState) {
        for layer in own { layers[layer].assign(other.layers[layer]) }
        last.base.update(from: other.last.base, count: last.count)
        count = other.count
    }

    fileprivate func didAppend(_ tokens: Int) {
        for layer in own { layers[layer].append(tokens) }
        count += tokens
    }
}

/// Takes tokens of texts through the layers: many of one text at once, or one of each of many.
final class TextReader {
    private let configuration: ModelConfiguration
    private let weights: EncodedWeights
    private let layer: DecoderLayer
    private let rows: Int
    private let hidden: FloatBuffer
    private let buffers: LayerBuffers
    private let logits: FloatBuffer
    /// Of the rows of a batch, before each goes to its own text.
    private let joint: LayerState

    /// - Parameters:
    ///   - capacities: of the texts.
    ///   - rows: the most tokens that go through the layers together.
    ///   - texts: the most texts that are asked together what comes next.
    init(
        _ configuration: ModelConfiguration, _ weights: EncodedWeights, capacities: [Int], rows: Int, texts: Int
    ) throws(RecastError) {
        self.configuration = configuration
        self.weights = weights
        self.rows = rows
        layer = try DecoderLayer(configuration, lengths: capacities)
        hidden = FloatBuffer(count: rows * configuration.hiddenSize)
        buffers = LayerBuffers(configuration, rows: rows, keys: capacities.max() ?? 1)
        logits = FloatBuffer(count: texts * configuration.vocabularySize)
        joint = LayerState(configuration, layers: configuration.layers.indices, capacity: texts)
    }

    /// Appends tokens to a text.
    func append(_ tokens: ArraySlice<Int32>, to text: TextState) throws(RecastError) {
        var tokens = tokens
        while !tokens.isEmpty {
            let piece = tokens.prefix(rows)
            tokens = tokens.dropFirst(rows)
            try embed(piece, at: Array(text.count..<text.count + piece.count))
            for (index, state) in text.layers.enumerated() {
                try run(index, [LayerBlock.Sequence(rows: 0..<piece.count, length: text.capacity)], piece, state)
            }
            // Only the last token is asked what comes next.
            let columns = configuration.hiddenSize
            text.last.base.update(from: hidden.base + (piece.count - 1) * columns, count: columns)
            text.didAppend(piece.count)
        }
    }

    /// Appends a token to each of some texts, whose weights are read once for all.
    func append(_ tokens: [Int32], to texts: [TextState]) throws(RecastError) {
        precondition(tokens.count == texts.count && texts.count <= rows)
        if texts.count == 1 { return try append(tokens[...], to: texts[0]) }
        try embed(tokens[...], at: texts.map(\.count))
        let sequences = texts.enumerated().map {
            LayerBlock.Sequence(rows: $0..<$0 + 1, length: $1.capacity)
        }
        for index in 0..<configuration.layerCount {
            joint.join(texts.map { $0.layers[index] })
            try run(index, sequences, tokens[...], joint)
        }
        joint.join([])
        let columns = configuration.hiddenSize
        for (row, text) in texts.enumerated() {
            text.last.base.update(from: hidden.base + row * columns, count: columns)
            text.didAppend(1)
        }
    }

    /// - Parameter positions: of each token in its text.
    private func embed(_ tokens: ArraySlice<Int32>, at positions: [Int]) throws(RecastError) {
        if let size = configuration.embeddingSize {
            let own = FloatBuffer(count: tokens.count * size)
            defer { withExtendedLifetime(own) {} }
            try weights.embed(tokens, into: own.base)
            try weights.multiply(
                Slot(.embeddingProjection), own.base, rows: tokens.count, into: hidden.base, accumulating: false,
                worker: 0)
        } else {
            try weights.embed(tokens, into: hidden.base)
        }
        let (rows, columns) = (try weights.positionRows(positions, configuration), configuration.hiddenSize)
        defer { withExtendedLifetime(rows) {} }
        EmbeddingSteps(configuration).apply(
            to: hidden.base, rows: tokens.count,
            positions: { row in rows.map { UnsafePointer($0.base + row * columns) } }, weights.norm(.embeddingNorm))
    }

    private func run(
        _ index: Int, _ sequences: [LayerBlock.Sequence], _ tokens: ArraySlice<Int32>, _ state: LayerState
    ) throws(RecastError) {
        try layer.apply(
            to: LayerBlock(
                layer: index, sequences: sequences, tokens: configuration.layerInputSize == nil ? [] : tokens,
                state: state, hidden: hidden.base, buffers: buffers),
            weights)
    }

    /// Of the token after the last one of each text: `[texts, vocabulary]`, valid until the next call.
    func logits(_ texts: [TextState]) throws(RecastError) -> UnsafeMutablePointer<Float> {
        let (columns, vocabulary) = (configuration.hiddenSize, configuration.vocabularySize)
        for (row, text) in texts.enumerated() {
            (hidden.base + row * columns).update(from: text.last.base, count: columns)
        }
        var normed = buffers[.normed]
        if configuration.norms.hasOutputNorm {
            Norm(configuration).apply(
                hidden.base, weights.norm(.outputNorm), rows: texts.count, columns: columns, into: normed)
        } else {
            normed.update(from: hidden.base, count: texts.count * columns)
        }
        let projected = FloatBuffer(count: texts.count * (configuration.embeddingSize ?? 0))
        if configuration.embeddingSize != nil {
            try weights.multiply(
                Slot(.headProjection), normed, rows: texts.count, into: projected.base, accumulating: false, worker: 0)
            normed = projected.base
        }
        defer { withExtendedLifetime(projected) {} }
        try weights.multiply(
            Slot(.outputHead), normed, rows: texts.count, into: logits.base, accumulating: false, worker: 0)
        configuration.finish(logits.base, texts.count * vocabulary)
        return logits.base
    }

    func logits(_ text: TextState) throws(RecastError) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: try logits([text]), count: configuration.vocabularySize)
    }
}
