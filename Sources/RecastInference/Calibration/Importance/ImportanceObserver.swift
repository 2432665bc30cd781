import Recast

/// Adds up the squares of what each column of each weight is multiplied with.
final class ImportanceObserver: PassObserver {
    private let places: [Slot: ImportancePlaces.Place]
    private let workers: Workers
    private var layer: [Slot: ColumnSquares] = [:]

    /// Columns that one job adds up.
    private static let columnsAtOnce = 512

    init(_ places: [Slot: ImportancePlaces.Place], by workers: Workers) {
        self.places = places
        self.workers = workers
    }

    func observes(_ site: Slot) -> Bool { places[site] != nil }

    func observe(
        _ input: UnsafeBufferPointer<Float>, rows: Int, columns: Int, of sites: [Slot]
    ) throws(RecastError) {
        var squares = layer[sites[0]] ?? ColumnSquares(columns: columns)
        layer[sites[0]] = nil
        nonisolated(unsafe) let input = input.baseAddress!
        let count = columns.dividedRoundingUp(by: Self.columnsAtOnce)
        try squares.sums.withUnsafeMutableBufferPointer { (buffer) throws(RecastError) in
            nonisolated(unsafe) let sums = buffer.baseAddress!
            try workers.run(count) { (_, job) throws(RecastError) in
                let range = job * Self.columnsAtOnce..<min(columns, (job + 1) * Self.columnsAtOnce)
                for row in 0..<rows {
                    let numbers = input + row * columns
                    var column = range.lowerBound
                    while column < range.upperBound {
                        let number = Double(numbers[column])
                        sums[column] += number * number
                        column = column &+ 1
                    }
                }
            }
        }
        squares.count += rows
        for site in sites { layer[site] = squares }
    }

    func replace(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int, of site: Slot
    ) throws(RecastError) {
        // An expert that nothing goes through is seen here alone.
        if layer[site] == nil { layer[site] = ColumnSquares(columns: columns) }
    }

    /// What was added up since the last call.
    ///
    /// - Throws: `malformedInput` for numbers that are not finite.
    func take() throws(RecastError) -> [Slot: ColumnSquares] {
        defer { layer = [:] }
        for (slot, squares) in layer {
            guard let column = squares.sums.firstIndex(where: { !$0.isFinite }) else { continue }
            throw RecastError(
                .malformedInput, "column \(column) of what it is multiplied with is not finite", trail: ["\(slot)"])
        }
        return layer
    }
}

/// The sums of squares of some columns.
struct ColumnSquares: Equatable {
    var count = 0
    var sums: [Double]

    init(columns: Int) { sums = [Double](repeating: 0, count: columns) }

    init(count: Int, sums: [Double]) {
        self.count = count
        self.sums = sums
    }
}
