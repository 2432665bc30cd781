package import CKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The operating system's calls, with errors that name the path. Those of this file work on open files.
///
/// Each asks ``Faults`` first, so that tests can make any of them fail.
package enum POSIX {
    /// The error number of the last failed call, in words.
    package static var reason: String { String(cString: strerror(errno)) }

    static func failure(_ action: String, _ path: String) -> RecastError {
        let code: RecastError.Code = errno == ENOENT ? .inputMissing : .inputOutput
        return RecastError(code, "cannot \(action): \(reason)", trail: [path])
    }

    /// Makes a call that returns a negative number with `errno` set where it fails, again where a signal has cut it short.
    @inline(__always)
    package static func call<Result: SignedInteger>(
        _ kind: SystemCall, _ path: String, _ body: (_ isShort: Bool) -> Result
    ) -> Result {
        while true {
            let result: Result
            switch Faults.outcome(kind, path) {
            case .proceed: result = body(false)
            case .short: result = body(true)
            case .fail(let number):
                errno = number
                result = -1
            }
            if result >= 0 || errno != EINTR { return result }
        }
    }

    package static func open(_ path: String, _ flags: Int32, mode: mode_t = 0o666) throws(RecastError) -> Int32 {
        let descriptor = call(.open, path) { _ in
            #if canImport(Glibc)
                Glibc.open(path, flags | O_CLOEXEC, mode)
            #else
                Darwin.open(path, flags | O_CLOEXEC, mode)
            #endif
        }
        guard descriptor >= 0 else { throw failure("open", path) }
        return descriptor
    }

    /// Fills `buffer` from `offset`; a file that ends before is an error.
    package static func read(
        _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int, path: String
    ) throws(RecastError) {
        var done = 0
        while done < buffer.count {
            let left = buffer.count - done
            let count = call(.read, path) { isShort in
                pread(descriptor, buffer.baseAddress! + done, isShort ? (left + 1) / 2 : left, off_t(offset + done))
            }
            guard count >= 0 else { throw failure("read at byte \(offset + done)", path) }
            if count == 0 {
                let end = try status(of: descriptor, path: path).byteCount
                throw RecastError(
                    .inputOutput, "the file ends at byte \(end); \(offset + buffer.count) are needed", trail: [path])
            }
            done += count
        }
    }

    package static func write(
        _ descriptor: Int32, _ buffer: UnsafeRawBufferPointer, at offset: Int, path: String
    ) throws(RecastError) {
        var done = 0
        while done < buffer.count {
            let left = buffer.count - done
            let count = call(.write, path) { isShort in
                pwrite(descriptor, buffer.baseAddress! + done, isShort ? (left + 1) / 2 : left, off_t(offset + done))
            }
            guard count >= 0 else { throw failure("write at byte \(offset + done)", path) }
            // A file system that takes nothing and says nothing would be asked for ever.
            guard count > 0 else {
                throw RecastError(.inputOutput, "nothing can be written at byte \(offset + done)", trail: [path])
            }
            done += count
        }
    }

    /// Copies bytes between two files inside the kernel.
    ///
    /// - Returns: how many; fewer than `count` where the kernel does not copy between these files, or the source ends.
    static func copy(
        from source: Int32, at sourceOffset: Int, to destination: Int32, at offset: Int, count: Int, path: String
    ) -> Int {
        var done = 0
        while done < count {
            let left = count - done
            let copied = call(.copy, path) { isShort in
                ck_copy_file_range(
                    source, Int64(sourceOffset + done), destination, Int64(offset + done),
                    isShort ? (left + 1) / 2 : left)
            }
            guard copied > 0 else { break }
            done += copied
        }
        return done
    }

    package static func setSize(_ descriptor: Int32, _ byteCount: Int, path: String) throws(RecastError) {
        guard call(.truncate, path, { _ in ftruncate(descriptor, off_t(byteCount)) }) == 0 else {
            throw failure("set the size of", path)
        }
    }

    /// Makes last what has been written to a file, and the status that it takes to read it.
    static func synchronizeData(_ descriptor: Int32, path: String) throws(RecastError) {
        guard call(.synchronize, path, { _ in fdatasync(descriptor) }) == 0 else { throw failure("synchronize", path) }
    }

    package static func synchronize(_ descriptor: Int32, path: String) throws(RecastError) {
        guard call(.synchronize, path, { _ in fsync(descriptor) }) == 0 else { throw failure("synchronize", path) }
    }

    package enum Lock { case held, heldByAnother, unsupported }

    /// Takes the lock of an open file without waiting for it.
    package static func lock(_ descriptor: Int32, path: String) throws(RecastError) -> Lock {
        if call(.lock, path, { _ in flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 { return .held }
        if errno == EWOULDBLOCK { return .heldByAnother }
        // Lustre without `-o flock` and some network file systems know the other kind of locks, or none.
        if call(.lock, path, { _ in ck_lock_range(descriptor) }) == 0 { return .held }
        switch errno {
        case EAGAIN, EACCES: return .heldByAnother
        case ENOSYS, ENOLCK, EOPNOTSUPP, EINVAL: return .unsupported
        default: throw failure("lock", path)
        }
    }

    // MARK: Status

    package struct Status {
        package var byteCount: Int
        /// What it occupies, which is less than its size where it has holes.
        package var allocatedByteCount: Int
        package var isDirectory: Bool
        var isPipe: Bool
        package var isRegular: Bool
        var isLink: Bool
        /// Nanoseconds since 1970, of the content and of the status.
        var modified: Int
        var changed: Int
        package var owner: UInt32
        /// Who may do what: the lowest nine bits.
        package var permissions: mode_t
        package var identity: FileIdentity

        package func isSameFile(as other: Status) -> Bool { identity == other.identity }
    }

    package static func status(of descriptor: Int32, path: String) throws(RecastError) -> Status {
        var record = stat()
        guard call(.status, path, { _ in fstat(descriptor, &record) }) == 0 else { throw failure("examine", path) }
        return Status(record)
    }
}

/// What tells a file from every other that there is at the time, whatever it is called.
package struct FileIdentity: Sendable, Hashable, Codable {
    package var device: UInt64
    package var inode: UInt64

    package init(device: UInt64, inode: UInt64) { (self.device, self.inode) = (device, inode) }
}

extension POSIX.Status {
    package init(_ record: stat) {
        byteCount = Int(record.st_size)
        allocatedByteCount = Int(record.st_blocks) * 512
        let kind = record.st_mode & S_IFMT
        (isDirectory, isPipe, isRegular, isLink) = (kind == S_IFDIR, kind == S_IFIFO, kind == S_IFREG, kind == S_IFLNK)
        #if canImport(Glibc)
            modified = Int(record.st_mtim.tv_sec) * 1_000_000_000 + Int(record.st_mtim.tv_nsec)
            changed = Int(record.st_ctim.tv_sec) * 1_000_000_000 + Int(record.st_ctim.tv_nsec)
        #else
            modified = Int(record.st_mtimespec.tv_sec) * 1_000_000_000 + Int(record.st_mtimespec.tv_nsec)
            changed = Int(record.st_ctimespec.tv_sec) * 1_000_000_000 + Int(record.st_ctimespec.tv_nsec)
        #endif
        owner = record.st_uid
        permissions = record.st_mode & 0o777
        identity = FileIdentity(device: UInt64(truncatingIfNeeded: record.st_dev), inode: UInt64(record.st_ino))
    }
}
