import Recast
import TestSupport

@testable import RecastInference

/// Random inputs whose columns go together and differ in size, as activations do, and a weight of that width.
struct CorrelatedInputs {
    let rows: Int
    let columns: Int
    let numbers: [Float]

    init(rows: Int, columns: Int, seed: UInt64 = 1) {
        var random = SeededGenerator(seed: seed)
        func number() -> Float { Float.random(in: -1...1, using: &random) }
        let rank = max(2, columns / 3)
        let mixing = (0..<rank * columns).map { _ in number() }
        let sizes = (0..<columns).map { column in column % 17 == 3 ? 6 : 0.2 + abs(number()) }
        var numbers = [Float](repeating: 0, count: rows * columns)
        for row in 0..<rows {
            let factors = (0..<rank).map { _ in number() }
            for column in 0..<columns {
                var sum = 0.3 * number()
                for k in 0..<rank { sum += factors[k] * mixing[k * columns + column] }
                numbers[row * columns + column] = sum * sizes[column]
            }
        }
        (self.rows, self.columns, self.numbers) = (rows, columns, numbers)
    }

    func hessian(workers: Int = 1) throws -> Hessian {
        _ = try MatrixLibrary.loaded()
        let hessian = Hessian(columns: columns)
        try hessian.add(numbers, rows: rows, by: Workers(count: workers))
        hessian.complete()
        return hessian
    }

    static func weight(rows: Int, columns: Int, seed: UInt64 = 5) -> [Float] {
        var random = SeededGenerator(seed: seed)
        return (0..<rows * columns).map { _ in
            // Heavier tails than a uniform distribution has.
            let x = Float.random(in: -1...1, using: &random)
            return 0.05 * x * abs(x)
        }
    }
}

/// A matrix of float64 numbers, for the definitions that tests go by.
struct Matrix {
    let rows: Int
    let columns: Int
    var values: [Double]

    init(_ rows: Int, _ columns: Int, _ values: some Sequence<some BinaryFloatingPoint>) {
        (self.rows, self.columns, self.values) = (rows, columns, values.map { Double($0) })
    }

    subscript(row: Int, column: Int) -> Double {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// `tr(E H Eᵀ)`
    func outputError(_ hessian: Matrix) -> Double {
        var sum = 0.0
        for row in 0..<rows {
            for i in 0..<columns {
                var product = 0.0
                for j in 0..<columns { product += hessian[i, j] * self[row, j] }
                sum += product * self[row, i]
            }
        }
        return sum
    }

    /// The inverse of a positive definite matrix.
    var inverse: Matrix {
        let n = rows
        var a = self
        var b = Matrix(n, n, (0..<n * n).map { $0 % (n + 1) == 0 ? 1.0 : 0 })
        for k in 0..<n {
            let pivot = a[k, k]
            for j in 0..<n {
                a[k, j] /= pivot
                b[k, j] /= pivot
            }
            for i in 0..<n where i != k {
                let factor = a[i, k]
                if factor == 0 { continue }
                for j in 0..<n {
                    a[i, j] -= factor * a[k, j]
                    b[i, j] -= factor * b[k, j]
                }
            }
        }
        return b
    }

    /// U, upper triangular, with `M = Uᵀ U`.
    var upperCholesky: Matrix {
        let n = rows
        var u = Matrix(n, n, [Double](repeating: 0, count: n * n))
        for i in 0..<n {
            for j in i..<n {
                var sum = self[i, j]
                for k in 0..<i { sum -= u[k, i] * u[k, j] }
                u[i, j] = i == j ? sum.squareRoot() : sum / u[i, i]
            }
        }
        return u
    }
}
