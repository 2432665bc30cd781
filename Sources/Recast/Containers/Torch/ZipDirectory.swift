/// The members of a zip whose bytes are stored as they are, as `torch.save` writes them.
///
/// Sizes and names come from the central directory: local headers may leave them to a descriptor behind the data.
/// Source: PKWARE's APPNOTE 6.3.10, §4.3 and §4.5.3.
struct ZipDirectory: Sendable {
    struct Member: Sendable, Hashable {
        var name: String
        /// Where its bytes begin in the file.
        var offset: Int
        var byteCount: Int
        var checksum: UInt32

        var end: Int { offset + byteCount }
    }

    /// In the order of the directory.
    let members: [Member]
    private let places: [String: Int]

    private enum Signature {
        static let local: UInt32 = 0x0403_4B50
        static let central: UInt32 = 0x0201_4B50
        static let end: UInt32 = 0x0605_4B50
        static let end64: UInt32 = 0x0606_4B50
        static let locator64: UInt32 = 0x0706_4B50
    }

    /// The format has 16 bits for it.
    static let maximumNameLength = 0xFFFF
    private static let endByteCount = 22
    private static let end64ByteCount = 56
    private static let locatorByteCount = 20
    private static let centralByteCount = 46
    private static let localByteCount = 30
    /// A directory of millions of members.
    private static let maximumDirectoryByteCount = 1 << 28

    subscript(name: String) -> Member? { places[name].map { members[$0] } }

    /// Whether bytes begin as a zip does.
    static func recognizes(_ source: any ByteSource) throws(RecastError) -> Bool {
        guard source.byteCount >= ZipDirectory.endByteCount else { return false }
        return try source.bytes(0..<4).withUnsafeBytes { $0.integer(at: 0, as: UInt32.self) } == Signature.local
    }

    /// - Parameter range: where the zip lies in the file; nil for all of it.
    /// - Throws: `malformedInput` with the byte offset, for sizes that lie outside the file, members that overlap or repeat a
    ///   name; `unsupported` for compressed and encrypted members.
    init(_ source: any ByteSource, in range: Range<Int>? = nil) throws(RecastError) {
        let reader = Parser(source: source, range: range ?? 0..<source.byteCount)
        members = try reader.members()
        var places: [String: Int] = [:]
        for (index, member) in members.enumerated() {
            guard places.updateValue(index, forKey: member.name) == nil else {
                throw .malformed(source.name, at: member.offset, "two members are named \(member.name)")
            }
        }
        self.places = places
    }

    private struct Parser {
        let source: any ByteSource
        let range: Range<Int>

        func failure(_ offset: Int, _ message: String) -> RecastError { .malformed(source.name, at: offset, message) }

        func members() throws(RecastError) -> [Member] {
            let (directory, count) = try directory()
            let bytes = try source.bytes(directory)
            var members: [Member] = []
            members.reserveCapacity(count)
            try bytes.withBytes { (bytes) throws(RecastError) in
                var place = 0
                for _ in 0..<count { members.append(try member(bytes, &place, directory: directory)) }
                guard place == bytes.count else {
                    throw failure(directory.lowerBound + place, "the directory has more than its \(count) members")
                }
            }
            // Overlapping members make a small file seem large.
            let sorted = members.sorted { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }
            for (first, second) in zip(sorted, sorted.dropFirst()) where first.end > second.offset {
                throw failure(second.offset, "\(second.name) overlaps \(first.name)")
            }
            return members
        }

        /// The bytes of the central directory, and how many members it has.
        private func directory() throws(RecastError) -> (Range<Int>, count: Int) {
            guard range.count >= ZipDirectory.endByteCount else {
                throw failure(range.lowerBound, "too short for a zip")
            }
            // A comment of up to 65535 bytes may follow the end record.
            let tail = max(range.lowerBound, range.upperBound - ZipDirectory.endByteCount - 0xFFFF)..<range.upperBound
            let bytes = try source.bytes(tail)
            let end = bytes.withUnsafeBytes { bytes in
                stride(from: bytes.count - ZipDirectory.endByteCount, through: 0, by: -1).first { place in
                    bytes.integer(at: place, as: UInt32.self) == Signature.end
                        && place + ZipDirectory.endByteCount + Int(bytes.integer(at: place + 20, as: UInt16.self))
                            == bytes.count
                }
            }
            guard let end else {
                throw failure(
                    range.upperBound,
                    "ends without the record that ends a zip: it is cut short; \(Downloads.nextCommand(for: source.name)) fetches the rest"
                )
            }
            let place = tail.lowerBound + end
            let record = bytes.withUnsafeBytes { bytes in
                (
                    disk: Int(bytes.integer(at: end + 4, as: UInt16.self)),
                    count: Int(bytes.integer(at: end + 10, as: UInt16.self)),
                    size: Int(bytes.integer(at: end + 12, as: UInt32.self)),
                    offset: Int(bytes.integer(at: end + 16, as: UInt32.self))
                )
            }
            guard record.disk == 0 || record.disk == 0xFFFF else { throw failure(place, "a zip of several files") }
            if record.count == 0xFFFF || record.size == 0xFFFF_FFFF || record.offset == 0xFFFF_FFFF {
                return try directory64(before: place)
            }
            return (try directory(record.offset, record.size, record.count, before: place), record.count)
        }

