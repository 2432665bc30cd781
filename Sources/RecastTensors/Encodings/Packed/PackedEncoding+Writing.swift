/// Bytes for a window of one stored tensor.
package struct Piece {
    package var part: Int
    /// Where they go, in a matrix of this many columns that has the tensor's elements in its order.
    package var window: Window
    package var columnCount: Int
    package var bytes: [UInt8]
}

extension PackedEncoding {
    /// What some rows of a weight become in each of its stored tensors.
    ///
    /// - Parameter rows: cut at multiples of `rowGrain`; the tile holds just them.
    package func pieces(
        of tile: Tile, rows: Range<Int>, shape: (rows: Int, columns: Int), reduced: Reduced?, tally: inout Tally
    ) throws(RecastError) -> [Piece] {
        let blocks = blockRange(of: rows, in: shape.rows)
        let isFirst = rows.lowerBound == 0
        var nested: NestedScales?
        if isDoubleQuantized {
            nested = tile.nestedScales ?? NestedScales(encoding: tile.scales, offset: reduced?.meanScale ?? 0)
        }
        var pieces: [Piece] = []
        for (index, layout) in layouts(rows: shape.rows, columns: shape.columns).enumerated() {
            func add(_ rows: Range<Int>, _ columns: Range<Int>, of columnCount: Int? = nil, _ bytes: [UInt8]) {
                pieces.append(
                    Piece(
                        part: index, window: Window(rows: rows, columns: columns),
                        columnCount: columnCount ?? columns.count, bytes: bytes))
            }
            switch layout.content {
            case .codes(let codes):
                let window = codes.storedWindow(rows: rows, columns: shape.columns)
                add(
                    window.rows, window.columns, of: codes.storedShape(rows: shape.rows, columns: shape.columns)[1],
                    codes.packed(tile.codes, rows: tile.rows, columns: tile.columns))
            case .zeros(let codes):
                let zeros =
                    tile.offsets.isEmpty
                    ? [Float](repeating: Float(scheme.center), count: tile.scales.count) : tile.offsets
                let window = codes.storedWindow(rows: blocks, columns: tile.blockColumns)
                add(
                    window.rows, window.columns, of: layout.shape[1],
                    codes.packed(zeros.map { UInt8($0) }, rows: blocks.count, columns: tile.blockColumns))
            case .plainZeros where scheme.block.rows > 0 || isFirst:
                add(
                    blocks, 0..<tile.blockColumns,
                    tile.offsets.map { UInt8(bitPattern: Int8($0 - Float(scheme.center))) })
            case .scales(let isTransposed) where scheme.block.rows > 0 || isFirst:
                var numbers = tile.scales
                if isTransposed { numbers = numbers.transposed(rows: blocks.count, columns: tile.blockColumns) }
                let bytes = try numbers.stored(as: scaleType, tally: &tally)
                let columns = 0..<tile.blockColumns
                isTransposed ? add(columns, blocks, of: layout.shape[1], bytes) : add(blocks, columns, bytes)
            case .rowMaxima: add(blocks, 0..<1, Self.bytes(of: tile.scales.map(RowMaximum.of)))
            case .minima:
                add(blocks, 0..<tile.blockColumns, try tile.offsets.stored(as: scaleType, tally: &tally))
            case .groupOfColumn where isFirst:
                let size = tile.blockWidth
                let groups = tile.groups ?? (0..<shape.columns).map { Int32($0 / size) }
                add(
                    0..<shape.columns, 0..<1,
                    groups.flatMap { number in withUnsafeBytes(of: number.littleEndian, Array.init) })
            case .fixed(let bytes) where isFirst:
                add(0..<1, 0..<bytes.count / layout.dtype.blockBytes, bytes)
            case .nestedCodes: add(blocks, 0..<1, nested!.codes)
            case .nestedScales:
                let size = Self.nestedBlock
                let range = blocks.lowerBound / size..<(blocks.upperBound + size - 1) / size
                add(range, 0..<1, try nested!.scales.stored(as: .f32, tally: &tally))
            case .nestedTable where isFirst: add(0..<256, 0..<1, Self.bytes(of: NestedScales.table))
            case .nestedDocument where isFirst:
                let bytes = document(offset: reduced?.meanScale)
                add(0..<1, 0..<bytes.count, bytes)
            default: break
            }
        }
        return pieces
    }
}

/// The outcome of a reduction over a whole tensor.
package struct Reduced: Sendable, Hashable {
    package var lowest: Float = 0
    package var highest: Float = 0
    package var scaleSum = 0.0
    package var scaleCount = 0

    package init() {}

    package var meanScale: Float { scaleCount == 0 ? 0 : Float(scaleSum / Double(scaleCount)) }

    package static func += (sum: inout Reduced, other: Reduced) {
        sum.lowest = min(sum.lowest, other.lowest)
        sum.highest = max(sum.highest, other.highest)
        sum.scaleSum += other.scaleSum
        sum.scaleCount += other.scaleCount
    }
}

extension [Float] {
    fileprivate func transposed(rows: Int, columns: Int) -> [Float] {
        var out = [Float](repeating: 0, count: count)
        for row in 0..<rows { for column in 0..<columns { out[column * rows + row] = self[row * columns + column] } }
        return out
    }

    /// The numbers in a type that the caller has already rounded them to.
    fileprivate func stored(as dtype: DType, tally: inout Tally) throws(RecastError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count * dtype.blockBytes)
        if isEmpty { return bytes }
        if dtype == .f8e8m0 { return map(E8M0.bits) }
        try bytes.withMutableBytes { (target) throws(RecastError) in
            let outcome = withUnsafeBufferPointer { numbers -> Result<Void, RecastError> in
                do throws(RecastError) {
                    return .success(try dtype.encode(numbers, columns: count, into: target, tally: &tally))
                } catch { return .failure(error) }
            }
            try outcome.get()
        }
        return bytes
    }
}
