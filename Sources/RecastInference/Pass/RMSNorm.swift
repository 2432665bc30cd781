/// `x / sqrt(mean(x²) + ε) · weight`, row by row, with the mean in double precision.
struct RMSNorm {
    var epsilon: Double

    /// Source and target may be the same.
    func apply(
        _ source: UnsafePointer<Float>, weight: UnsafePointer<Float>, rows: Int, columns: Int,
        into target: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<rows {
            let x = source + row * columns
            let y = target + row * columns
            let mean = Reduction.sumOfSquares(x, columns) / Double(columns)
            let scale = Float(1 / (mean + epsilon).squareRoot())
            var i = 0
            while i < columns {
                y[i] = weight[i] * (x[i] * scale)
                i = i &+ 1
            }
        }
    }
}
