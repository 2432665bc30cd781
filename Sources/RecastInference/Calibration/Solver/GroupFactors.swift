/// For each group of columns that share a scale, the factors of its part of a Hessian: `H_BB = U D Uᵀ`.
final class GroupFactors {
    let width: Int
    /// `[groups, width, width]`: U, of unit diagonal.
    let upper: FloatBuffer
    /// `[groups, width]`
    let diagonal: FloatBuffer

    init(_ factor: HessianFactor, width: Int) {
        self.width = width
        let n = factor.columns
        let count = n / width
        upper = FloatBuffer(count: count * width * width)
        diagonal = FloatBuffer(count: n)
        upper.base.update(repeating: 0, count: upper.count)
        var work = [Double](repeating: 0, count: width * width)
        for group in 0..<count {
            let first = group * width
            for i in 0..<width {
                for j in 0..<width { work[i * width + j] = Double(factor.matrix.base[(first + i) * n + first + j]) }
            }
            // From the last column to the first: H = U D Uᵀ leaves, without the last column, a smaller matrix of the kind.
            for k in (0..<width).reversed() {
                let pivot = work[k * width + k]
                diagonal.base[first + k] = Float(pivot)
                let column = (0..<k).map { work[$0 * width + k] / pivot }
                for i in 0..<k {
                    upper.base[group * width * width + i * width + k] = Float(column[i])
                    for j in 0...i { work[i * width + j] -= column[i] * column[j] * pivot }
                    for j in 0...i { work[j * width + i] = work[i * width + j] }
                }
                upper.base[group * width * width + k * width + k] = 1
            }
        }
    }
}
