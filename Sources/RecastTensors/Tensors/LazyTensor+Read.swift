extension LazyTensor {
    /// Reads a window, row after row without gaps, into `out`, which has exactly its size.
    package func read(
        _ window: Window, into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        precondition(out.count == byteCount(of: window))
        if out.isEmpty { return }
        switch recipe {
        case .stored(let file, let offset):
            try readRows(of: file, at: offset, window, into: out, using: &reader)
        case .literal(let bytes):
            let wanted = rowByteCount(of: window)
            bytes.withUnsafeBytes { source in
                out.baseAddress!.copyRows(
                    window.rows.count, of: wanted, from: source.baseAddress! + start(of: window),
                    apart: (from: rowByteCount, to: wanted))
            }
        case .zeros:
            out.initializeMemory(as: UInt8.self, repeating: 0)
        case .arranged(let arrangement, let children):
            try readArranged(arrangement, children, window, into: out, using: &reader)
        case .computed(let computation, let children):
            try compute(computation, children, window, into: out, using: &reader)
        }
    }

    /// Reads a whole tensor; for small ones.
    package func bytes(using reader: inout Reader) throws(RecastError) -> [UInt8] {
        let matrix = rowCount * rowByteCount
        return try reader.withScratch(byteCount) { (reader, buffer) throws(RecastError) in
            for batch in 0..<batchCount {
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[batch * matrix..<(batch + 1) * matrix])
                try read(window(batch: batch), into: part, using: &reader)
            }
            return [UInt8](buffer)
        }
    }

    /// Where a window begins within the tensor's own bytes, row after row.
    func start(of window: Window) -> Int {
        (window.batch * rowCount + window.rows.lowerBound) * rowByteCount
            + dtype.byteCount(ofBlocks: window.columns.lowerBound)
    }

    private func readRows(
        of file: FileID, at offset: Int, _ window: Window, into out: UnsafeMutableRawBufferPointer,
        using reader: inout Reader
    ) throws(RecastError) {
        let source = try reader.files.source(file)
        let wanted = rowByteCount(of: window)
        let first = offset + start(of: window)
        if wanted == rowByteCount {
            if let log = reader.sourceLog, log.wants(file, out.count) {
                try log.read(source, file, into: out, at: first)
            } else {
                try source.read(into: out, at: first)
            }
            return
        }
        // A system call costs about as much as copying 16 KiB: narrow gaps are cheaper to read than to skip.
        if rowByteCount - wanted > 16 << 10 || window.rows.count == 1 {
            for row in 0..<window.rows.count {
                let part = UnsafeMutableRawBufferPointer(rebasing: out[row * wanted..<(row + 1) * wanted])
                try source.read(into: part, at: first + row * rowByteCount)
            }
            return
        }
        let rowsAtOnce = max(1, (256 << 10) / rowByteCount)
        for row in stride(from: 0, to: window.rows.count, by: rowsAtOnce) {
            let count = min(rowsAtOnce, window.rows.count - row)
            // Nothing is read after the last row's part, nor before the first one's.
            try reader.withScratch((count - 1) * rowByteCount + wanted) { (_, buffer) throws(RecastError) in
                try source.read(into: buffer, at: first + row * rowByteCount)
                (out.baseAddress! + row * wanted).copyRows(
                    count, of: wanted, from: buffer.baseAddress!, apart: (from: rowByteCount, to: wanted))
            }
        }
    }
}

// MARK: Arranged bytes

extension LazyTensor {
    private func readArranged(
        _ arrangement: Arrangement, _ children: [LazyTensor], _ window: Window,
        into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        if case .gathered(let order) = arrangement, let covering = covering(window, order) {
            let rowBytes = rowByteCount(of: window)
            try reader.withScratch(covering.rows.count * rowBytes) { (reader, buffer) throws(RecastError) in
                try children[0].read(covering, into: buffer, using: &reader)
                forEachPiece(of: window, arrangement, children) { piece in
                    let source =
                        buffer.baseAddress! + (piece.window.rows.lowerBound - covering.rows.lowerBound) * rowBytes
                    (out.baseAddress! + piece.offset)
                        .copyMemory(from: source, byteCount: piece.window.rows.count * rowBytes)
                    return true
                }
            }
            return
        }
        try forEachPiece(of: window, arrangement, children) { (piece) throws(RecastError) in
            try children[piece.child].read(piece, into: out, using: &reader)
            return true
        }
    }

    /// The groups that rows come from, where it is best to read them once and to permute them in memory: unless a group is much
    /// larger than the window.
    private func covering(_ window: Window, _ order: RowOrder) -> Window? {
        let group = order.groupCount
        let rows = window.rows.lowerBound / group * group..<window.rows.upperBound.aligned(to: group)
        guard rows.count <= 2 * window.rows.count || rows.count * rowByteCount(of: window) <= 1 << 20 else {
            return nil
        }
        return Window(batch: window.batch, rows: rows, columns: window.columns)
    }

    /// Reads a piece into its place in a larger window.
    private func read(
        _ piece: Arrangement.Piece, into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        let width = rowByteCount(of: piece.window)
        let rows = piece.window.rows.count
        if !piece.isTransposed, piece.stride == width || rows == 1 {
            let place = UnsafeMutableRawBufferPointer(rebasing: out[piece.offset..<piece.offset + rows * width])
            try read(piece.window, into: place, using: &reader)
            return
        }
        try reader.withScratch(rows * width) { (reader, buffer) throws(RecastError) in
            try read(piece.window, into: buffer, using: &reader)
            if piece.isTransposed {
                transpose(buffer, rows: rows, columns: piece.window.columns.count, into: out)
            } else {
                (out.baseAddress! + piece.offset)
                    .copyRows(rows, of: width, from: buffer.baseAddress!, apart: (from: width, to: piece.stride))
            }
        }
    }

    private func transpose(
        _ source: UnsafeMutableRawBufferPointer, rows: Int, columns: Int, into out: UnsafeMutableRawBufferPointer
    ) {
        func move<Element: BitwiseCopyable>(_: Element.Type) {
            let source = source.bindMemory(to: Element.self)
            let out = out.bindMemory(to: Element.self)
            let tile = 32
            for top in stride(from: 0, to: rows, by: tile) {
                for left in stride(from: 0, to: columns, by: tile) {
                    for column in left..<min(columns, left + tile) {
                        for row in top..<min(rows, top + tile) {
                            out[column * rows + row] = source[row * columns + column]
                        }
                    }
                }
            }
        }
        switch dtype.blockBytes {
        case 1: move(UInt8.self)
        case 2: move(UInt16.self)
        case 4: move(UInt32.self)
        default: move(UInt64.self)
        }
    }
}

extension UnsafeMutableRawPointer {
    /// Copies rows of so many bytes each; `apart` says how far their beginnings are from each other at both places.
    func copyRows(_ count: Int, of byteCount: Int, from source: UnsafeRawPointer, apart: (from: Int, to: Int)) {
        for row in 0..<count {
            (self + row * apart.to).copyMemory(from: source + row * apart.from, byteCount: byteCount)
        }
    }
}
