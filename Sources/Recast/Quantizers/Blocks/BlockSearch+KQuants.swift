// Blocks of 256 codes: first a fit for each group, then multiples of the block's units for all of them, then the codes that
// lie nearest on the grid these make (gguf.md §b.4, §b.5, §b.7).

struct Q2KSearch: BlockSearch {
    func fit(_ block: BlockNumbers) -> BlockFit {
        let weights =
            block.weights(groupSize: 16, spread: 1) ?? block.groups(of: 16) { Weights.magnitudes($0, count: 16) }
        let search =
            block.importance == nil
            ? AffineSearch(highest: 3, first: -0.5, step: 0.1, last: 15, countsMagnitudes: true)
            : AffineSearch(highest: 3)
        let fits = block.groups(of: 16) { $0 }.enumerated().map { search.fit($1, weights: weights[$0]) }
        let sums = block.importance == nil ? nil : weights.map(Weights.sum)
        let scale = Multiples(of: fits.map(\.scale), weights: sums, highest: 15)
        let minimum = Multiples(of: fits.map { -$0.minimum }, weights: sums, highest: 15)
        // They share bytes: what wrapped around runs from the one into the other.
        let packed = zip(scale.multiples, minimum.multiples).map { $0 | ($1 << 4).wrapped }
        return BlockFit(
            fits, block, scale: scale.unit, packed.map { $0 & 15 }, minimum: minimum.unit, packed.map { $0 >> 4 },
            levels: 0...3)
    }
}

/// Of Q4_K and Q5_K.
struct Q45KSearch: BlockSearch {
    /// Where nothing is known about the importance of columns.
    let plain: AffineSearch
    /// Whether multiples that wrapped around are cut off where there is an importance; otherwise, they run into others.
    let cutsWrapped: Bool

    func fit(_ block: BlockNumbers) -> BlockFit {
        let weights =
            block.weights(groupSize: 32, spread: 2)
            ?? block.groups(of: 32) { x in
                let mean = (Weights.sumOfSquares(x, count: 32) / 32).squareRoot()
                return Weights.magnitudes(x, count: 32).map { mean + $0 }
            }
        let search = block.importance == nil ? plain : AffineSearch(highest: plain.highest)
        let fits = block.groups(of: 32) { $0 }.enumerated().map { search.fit($1, weights: weights[$0]) }
        let sums = block.importance == nil ? nil : weights.map(Weights.sum)
        let scale = Multiples(of: fits.map(\.scale), weights: sums, highest: 63)
        let minimum = Multiples(of: fits.map { -$0.minimum }, weights: sums, highest: 63)
        let multiples = stored(scale.multiples + minimum.multiples, isCut: sums == nil || cutsWrapped)
        return BlockFit(
            fits, block, scale: scale.unit, Array(multiples[..<8]), minimum: minimum.unit, Array(multiples[8...]),
            levels: 0...plain.highest)
    }

    /// Multiples as they are read again.
    private func stored(_ multiples: [Int], isCut: Bool) -> [Int] {
        let bytes = multiples.map { UInt8(isCut ? min(63, $0) : $0) }
        var block = [UInt8](repeating: 0, count: Q4_K.blockByteCount)
        var stored = [UInt8](repeating: 0, count: bytes.count)
        Q4_K.writeMultiples(bytes, into: &block)
        Q4_K.readMultiples(block, into: &stored)
        return stored.map(Int.init)
    }
}

struct Q3KSearch: BlockSearch {
    func fit(_ block: BlockNumbers) -> BlockFit {
        let fits: [Fit]
        let unit: Float
        let multiples: [Int]
        if let weights = block.weights(groupSize: 16, spread: 2) {
            fits = (0..<16).map { ScaleSearch(highest: 4).fit(block.x + 16 * $0, weights: weights[$0]) }
            let fit = ScaleSearch(highest: 32).fit(fits.map(\.scale), weights: weights.map(Weights.sum))
            (unit, multiples) = (fit.scale, fit.levels.map { $0 - 32 })
        } else {
            fits = block.groups(of: 16) { LevelSearch.signed($0, count: 16, highest: 4) }
            let farthest = Float.farthest(of: fits.map(\.scale), count: 16)
            let inverse = -32 / farthest
            unit = farthest == 0 ? 0 : 1 / inverse
            multiples = fits.map { farthest == 0 ? -32 : (inverse * $0.scale).nearestInteger.clamped(-32, 31) }
        }
        return BlockFit(fits, block, scale: HalfFloat.rounded(unit), multiples, levels: -4...3)
    }
}

struct Q6KSearch: BlockSearch {
    func fit(_ block: BlockNumbers) -> BlockFit {
        let fits = (0..<16).map { group in
            let x = block.x + 16 * group
            // Here the importance counts as it is.
            let weights = block.importance.map { important in (0..<16).map { important[16 * group + $0] } }
            return ScaleSearch(highest: 32).fit(x, weights: weights ?? Weights.squares(x, count: 16))
        }
        let greatest = Float.farthest(of: fits.map(\.scale), count: 16)
        if abs(greatest) < ScaleSearch.smallest {
            return BlockFit(
                codes: [Int](repeating: 0, count: 256), scales: [0], multiples: [Int](repeating: 0, count: 16))
        }
        let factor = -128 / greatest
        let multiples = fits.map { Int(Int8(truncatingIfNeeded: min(127, (factor * $0.scale).nearestInteger))) }
        return BlockFit(fits, block, scale: HalfFloat.rounded(1 / factor), multiples, levels: -32...31)
    }
}

extension BlockNumbers {
    /// Something of each of the groups of a block of 256.
    fileprivate func groups<T>(of size: Int, _ value: (UnsafePointer<Float>) -> T) -> [T] {
        stride(from: 0, to: 256, by: size).map { value(x + $0) }
    }

    /// What the elements of each group weigh; nil where nothing is known of it.
    ///
    /// - Parameter spread: how often the mean square of the block counts.
    fileprivate func weights(groupSize: Int, spread: Float) -> [[Float]]? {
        guard let importance else { return nil }
        let variance = spread * Weights.sumOfSquares(x, count: 256) / 256
        return stride(from: 0, to: 256, by: groupSize).map {
            Weights.important(x + $0, importance + $0, variance: variance, count: groupSize)
        }
    }
}

extension BlockFit {
    /// The nearest levels on the grids of all groups.
    fileprivate init(
        _ fits: [Fit], _ block: BlockNumbers, scale: Float, _ multiples: [Int], minimum: Float? = nil,
        _ minimumMultiples: [Int] = [], levels: ClosedRange<Int>
    ) {
        let size = 256 / fits.count
        var codes: [Int] = []
        for (group, fit) in fits.enumerated() {
            codes += fit.placed(
                block.x + size * group, scale: scale * Float(multiples[group]),
                minimum: minimum.map { $0 * Float(minimumMultiples[group]) } ?? 0, lowest: levels.lowerBound,
                highest: levels.upperBound)
        }
        self.init(
            codes: codes, scales: [scale], minima: minimum.map { [$0] } ?? [], multiples: multiples,
            minimumMultiples: minimumMultiples)
    }
}
