extension Archive: FilePlace {
    public static let scheme = "archive"

    public convenience init(opening path: String) throws(RecastError) { try self.init(path: path) }

    public static func found(at path: String) throws(RecastError) -> Archive? {
        guard POSIX.status(path)?.isDirectory == false, try recognizes(path) else { return nil }
        return try Archive(path: path)
    }

    package var reference: PlaceReference { PlaceReference(scheme: Self.scheme, path: path) }

    /// Files that were packed by themselves stand where their archive stands, so that a configuration beside it is found as
    /// it would be beside them.
    package var surroundings: (any FilePlace)? { main == nil ? nil : Directory(opening: Path.split(path).directory) }

    /// The file that was packed, or the only GGUF model of a directory without safetensors; nil for a directory of another
    /// kind.
    public func checkpointName() throws(RecastError) -> String? {
        if let main { return main }
        let names = names(in: nil)
        let models = names.filter { $0.hasSuffix(".gguf") }
        guard let first = models.first, !names.contains(where: { $0.hasSuffix(".safetensors") }) else { return nil }
        guard models.count == 1 || GGUFSplitName(first)?.count == models.count else {
            throw RecastError(
                .usage, "holds \(models.count) GGUF files; unpack it, and name one of them", trail: [path])
        }
        return first
    }

    public func names(in folder: String?) -> [String] {
        let prefix = Array((folder.map { $0 + "/" } ?? "").utf8)
        let inside = members.lazy.map(\.name.utf8).filter { $0.starts(with: prefix) }
        let names = Set(inside.map { Array($0.dropFirst(prefix.count).prefix { $0 != UInt8(ascii: "/") }) })
        return names.sorted { $0.lexicographicallyPrecedes($1) }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// A file of it changes when the archive does.
    package func status(of name: String) -> PlaceStatus? {
        let tag = POSIX.status(path)?.tag ?? ""
        if let member = member(name) { return PlaceStatus(isDirectory: false, byteCount: member.byteCount, tag: tag) }
        return hasFolder(name) ? PlaceStatus(isDirectory: true, byteCount: 0, tag: tag) : nil
    }

    /// A file of the archive, open for reading.
    ///
    /// - Throws: `inputMissing` where there is none of that name.
    package func source(of name: String) throws(RecastError) -> any ByteSource {
        guard let member = member(name) else {
            throw RecastError(.inputMissing, "the archive holds no such file", trail: [Path.join(path, name)])
        }
        return ArchivedFile(self, member)
    }
}

extension Places {
    /// Directories and archives.
    package static let standard = Places([Directory.self, Archive.self])
}

extension FilePool {
    /// The files of a run, none so far, in folders and archives.
    public convenience init() { self.init([], places: .standard) }

    package convenience init(_ files: [SourceFile], capacity: Int = 128) {
        self.init(files, capacity: capacity, places: .standard)
    }
}
