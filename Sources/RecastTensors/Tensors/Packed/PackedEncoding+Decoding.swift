extension PackedEncoding {
    /// The numbers of a window of a weight `[rows, columns]`, from its parts.
    func decode(
        _ parts: [LazyTensor], shape: [Int], _ window: Window, into out: UnsafeMutableBufferPointer<Float>,
        using reader: inout Reader
    ) throws(RecastError) {
        let (rowCount, columnCount) = (shape[0], shape[1])
        // Taken apart a few rows at a time, so that little memory is held whatever window is asked for.
        let step = max(rowGrain, (1 << 20) / max(1, columnCount) / rowGrain * rowGrain)
        let width = window.columns.count
        let blockRows = scheme.block.rows == 0 ? rowCount : scheme.block.rows
        var first = window.rows.lowerBound
        while first < window.rows.upperBound {
            let last = min(window.rows.upperBound, (first / step + 1) * step)
            // Blocks are taken apart whole.
            let rows = first / blockRows * blockRows..<min(rowCount, last.aligned(to: blockRows))
            let tile = try tile(of: parts, rows: rows, shape: (rowCount, columnCount), using: &reader)
            let begin = (first - window.rows.lowerBound) * width
            if width == columnCount, rows == first..<last {
                tile.decode(into: UnsafeMutableBufferPointer(rebasing: out[begin..<begin + tile.rows * width]))
            } else {
                try reader.withScratch(4 * tile.rows * columnCount) { (_, buffer) throws(RecastError) in
                    let numbers = buffer.bindMemory(to: Float.self)
                    tile.decode(into: numbers)
                    let left = (first - rows.lowerBound) * columnCount + window.columns.lowerBound
                    for row in 0..<last - first {
                        for column in 0..<width {
                            out[begin + row * width + column] = numbers[left + row * columnCount + column]
                        }
                    }
                }
            }
            first = last
        }
    }
}

extension PackedEncoding {
    /// A stored tensor as the other encoding, which stores the weight alike, has it.
    package func moved(
        _ part: LazyTensor, to layout: PartLayout, of other: PackedEncoding, using reader: inout Reader
    ) throws(RecastError) -> LazyTensor {
        switch layout.content {
        case .fixed(let bytes): return .literal(layout.dtype, layout.shape, bytes)
        case .nestedDocument:
            let offset = try Self.nestedOffset(of: try part.bytes(using: &reader))
            return .literal(layout.dtype, layout.shape, other.document(offset: offset))
        default: return part
        }
    }
}
