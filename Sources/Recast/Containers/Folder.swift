/// Files beside each other, as a checkpoint consists of them: those of a directory, or those an archive holds.
public struct Folder: Sendable {
    /// The directory, or the archive.
    public let path: String
    let archive: Archive?
    /// What stands before a name in the path of a file.
    private let prefix: String
    /// The directory whose files are taken for those that an archive lacks; nil for a real directory.
    private let fallback: String?

    public init(directory path: String) {
        self.path = path
        archive = nil
        prefix = path
        fallback = nil
    }

    /// The directory that a file lies in.
    public init(containing path: String) {
        self.path = Path.directory(path)
        archive = nil
        prefix = path.utf8.contains(UInt8(ascii: "/")) ? self.path : ""
        fallback = nil
    }

    /// What an archive holds. Files that were packed by themselves stand where their archive stands, so that a
    /// configuration beside it is found as it would be beside them.
    public init(_ archive: Archive) {
        path = archive.path
        self.archive = archive
        prefix = archive.path
        fallback = archive.main == nil ? nil : Path.directory(archive.path)
    }

    /// A directory or an archive, whichever there is.
    public init(path: String) throws(RecastError) {
        if try Archive.recognizes(path) {
            self.init(try Archive(path: path))
        } else {
            self.init(directory: path)
        }
    }

    /// What the model in it is called.
    public var name: String { fallback.map(Path.name) ?? archive?.name ?? Path.name(path) }
}

// MARK: Files

extension Folder {
    /// The names in the folder, or in a folder inside it, sorted.
    func names(in inner: String? = nil) throws(RecastError) -> [String] {
        guard let archive else { return try POSIX.names(in: inner.map(self.path(of:)) ?? path) }
        let own = archive.names(in: inner)
        guard let fallback else { return own }
        let outer = inner.map { Path.join(fallback, $0) } ?? fallback
        let beside = inner == nil || POSIX.status(outer)?.isDirectory == true ? try POSIX.names(in: outer) : []
        return Set(own + beside.filter { inner != nil || $0 != Path.name(archive.path) })
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    func contains(_ name: String) -> Bool {
        guard let archive else { return POSIX.status(path(of: name)) != nil }
        return archive.member(name) != nil || isBeside(name) && POSIX.status(path(of: name)) != nil
    }

    func isDirectory(_ name: String) -> Bool {
        if let archive, !isBeside(name) { return archive.member(name) == nil }
        return POSIX.status(path(of: name))?.isDirectory ?? true
    }

    /// The path that stands for a file, in messages and in lists of files.
    func path(of name: String) -> String { Path.join(isBeside(name) ? fallback! : prefix, name) }

    /// Whether the file is not in the archive but beside it.
    private func isBeside(_ name: String) -> Bool {
        guard let archive, fallback != nil else { return false }
        return archive.member(name) == nil && !archive.hasFolder(name)
    }

    func source(of name: String) throws(RecastError) -> any ByteSource {
        guard let archive, !isBeside(name) else { return try FileSource(path: path(of: name)) }
        return try archive.source(of: name)
    }

    /// A whole small file.
    ///
    /// - Throws: `malformedInput` where it is larger than `limit`.
    func contents(of name: String, limit: Int = 1 << 28) throws(RecastError) -> [UInt8] {
        try source(of: name).contents(limit: limit)
    }
}
