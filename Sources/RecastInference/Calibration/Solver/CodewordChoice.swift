import Recast

/// Chooses the codewords of eight elements whose scale is known, by what an error in them costs together.
struct CodewordChoice {
    typealias Eight = SIMD8<Float>

    let type: any CodebookBlock.Type
    private let signs: CodewordSigns
    private let isOfFour: Bool
    private let table: CodewordTable
    /// Codewords; those of four elements twice, for either half of eight, zeros in the other.
    private let halves: [[Eight]]

    /// Codewords that are tried with what elements cost together, for each half.
    private var tried: Int { isOfFour ? 4 : 8 }

    init(_ type: any CodebookBlock.Type) {
        self.type = type
        signs = type.signs
        isOfFour = type.codewordSize == 4
        table = CodewordTable(type)
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
        /// Row j of U.
        let rows: [Eight]
        let diagonal: Eight
        /// What an error in each costs alone.
        let alone: Eight

        init(rows: [Eight], diagonal: Eight) {
            (self.rows, self.diagonal) = (rows, diagonal)
            var alone = Eight.zero
            for j in 0..<8 { alone[j] = (diagonal * rows[j] * rows[j]).sum() }
            self.alone = alone
        }

        /// `eᵀ U`
        func image(of errors: Eight) -> Eight {
            var image = Eight.zero
            for j in 0..<8 { image += errors[j] * rows[j] }
            return image
        }

        func cost(ofImage image: Eight) -> Float { (diagonal * image * image).sum() }

        func cost(_ errors: Eight) -> Float { cost(ofImage: image(of: errors)) }
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
        let found = nearest(target - shift, scale: scale, metric.alone)
        for entry in (0..<tried).lazy.map({ Int(found[$0]) }) {
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
        let first = nearest(magnitude, scale: scale, metric.alone)
        let second = isOfFour ? nearest(magnitude, scale: scale, metric.alone, half: 1) : .zero
        var best: Choice?
        for i in 0..<tried {
            let left = Int(first[i])
            for j in 0..<(isOfFour ? tried : 1) {
                let right = Int(second[j])
                let word = isOfFour ? halves[0][left] + halves[1][right] : halves[0][left]
                let choice = withSigns(target, scale * word, negative, metric, (left, right))
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
        var image = metric.image(of: target - chosen)
        var cost = metric.cost(ofImage: image)
        if !isEven {
            for i in 0..<8 {
                let flipped = image + 2 * chosen[i] * metric.rows[i]
                let other = metric.cost(ofImage: flipped)
                guard other < cost else { continue }
                (cost, image, bits) = (other, flipped, bits ^ 1 << i)
                chosen[i] = -chosen[i]
            }
        }
        return Choice(entries: entries, signs: isEven ? bits & 127 : bits, values: chosen, cost: cost)
    }

    /// The codewords with the least squared distance, each element weighed alone; the nearest first.
    private func nearest(_ target: Eight, scale: Float, _ weights: Eight, half: Int = 0) -> SIMD8<Int32> {
        table.nearest(
            squares: scale * scale * weights, lines: -2 * scale * weights * target, first: 4 * half, tried: tried)
    }
}

extension CodewordChoice {
    /// Chooses the codewords of eight elements of a block.
    ///
    /// - Parameters:
    ///   - target: what they should stand for.
    ///   - part: which eight of the block.
    /// - Returns: nil where the group has no scale, so that nothing can be chosen.
    func choose(_ target: Eight, _ part: Int, _ metric: Metric, of content: CodebookContent) -> Choice? {
        let scale = type.scale(unit: content.unit, multiple: content.multiples[part * 8 / type.groupSize])
        guard scale != 0, scale.isFinite else { return nil }
        var side: Int?
        if case .sides(of: let count) = type.signs, count > 8 { side = content.signs[part] }
        return choose(target, scale: scale, metric, side: side)
    }

    func set(_ choice: Choice, _ part: Int, in content: inout CodebookContent) {
        content.signs[part] = choice.signs
        if isOfFour {
            (content.entries[2 * part], content.entries[2 * part + 1]) = choice.entries
        } else {
            content.entries[part] = choice.entries.0
        }
    }
}
