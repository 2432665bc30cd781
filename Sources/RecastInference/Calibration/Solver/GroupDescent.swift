import Recast

/// Improves rows that are on their grid already, group by group: each group's scale is moved, its codes are rounded anew with
/// feedback among themselves towards what is best beside all other columns, and what is found is taken where the exact output
/// error falls.
struct GroupDescent {
    let factor: HessianFactor
    let grid: WeightGrid
    private let sweeps: Int
    private let groups: GroupFactors
    private let candidates: ScaleCandidates

    /// Groups wider than this are not refined: each would cost as much as a weight.
    static let widest = 256

    init(_ factor: HessianFactor, _ grid: WeightGrid, reach: Int, sweeps: Int) {
        self.sweeps = sweeps
        self.factor = factor
        self.grid = grid
        groups = GroupFactors(factor, width: grid.groupWidth)
        candidates = ScaleCandidates(grid, reach: reach)
    }

    /// Room for one worker.
    final class Room {
        /// `[panel, lanes]`: what the present errors multiplied with the Hessian's rows are.
        fileprivate let gradients: FloatBuffer
        fileprivate let target: FloatBuffer
        fileprivate let errors: FloatBuffer
        fileprivate let levels: FloatBuffer
        fileprivate let values: FloatBuffer
        fileprivate let bestLevels: FloatBuffer
        fileprivate let bestValues: FloatBuffer
        fileprivate let scales: FloatBuffer
        fileprivate let lanes: FloatBuffer

        init(_ grid: WeightGrid) {
            let (width, lanes) = (grid.groupWidth, GridTile.lanes)
            gradients = FloatBuffer(count: GroupDescent.panelWidth(grid) * lanes)
            target = FloatBuffer(count: width * lanes)
            errors = FloatBuffer(count: width * lanes)
            levels = FloatBuffer(count: width * lanes)
            values = FloatBuffer(count: width * lanes)
            bestLevels = FloatBuffer(count: width * lanes)
            bestValues = FloatBuffer(count: width * lanes)
            scales = FloatBuffer(count: 2 * ScaleLanes.fieldCount * lanes)
            self.lanes = FloatBuffer(count: 4 * lanes)
        }
    }

    /// - Parameters:
    ///   - errors: `[columns, lanes]` in the columns' own order, source less what is on the grid; kept up to date.
    func run(_ tile: GridTile, errors: UnsafeMutablePointer<Float>, room: Room) {
        let (n, width) = (grid.columns, grid.groupWidth)
        for _ in 0..<sweeps {
            for first in stride(from: 0, to: n, by: Self.panelWidth(grid)) {
                let panel = first..<min(n, first + Self.panelWidth(grid))
                // With the errors as they are by now, so that rounding does not add up either.
                factor.multiply(rows: panel, 0..<n, errors, into: room.gradients.base, adding: false)
                for column in stride(from: first, to: panel.upperBound, by: width) {
                    let gradients = room.gradients.base + (column - first) * GridTile.lanes
                    improve(column / width, gradients, tile, errors, room)
                    // What changed in the group, which `errors` of the room now hold, shows in the gradients of those after it.
                    let rest = column + width..<panel.upperBound
                    factor.multiply(
                        rows: rest, column..<column + width, room.errors.base,
                        into: gradients + width * GridTile.lanes, adding: true)
                }
            }
        }
    }

    /// Columns whose gradients are known at a time: whole groups.
    private static func panelWidth(_ grid: WeightGrid) -> Int { max(1, 256 / grid.groupWidth) * grid.groupWidth }

    /// - Parameter gradients: the group's.
    private func improve(
        _ group: Int, _ gradients: UnsafePointer<Float>, _ tile: GridTile, _ errors: UnsafeMutablePointer<Float>,
        _ room: Room
    ) {
        let (width, lanes) = (grid.groupWidth, GridTile.lanes)
        let first = group * width
        let upper = groups.upper.base + group * width * width
        let diagonal = groups.diagonal.base + first
        let present = tile.groups + group * lanes
        let target = room.target.base
        let (loss, least) = (room.lanes.base, room.lanes.base + lanes)
        let current = room.values.base

        // The best numbers beside all others: what is there, plus H_BB⁻¹ g.
        solve(gradients, upper, diagonal, into: target)
        for column in 0..<width {
            let values = current + column * lanes
            tile.decode(column: first + column, into: values)
            let place = target + column * lanes
            for i in 0..<lanes { place[i] += values[i] }
        }
        // What the present codes cost.
        for i in 0..<lanes { least[i] = 0 }
        lossOfPresent(current, target, upper, diagonal, room, into: least)
        room.bestValues.base.update(from: current, count: width * lanes)
        room.bestLevels.base.update(from: tile.levels + first * lanes, count: width * lanes)
        let best = ScaleLanes(room.scales.base + ScaleLanes.fieldCount * lanes, stride: lanes)
        for i in 0..<lanes { best.set(i, from: present, i) }

        let trial = ScaleLanes(room.scales.base, stride: lanes)
        let unit = first / grid.unitWidth * lanes
        for step in candidates.steps {
            candidates.fill(
                trial, step, from: present, units: tile.units + unit, minimumUnits: tile.minimumUnits + unit)
            round(trial, target, upper, diagonal, room, loss)
            for i in 0..<lanes where loss[i] < least[i] {
                least[i] = loss[i]
                best.set(i, from: trial, i)
                for column in 0..<width {
                    room.bestValues.base[column * lanes + i] = room.values.base[column * lanes + i]
                    room.bestLevels.base[column * lanes + i] = room.levels.base[column * lanes + i]
                }
            }
        }
        // The change of the errors, for the gradients; and everything as it is now.
        for column in 0..<width {
            let values = room.values.base
            tile.decode(column: first + column, into: values)
            let (change, error) = (room.errors.base + column * lanes, errors + (first + column) * lanes)
            let chosen = room.bestValues.base + column * lanes
            for i in 0..<lanes {
                change[i] = values[i] - chosen[i]
                error[i] += change[i]
            }
        }
        (tile.levels + first * lanes).update(from: room.bestLevels.base, count: width * lanes)
        for i in 0..<lanes { present.set(i, from: best, i) }
    }

