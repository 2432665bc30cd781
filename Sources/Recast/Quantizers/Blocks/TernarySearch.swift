/// The search for the codewords of IQ1, whose elements are −1, 0 or 1, moved up by an eighth or down (gguf.md §b.7).
///
/// Of a group's elements in ascending order the first become −1, the next 0 and the others 1: every way to split them is
/// tried. Codewords near these levels are searched for with the scale that fits them best.
struct TernarySearch: CodebookSearch {
    let groupSize: Int
    /// Whether each eight elements have a side of their own, or all of the group have one.
    let hasSides: Bool
    /// A group with a smaller farthest element counts as zeros.
    let smallest: Float
    /// Of the unit, when it is stored.
    let stretch: Float
    let unknown: UnknownImportance

    private static let highestMultiple = 7
    private static let up: [Float] = [-0.875, 0.125, 1.125]
    private static let down: [Float] = [-1.125, -0.125, 0.875]

    private struct Group {
        var scale: Float = 0
        var entries: [Int]
        /// Of each entry.
        var isDown: [Bool]
    }

    func fit(_ block: BlockNumbers, squares: Float, as type: any CodebookBlock.Type) -> CodebookContent {
        var content = CodebookContent(unit: 0, of: type)
        let weights = block.weights(variance: 2 * squares / 256, unknown: unknown, count: 256)
        let groups = stride(from: 0, to: 256, by: groupSize).map { first in
            fit(
                (0..<groupSize).map { block.x[first + $0] }, weights: Array(weights[first..<first + groupSize]))
        }
        content.entries = groups.flatMap(\.entries)
        let greatest = groups.map(\.scale).max()!
        if greatest == 0 { return content }
        content.signs = groups.flatMap(\.isDown).map { $0 ? 1 : 0 }
        var unit = greatest / Float(2 * Self.highestMultiple + 1)
        content.multiples = groups.map { $0.scale.oddLevel(1 / unit, highest: Self.highestMultiple) }
        if hasSides, greatest < .infinity {
            var sums = LeastSquares()
            for i in 0..<256 {
                let multiple = Float(2 * content.multiples[i / groupSize] + 1)
                sums.add(block.x[i], weights[i], value(of: content, at: i) * multiple)
            }
            if sums.squares > 0 { unit = sums.products / sums.squares }
            if unit.isNaN { unit = .infinity }
        }
        content.unit = HalfFloat.rounded(unit * stretch)
        return content
    }

    private func value(of content: CodebookContent, at i: Int) -> Float {
        (content.signs[i / 8] == 0 ? Self.up : Self.down)[Lattice.iq1.point(content.entries[i / 8])[i % 8]]
    }

    private func fit(_ x: [Float], weights: [Float]) -> Group {
        let partCount = groupSize / 8
        let none = Group(
            entries: [Int](repeating: 0, count: partCount), isDown: [Bool](repeating: false, count: partCount))
        guard !(abs(Float.farthest(of: x, count: x.count)) < smallest) else { return none }
        // Equal elements stay as they stand.
        let order = x.indices.sorted { x[$0] < x[$1] || x[$0] == x[$1] && $0 < $1 }
        guard let split = hasSides ? bestSplitOfHalves(x, weights, order) : bestSplit(x, weights, order) else {
            return none
        }
        var group = none
        var levels = [Int](repeating: 0, count: groupSize)
        for (place, i) in order.enumerated() {
            levels[i] = (place >= split.first ? 1 : 0) + (place >= split.second ? 1 : 0)
        }
        group.scale = split.scale
        group.isDown = split.isDown
        if split.scale < 0 {
            levels = levels.map { 2 - $0 }
            group.scale = -split.scale
            group.isDown = split.isDown.map(!)
        }

        var isOff = false
        for part in 0..<partCount {
            let range = 8 * part..<8 * part + 8
            let cell = Lattice.iq1.cell(Array(levels[range]))
            if !Lattice.iq1.isCodeword(cell) { isOff = true }
            group.entries[part] = Lattice.iq1.nearest(
                to: x[range], around: cell, scale: group.scale, values: group.isDown[part] ? Self.down : Self.up,
                weights: weights[range])
        }
        if isOff {
            var sums = LeastSquares()
            for i in x.indices {
                let level = Lattice.iq1.point(group.entries[i / 8])[i % 8]
                sums.add(x[i], weights[i], (group.isDown[i / 8] ? Self.down : Self.up)[level])
            }
            if sums.products > 0 && sums.squares > 0 { group.scale = sums.products / sums.squares }
        }
        // Not a number is beyond all of them.
        if group.scale.isNaN { group.scale = .infinity }
        return group
    }

