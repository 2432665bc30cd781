import Recast

/// Some rows of a weight on its grid, side by side: every field has, for each column or group, the rows one after the other,
/// so that what is done to all rows at once is a loop over neighbours.
final class GridTile {
    /// Rows side by side; those that a weight does not fill are zeros.
    static let lanes = 128

    let grid: WeightGrid
    /// The code of each element, of a table its place in the order: `[columns, lanes]`.
    let levels: UnsafeMutablePointer<Float>
    /// Of each group: `[groups, lanes]`.
    let groups: ScaleLanes
    /// Of each unit: `[units, lanes]`; what groups have multiples of.
    let units: UnsafeMutablePointer<Float>
    let minimumUnits: UnsafeMutablePointer<Float>
    private let memory: FloatBuffer

    init(_ grid: WeightGrid) {
        self.grid = grid
        let lanes = Self.lanes
        let counts = (codes: grid.columns * lanes, groups: grid.groupCount * lanes, units: grid.unitCount * lanes)
        memory = FloatBuffer(count: counts.codes + ScaleLanes.fieldCount * counts.groups + 2 * counts.units)
        memory.base.update(repeating: 0, count: memory.count)
        levels = memory.base
        groups = ScaleLanes(levels + counts.codes, stride: counts.groups)
        units = levels + counts.codes + ScaleLanes.fieldCount * counts.groups
        minimumUnits = units + counts.units
    }

    /// Where the scale of a row and group is in what a search found.
    private func place(_ row: Int, _ group: Int, of count: Int) -> Int {
        (grid.groupHeight == 0 ? 0 : row / grid.groupHeight) * count + group
    }

    /// Scales and units of one unit, from a search over it.
    ///
    /// - Parameter tile: `[rows ≤ lanes, unitWidth]`.
    func setScales(ofUnit unit: Int, from tile: Tile) {
        let lanes = Self.lanes
        let perUnit = grid.groupsPerUnit
        for row in 0..<tile.rows {
            if let multiples = tile.scaleMultiples { units[unit * lanes + row] = multiples.units[row] }
            if let multiples = tile.minimumMultiples { minimumUnits[unit * lanes + row] = multiples.units[row] }
            for index in 0..<perUnit {
                setScale(at: (unit * perUnit + index) * lanes + row, from: tile, place(row, index, of: perUnit))
            }
        }
        for place in unit * perUnit * lanes..<(unit + 1) * perUnit * lanes { groups.deriveInverse(at: place) }
    }

    /// Everything of one row, from a search over whole rows.
    func set(row: Int, from tile: Tile) {
        let lanes = Self.lanes
        for unit in 0..<grid.unitCount {
            let source = row * grid.unitCount + unit
            if let multiples = tile.scaleMultiples { units[unit * lanes + row] = multiples.units[source] }
            if let multiples = tile.minimumMultiples { minimumUnits[unit * lanes + row] = multiples.units[source] }
        }
        for group in 0..<grid.groupCount {
            setScale(at: group * lanes + row, from: tile, place(row, group, of: grid.groupCount))
            groups.deriveInverse(at: group * lanes + row)
        }
        for column in 0..<grid.columns {
            let code = Int(tile.codes[row * grid.columns + column])
            let level: Int
            if case .table(let table) = grid.codes { level = table.places[code] } else { level = code }
            levels[column * lanes + row] = Float(level)
        }
    }

    private func setScale(at place: Int, from tile: Tile, _ source: Int) {
        groups.scale[place] = tile.scales[source]
        groups.multiple[place] = tile.scaleMultiples.map { Float($0.multiples[source]) } ?? 0
        groups.minimumMultiple[place] = tile.minimumMultiples.map { Float($0.multiples[source]) } ?? 0
        switch grid.offsets {
        case .none: groups.shift[place] = grid.isTable ? 0 : Float(grid.scheme.center)
        case .zeros: groups.shift[place] = tile.offsets[source]
        case .stored, .multiples: groups.bias[place] = tile.offsets[source]
        }
    }

    /// The number that each element stands for, in one column: `[lanes]`.
    func decode(column: Int, into out: UnsafeMutablePointer<Float>) {
        let lanes = Self.lanes
        let group = column / grid.groupWidth * lanes
        let levels = levels + column * lanes
        switch grid.codes {
        case .integers:
            for i in 0..<lanes {
                out[i] = (levels[i] - groups.shift[group + i]) * groups.scale[group + i] + groups.bias[group + i]
            }
        case .table(let table):
            table.values.withUnsafeBufferPointer { values in
                for i in 0..<lanes { out[i] = values[Int(levels[i])] * groups.scale[group + i] }
            }
        }
    }

