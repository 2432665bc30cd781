import Recast

/// A model evaluated layer by layer for a whole sample: each layer's weights are read once, used for all tokens, and
/// dropped, so that the model may be larger than memory.
///
/// The mathematics are those of transformers' `LlamaForCausalLM` in float32, with optional biases at every linear layer.
/// Results do not depend on the number of workers, nor on where hidden states are kept.
public struct ForwardPass: Sendable {
    public let graph: Graph
    let files: FilePool
    let options: PassOptions

    /// A text the model sees from its beginning, and the positions that are asked about.
    public struct Text: Sendable, Hashable {
        public var tokens: [Int32]
        /// Positions, each of which predicts the token after it.
        public var predictions: Range<Int>

        public init(tokens: [Int32], predictions: Range<Int>) {
            precondition(predictions.lowerBound >= 0 && predictions.upperBound <= tokens.count)
            self.tokens = tokens
            self.predictions = predictions
        }
    }

    /// - Throws: `malformedInput` for a missing or misshapen tensor, `unsupported` for what cannot be computed.
    public init(_ graph: Graph, files: FilePool, options: PassOptions = PassOptions()) throws(RecastError) {
        try graph.checkComputable()
        self.graph = graph
        self.files = files
        self.options = options
    }

    /// `-ln p` of the token after each asked position, for each text; in nats.
    public func negativeLogLikelihoods(of texts: [Text]) throws(RecastError) -> [[Double]] {
        try negativeLogLikelihoods(of: texts, observer: nil)
    }

    /// The same, observed: with an observer that replaces nothing, the same bits.
    package func negativeLogLikelihoods(
        of texts: [Text], observer: (any PassObserver)?
    ) throws(RecastError) -> [[Double]] {
        for text in texts { precondition(text.predictions.upperBound < text.tokens.count || text.predictions.isEmpty) }
        let targets = texts.flatMap { text in text.predictions.map { Int(text.tokens[$0 + 1]) } }
        let run = try Run(self, texts, observer)
        let values = try run.likelihoods(of: targets, hidden: try run.finalHiddenStates())
        var next = 0
        return texts.map { text in
            defer { next += text.predictions.count }
            return Array(values[next..<next + text.predictions.count])
        }
    }

    /// Takes texts through the layers for the sake of an observer.
    ///
    /// - Parameter keeper: keeps what is done, and knows what was.
    package func run(
        _ texts: [[Int32]], by observer: any PassObserver, keeper: (any LayerKeeper)? = nil
    ) throws(RecastError) {
        let run = try Run(self, texts.map { Text(tokens: $0, predictions: 0..<0) }, observer, keeper: keeper)
        _ = try run.finalHiddenStates()
    }

    /// The logits of every position: `[texts][tokens][vocabulary]`; for short texts.
    public func logits(of texts: [[Int32]]) throws(RecastError) -> [[[Float]]] {
        try logits(of: texts, observer: nil)
    }

    /// The same, observed.
    package func logits(of texts: [[Int32]], observer: (any PassObserver)?) throws(RecastError) -> [[[Float]]] {
        let texts = texts.map { Text(tokens: $0, predictions: $0.indices) }
        let run = try Run(self, texts, observer)
        let rows = try run.logits(hidden: try run.finalHiddenStates())
        let columns = graph.configuration.vocabularySize
        var next = 0
        return texts.map { text in
            text.tokens.map { _ in
                defer { next += columns }
                return Array(UnsafeBufferPointer(start: rows.base + next, count: columns))
            }
        }
    }
}

extension ForwardPass {
    /// Whole texts that go through a layer together.
    struct Block: Sendable {
        var texts: Range<Int>
        /// Of all tokens of the sample.
        var rows: Range<Int>
        /// Of all asked positions of the sample.
        var predictions: Range<Int>
    }

    /// The most rows a matrix product needs: OpenBLAS comes within 2 % of its best from about 1000.
    static let rowsAtOnce = 1024

    /// Rows of a block of a sample of so many: a small one is cut finer, to have work for several workers.
    static func rowsAtOnce(of count: Int) -> Int { min(rowsAtOnce, max(256, count / 4)) }

    /// Cuts a sample into blocks, by the texts alone.
    static func blocks(of texts: [Text]) -> [Block] {
        let rowsAtOnce = rowsAtOnce(of: texts.reduce(0) { $0 + $1.tokens.count })
        var blocks: [Block] = []
        for (index, text) in texts.enumerated() {
            let last = blocks.last ?? Block(texts: 0..<0, rows: 0..<0, predictions: 0..<0)
            let rows = last.rows.upperBound + text.tokens.count
            let predictions = last.predictions.upperBound + text.predictions.count
            if !blocks.isEmpty, rows - last.rows.lowerBound <= rowsAtOnce {
                blocks[blocks.count - 1] = Block(
                    texts: last.texts.lowerBound..<index + 1, rows: last.rows.lowerBound..<rows,
                    predictions: last.predictions.lowerBound..<predictions)
            } else {
                blocks.append(
                    Block(
                        texts: index..<index + 1, rows: last.rows.upperBound..<rows,
                        predictions: last.predictions.upperBound..<predictions))
            }
        }
        return blocks
    }
}
