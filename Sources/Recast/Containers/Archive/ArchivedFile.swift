/// A file as it was before it was packed: the frames that a read touches are unpacked, and no others.
final class ArchivedFile: ByteSource {
    let name: String
    private let archive: Archive
    private let member: Archive.Member

    init(_ archive: Archive, _ member: Archive.Member) {
        self.archive = archive
        self.member = member
        name = Path.join(archive.path, member.name)
    }

    var byteCount: Int { member.byteCount }

    var file: SourceFile {
        SourceFile(
            place: archive.reference, name: member.name, byteCount: byteCount, tag: archive.source.file.tag,
            localPath: archive.path)
    }

    var descriptor: Int32? { nil }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError) {
        guard offset >= 0, offset <= byteCount, buffer.count <= byteCount - offset else {
            throw RecastError(
                .inputOutput, "the file ends at byte \(byteCount); \(offset &+ buffer.count) are needed", trail: [name])
        }
        let wanted = offset..<offset + buffer.count
        var next = firstPiece(endingAfter: offset)
        while next < member.pieces.count, member.pieces[next].offset < wanted.upperBound {
            let piece = member.pieces[next]
            let part = wanted.clamped(to: piece.offset..<piece.offset + piece.byteCount)
            let target = UnsafeMutableRawBufferPointer(
                rebasing: buffer[part.lowerBound - offset..<part.upperBound - offset])
            do throws(RecastError) {
                try read(piece, part.lowerBound - piece.offset..<part.upperBound - piece.offset, into: target)
            } catch {
                throw error.within(name)
            }
            next += 1
        }
    }

    /// The first piece that does not end before a byte.
    private func firstPiece(endingAfter offset: Int) -> Int {
        var (low, high) = (0, member.pieces.count)
        while low < high {
            let middle = (low + high) / 2
            let piece = member.pieces[middle]
            if piece.offset + piece.byteCount <= offset { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func read(
        _ piece: Archive.Piece, _ wanted: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
    ) throws(RecastError) {
        guard let entry = piece.entry else {
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            return
        }
        if wanted.isEmpty { return }
        let first = wanted.lowerBound / entry.frameByteCount
        let last = (wanted.upperBound - 1) / entry.frameByteCount
        for index in first...last {
            let frame = index * entry.frameByteCount..<min(piece.byteCount, (index + 1) * entry.frameByteCount)
            let part = wanted.clamped(to: frame)
            let target = UnsafeMutableRawBufferPointer(
                rebasing: buffer[part.lowerBound - wanted.lowerBound..<part.upperBound - wanted.lowerBound])
            try archive.read(frame: index, of: piece, part.lowerBound - frame.lowerBound, into: target)
        }
    }
}
