import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file by its place in a list of files. Tensors hold ids, not descriptors, so that a plan is a value and a thousand
/// files need no thousand descriptors.
public struct FileID: Hashable, Sendable, Codable {
    public let index: Int

    public init(_ index: Int) { self.index = index }
}

/// A file that tensors are read from, as it was when it was first looked at.
public struct SourceFile: Hashable, Sendable, Codable {
    /// Its path; that of a file in an archive begins with the archive's.
    public var path: String
    /// The path of the archive that holds it; nil for a file of its own.
    public var archive: String?
    public var byteCount: Int
    /// Nanoseconds since 1970; a file that has changed since it was examined is refused.
    public var modified: Int
    /// The same of its status, which no program can set back.
    public var changed: Int
    /// What tells it from another file of the same name.
    var identity: FileIdentity

    init(path: String, byteCount: Int, status: POSIX.Status, archive: String? = nil) {
        self.path = path
        self.archive = archive
        self.byteCount = byteCount
        (modified, changed, identity) = (status.modified, status.changed, status.identity)
    }

    /// A file that is not on a disk.
    public init(path: String, byteCount: Int) {
        self.path = path
        self.byteCount = byteCount
        (modified, changed, identity) = (0, 0, FileIdentity(device: 0, inode: 0))
    }

    /// The file on the disk that holds the bytes.
    var placePath: String { archive ?? path }

    /// Whether the file on the disk is still the one that was examined.
    var isUnchanged: Bool {
        guard let status = POSIX.status(placePath) else { return false }
        return (archive != nil || status.byteCount == byteCount) && status.modified == modified
            && status.changed == changed && status.identity == identity
    }
}

extension [SourceFile] {
    /// What copies of the files may be done with, by whom: no more than with any of them, but by the owner.
    var permissions: mode_t {
        var shared: mode_t = 0o666
        for path in Set(map(\.placePath)) { shared &= POSIX.status(path)?.permissions ?? 0 }
        return shared | 0o600
    }
}

extension Plan {
    var sourcePermissions: mode_t { sources.permissions }

    var haveSourcesChanged: Bool { sources.contains { !$0.isUnchanged } }
}

/// Opens the files of a list when they are needed, and keeps the most recently used of them open.
///
/// A file that is dropped while somebody reads it is closed when that reader lets go.
public final class FilePool: Sendable {
    public let files: [SourceFile]
    private let capacity: Int
    private let open = Mutex<[Entry]>([])
    private let archives = Mutex<[String: Archive]>([:])

    private struct Entry {
        var id: FileID
        var source: any ByteSource
    }

    public init(_ files: [SourceFile], capacity: Int = 128) {
        self.files = files
        self.capacity = max(1, capacity)
    }

    /// - Throws: `inputOutput` where the file is not the one that was examined.
    public func source(_ id: FileID) throws(RecastError) -> any ByteSource {
        let held = open.withLock { entries -> (any ByteSource)? in
            guard let index = entries.lastIndex(where: { $0.id == id }) else { return nil }
            let entry = entries.remove(at: index)
            entries.append(entry)
            return entry.source
        }
        if let held { return held }

        let file = files[id.index]
        let source = try open(file)
        guard source.file == file else {
            throw RecastError(.inputOutput, "has changed since it was examined", trail: [file.path])
        }
        open.withLock { entries in
            entries.append(Entry(id: id, source: source))
            if entries.count > capacity { entries.removeFirst() }
        }
        return source
    }

    /// Whether all files are still those that were examined, so that what was read of them belongs together.
    ///
    /// - Throws: `inputOutput` where one is not.
    func checkUnchanged() throws(RecastError) {
        for file in files where !file.isUnchanged {
            throw RecastError(.inputOutput, "has changed since it was examined", trail: [file.placePath])
        }
    }

    private func open(_ file: SourceFile) throws(RecastError) -> any ByteSource {
        guard let path = file.archive else { return try FileSource(path: file.path) }
        let archive: Archive
        if let held = archives.withLock({ $0[path] }) {
            archive = held
        } else {
            archive = try Archive(path: path)
            archives.withLock { $0[path] = archive }
        }
        return try archive.source(of: String(decoding: file.path.utf8.dropFirst(path.utf8.count + 1), as: UTF8.self))
    }
}
