#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Writes the frames of an archive one after the other, in the order of the pieces, and at last the header before them.
///
/// The sizes of frames are not known beforehand, so the header gets the room that it needs at the most, and is padded with
/// spaces, as the format allows.
final class ArchiveWriter {
    private let archiving: Archiving
    private let files: FilePool
    private let sink: FileSink
    private var end: Int
    private var nextPiece = 0
    /// The tensors of the archive's header, in the order of their bytes.
    private var tensors: [ArchiveHeader.Tensor] = []
    private var outcomes: [(codec: ArchiveIndex.Codec, checksum: UInt32)] = []
    private var checksums: [UInt8] = []
    // Of the piece that is being written:
    private var start = 0
    private var checksum: UInt32 = 0
    private var layout: PlaneLayout?

    init(_ archiving: Archiving, files: FilePool, path: String, permissions: mode_t) throws(RecastError) {
        self.archiving = archiving
        self.files = files
        sink = try FileSink(creating: path, mode: permissions)
        end = archiving.reservedByteCount
        try sink.setSize(end)
    }

    /// Writes the next frame.
    func append(_ frame: ArchiveFrame) throws(RecastError) {
        skipPieces(until: frame.piece)
        let piece = archiving.pieces[frame.piece]
        if frame.index == 0 { begin(piece, compressed: frame.compressedPlanes) }
        checksum = CRC32.combined(checksum, frame.checksum, secondByteCount: frame.byteCount)
        checksums.append(littleEndian: frame.checksum)
        if let layout {
            try write(frame, layout)
        } else {
            try sink.write(frame.original, at: start + frame.index * piece.frameByteCount)
        }
        if frame.index == piece.frameCount - 1 { try finish(piece) }
    }

    private func begin(_ piece: Archiving.Piece, compressed: UInt8) {
        start = end
        checksum = 0
        layout =
            compressed == 0
            ? nil
            : PlaneLayout(
                piece.planes, elementCount: piece.byteCount / piece.planes.width,
                elementsPerFrame: piece.frameByteCount / piece.planes.width, compressed: compressed, at: start)
    }

    private func write(_ frame: ArchiveFrame, _ layout: PlaneLayout) throws(RecastError) {
        let element = layout.elements(ofFrame: frame.index).lowerBound
        for index in layout.openPlanes.indices {
            try sink.write(frame.openPlane(index), at: layout.openOffset(plane: index, element: element))
        }
        let offset = layout.frameOffsets[frame.index]
        try sink.write(frame.compressed, at: offset)
        self.layout!.frameOffsets.append(offset + frame.compressed.count)
    }

    private func finish(_ piece: Archiving.Piece) throws(RecastError) {
        if let layout {
            let table = layout.seekTable.bytes
            let tableOffset = layout.frameOffsets[layout.frameCount]
            let tableEnd = tableOffset + table.count
            end = tableEnd.aligned(to: PlaneLayout.alignment)
            if Double(end - start) <= (1 - Compressibility.leastGain) * Double(piece.byteCount) {
                try write(layout.header(at: start), at: start)
                try write(table + [UInt8](repeating: 0, count: end - tableEnd), at: tableOffset)
                for padding in layout.padding(at: start) {
                    try write([UInt8](repeating: 0, count: padding.count), at: padding.lowerBound)
                }
                add(piece, .planes)
                return
            }
            // The sample promised more than there was.
            try copy(piece)
        }
        end = start + piece.byteCount
        add(piece, .raw)
    }

    /// Writes a piece as it is in place of its frames.
    private func copy(_ piece: Archiving.Piece) throws(RecastError) {
        let source = try files.source(FileID(piece.file))
        var buffer = [UInt8](repeating: 0, count: min(piece.byteCount, 1 << 20))
        for offset in stride(from: 0, to: piece.byteCount, by: 1 << 20) {
            let count = min(1 << 20, piece.byteCount - offset)
            try buffer.withMutableBytes { (bytes) throws(RecastError) in
                let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
                try source.read(into: part, at: piece.bytes.lowerBound + offset)
                try sink.write(UnsafeRawBufferPointer(part), at: start + offset)
            }
        }
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws(RecastError) {
        try bytes.withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: offset) }
    }

    private func add(_ piece: Archiving.Piece, _ codec: ArchiveIndex.Codec) {
        tensors.append(ArchiveHeader.Tensor(piece, codec, start..<end))
        outcomes.append((codec, checksum))
        nextPiece += 1
    }

    /// Empty tensors and padding have no frames.
    private func skipPieces(until piece: Int) {
        while nextPiece < piece {
            start = end
            checksum = 0
            if archiving.pieces[nextPiece].entry == nil {
                outcomes.append((.raw, 0))
                nextPiece += 1
            } else {
                add(archiving.pieces[nextPiece], .raw)
            }
        }
    }

    /// Writes checksums and header, and cuts off what was written and not used.
    func finish() throws(RecastError) -> Archiving.Report {
        skipPieces(until: archiving.pieces.count)
        tensors.append(ArchiveHeader.Tensor(checksums: end..<end + checksums.count))
        try write(checksums, at: end)
        end += checksums.count
        let header = ArchiveHeader(index: archiving.index(outcomes), tensors: tensors)
        try write(header.bytes(filling: archiving.reservedByteCount), at: 0)
        try sink.setSize(end)
        let raw = zip(archiving.pieces, outcomes).filter { $0.dtype != nil && $1.codec == .raw }
        return Archiving.Report(
            fileCount: archiving.files.count, originalByteCount: archiving.originalByteCount, byteCount: end,
            tensorCount: archiving.pieces.count { $0.dtype != nil }, rawTensorCount: raw.count)
    }
}

extension PlaneLayout {
    /// What belongs to nothing between the header and the frames.
    func padding(at start: Int) -> [Range<Int>] {
        var padding = [start + Self.headerByteCount..<openOffset]
        for index in openPlanes.indices {
            let end = openOffset(plane: index, element: elementCount)
            padding.append(end..<openOffset(plane: index + 1, element: 0))
        }
        return padding.filter { !$0.isEmpty }
    }
}
