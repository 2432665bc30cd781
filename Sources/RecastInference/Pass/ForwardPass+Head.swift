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

        try forEachTile { (first, weights, count) throws(RecastError) in
            try forEachBlock(of: hidden, share: count) { (worker, rows, states) throws(RecastError) in
                let buffer = logits[worker]
                for start in stride(from: 0, to: count, by: Self.columnsAtOnce) {
                    let columns = min(Self.columnsAtOnce, count - start)
                    multiplyHead(states, rows.count, weights, start, columns, at: first + start, into: buffer)
                    for row in rows {
                        let piece = buffer.base + (row - rows.lowerBound) * columns
                        let place = targets[row] - first - start
                        if place >= 0, place < columns { found.base[row] = piece[place] }
                        state[row].add(piece, columns)
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
        try forEachTile { (first, weights, count) throws(RecastError) in
            try forEachBlock(of: hidden, share: count) { (_, rows, states) throws(RecastError) in
                multiply(
                    states, rows: rows.count, by: weights, columns: count, depth: hidden.columns,
                    into: result.base + rows.lowerBound * vocabulary + first, stride: vocabulary)
                if let headBias {
                    add(
                        headBias.base + first, rows: rows.count, columns: count,
                        to: result.base + rows.lowerBound * vocabulary + first, stride: vocabulary)
                }
            }
        }
        finish(result.base, result.count)
        return result
    }

    /// The logits of some positions for some of the vocabulary rows of a tile: `[rows, columns]`.
    ///
    /// - Parameter token: which row of the vocabulary the first is.
    func multiplyHead(
        _ states: UnsafePointer<Float>, _ rows: Int, _ tile: UnsafePointer<Float>, _ start: Int, _ columns: Int,
        at token: Int, into logits: FloatBuffer
    ) {
        let depth = configuration.hiddenSize
        multiply(
            states, rows: rows, by: tile + start * depth, columns: columns, depth: depth, into: logits.base,
            stride: columns)
        if let headBias {
            add(headBias.base + token, rows: rows, columns: columns, to: logits.base, stride: columns)
        }
        finish(logits.base, rows * columns)
    }

    /// Brings some vocabulary rows of the head into memory.
    func loadHead(_ rows: Range<Int>, into weights: UnsafeMutablePointer<Float>) throws(RecastError) {
        try TensorLoad.run(
            TensorLoad.loads(of: graph.computedHead!, rows: rows, into: weights, name: "outputHead"), by: workers,
            resources)
    }

    /// Products with the head into logits.
    private func finish(_ logits: UnsafeMutablePointer<Float>, _ count: Int) {
        graph.configuration.finish(logits, count)
    }

    /// Calls `body` with the first vocabulary row of each tile, its weights, and how many rows it has.
    private func forEachTile(
        _ body: (Int, UnsafeMutablePointer<Float>, Int) throws(RecastError) -> Void
    ) throws(RecastError) {
        let weights = FloatBuffer(count: tileRows * configuration.hiddenSize)
        for first in stride(from: 0, to: configuration.vocabularySize, by: tileRows) {
            let rows = first..<min(configuration.vocabularySize, first + tileRows)
            try loadHead(rows, into: weights.base)
            try body(first, weights.base, rows.count)
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