        private func directory64(before end: Int) throws(RecastError) -> (Range<Int>, count: Int) {
            let place = end - ZipDirectory.locatorByteCount
            guard place >= range.lowerBound else { throw failure(end, "has no zip64 locator") }
            let locator = try source.bytes(place..<end)
            let (signature, offset) = locator.withUnsafeBytes {
                ($0.integer(at: 0, as: UInt32.self), $0.integer(at: 8, as: UInt64.self))
            }
            guard signature == Signature.locator64 else { throw failure(place, "has no zip64 locator") }
            guard let start = Int(exactly: offset)?.adding(checked: range.lowerBound),
                let stop = start.adding(checked: ZipDirectory.end64ByteCount), stop <= place
            else { throw failure(place, "the zip64 record at \(offset) lies outside the file") }
            let record = try source.bytes(start..<stop)
            let fields = record.withUnsafeBytes { bytes in
                (
                    bytes.integer(at: 0, as: UInt32.self), bytes.integer(at: 32, as: UInt64.self),
                    bytes.integer(at: 40, as: UInt64.self), bytes.integer(at: 48, as: UInt64.self)
                )
            }
            guard fields.0 == Signature.end64 else { throw failure(start, "is no zip64 record") }
            guard let count = Int(exactly: fields.1), let size = Int(exactly: fields.2),
                let offset = Int(exactly: fields.3)
            else { throw failure(start, "sizes that are too large") }
            return (try directory(offset, size, count, before: start), count)
        }

        private func directory(
            _ offset: Int, _ size: Int, _ count: Int, before end: Int
        ) throws(RecastError) -> Range<Int> {
            guard let start = offset.adding(checked: range.lowerBound), let stop = start.adding(checked: size),
                stop <= end
            else { throw failure(end, "a directory of \(size) bytes at \(offset) lies outside the file") }
            guard size <= ZipDirectory.maximumDirectoryByteCount, count <= size / ZipDirectory.centralByteCount else {
                throw failure(end, "\(count) members in a directory of \(size) bytes")
            }
            return start..<stop
        }

        private func member(
            _ bytes: UnsafeRawBufferPointer, _ place: inout Int, directory: Range<Int>
        ) throws(RecastError) -> Member {
            let here = directory.lowerBound + place
            guard bytes.count - place >= ZipDirectory.centralByteCount,
                bytes.integer(at: place, as: UInt32.self) == Signature.central
            else { throw failure(here, "is no member of a zip's directory") }
            let flags = bytes.integer(at: place + 8, as: UInt16.self)
            let method = bytes.integer(at: place + 10, as: UInt16.self)
            let checksum = bytes.integer(at: place + 16, as: UInt32.self)
            var packed = UInt64(bytes.integer(at: place + 20, as: UInt32.self))
            var size = UInt64(bytes.integer(at: place + 24, as: UInt32.self))
            let nameByteCount = Int(bytes.integer(at: place + 28, as: UInt16.self))
            let extraByteCount = Int(bytes.integer(at: place + 30, as: UInt16.self))
            let commentByteCount = Int(bytes.integer(at: place + 32, as: UInt16.self))
            var offset = UInt64(bytes.integer(at: place + 42, as: UInt32.self))
            let nameStart = place + ZipDirectory.centralByteCount
            let extraStart = nameStart + nameByteCount
            let next = extraStart + extraByteCount + commentByteCount
            guard next <= bytes.count else { throw failure(here, "a member's name goes beyond the directory") }
            let name = String(
                decoding: UnsafeRawBufferPointer(rebasing: bytes[nameStart..<extraStart]), as: UTF8.self)

            // What does not fit 32 bits stands in a field of its own, in this order.
            var field = extraStart
            while field + 4 <= extraStart + extraByteCount {
                let kind = bytes.integer(at: field, as: UInt16.self)
                let count = Int(bytes.integer(at: field + 2, as: UInt16.self))
                let end = field + 4 + count
                guard end <= extraStart + extraByteCount else { break }
                if kind == 1 {
                    var value = field + 4
                    func widen(_ number: inout UInt64) {
                        guard number == 0xFFFF_FFFF, value + 8 <= end else { return }
                        number = bytes.integer(at: value, as: UInt64.self)
                        value += 8
                    }
                    widen(&size)
                    widen(&packed)
                    widen(&offset)
                }
                field = end
            }
            guard flags & 1 == 0 else { throw RecastError(.unsupported, "\(name) is encrypted", trail: [source.name]) }
            guard method == 0, packed == size else {
                throw RecastError(
                    .unsupported, "\(name) is compressed; torch.save stores members as they are", trail: [source.name])
            }
            place = next
            return try located(name, offset, size, checksum, directory: directory)
        }

        /// The member's data, behind a header whose length only it tells.
        private func located(
            _ name: String, _ offset: UInt64, _ size: UInt64, _ checksum: UInt32, directory: Range<Int>
        ) throws(RecastError) -> Member {
            guard let header = Int(exactly: offset)?.adding(checked: range.lowerBound),
                let end = header.adding(checked: ZipDirectory.localByteCount), end <= directory.lowerBound,
                let size = Int(exactly: size)
            else { throw failure(directory.lowerBound, "\(name) at \(offset) lies outside the file") }
            let local = try source.bytes(header..<end)
            let (signature, nameByteCount, extraByteCount) = local.withUnsafeBytes {
                (
                    $0.integer(at: 0, as: UInt32.self), Int($0.integer(at: 26, as: UInt16.self)),
                    Int($0.integer(at: 28, as: UInt16.self))
                )
            }
            guard signature == Signature.local else { throw failure(header, "\(name) does not begin here") }
            let start = end + nameByteCount + extraByteCount
            guard let stop = start.adding(checked: size), stop <= directory.lowerBound else {
                throw failure(header, "\(name) of \(size) bytes goes beyond the data")
            }
            return Member(name: name, offset: start, byteCount: size, checksum: checksum)
        }
    }
}
