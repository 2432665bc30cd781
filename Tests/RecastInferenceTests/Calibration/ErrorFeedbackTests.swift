import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastInference

/// The feedback against its textbook form: the inverse of the Hessian, its Cholesky factor, and every later column changed
/// after each one (Frantar et al., "GPTQ", algorithm 1).
@Suite struct ErrorFeedbackTests {
    /// The numbers that GPTQ ends with, by columns in an order, for given scales.
    private func textbook(
        _ weight: Matrix, _ hessian: Matrix, order: [Int], _ round: (Int, Int, Double) -> Double
    ) -> Matrix {
        let n = weight.columns
        let permuted = Matrix(n, n, (0..<n * n).map { hessian[order[$0 / n], order[$0 % n]] })
        let upper = permuted.inverse.upperCholesky
        var (w, result) = (weight, weight)
        for row in 0..<weight.rows {
            var numbers = order.map { w[row, $0] }
            for k in 0..<n {
                let rounded = round(row, order[k], numbers[k])
                let error = (numbers[k] - rounded) / upper[k, k]
                for j in k..<n { numbers[j] -= error * upper[k, j] }
                result[row, order[k]] = rounded
            }
            w.values.replaceSubrange(row * n..<(row + 1) * n, with: numbers)
        }
        return result
    }

    @Test(arguments: [false, true]) func isGPTQ(_ isShuffled: Bool) throws {
        let (rows, n) = (40, 256)
        let hessian = try CorrelatedInputs(rows: 700, columns: n, seed: 9).hessian()
        var random = SeededGenerator(seed: 4)
        let order = isShuffled ? Array(0..<n).shuffled(using: &random) : Array(0..<n)
        let factor = try HessianFactor(hessian, damping: 0.01, order: order)
        // A scale for each row, found beforehand on the weight itself: the same for both.
        var choices = Packing.Choices()
        choices.groupSize = -1
        let encoding = try Packing.named("gptq-int4", choices)!.encoding(
            of: .zeros(.bf16, [rows, n]), modelType: .f16)
        let grid = try #require(WeightGrid(.packed(encoding), columns: n))
        #expect(grid.groupWidth == n)
        let source = CorrelatedInputs.weight(rows: rows, columns: n)
        let feedback = ErrorFeedback(factor, grid, weights: (0..<n).map { factor.matrix.base[$0 * (n + 1)] })
        let tile = GridTile(grid)
        let lanes = GridTile.lanes
        var numbers = [Float](repeating: 0, count: n * lanes)
        for row in 0..<rows { for column in 0..<n { numbers[column * lanes + row] = source[row * n + column] } }
        try feedback.run(numbers, rows: rows, into: tile, ErrorFeedback.Room(feedback))
        let found = tile.tile(rows: rows)
        var values = [Float](repeating: 0, count: rows * n)
        values.withUnsafeMutableBufferPointer { found.decode(into: $0) }

        let matrix = Matrix(n, n, (0..<n * n).map { factor.matrix.base[$0] })
        let expected = textbook(Matrix(rows, n, source), matrix, order: order) { row, _, number in
            let scale = Double(found.scales[row])
            return (number / scale).rounded(.toNearestOrEven).clamped(-8, 7) * scale
        }
        // A number in the middle between two codes may fall to either side, and what follows of its row with it.
        let agreeing = (0..<rows).count { row in
            (0..<n).allSatisfy { abs(Double(values[row * n + $0]) - expected[row, $0]) < 1e-6 }
        }
        #expect(agreeing >= rows - 2, "\(agreeing) of \(rows) rows")
    }
}

extension Double {
    fileprivate func clamped(_ lowest: Double, _ highest: Double) -> Double { max(lowest, min(highest, self)) }
}
