/// The search for a scale, x ≈ scale·level with levels −highest..<highest (gguf.md §b.4).
struct ScaleSearch {
    var highest: Int

    /// A group whose farthest element is nearer to zero than this counts as zeros.
    static let smallest: Float = 1e-15

    /// The best of 19 grids.
    ///
    /// - Parameter x: as many elements as there are weights.
    func fit(_ x: UnsafePointer<Float>, weights: [Float]) -> Fit {
        let farthest = Float.farthest(of: x, count: weights.count)
        if abs(farthest) < Self.smallest { return .flat(weights.count) }

        func levels(_ inverse: Float) -> [Int] {
            weights.indices.map { (inverse * x[$0]).nearestInteger.clamped(-highest, highest - 1) }
        }
        func sums(_ levels: [Int]) -> LevelSums {
            var sums = LevelSums()
            for (i, level) in levels.enumerated() { sums.add(x[i], weights[i], level) }
            return sums
        }

        var best = levels(-Float(highest) / farthest)
        let start = sums(best)
        var scale = start.squares == 0 ? 0 : start.products / start.squares
        var merit = scale * start.products
        for step in -9...9 where step != 0 {
            let candidate = levels(-(Float(highest) + 0.1 * Float(step)) / farthest)
            let sums = sums(candidate)
            if sums.squares > 0 && sums.products * sums.products > merit * sums.squares {
                best = candidate
                scale = sums.products / sums.squares
                merit = scale * sums.products
            }
        }
        return Fit(scale: scale, levels: best.map { $0 + highest })
    }
}

/// What the best scale for given levels follows from: products / squares.
struct LevelSums {
    var products: Float = 0
    var squares: Float = 0

    mutating func add(_ x: Float, _ weight: Float, _ level: Int) {
        products += weight * x * Float(level)
        squares += weight * Float(level) * Float(level)
    }

    func without(_ x: Float, _ weight: Float, _ level: Int) -> LevelSums {
        LevelSums(
            products: products - weight * x * Float(level), squares: squares - weight * Float(level) * Float(level))
    }

    /// Whether a scale fits these levels better than it fits the others.
    func fitsBetter(than other: LevelSums) -> Bool {
        products * products * other.squares > other.products * other.products * squares
    }

    var scale: Float { squares > 0 ? products / squares : 0 }
}
