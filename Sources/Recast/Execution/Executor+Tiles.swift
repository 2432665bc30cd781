import Synchronization

extension Transfer {
    /// Whether codes are computed or moved, instead of numbers.
    var movesCodes: Bool {
        if repacking != nil { return true }
        if case .packed = encoding { return true }
        return false
    }

    /// What must be known of all numbers before the first is encoded.
    var reduction: PackedEncoding? {
        guard case .packed(let packed) = encoding, packed.reduction != nil, repacking?.movesParts != true else {
            return nil
        }
        return repacking == nil || packed.isDoubleQuantized ? packed : nil
    }
}

extension Executor {
    /// Takes some rows apart, or quantizes them, and writes what they become in each part.
    func convertTile(_ job: Job, _ transfer: Transfer, _ reader: inout Reader) throws(RecastError) {
        if transfer.repacking?.movesParts == true {
            try moveParts(job, transfer, &reader)
            return
        }
        let tile = try tile(of: job, transfer, &reader)
        switch transfer.encoding {
        case .plain(let dtype):
            let byteCount = dtype.byteCount(ofBlocks: tile.rows * tile.columns)
            try reader.withScratch(byteCount) { (reader, buffer) throws(RecastError) in
                tile.blocks(of: dtype, into: buffer)
                for target in transfer.targets {
                    let rowBytes = byteCount / tile.rows
                    let row = job.batch * transfer.source.rowCount + job.rows.lowerBound
                    try write(
                        UnsafeRawBufferPointer(buffer), to: target.output, at: target.offset + row * rowBytes,
                        &reader.tally)
                }
                if reader.measuresErrors { try measure(job, transfer, buffer, as: dtype, &reader) }
            }
        case .packed(let packed):
            let shape = (rows: transfer.source.rowCount, columns: transfer.source.columnCount)
            let pieces = try packed.pieces(
                of: tile, rows: job.rows, shape: shape, reduced: reductions[job.transfer], tally: &reader.tally)
            for piece in pieces {
                for target in transfer.targets where target.part == piece.part {
                    try write(piece, to: target, &reader.tally)
                }
            }
        }
    }

    /// Moves the stored tensors of a weight that is stored so already: each job those of their rows that are as far down as its
    /// own.
    private func moveParts(_ job: Job, _ transfer: Transfer, _ reader: inout Reader) throws(RecastError) {
        guard case .packed(let packed) = transfer.encoding,
            case .computed(.decoded(let stored), let parts) = transfer.source.recipe
        else { preconditionFailure("no parts to move") }
        let (rowCount, columnCount) = (transfer.source.rowCount, transfer.source.columnCount)
        let layouts = packed.layouts(rows: rowCount, columns: columnCount)
        for target in transfer.targets {
            let part = try stored.moved(parts[target.part], to: layouts[target.part], of: packed, using: &reader)
            let rows =
                part.rowCount * job.rows.lowerBound / rowCount..<part.rowCount * job.rows.upperBound / rowCount
            let window = Window(rows: rows, columns: 0..<part.columnCount)
            let byteCount = part.byteCount(of: window)
            if byteCount == 0 { continue }
            try reader.withScratch(byteCount) { (reader, buffer) throws(RecastError) in
                try part.read(window, into: buffer, using: &reader)
                try write(
                    UnsafeRawBufferPointer(buffer), to: target.output,
                    at: target.offset + rows.lowerBound * part.rowByteCount, &reader.tally)
            }
        }
    }

    private func tile(of job: Job, _ transfer: Transfer, _ reader: inout Reader) throws(RecastError) -> Tile {
        let source = transfer.source
        if let repacking = transfer.repacking {
            let tile = try source.tile(batch: job.batch, rows: job.rows, using: &reader)
            if repacking.needsWholeZeros, !repacking.hasWholeZeros(tile) {
                throw RecastError(.malformedInput, "its zeros are not whole, though the plan found them so")
            }
            return repacking.repacked(tile, tally: &reader.tally)
        }
        guard case .packed(let packed) = transfer.encoding else { preconditionFailure("nothing to pack") }
        let numbers = source.converted(to: .f32)
        let window = Window(batch: job.batch, rows: job.rows, columns: 0..<source.columnCount)
        return try reader.withScratch(numbers.byteCount(of: window)) { (reader, buffer) throws(RecastError) in
            try numbers.read(window, into: buffer, using: &reader)
            let values = UnsafeBufferPointer(buffer.bindMemory(to: Float.self))
            reader.tally.nonfiniteCount += SingleFloat.nonfiniteCount(values.baseAddress!, count: values.count)
            var importance: [Float]?
            if let weights = transfer.importance {
                importance = try weights.numbers(rows: 0..<1, as: Float.self, using: &reader)
            }
            return packed.quantize(
                values, rows: job.rows.count, columns: source.columnCount, method: transfer.method,
                importance: importance, reduced: reductions[job.transfer], tally: &reader.tally)
        }
    }

