extension PackedEncoding {
    /// Some rows of a weight taken apart.
    ///
    /// - Parameter parts: the stored tensors, in the order of `layouts`.
    package func tile(
        of parts: [LazyTensor], rows: Range<Int>, shape: (rows: Int, columns: Int), using reader: inout Reader
    ) throws(RecastError) -> Tile {
        // Blocks and words may hold more rows than are wanted.
        var wide = rows
        let layouts = layouts(rows: shape.rows, columns: shape.columns)
        let blockRows = scheme.block.rows == 0 ? shape.rows : scheme.block.rows
        let blockCount = scheme.blockCounts(rows: shape.rows, columns: shape.columns)
        wide =
            wide.lowerBound / blockRows
            * blockRows..<min(shape.rows, (wide.upperBound + blockRows - 1) / blockRows * blockRows)
        for layout in layouts {
            switch layout.content {
            case .codes(let codes): wide = codes.widened(wide, of: shape.rows)
            case .zeros(let zeros):
                // Words of zeros hold rows of blocks.
                let blocks = zeros.widened(blockRange(of: wide, in: shape.rows), of: blockCount.rows)
                wide = blocks.lowerBound * blockRows..<min(shape.rows, blocks.upperBound * blockRows)
            case .nestedCodes:
                wide =
                    wide.lowerBound / Self.nestedBlock
                    * Self.nestedBlock..<min(
                        shape.rows, (wide.upperBound + Self.nestedBlock - 1) / Self.nestedBlock * Self.nestedBlock)
            default: break
            }
        }
        var tile = Tile(scheme, rows: wide.count, columns: shape.columns)
        let blocks = blockRange(of: wide, in: shape.rows)
        var nested = NestedScales()
        for (layout, part) in zip(layouts, parts) {
            switch layout.content {
            case .codes(let codes):
                let stored = part.reshaped(codes.storedShape(rows: shape.rows, columns: shape.columns))
                tile.codes = try stored.codes(codes, rows: wide, columns: shape.columns, using: &reader)
            // A symmetric weight's zeros are known to be the centre.
            case .zeros where scheme.origin == .symmetric: break
            case .zeros(let codes):
                tile.offsets = try part.codes(codes, rows: blocks, columns: tile.blockColumns, using: &reader)
                    .map(Float.init)
            case .plainZeros:
                let bytes = try part.reshaped([part.elementCount, 1]).numbers(
                    rows: blocks.lowerBound * tile.blockColumns..<blocks.upperBound * tile.blockColumns, as: Int8.self,
                    using: &reader)
                tile.offsets = bytes.map { Float($0) + Float(scheme.center) }
                if let zero = tile.offsets.first(where: { !(0..<Float(2 * scheme.center)).contains($0) }) {
                    throw RecastError(
                        .malformedInput,
                        "a zero point of \(Int(zero) - scheme.center) is out of the range of \(scheme.bits) bits")
                }
            case .scales(let isTransposed):
                if scaleType == .f8e8m0 {
                    tile.scales = try part.numbers(rows: blocks, as: UInt8.self, using: &reader).map(E8M0.value)
                } else if layout.dtype == .u8 {
                    tile.scales = try part.numbers(rows: blocks, as: UInt8.self, using: &reader).map(E4M3.value)
                } else {
                    let scales = isTransposed ? part.transposed() : part
                    tile.scales = try scales.floats(rows: blocks, using: &reader)
                }
            case .rowMaxima:
                tile.scales = try part.reshaped([shape.rows, 1]).floats(rows: blocks, using: &reader)
                    .map(RowMaximum.scale)
            case .minima: tile.offsets = try part.floats(rows: blocks, using: &reader)
            case .groupOfColumn:
                let groups = try part.numbers(rows: 0..<shape.columns, as: Int32.self, using: &reader)
                tile.groups = try inOrder(groups, count: tile.blockColumns) ? nil : groups
            case .fixed: break
            case .nestedCodes:
                nested.codes = try part.numbers(rows: blocks, as: UInt8.self, using: &reader)
            case .nestedScales:
                let size = Self.nestedBlock
                nested.scales = try part.floats(
                    rows: blocks.lowerBound / size..<(blocks.upperBound + size - 1) / size, using: &reader)
            case .nestedTable: nested.levels = try part.floats(rows: 0..<256, using: &reader)
            case .nestedDocument:
                nested.offset = try Self.nestedOffset(of: try part.bytes(using: &reader))
            }
        }
        if isDoubleQuantized { tile.scales = nested.decoded }
        return wide == rows ? tile : tile.rows(rows.lowerBound - wide.lowerBound..<rows.upperBound - wide.lowerBound)
    }

    /// The rows of blocks that rows of numbers lie in.
    func blockRange(of rows: Range<Int>, in rowCount: Int) -> Range<Int> {
        guard scheme.block.rows > 0 else { return 0..<1 }
        return rows.lowerBound / scheme.block.rows..<(rows.upperBound + scheme.block.rows - 1) / scheme.block.rows
    }

    /// Whether every column belongs to the group of its place.
    ///
    /// - Throws: `malformedInput` for a group that there is not.
    private func inOrder(_ groups: [Int32], count: Int) throws(RecastError) -> Bool {
        let size = scheme.block.columns == 0 ? groups.count : scheme.block.columns
        var isOrdered = true
        for (column, group) in groups.enumerated() {
            guard group >= 0, group < count else {
                throw RecastError(
                    .malformedInput, "g_idx puts column \(column) into group \(group) of \(count)")
            }
            if Int(group) != column / size { isOrdered = false }
        }
        return isOrdered
    }
}

extension Tile {
    /// Some of the rows; whole blocks, unless the tile has only one row of them.
    package func rows(_ range: Range<Int>) -> Tile {
        var part = Tile(scheme, rows: range.count, columns: columns)
        part.codes = Array(codes[range.lowerBound * columns..<range.upperBound * columns])
        let height = scheme.block.rows
        let first = height == 0 ? 0 : range.lowerBound / height
        let last = height == 0 ? 1 : (range.upperBound + height - 1) / height
        precondition(height < 2 || range.lowerBound.isMultiple(of: height) || last - first == 1)
        part.scales = Array(scales[first * blockColumns..<last * blockColumns])
        if !offsets.isEmpty { part.offsets = Array(offsets[first * blockColumns..<last * blockColumns]) }
        part.groups = groups
        return part
    }
}

extension LazyTensor {
    fileprivate func codes(
        _ layout: CodeLayout, rows: Range<Int>, columns: Int, using reader: inout Reader
    ) throws(RecastError) -> [UInt8] {
        let window = layout.storedWindow(rows: rows, columns: columns)
        return try reader.withScratch(byteCount(of: window)) { (reader, buffer) throws(RecastError) in
            try read(window, into: buffer, using: &reader)
            return layout.unpacked(UnsafeRawBufferPointer(buffer), rows: rows.count, columns: columns)
        }
    }

    /// Whole rows as float32.
    package func floats(rows: Range<Int>, using reader: inout Reader) throws(RecastError) -> [Float] {
        try converted(to: .f32).numbers(rows: rows, as: Float.self, using: &reader)
    }

    /// Whole rows of stored numbers.
    package func numbers<Number: BitwiseCopyable>(
        rows: Range<Int>, as: Number.Type, using reader: inout Reader
    ) throws(RecastError) -> [Number] {
        let window = Window(rows: rows, columns: 0..<columnCount)
        return try reader.withScratch(byteCount(of: window)) { (reader, buffer) throws(RecastError) in
            try read(window, into: buffer, using: &reader)
            return Array(buffer.bindMemory(to: Number.self))
        }
    }
}
