/// A search for the codes and scales of a block type: numbers, and what they weigh, become what `GridBlock` writes.
///
/// Searched and then written is the definition of what a block type's kernel does at once.
protocol BlockSearch: Sendable {
    func fit(_ block: BlockNumbers) -> BlockFit
}

/// The numbers of a block, and what is known of them.
struct BlockNumbers {
    let x: UnsafePointer<Float>
    /// What an error in each column weighs, if it is known; types that only round ignore it.
    let importance: UnsafePointer<Float>?
    /// Of the whole row.
    let meanSquare: Float
}

/// What was found for a block: numbers as the type stores them.
struct BlockFit {
    var codes: [Int]
    /// Of each group; of the block where its groups have multiples.
    var scales: [Float]
    var minima: [Float] = []
    var multiples: [Int] = []
    var minimumMultiples: [Int] = []
}

extension BlockSearch {
    /// Rows of whole blocks.
    ///
    /// - Parameter importance: of each column.
    func tile(
        of numbers: UnsafePointer<Float>, rows: Int, columns: Int, importance: UnsafePointer<Float>?,
        as type: any GridBlock.Type
    ) -> Tile {
        var tile = Tile(of: type, rows: rows, columns: columns)
        let size = type.blockSize
        for row in 0..<rows {
            let elements = numbers + row * columns
            let meanSquare = Weights.sumOfSquares(elements, count: columns) / Float(columns)
            for first in stride(from: 0, to: columns, by: size) {
                let block = BlockNumbers(
                    x: elements + first, importance: importance.map { $0 + first }, meanSquare: meanSquare)
                tile.set(fit(block), at: (row * columns + first) / size)
            }
        }
        tile.deriveScales()
        return tile
    }
}

extension Tile {
    fileprivate mutating func set(_ fit: BlockFit, at block: Int) {
        for (i, code) in fit.codes.enumerated() { codes[block * fit.codes.count + i] = UInt8(code) }
        if scaleMultiples == nil {
            for (i, scale) in fit.scales.enumerated() { scales[block * fit.scales.count + i] = scale }
            for (i, minimum) in fit.minima.enumerated() { offsets[block * fit.minima.count + i] = minimum }
            return
        }
        scaleMultiples?.set(fit.scales[0], fit.multiples, at: block)
        if let minimum = fit.minima.first { minimumMultiples?.set(minimum, fit.minimumMultiples, at: block) }
    }
}

extension UnitMultiples {
    fileprivate mutating func set(_ unit: Float, _ found: [Int], at block: Int) {
        units[block] = unit
        for (group, multiple) in found.enumerated() { multiples[block * found.count + group] = Int8(multiple) }
    }
}

extension DType {
    /// How codes and scales of a block type are found; nil for types that are not written as blocks.
    var blockSearch: (any BlockSearch)? { Self.searches[self] }

    // swift-format-ignore
    private static let searches: [DType: any BlockSearch] = [
        .q4_0: CenteredSearch(middle: 8),
        .q5_0: CenteredSearch(middle: 16),
        .q4_1: RangeSearch(highest: 15),
        .q5_1: RangeSearch(highest: 31),
        .q2_k: Q2KSearch(),
        .q3_k: Q3KSearch(),
        .q4_k: Q45KSearch(plain: AffineSearch(highest: 15, first: -1,   step: 0.1, last: 20), cutsWrapped: false),
        .q5_k: Q45KSearch(plain: AffineSearch(highest: 31, first: -0.5, step: 0.1, last: 15), cutsWrapped: true),
        .q6_k: Q6KSearch(),

        .iq4_nl: IQ4NLSearch(),
        .iq4_xs: IQ4XSSearch(),

        .q8_0:  AbsmaxSearch(count: 32,  steps: 127, zero: 128, codes: 1...255, undefined: 128),
        .q2_0:  AbsmaxSearch(count: 64,  steps: 1,   zero: 1,   codes: 0...3,   undefined: 0),
        .tq1_0: AbsmaxSearch(count: 256, steps: 1,   zero: 1,   codes: 0...2,   undefined: 1),
        .tq2_0: AbsmaxSearch(count: 256, steps: 1,   zero: 1,   codes: 0...2,   undefined: 1),
        .q1_0:  SignSearch(),

        .mxfp4: MXFP4Search(),
        .nvfp4: NVFP4Search(),
    ]
}
