import Recast

extension EncodedRows {
    /// The same codes for rows that are multiplied by factors; scales are rounded to how they are stored.
    ///
    /// - Parameter factors: of each row.
    func scaled(by factors: [Float], _ target: WeightTarget) -> EncodedRows {
        switch (content, target) {
        case (.tile(let tile), .grid(let grid)): return EncodedRows(tile.scaled(by: factors, grid), reduced)
        case (.blocks(let dtype, var bytes), .codebook):
            let type = dtype.codebookBlock!
            let blocksPerRow = columns / type.blockSize
            bytes.withUnsafeMutableBytes { bytes in
                for (row, factor) in factors.enumerated() {
                    for index in row * blocksPerRow..<(row + 1) * blocksPerRow {
                        type.scale(bytes.baseAddress! + index * type.blockByteCount, by: factor)
                    }
                }
            }
            return EncodedRows(blocks: bytes, of: dtype, rows: rows, columns: columns)
        default: preconditionFailure("rows of another target")
        }
    }
}

extension CodebookBlock {
    /// Multiplies the unit of a block.
    fileprivate static func scale(_ block: UnsafeMutableRawPointer, by factor: Float) {
        var content = read(block)
        content.unit = DType.f16.rounded(scale: content.unit * factor)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: blockByteCount)
        write(content, into: block)
    }
}

extension Tile {
    fileprivate func scaled(by factors: [Float], _ grid: WeightGrid) -> Tile {
        var tile = self
        func scale(_ values: inout [Float], _ dtype: DType) {
            let perRow = values.count / max(1, rows)
            for i in values.indices { values[i] = grid.rounded(scale: values[i] * factors[i / max(1, perRow)], dtype) }
        }
        switch grid.scales {
        case .multiples:
            if tile.scaleMultiples != nil { scale(&tile.scaleMultiples!.units, .f16) }
            if tile.minimumMultiples != nil { scale(&tile.minimumMultiples!.units, .f16) }
            tile.deriveScales()
        case .stored(let dtype):
            scale(&tile.scales, dtype)
            if case .stored = grid.offsets { scale(&tile.offsets, dtype) }
        }
        return tile
    }
}

extension WeightTarget {
    /// Whether each scale belongs to one row, and can be any number of its type.
    var hasScalesOfRows: Bool { grid?.hasScalesOfRows ?? true }

    /// Whether its scales are numbers fine enough to be multiplied.
    var takesRowFactors: Bool {
        switch self {
        case .codebook: return true
        case .grid(let grid):
            guard grid.hasScalesOfRows else { return false }
            switch grid.scales {
            case .multiples: return true
            case .stored(let dtype): return [.f16, .bf16, .f32].contains(dtype)
            }
        }
    }
}
