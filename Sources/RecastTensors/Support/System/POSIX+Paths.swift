package import CKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Calls that take a path.
extension POSIX {
    // MARK: Questions

    /// What a path leads to, through whatever links; nil where it leads nowhere.
    package static func status(_ path: String) -> Status? {
        var record = stat()
        return call(.status, path) { _ in stat(path, &record) } == 0 ? Status(record) : nil
    }

    /// The same, where it matters that an error is not taken for nothing.
    ///
    /// - Throws: where it cannot be found out.
    package static func target(_ path: String) throws(RecastError) -> Status? {
        var record = stat()
        if call(.status, path, { _ in stat(path, &record) }) == 0 { return Status(record) }
        guard [ENOENT, ENOTDIR, ELOOP].contains(errno) else { throw failure("examine", path) }
        return nil
    }

    /// What is at a path, a symbolic link itself; nil where nothing is.
    ///
    /// - Throws: where that cannot be found out.
    package static func place(_ path: String) throws(RecastError) -> Status? {
        var record = stat()
        if call(.status, path, { _ in lstat(path, &record) }) == 0 { return Status(record) }
        guard errno == ENOENT || errno == ENOTDIR else { throw failure("examine", path) }
        return nil
    }

    /// Whether anything is at the path, a dangling symbolic link included.
    package static func exists(_ path: String) throws(RecastError) -> Bool { try place(path) != nil }

    package static func isLink(_ path: String) -> Bool { (try? place(path))?.isLink == true }

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

    /// The path without links and dots; nil where it leads nowhere.
    package static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The names in a directory, sorted, without `.` and `..`.
    package static func names(in path: String) throws(RecastError) -> [String] {
        let descriptor = try open(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        return try names(of: descriptor, path: path).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// The names in an open directory, in no order.
    package static func names(of descriptor: Int32, path: String) throws(RecastError) -> [String] {
        guard call(.list, path, { _ in Int32(0) }) == 0 else { throw failure("list", path) }
        // A descriptor of its own, which goes with the listing.
        let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard own >= 0, let directory = fdopendir(own) else {
            let error = failure("list", path)
            if own >= 0 { close(own) }
            throw error
        }
        defer { closedir(directory) }
        rewinddir(directory)
        var names: [String] = []
        errno = 0
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw failure("list", path) }
        return names
    }

    /// The bytes a user may still write to the file system of an existing path.
    package static func freeBytes(at path: String) -> Int? {
        var record = statvfs()
        guard statvfs(path, &record) == 0 else { return nil }
        return Int(record.f_bavail).multiplied(checked: Int(record.f_frsize))
    }

    // MARK: Changes

    /// - Returns: false where something is there already.
    package static func makeDirectory(_ path: String, mode: mode_t) throws(RecastError) -> Bool {
        if call(.makeDirectory, path, { _ in mkdir(path, mode) }) == 0 { return true }
        guard errno == EEXIST else { throw failure("create", path) }
        return false
    }

    /// Why a rename was not done.
    package enum RenameFailure: Error {
        /// Something has the new name.
        case exists
        /// The file system has no rename of this kind.
        case unsupported
        case other(RecastError)

        /// An error for whoever has no other way.
        package func error(_ action: String, _ path: String) -> RecastError {
            switch self {
            case .exists: RecastError(.destinationExists, "cannot \(action): something has that name", trail: [path])
            case .unsupported:
                RecastError(.inputOutput, "cannot \(action): the file system does not do this", trail: [path])
            case .other(let error): error
            }
        }
    }

    private static func rename(
        _ path: String, _ final: String, _ action: String, _ kind: SystemCall, _ body: () -> Int32
    ) throws(RenameFailure) {
        if call(kind, path, { _ in body() }) == 0 { return }
        switch errno {
        case EEXIST, ENOTEMPTY: throw .exists
        case EINVAL, ENOSYS, EOPNOTSUPP: throw .unsupported
        default: throw .other(failure("\(action) \(final)", path))
        }
    }

    /// Gives a file or directory another name that nothing has.
    ///
    /// Where the file system cannot do that in one step, a file is linked and its old name removed, and a directory is
    /// renamed as usual, which fails unless nothing or an empty directory is there.
    package static func renameExclusively(_ path: String, to final: String) throws(RenameFailure) {
        do throws(RenameFailure) {
            try rename(path, final, "rename to", .renameWithFlags) { ck_rename_exclusive(path, final) }
            return
        } catch {
            guard case .unsupported = error else { throw error }
        }
        let (source, target) = (try? place(path), try? place(final))
        if source?.isDirectory == true {
            if target != nil { throw .exists }
            try renameOver(path, to: final)
            return
        }
        // A rename of this kind that ended half-way has left the file with both names.
        let hasBoth = source != nil && source?.identity == target?.identity
        if hasBoth || link(path, to: final) {
            if call(.remove, path, { _ in unlink(path) }) == 0 { return }
            let failure = failure("remove the old name of \(final)", path)
            if !hasBoth { _ = call(.remove, final) { _ in unlink(final) } }
            throw .other(failure)
        }
        if errno == EEXIST { throw .exists }
        // File systems without links: what remains is to look first.
        if target != nil { throw .exists }
        try renameOver(path, to: final)
    }

    /// Gives a file a second name.
    ///
    /// - Returns: whether it has it; file systems without links have no such names.
    package static func link(_ path: String, to second: String) -> Bool {
        call(.link, path) { _ in
            #if canImport(Glibc)
                Glibc.link(path, second)
            #else
                Darwin.link(path, second)
            #endif
        } == 0
    }

    /// Gives a file another name in one step, in the place of a file that has it.
    package static func renameOver(_ path: String, to final: String) throws(RenameFailure) {
        try rename(path, final, "rename to", .rename) {
            #if canImport(Glibc)
                Glibc.rename(path, final)
            #else
                Darwin.rename(path, final)
            #endif
        }
    }

    /// Exchanges the names of two files or directories in one step.
    package static func exchange(_ path: String, with final: String) throws(RenameFailure) {
        try rename(path, final, "exchange for", .renameWithFlags) { ck_rename_exchange(path, final) }
    }

    /// Makes last what has been renamed, made or removed in this directory.
    package static func synchronizeDirectory(_ path: String) throws(RecastError) {
        let descriptor = try open(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        if call(.synchronize, path, { _ in fsync(descriptor) }) == 0 { return }
        // File systems that keep no order of their own know nothing to synchronise.
        guard errno == EINVAL || errno == ENOTSUP else { throw failure("synchronize", path) }
    }
}
