import Recast

/// Error feedback for blocks of codewords: a block's scales are searched for on numbers that are shifted by what the errors of
/// those before it cost; then eight elements after the other get the codewords that cost least, and shift what comes after them.
struct CodebookFeedback {
    let factor: HessianFactor
    let dtype: DType
    /// What an error in each column weighs while a block is searched for.
    let weights: [Float]
    private let choice: CodewordChoice

    /// - Parameter factor: in an order that keeps the columns of a block in theirs.
    init(factor: HessianFactor, dtype: DType, weights: [Float]) {
        (self.factor, self.dtype, self.weights) = (factor, dtype, weights)
        choice = CodewordChoice(dtype.codebookBlock!)
    }

    /// Room for one worker.
    final class Room {
        /// `[columns, lanes]` by places in the order.
        fileprivate let errors: FloatBuffer
        fileprivate let panel: FloatBuffer
        fileprivate let block: FloatBuffer

        init(_ feedback: CodebookFeedback) {
            let (lanes, width) = (GridTile.lanes, feedback.dtype.blockElements)
            errors = FloatBuffer(count: feedback.factor.columns * lanes)
            panel = FloatBuffer(count: width * lanes)
            block = FloatBuffer(count: width * lanes)
        }
    }

    /// - Parameter source: `[rows, columns]`, of at most as many rows as there are lanes.
    /// - Returns: the rows' blocks.
    func run(_ source: UnsafePointer<Float>, rows: Int, _ room: Room) throws(RecastError) -> [UInt8] {
        let (n, lanes, width) = (factor.columns, GridTile.lanes, dtype.blockElements)
        let (errors, panel, block) = (room.errors.base, room.panel.base, room.block.base)
        let byteCount = dtype.byteCount(ofBlocks: width)
        let rowBytes = dtype.byteCount(ofBlocks: n)
        var bytes = [UInt8](repeating: 0, count: rows * rowBytes)
        errors.update(repeating: 0, count: n * lanes)
        for first in stride(from: 0, to: n, by: width) {
            let unit = factor.order[first] / width
            for place in first..<first + width {
                let (column, target) = (factor.order[place], panel + (place - first) * lanes)
                for row in 0..<rows { target[row] = source[row * n + column] }
                for row in rows..<lanes { target[row] = 0 }
            }
            addErrors(of: 0..<first, to: first..<first + width, errors, panel)
            for place in 0..<width { for row in 0..<rows { block[row * width + place] = panel[place * lanes + row] } }
            let found = try dtype.blocks(
                of: UnsafeBufferPointer(start: block, count: rows * width), columns: width,
                weights: Array(weights[unit * width..<(unit + 1) * width]))
            var contents = found.withUnsafeBytes { found in
                (0..<rows).map { choice.type.read(found.baseAddress! + $0 * byteCount) }
            }
            for step in stride(from: first, to: first + width, by: 8) {
                let metric = metric(at: step)
                for row in 0..<rows {
                    var target = SIMD8<Float>.zero
                    for k in 0..<8 { target[k] = panel[(step - first + k) * lanes + row] }
                    let part = (step - first) / 8
                    let choice = choice.choose(target, part, metric, of: contents[row])
                    if let choice { self.choice.set(choice, part, in: &contents[row]) }
                    let values = choice?.values ?? .zero
                    for k in 0..<8 {
                        errors[(step + k) * lanes + row] = source[row * n + unit * width + step - first + k] - values[k]
                    }
                }
                addErrors(
                    of: step..<step + 8, to: step + 8..<first + width, errors, panel + (step + 8 - first) * lanes)
            }
            bytes.withUnsafeMutableBytes { bytes in
                for row in 0..<rows {
                    choice.type.write(contents[row], into: bytes.baseAddress! + row * rowBytes + unit * byteCount)
                }
            }
        }
        return bytes
    }

    private func metric(at step: Int) -> CodewordChoice.Metric {
        let n = factor.columns
        var diagonal = SIMD8<Float>.zero
        let rows = (0..<8).map { j in
            diagonal[j] = factor.diagonal[step + j]
            var row = SIMD8<Float>.zero
            row[j] = 1
            for k in j + 1..<max(j + 1, 8) { row[k] = factor.upper.base[(step + j) * n + step + k] }
            return row
        }
        return CodewordChoice.Metric(rows: rows, diagonal: diagonal)
    }

    /// Shifts columns by what the errors of others cost.
    private func addErrors(
        of sources: Range<Int>, to targets: Range<Int>, _ errors: UnsafePointer<Float>,
        _ panel: UnsafeMutablePointer<Float>
    ) {
        guard !sources.isEmpty, !targets.isEmpty else { return }
        let (n, lanes) = (CInt(factor.columns), GridTile.lanes)
        MatrixLibrary.current.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.transposed, MatrixLibrary.asIs, CInt(targets.count), CInt(lanes),
            CInt(sources.count), 1, factor.upper.base + sources.lowerBound * factor.columns + targets.lowerBound, n,
            errors + sources.lowerBound * lanes, CInt(lanes), 1, panel, CInt(lanes))
    }
}
