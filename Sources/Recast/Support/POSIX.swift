internal import CKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The operating system's calls, with errors that name the path.
enum POSIX {
    /// The error number of the last failed call, in words.
    static var reason: String { String(cString: strerror(errno)) }

    static func failure(_ action: String, _ path: String) -> RecastError {
        let code: RecastError.Code = errno == ENOENT ? .inputMissing : .inputOutput
        return RecastError(code, "cannot \(action): \(reason)", trail: [path])
    }

    // MARK: Descriptors

    static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o666) throws(RecastError) -> Int32 {
        while true {
            #if canImport(Glibc)
                let descriptor = Glibc.open(path, flags | O_CLOEXEC, mode)
            #else
                let descriptor = Darwin.open(path, flags | O_CLOEXEC, mode)
            #endif
            if descriptor >= 0 { return descriptor }
            if errno != EINTR { throw failure("open", path) }
        }
    }

    /// Fills `buffer` from `offset`; a file that ends before is an error.
    static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int, path: String
    ) throws(RecastError) {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("read at byte \(offset + done)", path)
            }
            if count == 0 {
                let end = try status(of: descriptor, path: path).byteCount
                throw RecastError(
                    .inputOutput, "the file ends at byte \(end); \(offset + buffer.count) are needed", trail: [path])
            }
            done += count
        }
    }

    static func write(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: Int, path: String
    ) throws(RecastError) {
        var done = 0
        while done < buffer.count {
            let count = pwrite(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("write at byte \(offset + done)", path)
            }
            done += count
        }
    }

    // MARK: Paths

    struct Status {
        var byteCount: Int
        /// What it occupies, which is less than its size where it has holes.
        var allocatedByteCount: Int
        var isDirectory: Bool
        var isPipe: Bool
        var isRegular: Bool
        /// Nanoseconds since 1970.
        var modified: Int
        var device: UInt64
        var inode: UInt64

        func isSameFile(as other: Status) -> Bool { device == other.device && inode == other.inode }
    }

    /// nil where nothing is at the path.
    static func status(_ path: String) -> Status? {
        var record = stat()
        return stat(path, &record) == 0 ? Status(record) : nil
    }

    static func status(of descriptor: Int32, path: String) throws(RecastError) -> Status {
        var record = stat()
        guard fstat(descriptor, &record) == 0 else { throw failure("examine", path) }
        return Status(record)
    }

    /// Whether a path leads to this file or directory, or to something inside it, through whatever links.
    static func leads(_ path: String, into there: Status) -> Bool {
        for start in [path, Path.directory(path)] {
            guard var place = resolved(start) else { continue }
            while true {
                if status(place)?.isSameFile(as: there) == true { return true }
                if place == "/" { break }
                place = Path.directory(place)
            }
        }
        return false
    }

    /// Whether anything is at the path, a dangling symbolic link included.
    static func exists(_ path: String) -> Bool {
        var record = stat()
        return lstat(path, &record) == 0
    }

    static func isLink(_ path: String) -> Bool {
        var record = stat()
        return lstat(path, &record) == 0 && record.st_mode & S_IFMT == S_IFLNK
    }

    /// The path without links and dots; nil where it leads nowhere.
    static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The names in a directory, sorted, without `.` and `..`.
    static func names(in path: String) throws(RecastError) -> [String] {
        guard let directory = opendir(path) else { throw failure("list", path) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    static func makeDirectory(_ path: String) throws(RecastError) {
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw failure("create", path) }
    }

    static func rename(_ path: String, to final: String) throws(RecastError) {
        #if canImport(Glibc)
            let status = Glibc.rename(path, final)
        #else
            let status = Darwin.rename(path, final)
        #endif
        guard status == 0 else { throw failure("rename to \(final)", path) }
    }

    /// Removes a file, or a directory with all that is in it. What is not there is no error.
    static func remove(_ path: String) {
        if unlink(path) == 0 || errno == ENOENT { return }
        for name in (try? names(in: path)) ?? [] { remove(path + "/" + name) }
        rmdir(path)
    }

    /// Makes a rename in this directory last.
    static func synchronizeDirectory(_ path: String) {
        guard let descriptor = try? open(path, O_RDONLY) else { return }
        fsync(descriptor)
        close(descriptor)
    }

    /// The bytes a user may still write to the file system of an existing path.
    static func freeBytes(at path: String) -> Int? {
        var record = statvfs()
        guard statvfs(path, &record) == 0 else { return nil }
        return Int(record.f_bavail).multiplied(checked: Int(record.f_frsize))
    }
}

extension POSIX.Status {
    fileprivate init(_ record: stat) {
        byteCount = Int(record.st_size)
        allocatedByteCount = Int(record.st_blocks) * 512
        isDirectory = record.st_mode & S_IFMT == S_IFDIR
        isPipe = record.st_mode & S_IFMT == S_IFIFO
        isRegular = record.st_mode & S_IFMT == S_IFREG
        #if canImport(Glibc)
            modified = Int(record.st_mtim.tv_sec) * 1_000_000_000 + Int(record.st_mtim.tv_nsec)
        #else
            modified = Int(record.st_mtimespec.tv_sec) * 1_000_000_000 + Int(record.st_mtimespec.tv_nsec)
        #endif
        device = UInt64(truncatingIfNeeded: record.st_dev)
        inode = UInt64(record.st_ino)
    }
}

/// Parts of paths, by text alone.
public enum Path {
    public static func join(_ directory: String, _ name: String) -> String {
        directory.isEmpty ? name : directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }

    /// The part after the last slash; a trailing slash does not count.
    public static func name(_ path: String) -> String {
        String(trimmed(path).split(separator: "/").last ?? "")
    }

    /// The part before the last slash: `.` where there is none.
    public static func directory(_ path: String) -> String {
        let trimmed = trimmed(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// The folders that a relative path leads through, outermost first: `a` and `a/b` for `a/b/c`.
    static func folders(of path: String) -> [String] {
        // By bytes: an accent after a slash would make one character of both.
        let bytes = Array(path.utf8)
        let slashes = bytes.indices.filter { bytes[$0] == UInt8(ascii: "/") }
        return slashes.map { String(decoding: bytes[..<$0], as: UTF8.self) }
    }

    /// Without trailing slashes.
    public static func trimmed(_ path: String) -> String {
        var path = Substring(path)
        while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        return String(path)
    }
}
