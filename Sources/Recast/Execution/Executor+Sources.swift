import Synchronization

extension Executor {
    /// Compares what the sources say of their own bytes with the bytes that were read, and reads again what was read in
    /// other pieces, or by an earlier run.
    ///
    /// - Returns: what the user should know; nil where there is nothing.
    /// - Throws: `malformedInput` where a file is damaged.
    func verifySources() throws(RecastError) -> String? {
        let recorded = plan.checksums.filter { $0.value != 0 }
        do throws(RecastError) {
            var unread: [SourceChecksum] = []
            for (checksum, found) in zip(recorded, sourceLog.found(recorded)) {
                guard let found else {
                    unread.append(checksum)
                    continue
                }
                try checksum.check(found, in: files)
            }
            try unread.verify(in: Parallel(workers: workers, files: files, isInterrupted: isInterrupted))
        } catch {
            guard error.code == .malformedInput else { throw error }
            throw RecastError(
                error.code, error.message + "; --no-verify takes them as they are", trail: error.trail)
        }
        let missing = plan.checksums.count - recorded.count
        return missing == 0
            ? nil
            : "\(missing) of \(plan.checksums.count) storages of the source have no CRC-32, so that they could not be "
                + "checked"
    }
}

extension Checkpoint {
    /// Compares what the files say of their own bytes with the bytes: of zips of PyTorch, the CRC-32 of each storage.
    ///
    /// - Throws: `malformedInput` where a file is damaged.
    public func verifyChecksums(workers: Int) throws(RecastError) {
        try checksums.filter { $0.value != 0 }.verify(in: Parallel(workers: workers, files: sources))
    }
}

extension SourceChecksum {
    fileprivate func check(_ found: UInt32, in files: FilePool) throws(RecastError) {
        guard found != value else { return }
        throw .malformed(
            files[file].path, at: bytes.lowerBound,
            "\(bytes.count) bytes are damaged, by the file's own CRC-32 of them")
    }
}

extension [SourceChecksum] {
    private static let pieceByteCount = 8 << 20

    fileprivate func verify(in parallel: Parallel) throws(RecastError) {
        let pieces = enumerated().flatMap { index, checksum -> [(checksum: Int, bytes: Range<Int>)] in
            let end = checksum.bytes.upperBound
            return stride(from: checksum.bytes.lowerBound, to: end, by: Self.pieceByteCount)
                .map { (index, $0..<Swift.min($0 + Self.pieceByteCount, end)) }
        }
        let found = Mutex([UInt32](repeating: 0, count: pieces.count))
        try parallel.forEach(pieces.count) { (index, reader) throws(RecastError) in
            let (number, range) = pieces[index]
            let source = try parallel.files.source(self[number].file)
            var checksum = CRC32()
            // As much as stays in the cache.
            try reader.withScratch(Swift.min(range.count, 128 << 10)) { (_, buffer) throws(RecastError) in
                for start in stride(from: range.lowerBound, to: range.upperBound, by: 128 << 10) {
                    let count = Swift.min(buffer.count, range.upperBound - start)
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                    try source.read(into: part, at: start)
                    checksum.update(UnsafeRawBufferPointer(part))
                }
            }
            found.withLock { $0[index] = checksum.value }
        }
        let values = found.withLock { $0 }
        var sums = [UInt32](repeating: 0, count: count)
        for (piece, value) in zip(pieces, values) {
            sums[piece.checksum] = CRC32.combined(sums[piece.checksum], value, secondByteCount: piece.bytes.count)
        }
        for (checksum, sum) in zip(self, sums) { try checksum.check(sum, in: parallel.files) }
    }
}
