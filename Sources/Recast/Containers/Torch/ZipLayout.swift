/// The layout of a zip of stored members, which is settled before the bytes of all of them are known.
///
/// Source: PKWARE's APPNOTE 6.3.10; torch pads members to multiples of 64 bytes with an extra field "FB"
/// (`caffe2/serialize/inline_container.cc`).
struct ZipLayout: Sendable {
    /// Bytes that are known beforehand, by their place in the zip.
    private(set) var literals: [OutputFile.Literal] = []
    /// Members whose checksums are not known yet, and where those go.
    private(set) var checksums: [OutputFile.Checksum] = []
    private(set) var byteCount = 0
    private var members: [Member] = []

    private struct Member {
        var name: String
        var byteCount: Int
        var header: Int
        /// nil until the bytes are written.
        var checksum: UInt32?
        /// The member's place in `checksums`.
        var pending: Int?
    }

    private static let alignment = 64
    private static let limit = Int(UInt32.max)
    /// The first of January 1980, which says nothing of when or where the file was written.
    private static let date: UInt16 = 1 << 5 | 1

    /// A member whose bytes are known.
    mutating func add(_ name: String, _ bytes: [UInt8]) {
        var checksum = CRC32()
        bytes.withUnsafeBytes { checksum.update($0) }
        let start = add(name, byteCount: bytes.count, checksum: checksum.value)
        literals.append(OutputFile.Literal(offset: start, bytes: bytes))
    }

    /// A member whose bytes are written later; where they begin.
    mutating func add(_ name: String, byteCount: Int) -> Int {
        add(name, byteCount: byteCount, checksum: byteCount == 0 ? 0 : nil)
    }

    private mutating func add(_ name: String, byteCount: Int, checksum: UInt32?) -> Int {
        let header = self.byteCount
        let isLarge = byteCount >= Self.limit
        var extra: [UInt8] = []
        if isLarge { extra.append(id: 1, sizes: [byteCount, byteCount]) }
        let end = header + 30 + name.utf8.count + extra.count
        let padding = (Self.alignment - (end + 4) % Self.alignment) % Self.alignment
        extra.append(littleEndian: UInt16(0x4246))
        extra.append(littleEndian: UInt16(padding))
        extra += [UInt8](repeating: UInt8(ascii: "Z"), count: padding)

        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt32(0x0403_4B50))
        bytes.append(stored: name, size: byteCount, isLarge: isLarge, checksum: checksum ?? 0, date: Self.date)
        bytes.append(littleEndian: UInt16(extra.count))
        bytes += name.utf8
        bytes += extra
        literals.append(OutputFile.Literal(offset: header, bytes: bytes))
        let start = header + bytes.count
        var pending: Int?
        if checksum == nil {
            pending = checksums.count
            checksums.append(OutputFile.Checksum(range: start..<start + byteCount, places: [header + 14]))
        }
        members.append(
            Member(name: name, byteCount: byteCount, header: header, checksum: checksum, pending: pending))
        self.byteCount = start + byteCount
        return start
    }

    /// Adds the directory, after which nothing follows.
    mutating func finish() {
        let start = byteCount
        var bytes: [UInt8] = []
        for member in members {
            let isLarge = member.byteCount >= Self.limit, isFar = member.header >= Self.limit
            var extra: [UInt8] = []
            let sizes = (isLarge ? [member.byteCount, member.byteCount] : []) + (isFar ? [member.header] : [])
            if !sizes.isEmpty { extra.append(id: 1, sizes: sizes) }
            if let pending = member.pending { checksums[pending].places.append(start + bytes.count + 16) }
            bytes.append(littleEndian: UInt32(0x0201_4B50))
            // Made by version 4.5 for no particular system.
            bytes.append(littleEndian: UInt16(45))
            bytes.append(
                stored: member.name, size: member.byteCount, isLarge: isLarge || isFar, writesLimit: isLarge,
                checksum: member.checksum ?? 0, date: Self.date)
            bytes.append(littleEndian: UInt16(extra.count))
            // No comment, first disk, no attributes.
            bytes += [UInt8](repeating: 0, count: 10)
            bytes.append(littleEndian: UInt32(min(member.header, Self.limit)))
            bytes += member.name.utf8
            bytes += extra
        }
        let size = bytes.count
        if members.count >= Int(UInt16.max) || start >= Self.limit || size >= Self.limit {
            let record = start + size
            bytes.append(littleEndian: UInt32(0x0606_4B50))
            bytes.append(littleEndian: UInt64(44))
            bytes.append(littleEndian: UInt16(45))
            bytes.append(littleEndian: UInt16(45))
            bytes.append(littleEndian: UInt64(0))
            for value in [members.count, members.count, size, start] { bytes.append(littleEndian: UInt64(value)) }
            bytes.append(littleEndian: UInt32(0x0706_4B50))
            bytes.append(littleEndian: UInt32(0))
            bytes.append(littleEndian: UInt64(record))
            bytes.append(littleEndian: UInt32(1))
        }
        bytes.append(littleEndian: UInt32(0x0605_4B50))
        bytes.append(littleEndian: UInt32(0))
        let count = UInt16(min(members.count, Int(UInt16.max)))
        bytes.append(littleEndian: count)
        bytes.append(littleEndian: count)
        bytes.append(littleEndian: UInt32(min(size, Self.limit)))
        bytes.append(littleEndian: UInt32(min(start, Self.limit)))
        bytes.append(littleEndian: UInt16(0))
        literals.append(OutputFile.Literal(offset: start, bytes: bytes))
        byteCount += bytes.count
    }
}

extension [UInt8] {
    /// An extra field of 64-bit numbers.
    fileprivate mutating func append(id: UInt16, sizes: [Int]) {
        append(littleEndian: id)
        append(littleEndian: UInt16(8 * sizes.count))
        for size in sizes { append(littleEndian: UInt64(size)) }
    }

    /// What a member's local header and its entry in the directory have in common, up to the length of its name.
    fileprivate mutating func append(
        stored name: String, size: Int, isLarge: Bool, writesLimit: Bool? = nil, checksum: UInt32, date: UInt16
    ) {
        append(littleEndian: UInt16(isLarge ? 45 : 20))
        // The name is UTF-8; stored; no time.
        append(littleEndian: UInt16(1 << 11))
        append(littleEndian: UInt16(0))
        append(littleEndian: UInt16(0))
        append(littleEndian: date)
        append(littleEndian: checksum)
        let shown = (writesLimit ?? isLarge) ? UInt32.max : UInt32(size)
        append(littleEndian: shown)
        append(littleEndian: shown)
        append(littleEndian: UInt16(name.utf8.count))
    }
}
