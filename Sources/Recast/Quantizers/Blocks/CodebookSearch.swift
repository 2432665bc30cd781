/// A search for the codewords of a block type: numbers, and what they weigh, become what `CodebookBlock` writes.
///
/// Searched and then written is the definition of what a block type's kernel does at once.
protocol CodebookSearch: Sendable {
    /// What a block says whose squares are not too large to be added.
    func fit(_ block: BlockNumbers, squares: Float, as type: any CodebookBlock.Type) -> CodebookContent
}

extension CodebookSearch {
    /// Rows of whole blocks, as bytes.
    ///
    /// A block whose squares overflow has weights that mean nothing. It is lost: its unit is infinite.
    ///
    /// - Parameter importance: of each column.
    func write(
        _ numbers: UnsafePointer<Float>, rows: Int, columns: Int, importance: UnsafePointer<Float>?,
        as type: any CodebookBlock.Type, into blocks: UnsafeMutableRawPointer
    ) {
        let count = rows * columns / type.blockSize
        blocks.initializeMemory(as: UInt8.self, repeating: 0, count: count * type.blockByteCount)
        for index in 0..<count {
            let first = index * type.blockSize
            let block = BlockNumbers(
                x: numbers + first, importance: importance.map { $0 + first % columns }, meanSquare: .nan)
            let squares = Weights.sumOfSquares(block.x, count: type.blockSize)
            let content =
                squares < .infinity
                ? fit(block, squares: squares, as: type) : CodebookContent(unit: .infinity, of: type)
            type.write(content, into: blocks + index * type.blockByteCount)
        }
    }
}

extension DType {
    /// How the codewords of a block type are found; nil for types without.
    var codebookSearch: (any CodebookSearch)? { Self.codebookSearches[self] }

    // swift-format-ignore
    private static let codebookSearches: [DType: any CodebookSearch] = [
        .iq1_s: TernarySearch(
            groupSize: 32, hasSides: false, smallest: 1e-12, stretch: 1.125, unknown: .uniform),
        .iq1_m: TernarySearch(
            groupSize: 16, hasSides: true, smallest: 1e-7, stretch: 1.1125, unknown: .squares),

        .iq2_xxs: MagnitudeSearch(
            lattice: .iq2_xxs, groupSize: 32, grids: -6...6, step: 0.1, refines: true, spread: 1, unknown: .uniform,
            isEven: true, smallest: 1e-15, again: .always, stretch: 1),
        .iq2_xs: MagnitudeSearch(
            lattice: .iq2_xs, groupSize: 16, grids: -9...9, step: 0.1, spread: 1, unknown: .uniform,
            isEven: true, smallest: 1e-15, again: .offCodewords, stretch: 1),
        .iq2_s: MagnitudeSearch(
            lattice: .iq2_s, groupSize: 16, grids: -9...9, step: 0.1, spread: 2, unknown: .shiftedSquares,
            isEven: false, smallest: 1e-8, again: .offCodewords, stretch: 0.9875),
        .iq3_xxs: MagnitudeSearch(
            lattice: .iq3_xxs, groupSize: 32, grids: -15...15, step: 0.2, spread: 2, unknown: .squares,
            isEven: true, smallest: 1e-8, again: .offCodewords, stretch: 1.0125),
        .iq3_s: MagnitudeSearch(
            lattice: .iq3_s, groupSize: 32, grids: -9...9, step: 0.2, spread: 2, unknown: .squares,
            isEven: false, smallest: .leastNonzeroMagnitude, again: .allIfAny, stretch: 1.033),
    ]
}

/// What elements weigh where nothing is known of their importance.
enum UnknownImportance: Sendable {
    /// As if all columns were equally important.
    case uniform
    /// Their squares.
    case squares
    /// Their squares, and a quarter of the variance.
    case shiftedSquares
}

extension BlockNumbers {
    /// What the elements of a block weigh.
    func weights(variance: Float, unknown: UnknownImportance, count: Int) -> [Float] {
        if let importance { return Weights.important(x, importance, variance: variance, count: count) }
        return (0..<count).map {
            let square = x[$0] * x[$0]
            return switch unknown {
            case .uniform: (variance + square).squareRoot()
            case .squares: square
            case .shiftedSquares: 0.25 * variance + square
            }
        }
    }
}

extension Float {
    /// The level of an element on a grid, whose levels lie at odd multiples of the scale.
    func oddLevel(_ inverse: Float, highest: Int) -> Int {
        (0.5 * (inverse * self - 1)).nearestInteger.clamped(0, highest)
    }
}
