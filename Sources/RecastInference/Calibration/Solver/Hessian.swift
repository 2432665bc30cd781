import Recast

/// The second moments of what a weight is multiplied with: `H = Σ x xᵀ` over tokens, of which the output error of a weight
/// `W + E` is `tr(E H Eᵀ)`.
///
/// Sums are float32, of blocks of tokens in the order in which they come; each tile of the matrix is one matrix product of a
/// block, so that the bits do not depend on the number of workers.
final class Hessian {
    let columns: Int
    /// How many tokens were seen.
    var count = 0
    /// `[columns, columns]`, row-major. Only the upper triangle until `complete()`.
    let values: FloatBuffer

    /// Columns of a tile.
    private static let tile = 256

    init(columns: Int) {
        self.columns = columns
        values = FloatBuffer(count: columns * columns)
        values.base.update(repeating: 0, count: columns * columns)
    }

    /// Forgets everything.
    func reset() {
        count = 0
        values.base.update(repeating: 0, count: columns * columns)
    }

    /// Adds the moments of some tokens: `[rows, columns]`.
    func add(_ input: UnsafePointer<Float>, rows: Int, by workers: Workers) throws(RecastError) {
        count += rows
        let tiles = columns.dividedRoundingUp(by: Self.tile)
        let pairs = (0..<tiles).flatMap { first in (first..<tiles).map { (first, $0) } }
        let library = MatrixLibrary.current
        nonisolated(unsafe) let (input, target) = (input, values.base)
        try workers.run(pairs.count) { (_, job) throws(RecastError) in
            let (i, j) = (pairs[job].0 * Self.tile, pairs[job].1 * Self.tile)
            let (height, width) = (CInt(min(Self.tile, columns - i)), CInt(min(Self.tile, columns - j)))
            let place = target + i * columns + j
            if i == j {
                library.ssyrk(
                    MatrixLibrary.rowMajor, MatrixLibrary.upper, MatrixLibrary.transposed, height, CInt(rows), 1,
                    input + i, CInt(columns), 1, place, CInt(columns))
            } else {
                library.sgemm(
                    MatrixLibrary.rowMajor, MatrixLibrary.transposed, MatrixLibrary.asIs, height, width, CInt(rows), 1,
                    input + i, CInt(columns), input + j, CInt(columns), 1, place, CInt(columns))
            }
        }
    }

    /// Fills the lower triangle.
    func complete() {
        for i in 0..<columns { for j in 0..<i { values.base[i * columns + j] = values.base[j * columns + i] } }
    }

    /// The mean square of each column; zeros where no token was seen.
    var meanSquares: [Float] {
        let factor = 1 / Float(max(1, count))
        return (0..<columns).map { values.base[$0 * (columns + 1)] * factor }
    }

    /// Of the columns in another order, complete.
    ///
    /// - Parameter places: the column at each place.
    func permuted(_ places: [Int]) -> Hessian {
        let result = Hessian(columns: columns)
        result.count = count
        for (i, row) in places.enumerated() {
            let (source, target) = (values.base + row * columns, result.values.base + i * columns)
            for (j, column) in places.enumerated() { target[j] = source[column] }
        }
        return result
    }
}
