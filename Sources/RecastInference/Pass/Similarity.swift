import Recast

/// How far rows of numbers are from those of a reference.
struct Similarity: Sendable, Equatable {
    private(set) var rows = 0
    private var cosines = 0.0
    private var squaredDistance = 0.0
    private var squaredReference = 0.0

    /// The mean over the rows of the cosine of the angle between a row and its reference; of two rows of zeros it is 1.
    var cosine: Double { cosines / Double(rows) }

    /// `‖x − reference‖ / ‖reference‖` over all rows; 0 where both are zero.
    var relativeError: Double {
        squaredDistance == 0 ? 0 : (squaredDistance / squaredReference).squareRoot()
    }

    /// Adds rows that lie without gaps: `[rows, columns]`.
    mutating func add(
        _ values: UnsafePointer<Float>, _ reference: UnsafePointer<Float>, rows: Int, columns: Int
    ) {
        for row in 0..<rows { add(row: values + row * columns, reference + row * columns, columns: columns) }
    }

    mutating func add(row x: UnsafePointer<Float>, _ reference: UnsafePointer<Float>, columns: Int) {
        let (own, other) = (Reduction.sumOfSquares(x, columns), Reduction.sumOfSquares(reference, columns))
        rows += 1
        squaredDistance += Reduction.squaredDistance(x, reference, columns)
        squaredReference += other
        cosines += Self.cosine(Reduction.dot(x, reference, columns), own, other)
    }

    /// Of a product of two vectors and their squares.
    static func cosine(_ product: Double, _ left: Double, _ right: Double) -> Double {
        if left == 0 || right == 0 { return left == right ? 1 : 0 }
        // Roots first: a product of squares may overflow.
        return min(1, max(-1, product / (left.squareRoot() * right.squareRoot())))
    }

    static func + (left: Similarity, right: Similarity) -> Similarity {
        var sum = left
        sum.rows += right.rows
        sum.cosines += right.cosines
        sum.squaredDistance += right.squaredDistance
        sum.squaredReference += right.squaredReference
        return sum
    }
}
