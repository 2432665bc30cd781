import Recast

/// Chooses the codewords of eight elements whose scale is known, by what an error in them costs together.
struct CodewordChoice {
    typealias Eight = SIMD8<Float>

    let type: any CodebookBlock.Type
    private let signs: CodewordSigns
    private let isOfFour: Bool
    private let entryCount: Int
    /// Codewords; those of four elements twice, for either half of eight, zeros in the other.
    private let halves: [[Eight]]

    /// Codewords that are tried with what elements cost together, for each half.
    private var tried: Int { isOfFour ? 4 : 8 }

    init(_ type: any CodebookBlock.Type) {
        self.type = type
        signs = type.signs
        isOfFour = type.codewordSize == 4
        entryCount = type.entryCount
        halves = (0..<(type.codewordSize == 4 ? 2 : 1)).map { half in
            (0..<type.entryCount).map { entry in
                var values = Eight.zero
                for place in 0..<type.codewordSize { values[4 * half + place] = type.magnitude(entry, place) }
                return values
            }
        }
    }

    /// What errors e in eight elements cost together: `Σ_k D_k (Σ_{j ≤ k} e_j U_jk)²`.
    struct Metric {
        /// Column k of U.
        var columns: [Eight]
        var diagonal: Eight
        /// What an error in each costs alone.
        let alone: Eight

        init(columns: [Eight], diagonal: Eight) {
            (self.columns, self.diagonal) = (columns, diagonal)
            var alone = Eight.zero
            for k in 0..<8 { alone += diagonal[k] * columns[k] * columns[k] }
            self.alone = alone
        }

        func cost(_ errors: Eight) -> Float {
            var cost: Float = 0
            for k in 0..<8 {
                let sum = (errors * columns[k]).sum()
                cost += diagonal[k] * sum * sum
            }
            return cost
        }
    }

    struct Choice {
        /// One codeword, or two.
        var entries: (Int, Int)
        /// As the block stores them.
        var signs: Int
        var values: Eight
        var cost: Float
    }

    /// - Parameters:
    ///   - side: where codewords have signs, that of the eighth; nil tries both.
    func choose(_ target: Eight, scale: Float, _ metric: Metric, side: Int?) -> Choice {
        switch signs {
        case .sides:
            let sides = side.map { [$0] } ?? [0, 1]
            return sides.map { signed(target, scale: scale, metric, side: $0) }.min { $0.cost < $1.cost }!
        case .free, .even: return unsigned(target, scale: scale, metric)
        }
    }

    private func signed(_ target: Eight, scale: Float, _ metric: Metric, side: Int) -> Choice {
        let shift = Eight(repeating: scale * (side == 0 ? 0.125 : -0.125))
        var best: Choice?
        for entry in nearest(target - shift, scale: scale, metric.alone, halves[0]) {
            let values = scale * halves[0][entry] + shift
            let cost = metric.cost(target - values)
            if best.map({ cost < $0.cost }) ?? true {
                best = Choice(entries: (entry, 0), signs: side, values: values, cost: cost)
            }
        }
        return best!
    }

    private func unsigned(_ target: Eight, scale: Float, _ metric: Metric) -> Choice {
        let negative = target .< 0
        let magnitude = target.replacing(with: -target, where: negative)
        let first = nearest(magnitude, scale: scale, metric.alone, halves[0])
        let second = isOfFour ? nearest(magnitude, scale: scale, metric.alone, halves[1]) : [-1]
        var best: Choice?
        for left in first {
            for right in second {
                let word = right < 0 ? halves[0][left] : halves[0][left] + halves[1][right]
                let choice = withSigns(target, scale * word, negative, metric, (left, max(0, right)))
                if best.map({ choice.cost < $0.cost }) ?? true { best = choice }
            }
        }
        return best!
    }

    /// Signs of the target, but for what the type demands and what costs less together.
    private func withSigns(
        _ target: Eight, _ magnitudes: Eight, _ negative: SIMDMask<SIMD8<Int32>>, _ metric: Metric,
        _ entries: (Int, Int)
    ) -> Choice {
        var bits = 0
        for i in 0..<8 where negative[i] { bits |= 1 << i }
        func values(_ bits: Int) -> Eight {
            var values = magnitudes
            for i in 0..<8 where bits >> i & 1 == 1 { values[i] = -values[i] }
            return values
        }
        let isEven = if case .even = signs { true } else { false }
        if isEven, bits.nonzeroBitCount % 2 == 1 {
            // The one whose sign matters least.
            var (least, place) = (Float.infinity, 0)
            for i in 0..<8 {
                let penalty = metric.alone[i] * magnitudes[i] * abs(target[i])
                if penalty < least { (least, place) = (penalty, i) }
            }
            bits ^= 1 << place
        }
        var chosen = values(bits)
        var cost = metric.cost(target - chosen)
        if !isEven {
            for i in 0..<8 {
                var flipped = chosen
                flipped[i] = -flipped[i]
                let other = metric.cost(target - flipped)
                if other < cost { (cost, chosen, bits) = (other, flipped, bits ^ 1 << i) }
            }
        }
        return Choice(entries: entries, signs: isEven ? bits & 127 : bits, values: chosen, cost: cost)
    }

    /// The codewords with the least squared distance, each element weighed alone; the nearest first.
    private func nearest(_ target: Eight, scale: Float, _ weights: Eight, _ words: [Eight]) -> [Int] {
        let linear = -2 * scale * weights * target
        let square = scale * scale * weights
        var costs = [Float](repeating: .infinity, count: tried)
        var places = [Int](repeating: 0, count: tried)
        words.withUnsafeBufferPointer { words in
            for entry in 0..<words.count {
                let word = words[entry]
                let cost = ((square * word + linear) * word).sum()
                guard cost < costs[costs.count - 1] else { continue }
                var place = costs.count - 1
                while place > 0, cost < costs[place - 1] {
                    (costs[place], places[place]) = (costs[place - 1], places[place - 1])
                    place -= 1
                }
                (costs[place], places[place]) = (cost, entry)
            }
        }
        return places
    }
}
