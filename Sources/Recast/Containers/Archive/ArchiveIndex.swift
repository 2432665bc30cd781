/// The table of contents of an archive: the original files, each as the pieces it is put together from.
///
/// It is the value of `index` in the `__metadata__` of the archive's header. Source: Specs/archive.md.
struct ArchiveIndex: Sendable, Hashable {
    /// The name of what was packed.
    var name: String
    /// The file that was named to be packed, alone or with the others of its set; nil for a whole directory.
    var main: String?
    /// The entry that holds the checksums.
    var checksums: String
    var files: [File]

    struct File: Sendable, Hashable {
        /// A relative path with slashes.
        var name: String
        var byteCount: Int
        var pieces: [Piece]
    }

    /// Consecutive bytes of a file: a tensor, or what lies between tensors.
    struct Piece: Sendable, Hashable {
        var byteCount: Int
        var content: Content
    }

    enum Content: Sendable, Hashable {
        /// Padding, which takes no place in the archive.
        case zeros
        case stored(Entry)
    }

    /// How and where the bytes of a piece are stored.
    struct Entry: Sendable, Hashable {
        /// The tensor of the archive that holds them.
        var name: String
        var codec: Codec
        /// The bytes, but for the last frame, that are checked, and unpacked, at a time.
        var frameByteCount: Int
        /// The CRC-32 of all of them.
        var checksum: UInt32
        /// What the original file says about a tensor; nil for other pieces.
        var dtype: String?
        var shape: [Int]?
    }

    enum Codec: String, Sendable, Hashable, CaseIterable {
        /// The bytes as they are.
        case raw
        /// Taken apart into planes, some of them compressed: `PlaneLayout`.
        case planes
    }
}

extension ArchiveIndex.Piece {
    var entry: ArchiveIndex.Entry? { if case .stored(let entry) = content { entry } else { nil } }

    var frameCount: Int { entry.map { byteCount.dividedRoundingUp(by: $0.frameByteCount) } ?? 0 }
}

// MARK: Limits

extension ArchiveIndex {
    static let format = "recast-archive"
    static let version = "1"
    /// What every archive begins with, after the eight bytes of the header's length.
    static let signature = Array(#"{"__metadata__":{"format":"\#(format)""#.utf8)
    /// Frames are powers of two, so that they fill the jobs that unpack them; and not so small that their checksums
    /// would fill the memory.
    static let frameByteCounts = 64 << 10...4 << 20
    /// Longer stretches of zeros are compressed like other bytes, so that a small archive cannot stand for a huge file.
    static let maximumPadding = 1 << 20
    static let maximumByteCount = 1 << 60
    static let maximumNameLength = 4096
    static let maximumDepth = 32

    /// Why a name cannot be that of a file below the destination; nil where it can.
    static func problem(withName name: String) -> String? {
        let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if name.utf8.count > maximumNameLength || parts.contains(where: { $0.count > 255 }) { return "is too long" }
        if parts.count > maximumDepth { return "leads through more than \(maximumDepth) folders" }
        if name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return "has control characters" }
        if parts.contains(where: { $0.isEmpty || $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }) {
            return "leads out of the destination"
        }
        return nil
    }
}

// MARK: As JSON

extension ArchiveIndex {
    var json: JSON {
        var object = JSON.Object([("name", .string(name))])
        object["main"] = main.map(JSON.string)
        object["checksums"] = .string(checksums)
        object["files"] = .array(
            files.map { file in
                ["name": .string(file.name), "bytes": .int(file.byteCount), "pieces": .array(file.pieces.map(\.json))]
            })
        return .object(object)
    }
}

extension ArchiveIndex.Piece {
    fileprivate var json: JSON {
        guard let entry else { return ["zeros": .int(byteCount)] }
        var members: [JSON.Object.Member] = [
            .init(key: "entry", value: .string(entry.name)), .init(key: "codec", value: .string(entry.codec.rawValue)),
            .init(key: "bytes", value: .int(byteCount)), .init(key: "frame", value: .int(entry.frameByteCount)),
            .init(key: "crc32", value: .string(entry.checksum.hexadecimal)),
        ]
        if let dtype = entry.dtype { members.append(.init(key: "dtype", value: .string(dtype))) }
        if let shape = entry.shape { members.append(.init(key: "shape", value: .array(shape.map(JSON.int)))) }
        return .object(JSON.Object(uniqueMembers: members))
    }
}

