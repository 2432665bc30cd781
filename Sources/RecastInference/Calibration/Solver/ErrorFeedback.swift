import Recast

/// GPTQ: rounds the columns of some rows one after the other, each shifted by what the errors of those before it cost, with
/// scales that are found on the shifted numbers before a unit's first column is rounded.
///
/// Left-looking: a panel of columns gets the errors of all columns before it in one matrix product.
struct ErrorFeedback {
    let factor: HessianFactor
    let grid: WeightGrid
    /// What an error in each column weighs while scales are searched for.
    let weights: [Float]
    /// Whether scales are found on the numbers themselves beforehand, where columns of a unit do not follow each other.
    let fitsUpfront: Bool
    /// Columns of a panel: whole units, where these are not wider.
    private let panelWidth: Int

    /// Columns that see each other's errors at once, before the rest of the panel does.
    private static let stepWidth = 16

    init(_ factor: HessianFactor, _ grid: WeightGrid, weights: [Float]) {
        self.factor = factor
        self.grid = grid
        self.weights = weights
        fitsUpfront = grid.unitWidth > 256 || !Self.keepsUnits(factor.order, width: grid.unitWidth)
        panelWidth = fitsUpfront ? 128 : max(1, 128 / grid.unitWidth) * grid.unitWidth
    }

    private static func keepsUnits(_ order: [Int], width: Int) -> Bool {
        order.indices.allSatisfy { order[$0] / width == order[$0 / width * width] / width }
    }

    /// Room for one worker.
    final class Room {
        let columns: Int
        /// `[columns, lanes]` by places in the order.
        let errors: FloatBuffer
        /// `[panel, lanes]`
        fileprivate let panel: FloatBuffer
        fileprivate let values: FloatBuffer
        /// A unit by rows.
        fileprivate let unit: FloatBuffer

        init(_ feedback: ErrorFeedback) {
            columns = feedback.grid.columns
            let (lanes, width) = (GridTile.lanes, max(feedback.panelWidth, 256))
            errors = FloatBuffer(count: columns * lanes)
            panel = FloatBuffer(count: width * lanes)
            values = FloatBuffer(count: lanes)
            unit = FloatBuffer(count: max(width, feedback.grid.unitWidth) * lanes)
        }
    }

    /// Rounds some rows. Scales that belong to single rows are found; others are in the tile.
    ///
    /// - Parameters:
    ///   - source: `[columns, lanes]`.
    ///   - rows: how many lanes are rows.
    func run(
        _ source: UnsafePointer<Float>, rows: Int, into tile: GridTile, _ room: Room
    ) throws(RecastError) {
        let (n, lanes) = (grid.columns, GridTile.lanes)
        let (errors, panel, values) = (room.errors.base, room.panel.base, room.values.base)
        let upper = factor.upper.base
        let fits = grid.hasScalesOfRows
        if fits, fitsUpfront {
            for unit in 0..<grid.unitCount {
                try fit(unit, rows, tile, room) { column in source + (unit * grid.unitWidth + column) * lanes }
            }
        }
        for first in stride(from: 0, to: n, by: panelWidth) {
            let end = min(n, first + panelWidth)
            for place in first..<end {
                (panel + (place - first) * lanes).update(from: source + factor.order[place] * lanes, count: lanes)
            }
            addErrors(of: 0..<first, to: first..<end, upper, errors, panel)
            for step in stride(from: first, to: end, by: Self.stepWidth) {
                let stepEnd = min(end, step + Self.stepWidth)
                for place in step..<stepEnd {
                    let column = factor.order[place]
                    if fits, !fitsUpfront, place % grid.unitWidth == 0 {
                        // The unit's columns in their own order, as the search has them.
                        let unit = column / grid.unitWidth
                        var places = [Int](repeating: 0, count: grid.unitWidth)
                        for next in place..<place + grid.unitWidth {
                            places[factor.order[next] % grid.unitWidth] = next - first
                        }
                        if place % Self.stepWidth != 0 { preconditionFailure("units begin with a step") }
                        try fit(unit, rows, tile, room) { UnsafePointer(panel + places[$0] * lanes) }
                    }
                    let target = panel + (place - first) * lanes
                    let error = errors + place * lanes
                    grid.round(
                        target, tile.groups + column / grid.groupWidth * lanes, levels: tile.levels + column * lanes,
                        values: values)
                    let original = source + column * lanes
                    for i in 0..<lanes { error[i] = original[i] - values[i] }
                    let row = upper + place * n
                    for next in place + 1..<max(place + 1, stepEnd) {
                        let (factor, other) = (row[next], panel + (next - first) * lanes)
                        for i in 0..<lanes { other[i] += factor * error[i] }
                    }
                }
                if stepEnd < end {
                    addErrors(
                        of: step..<stepEnd, to: stepEnd..<end, upper, errors, panel + (stepEnd - first) * lanes)
                }
            }
        }
    }

    /// Shifts columns by what the errors of others cost.
    private func addErrors(
        of sources: Range<Int>, to targets: Range<Int>, _ upper: UnsafePointer<Float>,
        _ errors: UnsafePointer<Float>, _ panel: UnsafeMutablePointer<Float>
    ) {
        guard !sources.isEmpty else { return }
        let (n, lanes) = (CInt(grid.columns), GridTile.lanes)
        MatrixLibrary.current.sgemm(
            MatrixLibrary.rowMajor, MatrixLibrary.transposed, MatrixLibrary.asIs, CInt(targets.count), CInt(lanes),
            CInt(sources.count), 1, upper + sources.lowerBound * grid.columns + targets.lowerBound, n,
            errors + sources.lowerBound * lanes, CInt(lanes), 1, panel, CInt(lanes))
    }

    /// Finds the scales of a unit.
    private func fit(
        _ unit: Int, _ rows: Int, _ tile: GridTile, _ room: Room, _ column: (Int) -> UnsafePointer<Float>
    ) throws(RecastError) {
        let width = grid.unitWidth
        let numbers = room.unit.base
        for index in 0..<width {
            let source = column(index)
            for row in 0..<rows { numbers[row * width + index] = source[row] }
        }
        let found = try grid.search(
            UnsafeBufferPointer(start: numbers, count: rows * width), rows: rows, columns: width,
            weights: Array(weights[unit * width..<(unit + 1) * width]))
        tile.setScales(ofUnit: unit, from: found)
    }
}
