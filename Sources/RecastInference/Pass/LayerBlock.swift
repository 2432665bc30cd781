import Recast

/// A block of tokens on its way through a layer.
struct LayerBlock {
    /// Consecutive rows that belong to one text.
    struct Sequence {
        /// Among the rows of the block.
        var rows: Range<Int>
        /// Tokens of the whole text, as far as it is known.
        var length: Int
    }

    let layer: Int
    private(set) var rows: Int
    private(set) var sequences: [Sequence]
    /// Where tokens are remembered, the block is of one text.
    let state: LayerState
    /// Of the rows, where layers look at them; else empty.
    private(set) var tokens: ArraySlice<Int32>
    /// Keys and values that later layers look at, where blocks go through one layer after the other; and the block's first row
    /// there.
    var sharedKeyValues: SharedKeyValues?
    var firstRow = 0
    /// `[rows, hiddenSize]`
    private(set) var hidden: UnsafeMutablePointer<Float>
    var buffers: LayerBuffers
    /// Where attention's probabilities are to be kept, of a block of one text: `[heads, rows, keys]`; nil for nowhere.
    var attentionMap: UnsafeMutablePointer<Float>?
    /// Which tokens its rows see, where an indexer picks them.
    private let picked: PickedTokens.Rows?

    /// - Parameter picked: what outlives the block, for layers that share it; nil for what its buffers have.
    init(
        layer: Int, sequences: [Sequence], tokens: ArraySlice<Int32> = [], state: LayerState,
        hidden: UnsafeMutablePointer<Float>, buffers: LayerBuffers, picked: PickedTokens.Rows? = nil
    ) {
        self.layer = layer
        self.sequences = sequences
        self.tokens = tokens
        self.state = state
        self.hidden = hidden
        self.buffers = buffers
        self.picked = picked ?? buffers.picked?.rows(from: 0)
        rows = sequences.last?.rows.upperBound ?? 0
    }

    /// Which tokens those of a text see; nil where each sees all.
    func picked(of sequence: Sequence) -> PickedTokens.Rows? {
        guard let picked, sequence.length > picked.pickedCount else { return nil }
        return picked.dropFirst(sequence.rows.lowerBound)
    }

    /// Some of its rows, for the feed-forward network.
    func part(_ range: Range<Int>, columns: Int) -> LayerBlock {
        var part = self
        part.sequences = []
        part.rows = range.count
        if !tokens.isEmpty {
            let first = tokens.startIndex
            part.tokens = tokens[first + range.lowerBound..<first + range.upperBound]
        }
        part.hidden += range.lowerBound * columns
        // Where attention has left something in it, for those rows.
        part.buffers[.branch] += range.lowerBound * columns
        return part
    }

    /// The product of all rows with a weight of the layer, without anything else of it.
    func multiply(
        _ site: Slot, _ input: Intermediate, into output: UnsafeMutablePointer<Float>, accumulating: Bool = false,
        _ backend: some LinearBackend
    ) throws(RecastError) {
        try backend.multiply(
            site, buffers[input], rows: rows, into: output, accumulating: accumulating, worker: buffers.worker)
    }

    func multiply(
        _ role: Role, _ input: Intermediate, into output: UnsafeMutablePointer<Float>, _ backend: some LinearBackend
    ) throws(RecastError) {
        try multiply(Slot(role, layer: layer), input, into: output, backend)
    }
}
