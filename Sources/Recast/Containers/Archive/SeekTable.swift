/// Where the frames of compressed data are, as zstd's seekable format says it behind them: a skippable frame, so that any
/// zstd tool decompresses all of it in one go.
///
/// Source: contrib/seekable_format/zstd_seekable_compression_format.md of zstd.
struct SeekTable: Sendable, Hashable {
    /// The sizes of the frames, and of what they hold.
    var frames: [(compressed: UInt32, content: UInt32)]

    private static let skippableMagic: UInt32 = 0x184D_2A5E
    private static let seekableMagic: UInt32 = 0x8F92_EAB1
    private static let footerByteCount = 9

    /// The size of the table of so many frames.
    static func byteCount(frameCount: Int) -> Int { 8 + 8 * frameCount + footerByteCount }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.skippableMagic)
        bytes.append(littleEndian: UInt32(8 * frames.count + Self.footerByteCount))
        for frame in frames {
            bytes.append(littleEndian: frame.compressed)
            bytes.append(littleEndian: frame.content)
        }
        bytes.append(littleEndian: UInt32(frames.count))
        // No checksum for each frame.
        bytes.append(0)
        bytes.append(littleEndian: Self.seekableMagic)
        return bytes
    }

    init(frames: [(compressed: UInt32, content: UInt32)]) { self.frames = frames }

    /// nil where the bytes are not the table of so many frames.
    init?(_ bytes: UnsafeRawBufferPointer, frameCount: Int) {
        guard bytes.count == Self.byteCount(frameCount: frameCount),
            bytes.integer(at: 0, as: UInt32.self) == Self.skippableMagic,
            bytes.integer(at: 4, as: UInt32.self) == UInt32(bytes.count - 8),
            bytes.integer(at: bytes.count - 9, as: UInt32.self) == UInt32(frameCount),
            bytes[bytes.count - 5] == 0,
            bytes.integer(at: bytes.count - 4, as: UInt32.self) == Self.seekableMagic
        else { return nil }
        frames = (0..<frameCount).map { index in
            (bytes.integer(at: 8 + 8 * index), bytes.integer(at: 12 + 8 * index))
        }
    }

    static func == (a: SeekTable, b: SeekTable) -> Bool { a.frames.elementsEqual(b.frames, by: ==) }

    func hash(into hasher: inout Hasher) {
        for frame in frames {
            hasher.combine(frame.compressed)
            hasher.combine(frame.content)
        }
    }
}