    /// How far re-packed blocks are from the numbers their source stands for.
    ///
    /// - Throws: `inputOutput` where they are not those that the plan promised.
    private func measure(
        _ job: Job, _ transfer: Transfer, _ blocks: UnsafeMutableRawBufferPointer, as dtype: DType,
        _ reader: inout Reader
    ) throws(RecastError) {
        let numbers = transfer.source.converted(to: .f32)
        let window = Window(batch: job.batch, rows: job.rows, columns: 0..<numbers.columnCount)
        try reader.withScratch(numbers.byteCount(of: window)) { (reader, source) throws(RecastError) in
            try numbers.read(window, into: source, using: &reader)
            try reader.withScratch(4 * Reader.elementsMeasuredAtOnce) { (reader, decoded) throws(RecastError) in
                let error = try reader.measure(
                    UnsafeBufferPointer(source.bindMemory(to: Float.self)), encodedBy: dtype.coder,
                    UnsafeRawBufferPointer(blocks), through: decoded.bindMemory(to: Float.self))
                // Scales that are lost are reported with all that is.
                if reader.tally.failureCount > 0 { return }
                if transfer.repacking?.isExact == true, error.squaredError > 0 { throw Repacking.notExact }
                if !error.isFinite { throw QuantizationError.notFinite }
            }
        }
    }

    /// Writes a window of a stored tensor: at once where it has whole rows, row by row otherwise.
    private func write(_ piece: Piece, to target: Transfer.Target, _ tally: inout Tally) throws(RecastError) {
        guard !piece.bytes.isEmpty else { return }
        let sink = try outputs.sink(target.output)
        let width = piece.bytes.count / piece.window.rows.count
        let element = width / max(1, piece.window.columns.count)
        let stride = piece.columnCount * element
        let first = target.offset + piece.window.rows.lowerBound * stride + piece.window.columns.lowerBound * element
        try piece.bytes.withBytes { (bytes) throws(RecastError) in
            note(
                bytes,
                WrittenBytes(
                    output: target.output, offset: first, rowByteCount: width, rowCount: piece.window.rows.count,
                    stride: stride, checksum: 0), &tally)
            if width == stride {
                try sink.write(bytes, at: first)
                return
            }
            for row in 0..<piece.window.rows.count {
                try sink.write(
                    UnsafeRawBufferPointer(rebasing: bytes[row * width..<(row + 1) * width]), at: first + row * stride)
            }
        }
    }

    /// Reads the tensors whose encodings must know something of all their numbers first.
    func reduce() throws(RecastError) -> [Int: Reduced] {
        let wanted = jobs.indices.filter { plan.transfers[jobs[$0].transfer].reduction != nil }
        let outcomes = Mutex<[Int: Reduced]>([:])
        try inParallel(over: wanted.count) { (index, reader) throws(RecastError) in
            let reduced = try reduce(jobs[wanted[index]], &reader)
            outcomes.withLock { $0[wanted[index]] = reduced }
        }
        var reductions: [Int: Reduced] = [:]
        let found = outcomes.withLock { $0 }
        for index in wanted { reductions[jobs[index].transfer, default: Reduced()] += found[index] ?? Reduced() }
        return reductions
    }

    private func reduce(_ job: Job, _ reader: inout Reader) throws(RecastError) -> Reduced {
        let transfer = plan.transfers[job.transfer]
        let numbers = transfer.source.converted(to: .f32)
        let window = Window(batch: job.batch, rows: job.rows, columns: 0..<numbers.columnCount)
        return try reader.withScratch(numbers.byteCount(of: window)) { (reader, buffer) throws(RecastError) in
            try numbers.read(window, into: buffer, using: &reader)
            return transfer.reduction!.reduce(UnsafeBufferPointer(buffer.bindMemory(to: Float.self)))
        }
    }
}
