import Recast

/// Rounds the rows of weights that are multiplied with the same input to a grid.
struct WeightQuantizer {
    let factor: HessianFactor
    let target: WeightTarget
    private let workers: Workers
    private let method: CalibrationOptions.Method
    private let rounding: Rounding
    /// What an error in each column weighs by itself.
    private let weights: [Float]

    /// How codes are chosen with feedback.
    private enum Rounding {
        case grid(ErrorFeedback, GroupDescent?)
        case codebook(CodebookFeedback, CodebookDescent?)
    }

    init(_ factor: HessianFactor, _ target: WeightTarget, _ options: CalibrationOptions, by workers: Workers) {
        self.factor = factor
        self.target = target
        self.workers = workers
        method = options.method
        let sweeps = options.sweeps
        let n = factor.columns
        weights = (0..<n).map { factor.matrix.base[$0 * (n + 1)] }
        switch target {
        case .grid(let grid):
            let descends = method == .gptq && sweeps > 0 && grid.groupWidth <= GroupDescent.widest
            rounding = .grid(
                ErrorFeedback(factor, grid, weights: weights),
                descends ? GroupDescent(factor, grid, reach: options.reach, sweeps: sweeps) : nil)
        case .codebook(let dtype, _):
            rounding = .codebook(
                CodebookFeedback(factor: factor, dtype: dtype, weights: weights),
                method == .gptq && sweeps > 0 ? CodebookDescent(factor, dtype, sweeps: sweeps) : nil)
        }
    }

    /// - Parameters:
    ///   - weight: `[rows, columns]`; afterwards the numbers that the codes stand for.
    ///   - write: is given the codes of some rows; several threads call it.
    func quantize(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int,
        _ write: @Sendable (Range<Int>, EncodedRows) throws(RecastError) -> Void
    ) throws(RecastError) -> OutputErrors {
        let (n, lanes) = (target.columns, GridTile.lanes)
        precondition(weight.count == rows * n)
        let jobs = rows.dividedRoundingUp(by: lanes)
        let places = (0..<min(workers.count, jobs)).map { _ in Place(rounding, columns: n) }
        nonisolated(unsafe) let numbers = weight
        let reduced = target.reduced(UnsafeBufferPointer(weight))
        var outcomes = [OutputErrors](repeating: OutputErrors(), count: jobs)
        try outcomes.withUnsafeMutableBufferPointer { (buffer) throws(RecastError) in
            nonisolated(unsafe) let outcomes = buffer
            try workers.run(jobs) { (worker, job) throws(RecastError) in
                let range = job * lanes..<min(rows, (job + 1) * lanes)
                let source = UnsafeMutableBufferPointer(rebasing: numbers[range.lowerBound * n..<range.upperBound * n])
                let place = places[worker]
                var errors = OutputErrors()
                errors.output = factor.losses(of: source.baseAddress!, rows: range.count).reduce(0, +)
                let rounded = try target.search(
                    UnsafeBufferPointer(source), rows: range.count, columns: n, weights: nil, method: .round,
                    reduced: reduced)
                errors.rounded = losses(of: rounded, source, place.rows.base).reduce(0, +)
                let searched = try target.search(
                    UnsafeBufferPointer(source), rows: range.count, columns: n, weights: weights, reduced: reduced)
                let yardstick = losses(of: searched, source, place.rows.base)
                errors.searched = yardstick.reduce(0, +)
                var (chosen, final) = (searched, yardstick)
                if method == .gptq {
                    (chosen, final) = try place.choose(source, searched, yardstick) {
                        losses(of: $0, source, place.rows.base)
                    }
                }
                errors.final = final.reduce(0, +)
                chosen.decode(into: source)
                outcomes[job] = errors
                try write(range, chosen)
            }
        }
        return outcomes.reduce(into: OutputErrors()) { $0 += $1 }
    }

    /// Of each row.
    ///
    /// - Parameter room: as large as the source.
    private func losses(
        of tile: EncodedRows, _ source: UnsafeMutableBufferPointer<Float>, _ room: UnsafeMutablePointer<Float>
    ) -> [Double] {
        tile.decode(into: UnsafeMutableBufferPointer(start: room, count: source.count))
        for i in source.indices { room[i] = source[i] - room[i] }
        return factor.losses(of: room, rows: tile.rows)
    }

    /// What belongs to one worker.
    private final class Place {
        let rows: FloatBuffer
        private let room: Room

        private enum Room {
            case grid(GridPlace)
            case codebook(CodebookPlace)
        }

        init(_ rounding: Rounding, columns: Int) {
            rows = FloatBuffer(count: columns * GridTile.lanes)
            switch rounding {
            case .grid(let feedback, let descent): room = .grid(GridPlace(feedback, descent))
            case .codebook(let feedback, let descent): room = .codebook(CodebookPlace(feedback, descent))
            }
        }

