import Recast

/// A Hessian, damped, and its factors `P (H + λ) Pᵀ = U D Uᵀ` with U unit upper triangular: what error feedback goes by.
///
/// With columns rounded in the order of P, and every one shifted by the errors E of those before it through its column of U,
/// the output error is exactly `Σ D_k |t_k − q_k|²` over the shifted columns t: GPTQ's feedback with one factorization and no
/// inverse (the LDL form; Specs/quantization.md §b.3).
final class HessianFactor {
    let columns: Int
    /// The column at each place of the order in which columns are rounded.
    let order: [Int]
    /// `H / count + λ` in the columns' own order: `[columns, columns]`.
    let matrix: FloatBuffer
    /// `[columns, columns]` by places in the order; the strict lower triangle is undefined.
    let upper: FloatBuffer
    /// By places in the order.
    let diagonal: [Float]
    /// What was added to the diagonal, as a part of its mean.
    let damping: Float
    /// Columns that were multiplied with nothing but zeros.
    let deadCount: Int
    /// Whether float32 did not do.
    let isOfDoublePrecision: Bool

    /// The most that is added, as a part of the mean.
    private static let greatestDamping: Float = 1

    /// - Parameters:
    ///   - hessian: complete.
    ///   - damping: what is added to the diagonal at first, as a part of its mean.
    /// - Throws: `unsupported` where the matrix is not positive definite with any damping, or not finite.
    init(_ hessian: Hessian, damping: Float, order: [Int]) throws(RecastError) {
        let n = hessian.columns
        precondition(order.count == n)
        columns = n
        self.order = order
        let factor = 1 / Float(max(1, hessian.count))
        let (matrix, upper) = (FloatBuffer(count: n * n), FloatBuffer(count: n * n))
        (self.matrix, self.upper) = (matrix, upper)
        for i in 0..<n * n { matrix.base[i] = hessian.values.base[i] * factor }
        let mean = (0..<n).reduce(0) { $0 + Double(matrix.base[$1 * (n + 1)]) } / Double(n)
        guard mean.isFinite else {
            throw .unsupported("what it is multiplied with is not finite")
        }
        let plain = (0..<n).map { matrix.base[$0 * (n + 1)] }
        deadCount = plain.count { $0 == 0 }
        var damping = damping
        while true {
            let added = mean > 0 ? damping * Float(mean) : 1
            for i in 0..<n { matrix.base[i * (n + 1)] = plain[i] + added }
            if Self.factorize(matrix.base, order, n, into: upper.base) {
                isOfDoublePrecision = false
                break
            }
            if Self.factorizeInDouble(matrix.base, order, n, into: upper.base) {
                isOfDoublePrecision = true
                break
            }
            guard damping < Self.greatestDamping else {
                throw .unsupported("the second moments of what it is multiplied with are not positive definite")
            }
            damping = min(Self.greatestDamping, max(damping, 1e-4) * 4)
        }
        self.damping = damping
        var diagonal = [Float](repeating: 0, count: n)
        for k in 0..<n { diagonal[k] = upper.base[k * (n + 1)] }
        // Columns of the triangle, divided by the diagonal.
        var inverse = [Float](repeating: 0, count: n)
        for k in 0..<n {
            inverse[k] = 1 / diagonal[k]
            diagonal[k] *= diagonal[k]
        }
        self.diagonal = diagonal
        for i in 0..<n { for j in i..<n { upper.base[i * n + j] *= inverse[j] } }
    }

    /// The upper triangle V with `P M Pᵀ = V Vᵀ`: the lower one of the matrix in reversed order, reversed.
    ///
    /// - Returns: false where it is not positive definite.
    private static func factorize(
        _ matrix: UnsafePointer<Float>, _ order: [Int], _ n: Int, into upper: UnsafeMutablePointer<Float>
    ) -> Bool {
        gather(matrix, order, n, into: upper) { $0 }
        // A triangle that is lower by rows is upper by columns.
        var (size, info) = (CInt(n), CInt(0))
        MatrixLibrary.current.spotrf("U", &size, upper, &size, &info)
        guard info == 0 else { return false }
        var triangle = UnsafeMutableBufferPointer(start: upper, count: n * n)
        triangle.reverse()
        return (0..<n).allSatisfy { upper[$0 * (n + 1)].isFinite && upper[$0 * (n + 1)] > 0 }
    }

    private static func factorizeInDouble(
        _ matrix: UnsafePointer<Float>, _ order: [Int], _ n: Int, into upper: UnsafeMutablePointer<Float>
    ) -> Bool {
        let room = UnsafeMutablePointer<Double>.allocate(capacity: n * n)
        defer { room.deallocate() }
        gather(matrix, order, n, into: room) { Double($0) }
        var (size, info) = (CInt(n), CInt(0))
        MatrixLibrary.current.dpotrf("U", &size, room, &size, &info)
        guard info == 0 else { return false }
        for i in 0..<n * n { upper[i] = Float(room[n * n - 1 - i]) }
        return (0..<n).allSatisfy { upper[$0 * (n + 1)].isFinite && upper[$0 * (n + 1)] > 0 }
    }

