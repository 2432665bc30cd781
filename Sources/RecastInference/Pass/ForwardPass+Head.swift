import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension ForwardPass.Run {
    /// Vocabulary rows whose weights are in memory at once.
    var tileRows: Int {
        min(configuration.vocabularySize, min(16384, max(1024, (16 << 20) / configuration.hiddenSize / 1024 * 1024)))
    }

    /// Logits of one row that are computed at once: a block of them should stay in the cache until it has been summed.
    static let columnsAtOnce = 1024

    /// `-ln p` of the target of each position.
    ///
    /// The vocabulary is gone through tile by tile, so that the head's weights are read once for all positions and no
    /// row of logits is ever whole in memory.
    func likelihoods(of targets: [Int], hidden: HiddenStates) throws(RecastError) -> [Double] {
        precondition(targets.count == hidden.rows)
        if targets.isEmpty { return [] }
        let logits = (0..<workers.count).map { _ in FloatBuffer(count: ForwardPass.rowsAtOnce * Self.columnsAtOnce) }
        // Shared by the workers, each of which touches the elements of its own blocks only.
        let state = UnsafeMutablePointer<RunningLogSumExp>.allocate(capacity: max(1, targets.count))
        state.initialize(repeating: RunningLogSumExp(), count: targets.count)
        let found = FloatBuffer(count: targets.count)
        defer { state.deallocate() }

        try forEachTile { (tile) throws(RecastError) in
            try forEachBlock(of: hidden, share: tile.rows.count) { (worker, rows, states) throws(RecastError) in
                let buffer = logits[worker]
                for columns in tile.rows.pieces(of: Self.columnsAtOnce) {
                    tile.logits(states, rows.count, columns, into: buffer, worker: worker)
                    for row in rows {
                        let piece = buffer.base + (row - rows.lowerBound) * columns.count
                        if columns.contains(targets[row]) { found.base[row] = piece[targets[row] - columns.lowerBound] }
                        state[row].add(piece, columns.count)
                    }
                }
            }
        }
        return targets.indices.map { state[$0].negativeLogLikelihood(of: found.base[$0]) }
    }

    /// All logits: `[positions, vocabulary]`.
    func logits(hidden: HiddenStates) throws(RecastError) -> FloatBuffer {
        let vocabulary = configuration.vocabularySize
        let result = FloatBuffer(count: hidden.rows * vocabulary)
        try forEachTile { (tile) throws(RecastError) in
            try forEachBlock(of: hidden, share: tile.rows.count) { (worker, rows, states) throws(RecastError) in
                let target = result.base + rows.lowerBound * vocabulary + tile.rows.lowerBound
                tile.multiply(states, rows.count, tile.rows, into: target, stride: vocabulary, worker: worker)
            }
        }
        configuration.finish(result.base, result.count)
        return result
    }

    /// Brings some vocabulary rows of the head into memory, in float32.
    func loadHead(_ rows: Range<Int>, into weights: UnsafeMutablePointer<Float>) throws(RecastError) {
        try TensorLoad.run(
            TensorLoad.loads(of: graph.computedHead!, rows: rows, into: weights, name: "outputHead"), by: workers,
            resources)
    }

    /// Calls `body` with each tile of the head.
    private func forEachTile(_ body: (HeadTile) throws(RecastError) -> Void) throws(RecastError) {
        let tile = HeadTile(self)
        for rows in (0..<configuration.vocabularySize).pieces(of: tileRows) {
            try tile.load(rows)
            try body(tile)
        }
    }

    /// - Parameter share: the vocabulary rows each position is multiplied with.
    func forEachBlock(
        of hidden: HiddenStates, share: Int,
        _ body: (_ worker: Int, Range<Int>, UnsafeMutablePointer<Float>) throws(RecastError) -> Void
    ) throws(RecastError) {
        let rowsAtOnce = ForwardPass.rowsAtOnce(of: hidden.rows)
        try workers.run(hidden.rows.dividedRoundingUp(by: rowsAtOnce)) { (worker, job) throws(RecastError) in
            let rows = job * rowsAtOnce..<min(hidden.rows, (job + 1) * rowsAtOnce)
            try hidden.withRows(rows, .read, staging: &resources[worker].staging) { (states) throws(RecastError) in
                try body(worker, rows, states)
            }
            work.add(rows.count * share * hidden.columns, .head)
        }
    }
}

extension ModelConfiguration {
    /// Products with the head into logits: divided, and limited, where the model does so.
    func finish(_ logits: UnsafeMutablePointer<Float>, _ count: Int) {
        if multipliers.logitDivisor != 1 {
            let factor = Float(1 / multipliers.logitDivisor)
            for i in 0..<count { logits[i] *= factor }
        }
        if let cap = softCaps.logits.map({ Float($0) }) {
            for i in 0..<count { logits[i] = cap * tanhf(logits[i] / cap) }
        }
    }
}

extension Graph {
    /// The head as it is multiplied with.
    var computedHead: LazyTensor? {
        configuration.normalizesOutputHead ? head?.converted(to: .f32, [.normalizingRows]) : head
    }
}

extension Range<Int> {
    /// Its consecutive pieces, of which the last one may be shorter.
    func pieces(of length: Int) -> [Range<Int>] {
        stride(from: lowerBound, to: upperBound, by: length).map { $0..<Swift.min(upperBound, $0 + length) }
    }
}