    /// `H_BB⁻¹ g`
    private func solve(
        _ gradients: UnsafePointer<Float>, _ upper: UnsafePointer<Float>, _ diagonal: UnsafePointer<Float>,
        into x: UnsafeMutablePointer<Float>
    ) {
        let (width, lanes) = (grid.groupWidth, GridTile.lanes)
        x.update(from: gradients, count: width * lanes)
        for k in (0..<width).reversed() {
            for j in 0..<k {
                let factor = upper[j * width + k]
                for i in 0..<lanes { x[j * lanes + i] -= factor * x[k * lanes + i] }
            }
        }
        for k in 0..<width {
            let inverse = 1 / diagonal[k]
            for i in 0..<lanes { x[k * lanes + i] *= inverse }
        }
        for k in 0..<width {
            for j in 0..<k {
                let factor = upper[j * width + k]
                for i in 0..<lanes { x[k * lanes + i] -= factor * x[j * lanes + i] }
            }
        }
    }

    /// Rounds the group with feedback, and says what that costs.
    private func round(
        _ scales: ScaleLanes, _ target: UnsafePointer<Float>, _ upper: UnsafePointer<Float>,
        _ diagonal: UnsafePointer<Float>, _ room: Room, _ loss: UnsafeMutablePointer<Float>
    ) {
        let (width, lanes) = (grid.groupWidth, GridTile.lanes)
        let shifted = room.lanes.base + 2 * lanes
        for i in 0..<lanes { loss[i] = 0 }
        for k in 0..<width {
            let (values, error) = (room.values.base + k * lanes, room.errors.base + k * lanes)
            shift(k, target, upper, room, into: shifted)
            grid.round(shifted, scales, levels: room.levels.base + k * lanes, values: values)
            let weight = diagonal[k]
            for i in 0..<lanes {
                let difference = shifted[i] - values[i]
                loss[i] += weight * difference * difference
                error[i] = target[k * lanes + i] - values[i]
            }
        }
    }

    private func lossOfPresent(
        _ values: UnsafePointer<Float>, _ target: UnsafePointer<Float>, _ upper: UnsafePointer<Float>,
        _ diagonal: UnsafePointer<Float>, _ room: Room, into loss: UnsafeMutablePointer<Float>
    ) {
        let (width, lanes) = (grid.groupWidth, GridTile.lanes)
        let shifted = room.lanes.base + 2 * lanes
        for k in 0..<width {
            shift(k, target, upper, room, into: shifted)
            let weight = diagonal[k]
            for i in 0..<lanes {
                let difference = shifted[i] - values[k * lanes + i]
                loss[i] += weight * difference * difference
                room.errors.base[k * lanes + i] = target[k * lanes + i] - values[k * lanes + i]
            }
        }
    }

    /// A column's target, moved by the errors of the columns before it in the group.
    @inline(__always)
    private func shift(
        _ k: Int, _ target: UnsafePointer<Float>, _ upper: UnsafePointer<Float>, _ room: Room,
        into shifted: UnsafeMutablePointer<Float>
    ) {
        let (width, lanes) = (grid.groupWidth, GridTile.lanes)
        let errors = room.errors.base
        for i in stride(from: 0, to: lanes, by: 16) {
            var sum = UnsafeRawPointer(target + k * lanes + i).loadUnaligned(as: SIMD16<Float>.self)
            for j in 0..<k {
                sum +=
                    upper[j * width + k]
                    * UnsafeRawPointer(errors + j * lanes + i).loadUnaligned(as: SIMD16<Float>.self)
            }
            UnsafeMutableRawPointer(shifted + i).storeBytes(of: sum, as: SIMD16<Float>.self)
        }
    }
}
