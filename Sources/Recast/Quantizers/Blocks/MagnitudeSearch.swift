/// The search for the codewords of magnitudes, whose signs are stored apart: those of IQ2 and IQ3 (gguf.md §b.7).
///
/// Levels stand for the odd numbers. On each of several grids, parts of a group become the nearest codeword; the grid whose
/// codewords fit best by least squares gives the scale.
struct MagnitudeSearch: CodebookSearch {
    let lattice: Lattice
    let groupSize: Int
    /// The greatest magnitude is tried at the highest odd number and so many steps beyond, or before.
    let grids: ClosedRange<Int>
    let step: Float
    /// Whether the grids lie around the best scale for levels 0...4, instead of around the greatest magnitude.
    var refines = false
    /// How often the mean square of the block counts in weights.
    let spread: Float
    let unknown: UnknownImportance
    /// Whether the number of negative elements of each eight is made even.
    let isEven: Bool
    /// A group with a smaller greatest magnitude counts as zeros.
    let smallest: Float
    let again: Repetition
    /// Of the unit, when it is stored.
    let stretch: Float

    /// Which parts are searched for again with the scale that was found.
    enum Repetition {
        /// Those whose levels were no codeword.
        case offCodewords
        /// All if there is one of those, or no grid was better than none.
        case allIfAny
        case always
    }

    private static let highestMultiple = 15
    private static let values = (0..<8).map { Float(2 * $0 + 1) }
    private var highest: Int { lattice.levelCount - 1 }

    func fit(_ block: BlockNumbers, squares: Float, as type: any CodebookBlock.Type) -> CodebookContent {
        var content = CodebookContent(unit: 0, of: type)
        let weights = block.weights(variance: spread * squares / 256, unknown: unknown, count: 256)
        var scales: [Float] = []
        for first in stride(from: 0, to: 256, by: groupSize) {
            var (magnitudes, signs) = (first..<first + groupSize).reduce(into: ([Float](), [Int]())) { found, i in
                if i % 8 == 0 { found.1.append(0) }
                found.0.append(block.x[i] < 0 ? -block.x[i] : block.x[i])
                if block.x[i] < 0 { found.1[found.1.count - 1] |= 1 << (i % 8) }
            }
            if isEven { makeEven(&magnitudes, &signs, block.x + first, weights: weights[first..<first + groupSize]) }
            guard let found = fit(magnitudes, weights: Array(weights[first..<first + groupSize])) else {
                scales.append(0)
                continue
            }
            if found.scale < 0 { signs = signs.map { $0 ^ 255 } }
            // Not a number is beyond all of them.
            scales.append(found.scale.isNaN ? .infinity : abs(found.scale))
            content.signs.replaceSubrange(first / 8..<(first + groupSize) / 8, with: signs)
            content.entries.replaceSubrange(
                first / lattice.dimensions..<(first + groupSize) / lattice.dimensions, with: found.entries)
        }
        let greatest = scales.max()!
        // As the reference has it, blocks without a scale are cleared in one kind of them only.
        if greatest == 0 { return isEven ? CodebookContent(unit: 0, of: type) : content }
        let unit = greatest / Float(2 * Self.highestMultiple + 1)
        content.unit = HalfFloat.rounded(unit * stretch)
        content.multiples = scales.map { $0.oddLevel(1 / unit, highest: Self.highestMultiple) }
        return content
    }

    /// Of eights with an odd number of negative elements, the one whose error weighs least changes its sign.
    private func makeEven(
        _ magnitudes: inout [Float], _ signs: inout [Int], _ x: UnsafePointer<Float>, weights: ArraySlice<Float>
    ) {
        for part in signs.indices where signs[part].nonzeroBitCount % 2 != 0 {
            let range = 8 * part..<8 * part + 8
            let costs = range.map { weights[weights.startIndex + $0] * x[$0] * x[$0] }
            let place = costs.indices.dropFirst().reduce(0) { costs[$1] < costs[$0] ? $1 : $0 }
            magnitudes[range.lowerBound + place].negate()
            signs[part] ^= 1 << place
        }
    }

    /// The scale of a group and its codewords; nil where it counts as zeros.
    private func fit(_ x: [Float], weights: [Float]) -> (scale: Float, entries: [Int])? {
        let none = [Int](repeating: 0, count: x.count / lattice.dimensions)
        var greatest = x.dropFirst().reduce(x[0]) { $0 > $1 ? $0 : $1 }
        if greatest < smallest { return nil }
        var scale = greatest / Float(2 * highest + 1)
        if refines {
            scale = LevelSearch.multiples(x, weights: weights, highest: 4).scale
            greatest = scale * Float(highest + 1)
            if greatest <= 0 { return nil }
        }

        let roots = weights.map { $0.squareRoot() }
        func cells(_ inverse: Float) -> [Int] {
            none.indices.map { part in
                lattice.cell(
                    (0..<lattice.dimensions).map {
                        x[part * lattice.dimensions + $0].oddLevel(inverse, highest: highest)
                    })
            }
        }
        func entry(_ part: Int, _ cell: Int, _ scale: Float) -> Int {
            let range = part * lattice.dimensions..<(part + 1) * lattice.dimensions
            return lattice.nearest(
                to: x[range], around: cell, scale: scale, values: Self.values, weights: roots[range])
        }
        func sums(_ entries: [Int]) -> LevelSums {
            var sums = LevelSums()
            for (i, level) in entries.flatMap(lattice.point).enumerated() { sums.add(x[i], weights[i], 2 * level + 1) }
            return sums
        }

        var best: [Int]?
        var merit: Float = 0
        var isOff = none.map { _ in false }
        for grid in grids {
            let inverse = (Float(2 * highest + 1) + Float(grid) * step) / greatest
            let cells = cells(inverse)
            let entries = cells.enumerated().map { entry($0, $1, 1 / inverse) }
            let sums = sums(entries)
            if sums.squares > 0 && sums.products * sums.products > merit * sums.squares {
                scale = sums.products / sums.squares
                merit = scale * sums.products
                best = entries
                isOff = cells.map { !lattice.isCodeword($0) }
            }
        }
        var entries = best ?? none
        let isRepeated =
            switch again {
            case .always: true
            case .allIfAny: best == nil || isOff.contains(true)
            case .offCodewords: isOff.contains(true)
            }
        guard isRepeated, scale > 0 else { return (scale, entries) }
        for (part, cell) in cells(1 / scale).enumerated() where again != .offCodewords || isOff[part] {
            entries[part] = entry(part, cell, scale)
        }
        let again = sums(entries)
        return (again.squares > 0 ? again.products / again.squares : scale, entries)
    }
}
