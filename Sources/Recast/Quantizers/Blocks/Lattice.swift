internal import CKernels

/// The codewords of a codebook as points whose coordinates are levels, and those that lie around each of the other points
/// (gguf.md §b.7).
struct Lattice: Sendable {
    let dimensions: Int
    /// Levels of a coordinate.
    let levelCount: Int
    /// The levels of each codeword, one after the other.
    private let levels: [Int]
    /// For each cell, which is a point as a number whose lowest digit is its first coordinate: the codewords at the few
    /// smallest distances, those nearer first, and equally near ones by their number; of a codeword's cell itself alone.
    private let near: [[Int]]

    /// - Parameter shells: at how many distances codewords lie around a point.
    private init(_ codes: UnsafePointer<UInt16>, count: Int, dimensions: Int, levelCount: Int, shells: Int) {
        self.dimensions = dimensions
        self.levelCount = levelCount
        let bits = 16 / dimensions
        let levels = (0..<count).flatMap { entry in
            (0..<dimensions).map { Int(codes[entry]) >> (bits * $0) & (1 << bits - 1) }
        }
        self.levels = levels
        let cellCount = (0..<dimensions).reduce(1) { product, _ in product * levelCount }
        near = (0..<cellCount).map { cell in
            var point: [Int] = []
            for digit in 0..<dimensions {
                point.append(digit == 0 ? cell : point[digit - 1] / levelCount)
            }
            point = point.map { $0 % levelCount }
            // By distance; none is greater than that from corner to corner.
            var shell = [[Int]](repeating: [], count: dimensions * (levelCount - 1) * (levelCount - 1) + 1)
            for entry in 0..<count {
                var distance = 0
                for i in 0..<dimensions {
                    let difference = levels[entry * dimensions + i] - point[i]
                    distance += difference * difference
                }
                shell[distance].append(entry)
            }
            return shell[0].isEmpty ? shell.filter { !$0.isEmpty }.prefix(shells).flatMap(\.self) : shell[0]
        }
    }

    /// The number of a point.
    func cell(_ levels: [Int]) -> Int { levels.reversed().reduce(0) { $0 * levelCount + $1 } }

    /// Whether a cell is a codeword's.
    func isCodeword(_ cell: Int) -> Bool {
        let first = near[cell][0]
        return self.cell(point(first)) == cell
    }

    /// The levels of a codeword.
    func point(_ entry: Int) -> [Int] { Array(levels[entry * dimensions..<(entry + 1) * dimensions]) }

    /// The codeword near a cell whose values, scaled, lie nearest to elements, measured by what their errors weigh; the
    /// first one if that is too much to be measured.
    func nearest(
        to x: ArraySlice<Float>, around cell: Int, scale: Float, values: [Float], weights: ArraySlice<Float>
    ) -> Int {
        var nearest = near[cell][0]
        var least = Float.greatestFiniteMagnitude
        for entry in near[cell] {
            var sum: Float = 0
            for i in 0..<dimensions {
                let difference = scale * values[levels[entry * dimensions + i]] - x[x.startIndex + i]
                sum += weights[weights.startIndex + i] * difference * difference
            }
            if sum < least {
                least = sum
                nearest = entry
            }
        }
        return nearest
    }

    static let iq1 = Lattice(codebooks.iq1, count: 2048, dimensions: 8, levelCount: 3, shells: 3)
    static let iq2_xxs = Lattice(codebooks.iq2_xxs, count: 256, dimensions: 8, levelCount: 3, shells: 2)
    static let iq2_xs = Lattice(codebooks.iq2_xs, count: 512, dimensions: 8, levelCount: 3, shells: 2)
    static let iq2_s = Lattice(codebooks.iq2_s, count: 1024, dimensions: 8, levelCount: 3, shells: 1)
    static let iq3_xxs = Lattice(codebooks.iq3_xxs, count: 256, dimensions: 4, levelCount: 8, shells: 2)
    static let iq3_s = Lattice(codebooks.iq3_s, count: 512, dimensions: 4, levelCount: 8, shells: 3)

    private static var codebooks: ck_codebooks { ck_codebooks().pointee }
}
