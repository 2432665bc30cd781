import Recast

/// Writes what a model predicts to a file.
struct PredictionWriter {
    private let run: ForwardPass.Run
    private let states: HiddenStates
    private let file: StagedFile
    private let layout: PredictionsFile.Layout
    private let header: PredictionsFile.Header

    /// How far below the likeliest token codes reach, in nats: what lies there has e⁻³² of its probability.
    private static let range: Float = 32
    private static let steps: Float = 65535

    /// - Parameter states: what the run has made of its texts, normalised.
    init(
        _ run: ForwardPass.Run, _ states: HiddenStates, _ header: PredictionsFile.Header, path: String, replaces: Bool
    ) throws(RecastError) {
        self.run = run
        self.states = states
        self.header = header
        layout = try PredictionsFile.layout(header)
        file = try StagedFile(path, byteCount: layout.byteCount, replaces: replaces)
    }

    func write() throws(RecastError) {
        try file.write(layout.bytes, at: 0)
        if let mask = layout.mask { try file.write(mask.bytes, at: mask.offset) }
        if header.isExact { try writeLogits() } else { try writeCodes() }
        try file.commit()
    }

    private func writeLogits() throws(RecastError) {
        try forEachPiece { (rows, tokens, logits) throws(RecastError) in
            for row in rows {
                let piece = logits + (row - rows.lowerBound) * tokens.count
                try file.write(
                    UnsafeRawBufferPointer(start: piece, count: tokens.count * 4),
                    at: layout.values + (row * header.vocabularySize + tokens.lowerBound) * 4)
            }
        }
    }

    /// A position's range, found in a first sweep over the vocabulary.
    private struct Bounds {
        var sum = RunningLogSumExp()
        var minimum = Float.infinity

        /// Logits from which codes begin, and what a step of them is.
        var first: Float { max(minimum, sum.maximum - PredictionWriter.range) }
        var scale: Float { (sum.maximum - first) / PredictionWriter.steps }
    }

    private func writeCodes() throws(RecastError) {
        let bounds = UnsafeMutablePointer<Bounds>.allocate(capacity: max(1, states.rows))
        bounds.initialize(repeating: Bounds(), count: states.rows)
        defer { bounds.deallocate() }
        try forEachPiece { (rows, tokens, logits) in
            for row in rows {
                let piece = logits + (row - rows.lowerBound) * tokens.count
                for i in 0..<tokens.count where piece[i] < bounds[row].minimum { bounds[row].minimum = piece[i] }
                bounds[row].sum.add(piece, tokens.count)
            }
        }
        try forEachPiece { (rows, tokens, logits) throws(RecastError) in
            var codes = [UInt16](repeating: 0, count: tokens.count)
            for row in rows {
                let piece = logits + (row - rows.lowerBound) * tokens.count
                let (first, scale) = (bounds[row].first, bounds[row].scale)
                for i in 0..<tokens.count {
                    let step = scale > 0 ? ((piece[i] - first) / scale).rounded() : 0
                    codes[i] = UInt16(step >= 0 ? min(step, Self.steps) : 0).littleEndian
                }
                try codes.withBytes { (bytes) throws(RecastError) in
                    try file.write(bytes, at: layout.values + (row * header.vocabularySize + tokens.lowerBound) * 2)
                }
            }
        }
        var scales: [UInt8] = []
        var minimums: [UInt8] = []
        for row in 0..<states.rows {
            scales.append(littleEndian: bounds[row].scale.bitPattern)
            // The negative log-likelihood of the smallest is its logarithm's.
            minimums.append(
                littleEndian: Float(-bounds[row].sum.negativeLogLikelihood(of: bounds[row].first)).bitPattern)
        }
        try file.write(scales, at: layout.scales)
        try file.write(minimums, at: layout.minimums)
    }

    /// Calls `body` with the logits of some positions for some tokens, which are its own: products of the same shapes as those
    /// that are compared without a file, so that they have the same bits.
    private func forEachPiece(
        _ body: (_ rows: Range<Int>, _ tokens: Range<Int>, UnsafeMutablePointer<Float>) throws(RecastError) -> Void
    ) throws(RecastError) {
        let source = ModelLogits(run, states)
        let buffers = (0..<run.workers.count).map { _ in
            FloatBuffer(count: ForwardPass.rowsAtOnce * ForwardPass.Run.columnsAtOnce)
        }
        for first in stride(from: 0, to: header.vocabularySize, by: source.tileSize) {
            let tile = first..<min(header.vocabularySize, first + source.tileSize)
            try source.load(tile)
            try run.forEachBlock(of: states, share: tile.count) { (worker, rows, _) throws(RecastError) in
                for start in stride(from: first, to: tile.upperBound, by: ForwardPass.Run.columnsAtOnce) {
                    let tokens = start..<min(tile.upperBound, start + ForwardPass.Run.columnsAtOnce)
                    try source.logits(rows, tokens, into: buffers[worker], worker: worker)
                    try body(rows, tokens, buffers[worker].base)
                }
            }
        }
    }
}
