import Dispatch
import Synchronization

/// How much of what was written is read back.
package enum Verification: Sendable, Hashable {
    /// Nothing.
    case none
    /// Headers and sizes; what was computed, against checksums taken while it was; and how far quantized numbers are from
    /// their source.
    case computed
    /// That, and byte ranges that were only copied, against their source.
    case everything
}

extension Executor {
    /// Writes computed bytes, and remembers their checksum where they are to be checked.
    func write(
        _ bytes: UnsafeRawBufferPointer, to output: Int, at offset: Int, _ tally: inout Tally
    ) throws(RecastError) {
        try outputs.sink(output).write(bytes, at: offset)
        note(
            bytes,
            WrittenBytes(
                output: output, offset: offset, rowByteCount: bytes.count, rowCount: 1, stride: bytes.count, checksum: 0
            ),
            &tally)
    }

    /// Remembers the checksum of bytes that were written.
    func note(_ bytes: UnsafeRawBufferPointer, _ place: WrittenBytes, _ tally: inout Tally) {
        guard verification != .none || isJournalled || plan.outputs[place.output].hasChecksums else { return }
        var checksum = CRC32()
        checksum.update(bytes)
        var place = place
        place.checksum = checksum.value
        tally.written.append(place)
    }

    /// Reads back what was computed, and compares it with the checksums of the tallies.
    ///
    /// - Throws: `inputOutput` naming the tensor and the byte.
    func verifyWritten(_ tallies: [Tally]) throws(RecastError) {
        // Of bytes that were only copied, a checksum for the file itself is no reason to read them back.
        let pieces = tallies.enumerated().flatMap { index, tally in
            tally.written.filter { !plan.outputs[$0.output].hasChecksums || !isCopy(plan.transfers[index]) }
                .map { (index, $0) }
        }
        try inParallel(over: pieces.count) { (index, reader) throws(RecastError) in
            let (transfer, piece) = pieces[index]
            guard try isIntact(piece, &reader) else {
                throw RecastError(
                    .inputOutput, "what is read back from byte \(piece.offset) on is not what was written",
                    trail: [try outputs.sink(piece.output).path, plan.transfers[transfer].name])
            }
        }
    }

    /// Whether a file holds the bytes that a checksum was taken of.
    func isIntact(_ piece: WrittenBytes, _ reader: inout Reader) throws(RecastError) -> Bool {
        var checksum = CRC32()
        let sink = try outputs.sink(piece.output)
        // Rows close to each other are read together.
        if piece.rowCount == 1 || piece.stride == piece.rowByteCount {
            let count = piece.rowCount * piece.rowByteCount
            // What is read is added up before it leaves the cache.
            try reader.withScratch(min(count, 128 << 10)) { (_, buffer) throws(RecastError) in
                for first in stride(from: 0, to: count, by: 128 << 10) {
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, count - first)])
                    try sink.read(into: part, at: piece.offset + first)
                    checksum.update(UnsafeRawBufferPointer(part))
                }
            }
        } else {
            try reader.withScratch(piece.rowByteCount) { (_, buffer) throws(RecastError) in
                for row in 0..<piece.rowCount {
                    try sink.read(into: buffer, at: piece.offset + row * piece.stride)
                    checksum.update(UnsafeRawBufferPointer(buffer))
                }
            }
        }
        return checksum.value == piece.checksum
    }

    /// Compares byte ranges that were copied with their source.
    func verifyCopies() throws(RecastError) {
        let copies = jobs.indices.filter { index in
            isCopy(plan.transfers[jobs[index].transfer])
        }
        try inParallel(over: copies.count) { (index, reader) throws(RecastError) in
            let job = jobs[copies[index]]
            if let (target, offset) = try differingCopy(job, &reader) {
                throw RecastError(
                    .inputOutput, "the copy from byte \(offset) on is not what its source holds",
                    trail: [try outputs.sink(target.output).path, plan.transfers[job.transfer].name])
            }
        }
    }

    /// The first target, and the byte where it begins, that does not hold what a job copies to it; nil where all do.
    func differingCopy(
        _ job: Job, _ reader: inout Reader
    ) throws(RecastError) -> (target: Transfer.Target, offset: Int)? {
        let transfer = plan.transfers[job.transfer]
        for target in transfer.targets {
            var window = Window(batch: job.batch, rows: job.rows, columns: target.columns)
            guard let piece = piece(of: job, target, rowByteCount: transfer.source.rowByteCount(of: window)) else {
                continue
            }
            window.rows = piece.rows
            let count = transfer.source.byteCount(of: window)
            let isEqual = try reader.withScratch(count) { (reader, expected) throws(RecastError) in
                try transfer.source.read(window, into: expected, using: &reader)
                return try reader.withScratch(count) { (_, found) throws(RecastError) in
                    try outputs.sink(target.output).read(into: found, at: piece.offset)
                    return expected.elementsEqual(found)
                }
            }
            if !isEqual { return (target, piece.offset) }
        }
        return nil
    }

    /// Decodes packed weights from the written files and tallies how far they are from their source.
    ///
    /// - Parameter decoded: the weights as a reader of the destination finds them, by name.
    func measurePacked(
        _ decoded: [String: LazyTensor], files written: FilePool, _ tallies: inout [Tally]
    ) throws(RecastError) {
        let measured = jobs.indices.filter { plan.transfers[jobs[$0].transfer].encoding.dtype == nil }
        let errors = Mutex<[Int: QuantizationError]>([:])
        try inParallel(over: measured.count) { (index, reader) throws(RecastError) in
            let job = jobs[measured[index]]
            let transfer = plan.transfers[job.transfer]
            guard let result = decoded[transfer.name]?.reshaped(transfer.source.shape) else {
                throw RecastError(.inputOutput, "cannot be read back", trail: [transfer.name])
            }
            var other = Reader(files: written)
            let window = Window(batch: job.batch, rows: job.rows, columns: 0..<transfer.source.columnCount)
            let byteCount = 4 * window.rows.count * window.columns.count
            try reader.withScratch(byteCount) { (reader, source) throws(RecastError) in
                try transfer.source.converted(to: .f32).read(window, into: source, using: &reader)
                try reader.withScratch(byteCount) { (_, found) throws(RecastError) in
                    try result.read(window, into: found, using: &other)
                    var error = QuantizationError()
                    error.add(
                        source.baseAddress!.assumingMemoryBound(to: Float.self),
                        found.baseAddress!.assumingMemoryBound(to: Float.self), count: byteCount / 4)
                    errors.withLock { $0[measured[index]] = error }
                }
            }
        }
        let found = errors.withLock { $0 }
        for index in measured { if let error = found[index] { tallies[jobs[index].transfer].error += error } }
    }

    /// Runs `body` for each index on all workers; the first error, by index, is thrown.
    func inParallel(
        over count: Int, _ body: @Sendable (Int, inout Reader) throws(RecastError) -> Void
    ) throws(RecastError) {
        try Parallel(workers: workers, files: files, isInterrupted: isInterrupted).forEach(count, body)
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func elementsEqual(_ other: UnsafeMutableRawBufferPointer) -> Bool {
        count == other.count && (count == 0 || memcmp(baseAddress!, other.baseAddress!, count) == 0)
    }
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif
