import Synchronization

/// What reading frames of an archive needs, for any number of threads: layouts that have been read, decompressors and
/// buffers that are used again, and the frames that were read in part last.
final class FrameDecoding: Sendable {
    private let source: FileSource
    private let layouts = Mutex<[Int: PlaneLayout]>([:])
    private let spaces = Mutex<[Space]>([])
    private let recent = Mutex<[Recent]>([])

    /// Frames that are kept are bounded by their bytes.
    private static let recentByteCount = 16 << 20

    private struct Recent {
        var checksum: Int
        var bytes: [UInt8]
    }

    /// What one thread at a time decodes with.
    final class Space: @unchecked Sendable {
        let decompressor = Decompressor()
        let compressed = Scratch()
        let planes = Scratch()
    }

    init(_ source: FileSource) { self.source = source }

    func withSpace<Result>(_ body: (Space) throws(RecastError) -> Result) throws(RecastError) -> Result {
        let space = spaces.withLock { $0.popLast() } ?? Space()
        defer { spaces.withLock { $0.append(space) } }
        return try body(space)
    }

    func layout(of piece: Archive.Piece, frameByteCount: Int) throws(RecastError) -> PlaneLayout {
        if let held = layouts.withLock({ $0[piece.id] }) { return held }
        let layout = try PlaneLayout(
            source, entry: piece.place, byteCount: piece.byteCount, frameByteCount: frameByteCount)
        layouts.withLock { $0[piece.id] = layout }
        return layout
    }

    /// Copies a part of a frame that was read not long ago; false where it was not.
    func copyRecent(_ checksum: Int, _ offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Bool {
        let held = recent.withLock { frames -> [UInt8]? in
            guard let index = frames.lastIndex(where: { $0.checksum == checksum }) else { return nil }
            let frame = frames.remove(at: index)
            frames.append(frame)
            return frame.bytes
        }
        guard let held else { return false }
        held.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count]))
        }
        return true
    }

    func keep(_ checksum: Int, _ bytes: [UInt8]) {
        recent.withLock { frames in
            frames.append(Recent(checksum: checksum, bytes: bytes))
            var sum = frames.reduce(0) { $0 + $1.bytes.count }
            while sum > Self.recentByteCount, frames.count > 1 { sum -= frames.removeFirst().bytes.count }
        }
    }
}

extension Archive {
    /// Reads a part of a frame, from `offset` on.
    ///
    /// - Throws: `malformedInput` where the frame cannot be decompressed, or is not what was packed.
    func read(
        frame index: Int, of piece: Piece, _ offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(RecastError) {
        guard let entry = piece.entry else { return }
        let checksum = piece.firstChecksum + index
        if decoding.copyRecent(checksum, offset, into: buffer) { return }
        let byteCount = min(entry.frameByteCount, piece.byteCount - index * entry.frameByteCount)
        if buffer.count == byteCount {
            try decode(frame: index, of: piece, entry, into: buffer)
            return
        }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        try bytes.withMutableBytes { (frame) throws(RecastError) in
            try decode(frame: index, of: piece, entry, into: frame)
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: frame[offset..<offset + buffer.count]))
        }
        decoding.keep(checksum, bytes)
    }

    /// Reads a whole frame and checks it.
    private func decode(
        frame index: Int, of piece: Piece, _ entry: ArchiveIndex.Entry, into out: UnsafeMutableRawBufferPointer
    ) throws(RecastError) {
        switch entry.codec {
        case .raw: try source.read(into: out, at: piece.place.lowerBound + index * entry.frameByteCount)
        case .planes:
            let layout = try decoding.layout(of: piece, frameByteCount: entry.frameByteCount)
            try decoding.withSpace { (space) throws(RecastError) in
                try merge(frame: index, layout, entry, space, into: out)
            }
        }
        var checksum = CRC32()
        checksum.update(UnsafeRawBufferPointer(out))
        let expected = checksums[piece.firstChecksum + index]
        guard checksum.value == expected else {
            throw damage(
                entry, frame: index, "their CRC-32 is \(checksum.value.hexadecimal), not \(expected.hexadecimal)")
        }
    }

    private func merge(
        frame index: Int, _ layout: PlaneLayout, _ entry: ArchiveIndex.Entry, _ space: FrameDecoding.Space,
        into out: UnsafeMutableRawBufferPointer
    ) throws(RecastError) {
        let elements = layout.elements(ofFrame: index)
        let (compressed, open) = (layout.compressedPlanes, layout.openPlanes)
        let place = layout.frameOffsets[index]..<layout.frameOffsets[index + 1]
        let frame = space.compressed.take(place.count)
        let planes = space.planes.take(layout.planes.width * elements.count)
        defer {
            space.compressed.give(frame)
            space.planes.give(planes)
        }
        let bytes = UnsafeMutableRawBufferPointer(rebasing: frame[..<place.count])
        try source.read(into: bytes, at: place.lowerBound)
        let content = UnsafeMutableRawBufferPointer(rebasing: planes[..<(compressed.count * elements.count)])
        if let problem = space.decompressor.decompress(UnsafeRawBufferPointer(bytes), into: content) {
            throw damage(entry, frame: index, "zstd says: \(problem)")
        }
        // Planes in the order of their significance, wherever they came from.
        var pointers = [Planes.Bytes?](repeating: nil, count: layout.planes.width)
        let base = planes.baseAddress!.assumingMemoryBound(to: UInt8.self)
        for (order, plane) in compressed.enumerated() { pointers[plane] = base + order * elements.count }
        for (order, plane) in open.enumerated() {
            let start = (compressed.count + order) * elements.count
            pointers[plane] = base + start
            let part = UnsafeMutableRawBufferPointer(rebasing: planes[start..<start + elements.count])
            try source.read(into: part, at: layout.openOffset(plane: order, element: elements.lowerBound))
        }
        layout.planes.merge(pointers.map { $0! }, count: elements.count, into: out.baseAddress!)
    }

    private func damage(_ entry: ArchiveIndex.Entry, frame index: Int, _ evidence: String) -> RecastError {
        let start = index * entry.frameByteCount
        return RecastError(
            .malformedInput, "\(entry.name) is damaged from its byte \(start) on: \(evidence)")
    }
}
