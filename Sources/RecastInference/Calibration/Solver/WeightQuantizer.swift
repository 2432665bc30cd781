import Recast

/// Rounds the rows of weights that are multiplied with the same input to a grid.
struct WeightQuantizer {
    let factor: HessianFactor
    let grid: WeightGrid
    private let workers: Workers
    private let method: CalibrationOptions.Method
    private let sweeps: Int
    private let feedback: ErrorFeedback
    private let descent: GroupDescent?
    /// What an error in each column weighs by itself.
    private let weights: [Float]

    init(_ factor: HessianFactor, _ grid: WeightGrid, _ options: CalibrationOptions, by workers: Workers) {
        self.factor = factor
        self.grid = grid
        self.workers = workers
        method = options.method
        sweeps = options.sweeps
        let n = factor.columns
        weights = (0..<n).map { factor.matrix.base[$0 * (n + 1)] }
        feedback = ErrorFeedback(factor, grid, weights: weights)
        let descends = method == .gptq && sweeps > 0 && grid.groupWidth <= GroupDescent.widest
        descent = descends ? GroupDescent(factor, grid, reach: options.reach) : nil
    }

    /// - Parameters:
    ///   - weight: `[rows, columns]`; afterwards the numbers that the codes stand for.
    ///   - write: is given the codes of some rows; several threads call it.
    func quantize(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int,
        _ write: @Sendable (Range<Int>, Tile) throws(RecastError) -> Void
    ) throws(RecastError) -> OutputErrors {
        let (n, lanes) = (grid.columns, GridTile.lanes)
        precondition(weight.count == rows * n)
        let jobs = rows.dividedRoundingUp(by: lanes)
        let places = (0..<min(workers.count, jobs)).map { _ in Place(feedback, descent, grid) }
        nonisolated(unsafe) let numbers = weight
        var outcomes = [OutputErrors](repeating: OutputErrors(), count: jobs)
        try outcomes.withUnsafeMutableBufferPointer { (buffer) throws(RecastError) in
            nonisolated(unsafe) let outcomes = buffer
            try workers.run(jobs) { (worker, job) throws(RecastError) in
                let range = job * lanes..<min(rows, (job + 1) * lanes)
                let source = UnsafeMutableBufferPointer(rebasing: numbers[range.lowerBound * n..<range.upperBound * n])
                let place = places[worker]
                var errors = OutputErrors()
                errors.output = factor.losses(of: source.baseAddress!, rows: range.count).reduce(0, +)
                let rounded = try grid.search(
                    UnsafeBufferPointer(source), rows: range.count, columns: n, weights: nil, method: .round)
                errors.rounded = losses(of: rounded, source, place.rows.base).reduce(0, +)
                let searched = try grid.search(
                    UnsafeBufferPointer(source), rows: range.count, columns: n, weights: weights)
                let yardstick = losses(of: searched, source, place.rows.base)
                errors.searched = yardstick.reduce(0, +)
                var tile = searched
                if method == .gptq {
                    tile = try place.round(source, rows: range.count, feedback)
                    // Coarse grids may lose more by the feedback than they gain.
                    let found = losses(of: tile, source, place.rows.base)
                    for row in 0..<range.count where !(found[row] <= yardstick[row]) {
                        place.tile.set(row: row, from: searched)
                    }
                    if let descent { place.descend(descent, sweeps: sweeps) }
                    tile = place.tile.tile(rows: range.count)
                }
                errors.final = losses(of: tile, source, place.rows.base).reduce(0, +)
                tile.decode(into: source)
                outcomes[job] = errors
                try write(range, tile)
            }
        }
        return outcomes.reduce(into: OutputErrors()) { $0 += $1 }
    }

    /// Of each row.
    ///
    /// - Parameter room: as large as the source.
    private func losses(
        of tile: Tile, _ source: UnsafeMutableBufferPointer<Float>, _ room: UnsafeMutablePointer<Float>
    ) -> [Double] {
        tile.decode(into: UnsafeMutableBufferPointer(start: room, count: source.count))
        for i in source.indices { room[i] = source[i] - room[i] }
        return factor.losses(of: room, rows: tile.rows)
    }

    /// What belongs to one worker.
    private final class Place {
        let tile: GridTile
        let source: FloatBuffer
        let errors: FloatBuffer
        let rows: FloatBuffer
        let feedback: ErrorFeedback.Room
        let descent: GroupDescent.Room?

        init(_ feedback: ErrorFeedback, _ descent: GroupDescent?, _ grid: WeightGrid) {
            let count = grid.columns * GridTile.lanes
            tile = GridTile(grid)
            source = FloatBuffer(count: count)
            errors = FloatBuffer(count: count)
            rows = FloatBuffer(count: count)
            self.feedback = ErrorFeedback.Room(feedback)
            self.descent = descent.map { _ in GroupDescent.Room(grid) }
        }

        /// - Parameter numbers: `[rows, columns]`.
        func round(
            _ numbers: UnsafeMutableBufferPointer<Float>, rows: Int, _ rounding: ErrorFeedback
        ) throws(RecastError) -> Tile {
            let (n, lanes) = (tile.grid.columns, GridTile.lanes)
            for column in 0..<n {
                let target = source.base + column * lanes
                for row in 0..<rows { target[row] = numbers[row * n + column] }
                for row in rows..<lanes { target[row] = 0 }
            }
            try rounding.run(source.base, rows: rows, into: tile, feedback)
            return tile.tile(rows: rows)
        }

        /// Improves what the tile holds.
        func descend(_ descending: GroupDescent, sweeps: Int) {
            let (n, lanes) = (tile.grid.columns, GridTile.lanes)
            for column in 0..<n {
                let target = errors.base + column * lanes
                tile.decode(column: column, into: target)
                for i in 0..<lanes { target[i] = source.base[column * lanes + i] - target[i] }
            }
            descending.run(tile, errors: errors.base, sweeps: sweeps, descent!)
        }
    }
}

/// Output errors of some rows, `tr(E H Eᵀ)`, and the output itself, with the damped Hessian.
struct OutputErrors {
    /// `tr(W H Wᵀ)`
    var output = 0.0
    var rounded = 0.0
    var searched = 0.0
    /// Of what is chosen.
    var final = 0.0

    static func += (sum: inout OutputErrors, other: OutputErrors) {
        sum.output += other.output
        sum.rounded += other.rounded
        sum.searched += other.searched
        sum.final += other.final
    }

    /// An error as a part of the output; of a weight that gives nothing, itself.
    func relative(_ error: Double) -> Double { output > 0 ? error / output : error }
}