        /// Chooses codes with feedback, and improves them; each row keeps the best of what was found, as coarse grids may lose
        /// more by the feedback than they gain.
        ///
        /// - Parameter yardstick: what each row costs as searched.
        /// - Returns: the rows, and what each costs.
        func choose(
            _ source: UnsafeMutableBufferPointer<Float>, _ searched: EncodedRows, _ yardstick: [Double],
            losses: (EncodedRows) -> [Double]
        ) throws(RecastError) -> (EncodedRows, [Double]) {
            var least = yardstick
            /// The rows that are no better than before.
            func worse(_ found: EncodedRows) -> [Int] {
                let losses = losses(found)
                let worse = losses.indices.filter { !(losses[$0] <= least[$0]) }
                least = zip(losses, least).map { $0 <= $1 ? $0 : $1 }
                return worse
            }
            switch (room, searched.content) {
            case (.grid(let place), .tile(let tile)):
                func rows(_ chosen: Tile) -> EncodedRows {
                    var chosen = chosen
                    chosen.nestedScales = tile.nestedScales
                    return EncodedRows(chosen, searched.reduced)
                }
                for row in worse(rows(try place.round(source, rows: searched.rows, searched: tile))) {
                    place.tile.set(row: row, from: tile)
                }
                let before = place.tile.tile(rows: searched.rows)
                guard let after = place.descended(rows: searched.rows) else { return (rows(before), least) }
                let rejected = worse(rows(after))
                for row in rejected { place.tile.set(row: row, from: before) }
                return (rows(rejected.isEmpty ? after : place.tile.tile(rows: searched.rows)), least)
            case (.codebook(let place), .blocks(let dtype, let blocks)):
                func rows(_ bytes: [UInt8]) -> EncodedRows {
                    EncodedRows(blocks: bytes, of: dtype, rows: searched.rows, columns: searched.columns)
                }
                func keep(_ rejected: [Int], of other: [UInt8], in bytes: inout [UInt8]) {
                    let rowBytes = bytes.count / searched.rows
                    for row in rejected {
                        let range = row * rowBytes..<(row + 1) * rowBytes
                        bytes.replaceSubrange(range, with: other[range])
                    }
                }
                var bytes = try place.feedback.run(source.baseAddress!, rows: searched.rows, place.room)
                keep(worse(rows(bytes)), of: blocks, in: &bytes)
                if let (descent, room) = place.descent {
                    let before = bytes
                    descent.run(&bytes, source: source.baseAddress!, rows: searched.rows, room)
                    keep(worse(rows(bytes)), of: before, in: &bytes)
                }
                return (rows(bytes), least)
            default: preconditionFailure("rows of another target")
            }
        }
    }
}

/// Room of a worker for codes of a grid.
private final class GridPlace {
    let tile: GridTile
    private let source: FloatBuffer
    private let errors: FloatBuffer
    private let feedback: (solver: ErrorFeedback, room: ErrorFeedback.Room)
    private let descent: (solver: GroupDescent, room: GroupDescent.Room)?

    init(_ feedback: ErrorFeedback, _ descent: GroupDescent?) {
        let count = feedback.grid.columns * GridTile.lanes
        tile = GridTile(feedback.grid)
        source = FloatBuffer(count: count)
        errors = FloatBuffer(count: count)
        self.feedback = (feedback, ErrorFeedback.Room(feedback))
        self.descent = descent.map { ($0, GroupDescent.Room($0.grid)) }
    }

    /// - Parameters:
    ///   - numbers: `[rows, columns]`.
    ///   - searched: what a search makes of them, whose scales stay where several rows have a part in them.
    func round(
        _ numbers: UnsafeMutableBufferPointer<Float>, rows: Int, searched: Tile
    ) throws(RecastError) -> Tile {
        let (n, lanes) = (tile.grid.columns, GridTile.lanes)
        for column in 0..<n {
            let target = source.base + column * lanes
            for row in 0..<rows { target[row] = numbers[row * n + column] }
            for row in rows..<lanes { target[row] = 0 }
        }
        if !tile.grid.hasScalesOfRows { for row in 0..<rows { tile.set(row: row, from: searched) } }
        try feedback.solver.run(source.base, rows: rows, into: tile, feedback.room)
        return tile.tile(rows: rows)
    }

    /// Improves what the tile holds; nil where that is not asked for.
    func descended(rows: Int) -> Tile? {
        guard let descent else { return nil }
        let lanes = GridTile.lanes
        for column in 0..<tile.grid.columns {
            let target = errors.base + column * lanes
            tile.decode(column: column, into: target)
            for i in 0..<lanes { target[i] = source.base[column * lanes + i] - target[i] }
        }
        descent.solver.run(tile, errors: errors.base, room: descent.room)
        return tile.tile(rows: rows)
    }
}

/// Room of a worker for codewords.
private struct CodebookPlace {
    let feedback: CodebookFeedback
    let room: CodebookFeedback.Room
    let descent: (solver: CodebookDescent, room: CodebookDescent.Room)?

    init(_ feedback: CodebookFeedback, _ descent: CodebookDescent?) {
        self.feedback = feedback
        room = CodebookFeedback.Room(feedback)
        self.descent = descent.map { ($0, CodebookDescent.Room($0)) }
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