    /// The first rows, as what encodings are written from.
    func tile(rows: Int) -> Tile {
        let lanes = Self.lanes
        var tile = Tile(grid.scheme, rows: rows, columns: grid.columns)
        for row in 0..<rows {
            for column in 0..<grid.columns {
                let level = Int(levels[column * lanes + row])
                let code: UInt8
                if case .table(let table) = grid.codes { code = table.codes[level] } else { code = UInt8(level) }
                tile.codes[row * grid.columns + column] = code
            }
            for group in 0..<grid.groupCount {
                let (source, target) = (group * lanes + row, place(row, group, of: grid.groupCount))
                tile.scales[target] = groups.scale[source]
                switch grid.offsets {
                case .none: break
                case .zeros: tile.offsets[target] = groups.shift[source]
                case .stored, .multiples: tile.offsets[target] = groups.bias[source]
                }
            }
        }
        if case .multiples = grid.scales {
            tile.scaleMultiples = multiples(rows, units, groups.multiple)
            if case .multiples = grid.offsets {
                tile.minimumMultiples = multiples(rows, minimumUnits, groups.minimumMultiple)
            }
        }
        return tile
    }

    private func multiples(
        _ rows: Int, _ units: UnsafeMutablePointer<Float>, _ multiples: UnsafeMutablePointer<Float>
    ) -> UnitMultiples {
        let lanes = Self.lanes
        var result = UnitMultiples(unitCount: rows * grid.unitCount, multipleCount: rows * grid.groupCount)
        for row in 0..<rows {
            for unit in 0..<grid.unitCount { result.units[row * grid.unitCount + unit] = units[unit * lanes + row] }
            for group in 0..<grid.groupCount {
                result.multiples[row * grid.groupCount + group] = Int8(multiples[group * lanes + row])
            }
        }
        return result
    }
}

extension WeightGrid {
    var isTable: Bool { if case .table = codes { true } else { false } }
}

/// Scales of some groups, of many rows: `number = (level − shift) · scale + bias`.
struct ScaleLanes {
    static let fieldCount = 6

    let scale: UnsafeMutablePointer<Float>
    /// 1 / scale; 0 for none.
    let inverse: UnsafeMutablePointer<Float>
    /// The code of zero.
    let shift: UnsafeMutablePointer<Float>
    let bias: UnsafeMutablePointer<Float>
    /// What scale and bias are of their units; the bias with the other sign.
    let multiple: UnsafeMutablePointer<Float>
    let minimumMultiple: UnsafeMutablePointer<Float>

    /// - Parameter stride: numbers of a field.
    init(_ base: UnsafeMutablePointer<Float>, stride: Int) {
        (scale, inverse, shift) = (base, base + stride, base + 2 * stride)
        (bias, multiple, minimumMultiple) = (base + 3 * stride, base + 4 * stride, base + 5 * stride)
    }

    static func + (lanes: ScaleLanes, offset: Int) -> ScaleLanes {
        ScaleLanes(
            scale: lanes.scale + offset, inverse: lanes.inverse + offset, shift: lanes.shift + offset,
            bias: lanes.bias + offset, multiple: lanes.multiple + offset,
            minimumMultiple: lanes.minimumMultiple + offset)
    }

    private init(
        scale: UnsafeMutablePointer<Float>, inverse: UnsafeMutablePointer<Float>, shift: UnsafeMutablePointer<Float>,
        bias: UnsafeMutablePointer<Float>, multiple: UnsafeMutablePointer<Float>,
        minimumMultiple: UnsafeMutablePointer<Float>
    ) {
        (self.scale, self.inverse, self.shift) = (scale, inverse, shift)
        (self.bias, self.multiple, self.minimumMultiple) = (bias, multiple, minimumMultiple)
    }

    func deriveInverse(at place: Int) {
        let value = 1 / scale[place]
        inverse[place] = value.isFinite ? value : 0
    }

    /// Takes over one lane's scale.
    func set(_ place: Int, from other: ScaleLanes, _ otherPlace: Int) {
        scale[place] = other.scale[otherPlace]
        inverse[place] = other.inverse[otherPlace]
        shift[place] = other.shift[otherPlace]
        bias[place] = other.bias[otherPlace]
        multiple[place] = other.multiple[otherPlace]
        minimumMultiple[place] = other.minimumMultiple[otherPlace]
    }
}

extension WeightGrid {
    /// Adding 1.5·2^23 rounds to the nearest integer, ties to even.
    private static let magic: Float = 12_582_912

    /// The levels nearest to some numbers, and what these stand for: all `[lanes]`.
    @inline(__always)
    func round(
        _ numbers: UnsafePointer<Float>, _ scales: ScaleLanes, levels: UnsafeMutablePointer<Float>,
        values: UnsafeMutablePointer<Float>
    ) {
        let lanes = GridTile.lanes
        switch codes {
        case .integers(let lowest, let highest):
            let magic = Self.magic
            for i in 0..<lanes {
                var level = (numbers[i] - scales.bias[i]) * scales.inverse[i] + scales.shift[i]
                level = level > lowest ? level : lowest
                level = level < highest ? level : highest
                level = level + magic - magic
                levels[i] = level
                values[i] = (level - scales.shift[i]) * scales.scale[i] + scales.bias[i]
            }
        case .table(let table):
            for i in 0..<lanes {
                values[i] = numbers[i] * scales.inverse[i]
                levels[i] = 0
            }
            table.limits.withUnsafeBufferPointer { limits in
                for limit in limits {
                    for i in 0..<lanes { levels[i] += values[i] > limit ? 1 : 0 }
                }
            }
            table.values.withUnsafeBufferPointer { numbers in
                for i in 0..<lanes { values[i] = numbers[Int(levels[i])] * scales.scale[i] }
            }
        }
    }
}
