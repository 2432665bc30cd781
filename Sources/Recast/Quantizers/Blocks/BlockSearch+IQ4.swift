// Codes that are places in a table finer around zero (gguf.md §b.7).

struct IQ4NLSearch: BlockSearch {
    func fit(_ block: BlockNumbers) -> BlockFit {
        let scale = NonlinearTable.scale(block.x, weights: NonlinearTable.weights(block, count: 32))
        return BlockFit(codes: NonlinearTable.places(block.x, scale: scale), scales: [HalfFloat.rounded(scale)])
    }
}

/// The groups' scales become multiples −32...31 of a unit; the codes are found before the unit is rounded.
struct IQ4XSSearch: BlockSearch {
    func fit(_ block: BlockNumbers) -> BlockFit {
        let weights = NonlinearTable.weights(block, count: 256)
        let scales = (0..<8).map {
            NonlinearTable.scale(block.x + 32 * $0, weights: Array(weights[32 * $0..<32 * $0 + 32]))
        }
        let unit = -Float.farthest(of: scales, count: 8) / 32
        let inverse = unit == 0 ? 0 : 1 / unit
        let multiples = scales.map { (inverse * $0).nearestInteger.clamped(-32, 31) }
        let codes = multiples.enumerated().flatMap { group, multiple in
            NonlinearTable.places(block.x + 32 * group, scale: unit * Float(multiple))
        }
        return BlockFit(codes: codes, scales: [HalfFloat.rounded(unit)], multiples: multiples)
    }
}

private enum NonlinearTable {
    private static let values = LevelTable.iq4.values

    /// The place of the value nearest to x, the upper of two; the last one for NaN.
    private static func place(of x: Float) -> Int {
        (0..<15).count { !(x - values[$0] < values[$0 + 1] - x) }
    }

    /// The places of the 32 elements of a group.
    static func places(_ x: UnsafePointer<Float>, scale: Float) -> [Int] {
        let inverse = scale == 0 ? 0 : 1 / scale
        return (0..<32).map { place(of: x[$0] * inverse) }
    }

    static func weights(_ block: BlockNumbers, count: Int) -> [Float] {
        guard let importance = block.importance else { return Weights.squares(block.x, count: count) }
        let variance = Weights.sumOfSquares(block.x, count: count) * (2 / Float(count))
        return Weights.important(block.x, importance, variance: variance, count: count)
    }

    /// The best scale of 16 for a group.
    static func scale(_ x: UnsafePointer<Float>, weights: [Float]) -> Float {
        let farthest = Float.farthest(of: x, count: weights.count)
        if abs(farthest) < ScaleSearch.smallest { return 0 }

        func sums(_ inverse: Float) -> (products: Float, squares: Float) {
            var products: Float = 0
            var squares: Float = 0
            for i in weights.indices {
                let value = values[place(of: inverse * x[i])]
                products += weights[i] * value * x[i]
                squares += weights[i] * value * value
            }
            return (products, squares)
        }

        let start = sums(1 / (-farthest / values[0]))
        var scale = start.squares > 0 ? start.products / start.squares : 0
        var merit = scale * start.products
        for step in -7...7 {
            let (products, squares) = sums((Float(step) + values[0]) / farthest)
            if squares > 0 && products * products > merit * squares {
                scale = products / squares
                merit = scale * products
            }
        }
        return scale
    }
}
