import Synchronization

extension Archive {
    /// Whether the checksum of each piece is that of its frames one after the other; reads nothing.
    ///
    /// - Throws: `malformedInput` where one is not.
    func checkChecksums() throws(RecastError) {
        for piece in members.lazy.flatMap(\.pieces) {
            guard let entry = piece.entry else { continue }
            var checksum: UInt32 = 0
            for first in stride(from: 0, to: piece.byteCount, by: entry.frameByteCount) {
                checksum = CRC32.combined(
                    checksum, checksums[piece.firstChecksum + first / entry.frameByteCount],
                    secondByteCount: min(entry.frameByteCount, piece.byteCount - first))
            }
            guard checksum == entry.checksum else {
                throw .malformed(
                    path,
                    "\(entry.name) is damaged: the CRC-32 of its frames is \(checksum.hexadecimal), not "
                        + entry.checksum.hexadecimal)
            }
        }
    }

    /// Unpacks every frame, without writing it anywhere.
    ///
    /// - Throws: `malformedInput` for the first that is not what was packed.
    func checkFrames(
        workers: Int, isInterrupted: @escaping @Sendable () -> Bool, progress: (@Sendable (Progress) -> Void)? = nil
    ) throws(RecastError) {
        let pieces = members.flatMap(\.pieces).filter { $0.entry != nil && $0.byteCount > 0 }
        let total = pieces.reduce(0) { $0 + $1.byteCount }
        let done = Atomic<Int>(0)
        let workers = Workers(count: workers, isInterrupted: isInterrupted)
        do throws(RecastError) {
            try workers.run(checksums.count, state: { _ in Scratch() }) { (scratch, number) throws(RecastError) in
                let piece = pieces[Self.index(ofPieceWith: number, in: pieces)]
                let frameByteCount = piece.entry?.frameByteCount ?? 1
                let frame = number - piece.firstChecksum
                let byteCount = min(frameByteCount, piece.byteCount - frame * frameByteCount)
                let buffer = scratch.take(byteCount)
                defer { scratch.give(buffer) }
                try read(
                    frame: frame, of: piece, 0, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<byteCount]))
                progress?(Progress(done: done.add(byteCount, ordering: .relaxed).newValue, total: total))
            }
        } catch { throw error.within(path) }
    }

    private static func index(ofPieceWith checksum: Int, in pieces: [Piece]) -> Int {
        var (low, high) = (0, pieces.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if pieces[middle].firstChecksum <= checksum { low = middle } else { high = middle - 1 }
        }
        return low
    }
}