extension ArchiveIndex {
    /// - Parameter file: the archive, for messages.
    /// - Throws: `malformedInput` for anything that is missing, of the wrong kind, or no name for a file.
    init(_ json: JSON, file: String) throws(RecastError) {
        guard let name = json["name"]?.string, Self.problem(withName: name) == nil,
            let checksums = json["checksums"]?.string, let list = json["files"]?.array
        else { throw .malformed(file, "the index has no name, checksums or files") }
        self.name = name
        self.checksums = checksums
        main = json["main"]?.string
        files = []
        for value in list { files.append(try File(value, file: file)) }
        guard !files.isEmpty else { throw .malformed(file, "the index lists no files") }
        var sum = 0
        for entry in files {
            sum += entry.byteCount
            guard sum <= Self.maximumByteCount else {
                throw .malformed(file, "the index lists more than any disk holds")
            }
        }
        try checkNames(file: file)
    }

    /// The folders that files lie in, and the folders of these.
    var folders: Set<ByteString> {
        var folders: Set<ByteString> = []
        for entry in files {
            var path = entry.name.utf8[...]
            // The innermost first: where one is known, all around it are.
            while let slash = path.lastIndex(of: UInt8(ascii: "/")) {
                path = path[..<slash]
                guard folders.insert(ByteString(String(Substring(path)))).inserted else { break }
            }
        }
        return folders
    }

    /// No file may be there twice, or lie inside another.
    private func checkNames(file: String) throws(RecastError) {
        var names = Set<ByteString>()
        for entry in files where !names.insert(ByteString(entry.name)).inserted {
            throw .malformed(file, "the index lists \(entry.name) twice")
        }
        let folders = folders
        if let entry = files.first(where: { folders.contains(ByteString($0.name)) }) {
            throw .malformed(file, "the index has \(entry.name) both as a file and as a folder")
        }
        if let main, !names.contains(ByteString(main)) {
            throw .malformed(file, "the index lacks its main file \(main)")
        }
    }
}

extension ArchiveIndex.File {
    init(_ json: JSON, file: String) throws(RecastError) {
        guard let name = json["name"]?.string, let byteCount = json["bytes"]?.natural,
            let list = json["pieces"]?.array
        else { throw .malformed(file, "a file of the index has no name, bytes or pieces") }
        if let problem = ArchiveIndex.problem(withName: name) {
            throw .malformed(file, "the name of a file in the index, \"\(name)\", \(problem)")
        }
        self.name = name
        self.byteCount = byteCount
        pieces = []
        var sum = 0
        for value in list {
            let piece = try ArchiveIndex.Piece(value, file: file, name: name)
            sum += piece.byteCount
            pieces.append(piece)
            guard sum <= byteCount else { break }
        }
        guard sum == byteCount else {
            throw .malformed(file, "\(name): its pieces do not add up to its \(byteCount) bytes")
        }
    }
}

extension ArchiveIndex.Piece {
    init(_ json: JSON, file: String, name: String) throws(RecastError) {
        if let zeros = json["zeros"] {
            guard let count = zeros.natural, count <= ArchiveIndex.maximumPadding else {
                throw .malformed(file, "\(name): padding of more than \(ArchiveIndex.maximumPadding) bytes")
            }
            byteCount = count
            content = .zeros
            return
        }
        guard let entry = json["entry"]?.string, let byteCount = json["bytes"]?.natural,
            let checksum = json["crc32"]?.string.flatMap(UInt32.init(hexadecimal:))
        else { throw .malformed(file, "\(name): a piece has no entry, bytes or crc32") }
        guard let codec = json["codec"]?.string.flatMap(ArchiveIndex.Codec.init) else {
            throw .malformed(file, "\(entry): unknown codec; a later version of Recast may know it")
        }
        guard let frame = json["frame"]?.natural, frame.nonzeroBitCount == 1,
            ArchiveIndex.frameByteCounts.contains(frame)
        else {
            throw .malformed(file, "\(entry): frames are not a power of two from 64 KiB to 4 MiB")
        }
        self.byteCount = byteCount
        content = .stored(
            .init(
                name: entry, codec: codec, frameByteCount: frame, checksum: checksum, dtype: json["dtype"]?.string,
                shape: json["shape"]?.array?.compactMap(\.int)))
    }
}

extension JSON {
    /// A size that sums of a few such sizes cannot overflow.
    fileprivate var natural: Int? {
        number.flatMap { Int($0.text) }.flatMap { (0...ArchiveIndex.maximumByteCount).contains($0) ? $0 : nil }
    }
}

extension UInt32 {
    /// Eight digits.
    var hexadecimal: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    init?(hexadecimal text: String) {
        guard text.utf8.count == 8, !text.utf8.contains(UInt8(ascii: "+")) else { return nil }
        self.init(text, radix: 16)
    }
}
