/// Where everything is in an entry of planes: a header, the planes that do not compress, the frames of those that do, and
/// their seek table. Source: Specs/archive.md.
struct PlaneLayout: Sendable, Hashable {
    static let headerByteCount = 64
    static let alignment = 64
    private static let magic: UInt32 = 0x4C50_4352  // "RCPL"
    private static let version: UInt8 = 1

    var planes: Planes
    var elementCount: Int
    var elementsPerFrame: Int
    /// The planes that are in the frames, plane 0 being the lowest bit. The others are stored as they are.
    var compressed: UInt8
    /// Where the planes that are not compressed begin in the archive.
    var openOffset: Int
    /// Where the frames begin in the archive, and behind the last one end.
    var frameOffsets: [Int]

    /// The layout of an entry that begins at `start`, before any frame is known.
    init(_ planes: Planes, elementCount: Int, elementsPerFrame: Int, compressed: UInt8, at start: Int) {
        self.init(
            planes, elementCount: elementCount, elementsPerFrame: elementsPerFrame, compressed: compressed,
            openOffset: (start + Self.headerByteCount).aligned(to: Self.alignment))
    }

    private init(_ planes: Planes, elementCount: Int, elementsPerFrame: Int, compressed: UInt8, openOffset: Int) {
        self.planes = planes
        self.elementCount = elementCount
        self.elementsPerFrame = elementsPerFrame
        self.compressed = compressed
        self.openOffset = openOffset
        frameOffsets = []
        frameOffsets.append(openOffset + openPlanes.count * openStride)
    }

    var frameCount: Int { elementCount.dividedRoundingUp(by: elementsPerFrame) }
    var compressedPlanes: [Int] { (0..<planes.width).filter { compressed >> $0 & 1 == 1 } }
    var openPlanes: [Int] { (0..<planes.width).filter { compressed >> $0 & 1 == 0 } }
    /// From one open plane to the next.
    private var openStride: Int { elementCount.aligned(to: Self.alignment) }

    func elements(ofFrame index: Int) -> Range<Int> {
        index * elementsPerFrame..<min(elementCount, (index + 1) * elementsPerFrame)
    }

    /// Where an element of the n-th of the open planes is in the archive.
    func openOffset(plane index: Int, element: Int) -> Int { openOffset + index * openStride + element }

    /// The seek table, once all frames are known.
    var seekTable: SeekTable {
        SeekTable(
            frames: (0..<frameCount).map { index in
                (
                    UInt32(frameOffsets[index + 1] - frameOffsets[index]),
                    UInt32(elements(ofFrame: index).count * compressedPlanes.count)
                )
            })
    }

    /// The header of the entry that begins at `start`, once all frames are known.
    func header(at start: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes += [Self.version, UInt8(planes.width), compressed, 0]
        bytes.append(littleEndian: UInt64(elementCount))
        bytes.append(littleEndian: UInt32(elementsPerFrame))
        bytes.append(littleEndian: UInt32(frameCount))
        bytes.append(littleEndian: UInt64(openOffset - start))
        bytes.append(littleEndian: UInt64(frameOffsets[0] - start))
        bytes.append(littleEndian: UInt64(frameOffsets[frameOffsets.count - 1] - frameOffsets[0]))
        return bytes + [UInt8](repeating: 0, count: Self.headerByteCount - bytes.count)
    }
}

// MARK: Reading

extension PlaneLayout {
    /// Reads header and seek table of an entry.
    ///
    /// - Parameters:
    ///   - byteCount: the bytes of the piece that the entry stands for.
    ///   - frameByteCount: those of a frame, by the index.
    /// - Throws: `malformedInput` where anything contradicts anything else, or the entry's own size.
    init(
        _ archive: any ByteSource, entry: Range<Int>, byteCount: Int, frameByteCount: Int
    ) throws(RecastError) {
        func failure(_ message: String) -> RecastError { .malformed(archive.name, at: entry.lowerBound, message) }
        guard entry.count >= Self.headerByteCount else { throw failure("an entry of planes is too short") }
        let header = try archive.bytes(entry.lowerBound..<entry.lowerBound + Self.headerByteCount)
        let fields = header.withUnsafeBytes { bytes in
            (
                magic: bytes.integer(at: 0, as: UInt32.self), count: bytes.integer(at: 8, as: UInt64.self),
                perFrame: bytes.integer(at: 16, as: UInt32.self), frames: bytes.integer(at: 20, as: UInt32.self),
                open: bytes.integer(at: 24, as: UInt64.self), start: bytes.integer(at: 32, as: UInt64.self),
                length: bytes.integer(at: 40, as: UInt64.self)
            )
        }
        guard fields.magic == Self.magic else { throw failure("an entry of planes does not begin like one") }
        guard header[4] == Self.version else { throw failure("planes of version \(header[4]); 1 is supported") }
        let width = Int(header[5])
        guard Planes.widths.contains(width), byteCount.isMultiple(of: width), frameByteCount.isMultiple(of: width),
            fields.count == UInt64(byteCount / width), fields.perFrame == UInt32(frameByteCount / width)
        else { throw failure("planes of another size than the index says") }
        guard (UInt64(Self.headerByteCount)..<UInt64(2 * Self.headerByteCount)).contains(fields.open) else {
            throw failure("planes that begin elsewhere than behind the header")
        }
        self.init(
            Planes(width: width), elementCount: byteCount / width, elementsPerFrame: frameByteCount / width,
            compressed: header[6], openOffset: entry.lowerBound + Int(fields.open))
        guard compressed != 0, Int(compressed) < 1 << width, fields.frames == UInt32(exactly: frameCount) else {
            throw failure("planes and frames that cannot be")
        }
        // The size of the seek table bounds the number of frames, and that of the planes the number of elements.
        let tableByteCount = SeekTable.byteCount(frameCount: frameCount)
        guard let openByteCount = openPlanes.count.multiplied(checked: elementCount), openByteCount <= entry.count,
            tableByteCount <= entry.count, fields.start == UInt64(frameOffsets[0] - entry.lowerBound),
            fields.length <= UInt64(entry.count)
        else { throw failure("planes that run past the end of their entry") }
        let table = frameOffsets[0] + Int(fields.length)
        guard table + tableByteCount <= entry.upperBound else {
            throw failure("frames that run past the end of their entry")
        }
        let found = try archive.bytes(table..<table + tableByteCount).withBytes {
            SeekTable($0, frameCount: frameCount)
        }
        guard let found else { throw .malformed(archive.name, at: table, "the seek table of an entry is not one") }
        frameOffsets.reserveCapacity(frameCount + 1)
        for (index, frame) in found.frames.enumerated() {
            let byteCount = elements(ofFrame: index).count * compressedPlanes.count
            guard Int(frame.content) == byteCount, Int(frame.compressed) <= Compressor.bound(byteCount) else {
                throw .malformed(archive.name, at: table, "the seek table gives frame \(index) another size")
            }
            frameOffsets.append(frameOffsets[index] + Int(frame.compressed))
        }
        guard frameOffsets[frameCount] == table else {
            throw .malformed(archive.name, at: table, "the frames of the seek table do not end where it begins")
        }
    }
}
