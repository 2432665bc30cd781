/// Searches that move one level after the other to where the scale of the others puts it, as long as that helps.
enum LevelSearch {
    private static let sweeps = 5

    /// A scale and levels 0...highest for the scales or the minima of a block's groups (gguf.md §b.6).
    ///
    /// Levels are bytes: one of a negative element wraps around.
    static func multiples(_ x: [Float], weights: [Float], highest: Int) -> Fit {
        var greatest: Float = 0
        for element in x { greatest = greatest > element ? greatest : element }
        if greatest < ScaleSearch.smallest { return .flat(x.count) }

        func level(_ inverse: Float, _ i: Int) -> Int { min(highest, (inverse * x[i]).nearestInteger) }
        func error(_ inverse: Float, _ level: (Int) -> Int) -> Float {
            let scale = 1 / inverse
            return x.indices.reduce(0) { sum, i in
                let difference = x[i] - scale * Float(level(i))
                return sum + weights[i] * difference * difference
            }
        }

        var inverse = Float(highest) / greatest
        var smallest = error(inverse) { (inverse * x[$0]).nearestInteger.wrapped }
        for step in -4...4 where step != 0 {
            let candidate = (0.1 * Float(step) + Float(highest)) / greatest
            let error = error(candidate) { level(candidate, $0) }
            if error < smallest {
                smallest = error
                inverse = candidate
            }
        }
        var sums = LevelSums()
        for i in x.indices { sums.add(x[i], weights[i], level(inverse, i)) }
        var levels = x.indices.map { level(inverse, $0).wrapped }
        for _ in 0..<sweeps {
            var moved = false
            for i in x.indices {
                var others = sums.without(x[i], weights[i], levels[i])
                guard others.products > 0 && others.squares > 0 else { continue }
                let level = min(highest, (x[i] * others.squares / others.products).nearestInteger)
                if level == levels[i] { continue }
                others.add(x[i], weights[i], level)
                if others.fitsBetter(than: sums) {
                    levels[i] = level.wrapped
                    sums = others
                    moved = true
                }
            }
            if !moved { break }
        }
        return Fit(scale: sums.scale, levels: levels)
    }

    /// A scale and levels −highest..<highest for a group, weighted by x² (gguf.md §b.7, Q3_K).
    static func signed(_ x: UnsafePointer<Float>, count: Int, highest: Int) -> Fit {
        let farthest = Float.farthest(of: x, count: count)
        if abs(farthest) < ScaleSearch.smallest { return .flat(count) }

        let weights = Weights.squares(x, count: count)
        let inverse = -Float(highest) / farthest
        var levels = (0..<count).map { (inverse * x[$0]).nearestInteger.clamped(-highest, highest - 1) }
        var sums = LevelSums()
        for i in 0..<count { sums.add(x[i], weights[i], levels[i]) }
        for _ in 0..<sweeps {
            var moved = false
            for i in 0..<count {
                var others = sums.without(x[i], weights[i], levels[i])
                guard others.products > 0 else { continue }
                let level = (x[i] * others.squares / others.products).nearestInteger.clamped(-highest, highest - 1)
                if level == levels[i] { continue }
                others.add(x[i], weights[i], level)
                if others.squares > 0 && others.fitsBetter(than: sums) {
                    levels[i] = level
                    sums = others
                    moved = true
                }
            }
            if !moved { break }
        }
        return Fit(scale: sums.scale, levels: levels.map { $0 + highest })
    }
}
