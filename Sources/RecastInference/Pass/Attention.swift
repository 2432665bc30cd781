/// Causal attention of grouped heads: query head `h` reads key and value head `h / (heads / keyValueHeads)`.
struct Attention {
    let heads: Int
    let keyValueHeads: Int
    let headDimension: Int

    /// Queries that are multiplied with the keys at once. The keys after a block's last query are never touched, so that
    /// small blocks skip most of the upper triangle, and large ones multiply faster.
    static let queriesAtOnce = 128

    private var group: Int { heads / keyValueHeads }
    private var queryColumns: Int { heads * headDimension }
    private var keyColumns: Int { keyValueHeads * headDimension }
    private var scale: Float { Float(1 / Double(headDimension).squareRoot()) }

    /// Floats that `attend` needs for scores when there are at most `keys` keys.
    func scoreCount(keys: Int) -> Int { max(Self.queriesAtOnce, group) * keys }

    /// Replaces `count` rows of queries by the attention's output.
    ///
    /// - Parameters:
    ///   - queries: `[count, heads · headDimension]`, turned.
    ///   - keys: `[past + count, keyValueHeads · headDimension]`, turned; `values` likewise.
    ///   - past: the keys before that of the first query.
    func attend(
        queries: UnsafeMutablePointer<Float>, count: Int, keys: UnsafePointer<Float>, values: UnsafePointer<Float>,
        past: Int, scores: UnsafeMutablePointer<Float>
    ) {
        if count == 1 {
            attendOne(queries: queries, keys: keys, values: values, keyCount: past + 1, scores: scores)
            return
        }
        for head in 0..<heads {
            let offset = head / group * headDimension
            for first in stride(from: 0, to: count, by: Self.queriesAtOnce) {
                let rows = min(Self.queriesAtOnce, count - first)
                let width = past + first + rows
                let block = queries + first * queryColumns + head * headDimension
                multiply(
                    rows, width, queries: block, queryStride: queryColumns, keys: keys + offset, into: scores)
                for row in 0..<rows {
                    Softmax.normalize(scores + row * width, count: past + first + row + 1, width: width)
                }
                combine(
                    rows, width, scores, values: values + offset, into: block, outputStride: queryColumns)
            }
        }
    }

    /// The heads of a group are the rows of one matrix when there is a single query.
    private func attendOne(
        queries: UnsafeMutablePointer<Float>, keys: UnsafePointer<Float>, values: UnsafePointer<Float>, keyCount: Int,
        scores: UnsafeMutablePointer<Float>
    ) {
        for keyValueHead in 0..<keyValueHeads {
            let offset = keyValueHead * headDimension
            let block = queries + offset * group
            multiply(group, keyCount, queries: block, queryStride: headDimension, keys: keys + offset, into: scores)
            for row in 0..<group { Softmax.normalize(scores + row * keyCount, count: keyCount, width: keyCount) }
            combine(group, keyCount, scores, values: values + offset, into: block, outputStride: headDimension)
        }
    }

    /// `scores[rows, width] = scale · queries · keysᵀ`
    private func multiply(
        _ rows: Int, _ width: Int, queries: UnsafePointer<Float>, queryStride: Int, keys: UnsafePointer<Float>,
        into scores: UnsafeMutablePointer<Float>
    ) {
        MatrixLibrary.current.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.transposed, CInt(rows), CInt(width),
            CInt(headDimension), scale, queries, CInt(queryStride), keys, CInt(keyColumns), 0, scores, CInt(width))
    }

    /// `output[rows, headDimension] = probabilities · values`
    private func combine(
        _ rows: Int, _ width: Int, _ probabilities: UnsafePointer<Float>, values: UnsafePointer<Float>,
        into output: UnsafeMutablePointer<Float>, outputStride: Int
    ) {
        MatrixLibrary.current.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.asIs, CInt(rows), CInt(headDimension),
            CInt(width), 1, probabilities, CInt(width), values, CInt(keyColumns), 0, output, CInt(outputStride))
    }
}