    /// Where elements in ascending order go over to 0, and to 1.
    private struct Split {
        var scale: Float
        var first: Int
        var second: Int
        var isDown: [Bool]
    }

    /// The best of all ways to split a group, those with a side taken one after the other.
    ///
    /// - Parameter sums: of two places, and one of the ways to move the numbers.
    private func best(
        ways: [[Bool]], _ sums: (_ first: Int, _ second: Int, _ way: Int) -> LeastSquares
    ) -> Split? {
        var best: Split?
        var merit = -Float.greatestFiniteMagnitude
        for first in 0...groupSize {
            for second in first...groupSize {
                for (way, isDown) in ways.enumerated() {
                    let sums = sums(first, second, way)
                    if sums.squares > 0 && sums.products * sums.products > merit * sums.squares {
                        let scale = sums.products / sums.squares
                        merit = scale * sums.products
                        best = Split(scale: scale, first: first, second: second, isDown: isDown)
                    }
                }
            }
        }
        return best
    }

    /// Of groups with one side.
    private func bestSplit(_ x: [Float], _ weights: [Float], _ order: [Int]) -> Split? {
        let moments = order.reduce(into: [Float(0)]) { $0.append($0.last! + weights[$1] * x[$1]) }
        let totals = order.reduce(into: [Float(0)]) { $0.append($0.last! + weights[$1]) }
        let count = order.count
        let ways = [false, true].map { [Bool](repeating: $0, count: groupSize / 8) }
        return best(ways: ways) { first, second, way in
            let values = way == 0 ? Self.up : Self.down
            let (low, middle) = (moments[first], moments[second] - moments[first])
            let (lowWeight, middleWeight) = (totals[first], totals[second] - totals[first])
            let (high, highWeight) = (moments[count] - moments[second], totals[count] - totals[second])
            return LeastSquares(
                products: low * values[0] + middle * values[1] + high * values[2],
                squares: lowWeight * values[0] * values[0] + middleWeight * values[1] * values[1]
                    + highWeight * values[2] * values[2])
        }
    }

    /// Of groups of two eights, each with its own side. As neighbouring numbers are one apart, sums follow from those of all
    /// elements, and of those below each place.
    private func bestSplitOfHalves(_ x: [Float], _ weights: [Float], _ order: [Int]) -> Split? {
        func running(_ half: Int, _ term: (Int) -> Float) -> [Float] {
            order.reduce(into: [Float(0)]) { $0.append($1 / 8 == half ? $0.last! + term($1) : $0.last!) }
        }
        let moments = (0..<2).map { running($0) { weights[$0] * x[$0] } }
        let totals = (0..<2).map { running($0) { weights[$0] } }
        let count = order.count
        func sums(_ half: Int, _ first: Int, _ second: Int, _ values: [Float]) -> LeastSquares {
            let steps = (0..<2).map { values[$0] * values[$0] - values[$0 + 1] * values[$0 + 1] }
            return LeastSquares(
                products: moments[half][count] * values[2] - (moments[half][first] + moments[half][second]),
                squares: totals[half][count] * values[2] * values[2] + totals[half][first] * steps[0]
                    + totals[half][second] * steps[1])
        }
        let ways = [[false, false], [false, true], [true, false], [true, true]]
        return best(ways: ways) { first, second, way in
            let parts = (0..<2).map { sums($0, first, second, ways[way][$0] ? Self.down : Self.up) }
            return LeastSquares(
                products: parts[0].products + parts[1].products, squares: parts[0].squares + parts[1].squares)
        }
    }
}

/// What the best scale for given values follows from.
private struct LeastSquares {
    var products: Float = 0
    var squares: Float = 0

    mutating func add(_ x: Float, _ weight: Float, _ value: Float) {
        products += weight * value * x
        squares += weight * value * value
    }
}