    private static func gather<Number>(
        _ matrix: UnsafePointer<Float>, _ order: [Int], _ n: Int, into target: UnsafeMutablePointer<Number>,
        _ number: (Float) -> Number
    ) {
        for i in 0..<n {
            let row = matrix + order[n - 1 - i] * n
            for j in 0..<n { target[i * n + j] = number(row[order[n - 1 - j]]) }
        }
    }
}

extension HessianFactor {
    /// With columns in group-aware act-order.
    ///
    convenience init(_ hessian: Hessian, damping: Float, _ columns: ColumnOrder) throws(RecastError) {
        let width = columns.unitWidth
        var order = Self.order(hessian.meanSquares, unitWidth: width)
        if columns.keepsColumns {
            order = stride(from: 0, to: order.count, by: width).flatMap { first in
                order[first] / width * width..<(order[first] / width + 1) * width
            }
        }
        try self.init(hessian, damping: damping, order: order)
    }

    convenience init(_ hessian: Hessian, damping: Float, unitWidth: Int) throws(RecastError) {
        try self.init(hessian, damping: damping, ColumnOrder(unitWidth: unitWidth, keepsColumns: false))
    }

    /// Group-aware act-order: the units with the greatest inputs first, and in each the columns with the greatest. Of equals
    /// the first.
    static func order(_ meanSquares: [Float], unitWidth: Int) -> [Int] {
        let units = stride(from: 0, to: meanSquares.count, by: unitWidth).map { first in
            let columns = (first..<min(meanSquares.count, first + unitWidth)).sorted {
                (meanSquares[$0], $1) > (meanSquares[$1], $0)
            }
            return (columns, meanSquares[columns[0]])
        }
        return units.enumerated().sorted { ($0.element.1, $1.offset) > ($1.element.1, $0.offset) }
            .flatMap(\.element.0)
    }

    /// Of what is multiplied with weights whose columns are scaled: the input divided.
    convenience init(_ hessian: Hessian, damping: Float, scales: [Float]) throws(RecastError) {
        let n = hessian.columns
        let divided = Hessian(columns: n)
        divided.count = hessian.count
        for i in 0..<n {
            for j in 0..<n {
                divided.values.base[i * n + j] = hessian.values.base[i * n + j] / (scales[i] * scales[j])
            }
        }
        try self.init(divided, damping: damping, order: Array(0..<n))
    }

    /// Columns that `losses` takes at a time.
    private static let panelWidth = 512

    /// `tr(E M Eᵀ)` of the damped matrix, for each row of an error `[rows, columns]`.
    ///
    /// M is symmetric, so that its upper triangle says it all: a panel of columns is multiplied with those before it, which count
    /// twice, and with itself.
    func losses(of errors: UnsafePointer<Float>, rows: Int) -> [Double] {
        let (n, room) = (columns, FloatBuffer(count: rows * min(columns, Self.panelWidth)))
        let library = MatrixLibrary.current
        var losses = [Double](repeating: 0, count: rows)
        for first in stride(from: 0, to: n, by: Self.panelWidth) {
            let width = min(Self.panelWidth, n - first)
            if first > 0 {
                library.sgemm(
                    MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.asIs, CInt(rows), CInt(width),
                    CInt(first), 2,
                    errors, CInt(n), matrix.base + first, CInt(n), 0, room.base, CInt(width))
            }
            library.sgemm(
                MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.asIs, CInt(rows), CInt(width), CInt(width), 1,
                errors + first, CInt(n), matrix.base + first * (n + 1), CInt(n), first > 0 ? 1 : 0, room.base,
                CInt(width))
            for row in 0..<rows {
                losses[row] += Reduction.dot(errors + row * n + first, room.base + row * width, width)
            }
        }
        return losses
    }

    /// `gradients (+)= M[rows, columns] · changes`, of errors side by side in lanes.
    ///
    /// - Parameters:
    ///   - changes: `[columns, lanes]`.
    ///   - gradients: `[rows, lanes]`.
    func multiply(
        rows: Range<Int>, _ columns: Range<Int>, _ changes: UnsafePointer<Float>,
        into gradients: UnsafeMutablePointer<Float>, adding: Bool
    ) {
        guard !rows.isEmpty else { return }
        let (n, lanes) = (CInt(self.columns), CInt(GridTile.lanes))
        MatrixLibrary.current.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.asIs, MatrixLibrary.asIs, CInt(rows.count), lanes,
            CInt(columns.count), 1, matrix.base + rows.lowerBound * self.columns + columns.lowerBound, n, changes,
            lanes,
            adding ? 1 : 0, gradients, lanes)
    }
}
