/// The search for a scale and a minimum, x ≈ scale·level + minimum with levels 0...highest (gguf.md §b.5).
///
/// Each candidate is a grid on which the greatest element lies at highest + first + step·k; what its levels give by
/// least squares is kept if the error shrinks.
struct AffineSearch {
    var highest: Int
    var first: Float = -0.9
    var step: Float = 0.05
    var last = 36
    /// Whether errors count by magnitude instead of by square.
    var countsMagnitudes = false

    /// - Parameter x: as many elements as there are weights.
    func fit(_ x: UnsafePointer<Float>, weights: [Float]) -> Fit {
        let range = weights.indices
        var least = x[0]
        var greatest = x[0]
        var weight = weights[0]
        var moment = weights[0] * x[0]
        for i in range.dropFirst() {
            if x[i] < least { least = x[i] }
            if x[i] > greatest { greatest = x[i] }
            weight += weights[i]
            moment += weights[i] * x[i]
        }
        if least > 0 { least = 0 }
        if greatest <= least { return .flat(weights.count, minimum: least) }

        func levels(steps: Float, above minimum: Float) -> [Int] {
            let inverse = steps / (greatest - minimum)
            return range.map { (inverse * (x[$0] - minimum)).nearestInteger.clamped(0, highest) }
        }
        func error(of fit: Fit) -> Float {
            range.reduce(0) { sum, i in
                let difference = fit.scale * Float(fit.levels[i]) + fit.minimum - x[i]
                return sum + weights[i] * (countsMagnitudes ? abs(difference) : difference * difference)
            }
        }

        var best = Fit(
            scale: 1 / (Float(highest) / (greatest - least)), minimum: least,
            levels: levels(steps: Float(highest), above: least))
        var smallest = error(of: best)
        for k in 0...last {
            // From the minimum of the best so far, not the least element.
            let steps = first + step * Float(k) + Float(highest)
            var candidate = Fit(levels: levels(steps: steps, above: best.minimum))
            var sum: Float = 0
            var squares: Float = 0
            var products: Float = 0
            for i in range {
                let weighted = weights[i] * Float(candidate.levels[i])
                sum += weighted
                squares += weighted * Float(candidate.levels[i])
                products += weighted * x[i]
            }
            let determinant = weight * squares - sum * sum
            guard determinant > 0 else { continue }
            candidate.scale = (weight * products - moment * sum) / determinant
            candidate.minimum = (squares * moment - sum * products) / determinant
            if candidate.minimum > 0 {
                candidate.minimum = 0
                candidate.scale = products / squares
            }
            let error = error(of: candidate)
            if error < smallest {
                smallest = error
                best = candidate
            }
        }
        return best
    }
}
