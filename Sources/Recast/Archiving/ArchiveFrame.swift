/// A frame on its way into an archive, in buffers that are used again.
final class ArchiveFrame: @unchecked Sendable {
    private(set) var piece = 0
    private(set) var index = 0
    private(set) var byteCount = 0
    private(set) var checksum: UInt32 = 0
    /// The planes that are compressed, plane 0 being the lowest bit; none where the bytes are stored as they are.
    private(set) var compressedPlanes: UInt8 = 0
    private var compressedByteCount = 0
    private var elementCount = 0
    private var compressedPlaneCount = 0

    private let bytes: UnsafeMutableRawBufferPointer
    /// The compressed planes, and behind them the others.
    private let planes: UnsafeMutableRawBufferPointer
    private let frame: UnsafeMutableRawBufferPointer

    /// - Parameter capacity: the bytes of the largest frame.
    init(capacity: Int) {
        bytes = .allocate(byteCount: capacity, alignment: 64)
        planes = .allocate(byteCount: capacity, alignment: 64)
        frame = .allocate(byteCount: Compressor.bound(capacity), alignment: 64)
    }

    deinit {
        bytes.deallocate()
        planes.deallocate()
        frame.deallocate()
    }

    /// The bytes that were read.
    var original: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[..<byteCount]) }

    /// The zstd frame.
    var compressed: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: frame[..<compressedByteCount]) }

    /// The n-th of the planes that are not compressed.
    func openPlane(_ index: Int) -> UnsafeRawBufferPointer {
        let start = (compressedPlaneCount + index) * elementCount
        return UnsafeRawBufferPointer(rebasing: planes[start..<start + elementCount])
    }

    /// Reads a frame of a piece and compresses it.
    ///
    /// - Parameter compressedPlanes: what `Compressibility` says of the piece.
    func fill(
        piece number: Int, _ piece: Archiving.Piece, frame index: Int, from source: any ByteSource,
        compressedPlanes: UInt8, _ compressor: Compressor
    ) throws(RecastError) {
        self.piece = number
        self.index = index
        self.compressedPlanes = compressedPlanes
        let first = index * piece.frameByteCount
        byteCount = min(piece.frameByteCount, piece.byteCount - first)
        let target = UnsafeMutableRawBufferPointer(rebasing: bytes[..<byteCount])
        try source.read(into: target, at: piece.bytes.lowerBound + first)
        var sum = CRC32()
        sum.update(original)
        checksum = sum.value
        guard compressedPlanes != 0 else { return }

        let width = piece.planes.width
        elementCount = byteCount / width
        compressedPlaneCount = compressedPlanes.nonzeroBitCount
        let base = planes.baseAddress!.assumingMemoryBound(to: UInt8.self)
        var (shut, open) = (0, compressedPlaneCount)
        let pointers = (0..<width).map { plane -> Planes.Bytes in
            let isCompressed = compressedPlanes >> UInt8(plane) & 1 == 1
            defer { if isCompressed { shut += 1 } else { open += 1 } }
            return base + (isCompressed ? shut : open) * elementCount
        }
        piece.planes.split(bytes.baseAddress!, count: elementCount, into: pointers)
        let content = UnsafeRawBufferPointer(rebasing: planes[..<(compressedPlaneCount * elementCount)])
        compressedByteCount = try compressor.compress(content, into: frame)
    }
}
