import Synchronization

/// Files packed without loss into one safetensors file, any part of which can be read without unpacking the rest.
///
/// Every byte that is read is checked: the bytes come out as they went in, or not at all.
public final class Archive: Sendable {
    public let path: String
    let index: ArchiveIndex
    let source: FileSource
    /// In the order of the index.
    let members: [Member]
    private let byName: [ByteString: Int]
    private let folders: Set<ByteString>
    /// The CRC-32 of each frame of each piece.
    let checksums: [UInt32]
    let decoding: FrameDecoding

    /// A file of the archive: its pieces, and where each begins.
    struct Member: Sendable {
        var name: String
        var byteCount: Int
        var pieces: [Piece]
    }

    struct Piece: Sendable {
        /// Among all pieces of the archive.
        var id: Int
        /// In the file.
        var offset: Int
        var byteCount: Int
        /// How it is stored; nil for zeros.
        var entry: ArchiveIndex.Entry?
        /// Where it is stored.
        var place: Range<Int>
        var firstChecksum: Int
    }

    /// Reads the header and the checksums.
    ///
    /// - Throws: `malformedInput` for what is no archive, or contradicts itself; `unsupported` for a later version.
    public init(path: String) throws(RecastError) {
        source = try FileSource(path: path)
        self.path = path
        guard try Self.recognizes(source) else { throw .malformed(path, "is not an archive") }
        var files = FileList()
        let container = try SafetensorsFile(source, files: &files)
        index = try Self.index(in: container, file: path)
        var entries = try Entries(container, file: path)
        let table = try entries.take(index.checksums)
        var members: [Member] = []
        var (pieceCount, frameCount) = (0, 0)
        for file in index.files {
            var member = Member(name: file.name, byteCount: file.byteCount, pieces: [])
            var offset = 0
            for piece in file.pieces {
                let place = try piece.entry.map { (entry) throws(RecastError) in
                    try entries.take(entry.name, of: piece, file: path)
                }
                member.pieces.append(
                    Piece(
                        id: pieceCount, offset: offset, byteCount: piece.byteCount, entry: piece.entry,
                        place: place ?? 0..<0, firstChecksum: frameCount))
                offset += piece.byteCount
                pieceCount += 1
                // Bounded by the size of all pieces, which the index has checked.
                frameCount += piece.frameCount
            }
            members.append(member)
        }
        guard table.count == 4 * frameCount else {
            throw .malformed(path, at: table.lowerBound, "\(table.count) bytes of checksums for \(frameCount) frames")
        }
        self.members = members
        byName = Dictionary(members.enumerated().map { (ByteString($1.name), $0) }, uniquingKeysWith: { $1 })
        folders = index.folders
        checksums = try source.bytes(table).withBytes { bytes in
            (0..<frameCount).map { bytes.integer(at: 4 * $0) }
        }
        decoding = FrameDecoding(source)
    }

    private static func index(in container: SafetensorsFile, file: String) throws(RecastError) -> ArchiveIndex {
        func value(_ key: String) -> String? { container.metadata.first { $0.key == key }?.value }
        guard let version = value("version"), version == ArchiveIndex.version else {
            throw RecastError(
                .unsupported, "an archive of version \(value("version") ?? "none"); 1 is supported", trail: [file])
        }
        guard let text = value("index").map({ Array($0.utf8) }) else { throw .malformed(file, "has no index") }
        var checksum = CRC32()
        text.withUnsafeBytes { checksum.update($0) }
        guard value("index_crc32") == checksum.value.hexadecimal else {
            throw .malformed(file, "the index is damaged: its CRC-32 is \(checksum.value.hexadecimal)")
        }
        return try ArchiveIndex(JSON(parsing: text, file: "\(file): index"), file: file)
    }

    /// Whether a file begins like an archive.
    ///
    /// - Throws: `inputOutput` where it cannot be read.
    public static func recognizes(_ path: String) throws(RecastError) -> Bool {
        guard let source = try FileSource.ifPresent(path) else { return false }
        return try recognizes(source)
    }

    static func recognizes(_ source: any ByteSource) throws(RecastError) -> Bool {
        let end = 8 + ArchiveIndex.signature.count
        guard source.byteCount >= end else { return false }
        return try source.bytes(8..<end) == ArchiveIndex.signature
    }
}

/// The tensors of the archive's own header, each of which stands for one piece.
private struct Entries {
    private var places: [ByteString: Range<Int>] = [:]
    private let file: String

    init(_ container: SafetensorsFile, file: String) throws(RecastError) {
        self.file = file
        for tensor in container.tensors {
            guard case .stored(_, let offset) = tensor.tensor.recipe else { continue }
            places[ByteString(tensor.name)] = offset..<offset + tensor.tensor.byteCount
        }
    }

    mutating func take(_ name: String) throws(RecastError) -> Range<Int> {
        guard let place = places.removeValue(forKey: ByteString(name)) else {
            throw .malformed(file, "the entry \(name) of the index is missing, or stands for two pieces")
        }
        return place
    }

    mutating func take(_ name: String, of piece: ArchiveIndex.Piece, file: String) throws(RecastError) -> Range<Int> {
        let place = try take(name)
        guard piece.entry?.codec != .raw || place.count == piece.byteCount else {
            throw .malformed(
                file, at: place.lowerBound, "\(name) has \(place.count) bytes, and stands for \(piece.byteCount)")
        }
        return place
    }
}

// MARK: What it holds

extension Archive {
    /// The name of what was packed.
    public var name: String { index.name }

    /// The file that was packed, alone or with the others of its set; nil where it was a directory.
    public var main: String? { index.main }

    /// The names of the files, with slashes for those in folders.
    public var names: [String] { members.map(\.name) }

    /// The size of the archive.
    public var byteCount: Int { source.byteCount }

    /// The size of all files that went in.
    public var originalByteCount: Int { members.reduce(0) { $0 + $1.byteCount } }

    /// Whether there are files in a folder of this name.
    func hasFolder(_ name: String) -> Bool { folders.contains(ByteString(name)) }

    func member(_ name: String) -> Member? { byName[ByteString(name)].map { members[$0] } }
}
