/// A window of whole rows of a quantized weight, taken apart: a code for each element, a scale and an offset for each
/// block. What every packed format, and every block type of GGUF, is read into and written from.
package struct Tile {
    package let scheme: Scheme
    package let rows: Int
    package let columns: Int
    /// `[rows, columns]`.
    package var codes: [UInt8]
    /// `[block rows, block columns]`.
    package var scales: [Float]
    /// Zeros or minima like the scales; empty where the origin is the centre.
    package var offsets: [Float]
    /// The group of each column where they are not in order: `[columns]`.
    package var groups: [Int32]?
    /// What the scales are products of where they have two levels: then these are stored, and `scales` follows.
    package var scaleMultiples: UnitMultiples?
    /// Likewise of the minima, whose sign is the other one.
    package var minimumMultiples: UnitMultiples?
    /// What the scales are stored as where they are quantized themselves: then `scales` are what these stand for.
    package var nestedScales: NestedScales?

    package init(_ scheme: Scheme, rows: Int, columns: Int) {
        self.scheme = scheme
        self.rows = rows
        self.columns = columns
        let counts = scheme.blockCounts(rows: rows, columns: columns)
        codes = [UInt8](repeating: 0, count: rows * columns)
        scales = [Float](repeating: 0, count: counts.rows * counts.columns)
        offsets = scheme.origin == .symmetric ? [] : scales
    }

    package init(
        _ scheme: Scheme, rows: Int, columns: Int, codes: [UInt8], scales: [Float], offsets: [Float], groups: [Int32]?,
        scaleMultiples: UnitMultiples?, minimumMultiples: UnitMultiples?
    ) {
        (self.scheme, self.rows, self.columns) = (scheme, rows, columns)
        (self.codes, self.scales, self.offsets, self.groups) = (codes, scales, offsets, groups)
        (self.scaleMultiples, self.minimumMultiples) = (scaleMultiples, minimumMultiples)
    }

    /// Makes scales and offsets those of the multiples, if there are any: the products that a reader computes.
    package mutating func deriveScales() {
        if let scaleMultiples { scales = scaleMultiples.products }
        if let minimumMultiples { offsets = minimumMultiples.products.map { -$0 } }
    }

    /// Columns in another order, each with the group it has.
    ///
    /// - Parameter columns: what becomes of each column.
    package func movingColumns(to columns: [Int]) -> Tile {
        precondition(groups == nil && columns.count == self.columns)
        var tile = self
        var numbers = [Int32](repeating: 0, count: self.columns)
        for (column, place) in columns.enumerated() {
            numbers[place] = Int32(column / blockWidth)
            for row in 0..<rows { tile.codes[row * self.columns + place] = codes[row * self.columns + column] }
        }
        tile.groups = numbers
        return tile
    }

    /// The same codes and scales as another matrix, whose rows have whole blocks.
    package func reshaped(rows: Int, columns: Int) -> Tile {
        if rows == self.rows { return self }
        precondition(scheme.block.rows == 1 && groups == nil && rows * columns == codes.count)
        var tile = Tile(
            scheme, rows: rows, columns: columns, codes: codes, scales: scales, offsets: offsets, groups: nil,
            scaleMultiples: scaleMultiples, minimumMultiples: minimumMultiples)
        tile.nestedScales = nestedScales
        return tile
    }

    package var blockColumns: Int { scheme.blockCounts(rows: rows, columns: columns).columns }

    /// The block that an element's row begins with, and how many columns a block has.
    package func firstBlock(ofRow row: Int) -> Int {
        (scheme.block.rows == 0 ? 0 : row / scheme.block.rows) * blockColumns
    }

    package var blockWidth: Int { scheme.block.columns == 0 ? columns : scheme.block.columns }

    /// The numbers, each rounded once where scale and code have more bits together than a float32.
    package func decode(into out: UnsafeMutableBufferPointer<Float>) {
        precondition(out.count == rows * columns)
        if let groups {
            decode(groups: groups, into: out)
            return
        }
        var table: [Float] = []
        if case .table(let book) = scheme.grid { table = book.values }
        let center = Float(scheme.center)
        let width = blockWidth
        codes.withUnsafeBufferPointer { codes in
            for row in 0..<rows {
                var block = firstBlock(ofRow: row)
                for first in stride(from: 0, to: columns, by: width) {
                    let end = min(columns, first + width)
                    let (scale, base) = (scales[block], row * columns)
                    switch (table.isEmpty, scheme.origin) {
                    case (false, _): for i in base + first..<base + end { out[i] = table[Int(codes[i])] * scale }
                    case (_, .symmetric):
                        for i in base + first..<base + end { out[i] = (Float(codes[i]) - center) * scale }
                    case (_, .zeroPoint):
                        let zero = offsets[block]
                        for i in base + first..<base + end { out[i] = (Float(codes[i]) - zero) * scale }
                    case (_, .affineMinimum):
                        let minimum = offsets[block]
                        for i in base + first..<base + end { out[i] = Float(codes[i]) * scale + minimum }
                    }
                    block += 1
                }
            }
        }
    }

    private func decode(groups: [Int32], into out: UnsafeMutableBufferPointer<Float>) {
        let center = Float(scheme.center)
        for row in 0..<rows {
            let first = firstBlock(ofRow: row)
            for column in 0..<columns {
                let block = first + Int(groups[column])
                let code = Float(codes[row * columns + column])
                let zero = scheme.origin == .symmetric ? center : offsets[block]
                out[row * columns + column] = (code - zero) * scales[block]
            }
        }
    }
}

/// Scales as whole multiples of units, of which each belongs to as many neighbouring scales.
package struct UnitMultiples: Equatable {
    package var units: [Float]
    package var multiples: [Int8]

    package init(unitCount: Int, multipleCount: Int) {
        units = [Float](repeating: 0, count: unitCount)
        multiples = [Int8](repeating: 0, count: multipleCount)
    }

    var products: [Float] {
        multiples.indices.map { units[$0 * units.count / multiples.count] * Float(multiples[$0]) }
    }
}
