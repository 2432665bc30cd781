import Recast

/// Picks the tokens that each token sees, in the layers with an indexer of their own (``TokenIndexer``).
///
/// The original program turns queries and keys by a Hadamard matrix, which keeps their products, and rounds them to FP8; neither is
/// done here, as in transformers.
struct TokenPicker: Sendable {
    let indexer: TokenIndexer

    private var columns: Int { indexer.headDimension }

    /// Keys, normalised, and what each head counts, from the hidden size.
    func projectDown(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let keys = block.buffers[.indexerKeys]
        try block.multiply(.indexerKey, .normed, into: keys, backend)
        Norm.indexer.apply(
            keys, backend.norm(.indexerKeyNorm, layer: block.layer), rows: block.rows, columns: columns, into: keys)
        try block.multiply(.indexerWeights, .normed, into: block.buffers[.indexerWeights], backend)
    }

    /// Queries of all heads `[rows, heads · headDimension]`, from what the attention's queries are made of.
    func projectUp(
        _ block: LayerBlock, into cache: KeyValueCache, _ backend: some LinearBackend
    ) throws(RecastError) {
        cache.indexerKeys.update(from: block.buffers[.indexerKeys], count: block.rows * columns)
        try block.multiply(.indexerQuery, .latentQueries, into: block.buffers[.indexerQueries], backend)
    }

    /// Turns the first elements of queries or of keys `[rows, heads · headDimension]` in place.
    func rotate(
        _ x: UnsafeMutablePointer<Float>, rows: Int, heads: Int, _ rotary: RotaryEmbedding, position: Int
    ) {
        guard indexer.turnsNeighbours else {
            return rotary.rotate(x, rows: rows, heads: heads, headDimension: columns, position: position)
        }
        for row in 0..<rows {
            for head in 0..<heads {
                rotary.rotateNeighbours(x + (row * heads + head) * columns, position: position + row)
            }
        }
    }

    // MARK: Scores

    /// Floats that `pick` needs for scores when there are at most `keys` keys.
    func scoreCount(keys: Int) -> Int { (indexer.headCount + 1) * keys }

    /// One text's queries, and keys.
    struct Operands {
        /// `[count, heads · headDimension]`, rotated.
        var queries: UnsafePointer<Float>
        /// `[count, heads]`
        var weights: UnsafePointer<Float>
        var count: Int
        /// `[past + count, headDimension]`, rotated.
        var keys: UnsafePointer<Float>
        /// The keys before that of the first query.
        var past: Int
    }

    /// Picks for each query that has more tokens to see than are picked. A query goes through this by itself, so that its scores are
    /// the same bits in a text and where it comes as the last of one.
    func pick(_ operands: Operands, into picked: PickedTokens.Rows, scores: UnsafeMutablePointer<Float>) {
        let heads = indexer.headCount
        let productScale = Float(1 / Double(columns).squareRoot())
        let weightScale = Float(1 / Double(heads).squareRoot())
        var ranks: [UInt64] = []
        for row in 0..<operands.count {
            let seen = operands.past + row + 1
            guard seen > indexer.pickedCount else { continue }
            let (sums, products) = (scores, scores + seen)
            MatrixLibrary.current.sgemm(
                MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.transposed, CInt(heads), CInt(seen),
                CInt(columns), productScale, operands.queries + row * heads * columns, CInt(columns), operands.keys,
                CInt(columns), 0, products, CInt(seen))
            sums.update(repeating: 0, count: seen)
            for head in 0..<heads {
                let weight = operands.weights[row * heads + head] * weightScale
                let own = products + head * seen
                for key in 0..<seen { sums[key] += weight * max(own[key], 0) }
            }
            ranks.removeAll(keepingCapacity: true)
            for key in 0..<seen { ranks.append(Self.rank(sums[key], of: key)) }
            ranks.sort(by: >)
            picked.set(row, to: ranks.prefix(indexer.pickedCount).lazy.map(Self.key))
        }
    }

    /// A number that is larger for a better score, and of equal ones for the earlier token.
    private static func rank(_ score: Float, of key: Int) -> UInt64 {
        // Zero has one sign then.
        let bits = (score + 0).bitPattern
        let ordered = bits >> 31 == 1 ? ~bits : bits | 1 << 31
        return UInt64(ordered) << 32 | UInt64(UInt32.max - UInt32(truncatingIfNeeded: key))
    }

    private static func key(_ rank: UInt64) -> Int { Int(UInt32.max - UInt32(truncatingIfNeeded: rank)) }
}
