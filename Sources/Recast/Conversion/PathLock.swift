#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that one process at a time holds; it goes away with the value, and the hold with the process.
final class PathLock {
    private let path: String
    private let file: Int32

    /// - Throws: `inputOutput` where another process holds it.
    init(_ path: String) throws(RecastError) {
        self.path = path
        while true {
            let file = try POSIX.open(path, O_RDWR | O_CREAT)
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
                close(file)
                throw RecastError(.inputOutput, "another conversion is writing to this destination", trail: [path])
            }
            // Who held it before may have removed it since it was opened.
            let held = try POSIX.status(of: file, path: path)
            if let there = POSIX.status(path), there.isSameFile(as: held) {
                self.file = file
                return
            }
            close(file)
        }
    }

    deinit {
        unlink(path)
        close(file)
    }
}
