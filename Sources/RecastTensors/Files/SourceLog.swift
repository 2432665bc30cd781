import Synchronization

/// The checksums of what a run has read of its sources, taken on the way, so that comparing them with what the files say
/// costs no second reading.
package final class SourceLog: Sendable {
    private let files: Set<FileID>
    private let pieces = Mutex<[SourceChecksum]>([])

    /// What is read in shorter pieces is cheaper to read again than to keep in mind.
    private static let shortestPiece = 64 << 10
    /// As much as stays in the cache between being read and being added up.
    private static let pieceInCache = 256 << 10

    /// - Parameter checksums: what the files say.
    package init(_ checksums: [SourceChecksum]) { files = Set(checksums.lazy.filter { $0.value != 0 }.map(\.file)) }

    package func wants(_ file: FileID, _ byteCount: Int) -> Bool {
        byteCount >= Self.shortestPiece && files.contains(file)
    }

    /// Fills the buffer, and keeps the checksum of it.
    func read(
        _ source: any ByteSource, _ file: FileID, into buffer: UnsafeMutableRawBufferPointer, at offset: Int
    ) throws(RecastError) {
        var checksum = CRC32()
        for start in stride(from: 0, to: buffer.count, by: Self.pieceInCache) {
            let end = min(start + Self.pieceInCache, buffer.count)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[start..<end])
            try source.read(into: part, at: offset + start)
            checksum.update(UnsafeRawBufferPointer(part))
        }
        note(file, offset..<offset + buffer.count, checksum)
    }

    /// Copies bytes to an output, and keeps the checksum of them.
    package func copy(
        _ source: any ByteSource, _ file: FileID, at sourceOffset: Int, to sink: FileSink, at offset: Int, count: Int,
        scratch: Scratch
    ) throws(RecastError) {
        var checksum = CRC32()
        let buffer = scratch.take(min(count, Self.pieceInCache))
        defer { scratch.give(buffer) }
        for start in stride(from: 0, to: count, by: Self.pieceInCache) {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(Self.pieceInCache, count - start)])
            try source.read(into: part, at: sourceOffset + start)
            checksum.update(UnsafeRawBufferPointer(part))
            try sink.write(UnsafeRawBufferPointer(part), at: offset + start)
        }
        note(file, sourceOffset..<sourceOffset + count, checksum)
    }

    private func note(_ file: FileID, _ bytes: Range<Int>, _ checksum: CRC32) {
        pieces.withLock { $0.append(SourceChecksum(file: file, bytes: bytes, value: checksum.value)) }
    }

    /// The CRC-32 of the bytes that each checksum is of, from the pieces that were read; nil where those are not just all of them.
    package func found(_ checksums: [SourceChecksum]) -> [UInt32?] {
        struct Start: Hashable {
            var file: FileID
            var offset: Int
        }
        var starts: [Start: SourceChecksum] = [:]
        // Of pieces that begin at the same byte, the longest is that of a reader who wanted all of it.
        for piece in pieces.withLock({ $0 }) {
            let start = Start(file: piece.file, offset: piece.bytes.lowerBound)
            if let other = starts[start], other.bytes.count >= piece.bytes.count { continue }
            starts[start] = piece
        }
        return checksums.map { wanted in
            var sum: UInt32 = 0
            var end = wanted.bytes.lowerBound
            while end < wanted.bytes.upperBound, let piece = starts[Start(file: wanted.file, offset: end)],
                piece.bytes.upperBound <= wanted.bytes.upperBound, !piece.bytes.isEmpty
            {
                sum = CRC32.combined(sum, piece.value, secondByteCount: piece.bytes.count)
                end = piece.bytes.upperBound
            }
            return end == wanted.bytes.upperBound ? sum : nil
        }
    }
}
