#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The folder beside a destination in which it is staged: `DESTINATION.recast-partial`, which nobody else may enter.
///
/// What it holds, in the order of its making:
///
/// | name | what it is |
/// |---|---|
/// | `recast.lock` | marks the folder as one of this program's, and is locked by the run that uses it |
/// | `new/` | what will be the destination |
/// | `journal` | which jobs are done (``Journal``) |
/// | `commit` | which names are about to change hands (``CommitRecord``) |
/// | `old/` | what had those names before, where it cannot be exchanged in one step |
///
/// It is removed in the opposite order, so that at every moment it is empty or marked. Long work before a conversion has a
/// folder of the same kind, with another ending and content of its own.
package final class StagingFolder {
    package let path: String
    private let directory: Int32
    private let lockFile: Int32
    /// Whether the file system knows locks; where it does not, the mark alone says who uses the folder.
    let hasLocks: Bool

    private static let lockName = "recast.lock"
    private static let title = "recast staging folder"

    static func path(for destination: String) -> String { destination + ".recast-partial" }

    /// Makes the folder, or takes the one that a run that is no more has left.
    ///
    /// - Parameter replaces: whether what is in its place, and is not this program's, may be removed.
    /// - Throws: `inputOutput` where another run uses it; `destinationExists` where something else is in its place.
    convenience init(for destination: String, replaces: Bool) throws(RecastError) {
        try self.init(at: Self.path(for: destination), replaces: replaces)
    }

    package init(at path: String, replaces: Bool) throws(RecastError) {
        while true {
            let isNew = try POSIX.makeDirectory(path, mode: 0o700)
            let entered: (directory: Int32, lockFile: Int32, hasLocks: Bool)?
            do throws(RecastError) {
                entered = try Self.enter(path, isNew: isNew, replaces: replaces)
            } catch {
                // Only if it is empty: another run may have come in meanwhile.
                guard isNew, POSIX.call(.remove, path, { _ in rmdir(path) }) != 0, errno != ENOENT else { throw error }
                throw RecastError(
                    error.code, error.message + "; and \(path) could not be removed: \(POSIX.reason)",
                    trail: error.trail)
            }
            guard let entered else { continue }
            (self.path, directory, lockFile, hasLocks) = (path, entered.directory, entered.lockFile, entered.hasLocks)
            return
        }
    }

    deinit {
        close(lockFile)
        close(directory)
    }

    /// nil where it has gone, or was cleared away, and is to be made again.
    private static func enter(
        _ path: String, isNew: Bool, replaces: Bool
    ) throws(RecastError) -> (directory: Int32, lockFile: Int32, hasLocks: Bool)? {
        guard let place = try POSIX.place(path) else { return nil }
        let owner = geteuid()
        // Where a file system has one owner for all, that of the folder around it is as good.
        let isOwned = place.owner == owner || POSIX.status(Path.directory(path))?.owner == place.owner
        guard place.isDirectory, isNew || isOwned else {
            try clear(path, place, replaces: replaces)
            return nil
        }
        let directory = try POSIX.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        var isEntered = false
        defer { if !isEntered { close(directory) } }

        let lockPath = Path.join(path, lockName)
        let isMarked = try POSIX.place(lockPath)?.isRegular == true
        if !isMarked {
            // A run that was killed before it had marked its folder has left an empty one.
            guard try POSIX.names(of: directory, path: path).isEmpty else {
                try clear(path, place, replaces: replaces)
                return nil
            }
        }
        let lockFile: Int32
        // Goes again with an error, as long as nobody else can have it.
        var isLockOurs = false
        defer { if !isEntered, isLockOurs { _ = POSIX.call(.remove, lockPath) { _ in unlink(lockPath) } } }
        do throws(RecastError) {
            let flags = isMarked ? O_RDWR | O_NOFOLLOW : O_RDWR | O_NOFOLLOW | O_CREAT | O_EXCL
            lockFile = try POSIX.open(lockPath, flags, mode: 0o600)
        } catch {
            // Another run has been here in the meantime.
            if error.code == .inputMissing { return nil }
            if !isMarked, try POSIX.exists(lockPath) { return nil }
            throw error
        }
        defer { if !isEntered { close(lockFile) } }
        var hasLocks = true
        switch try POSIX.lock(lockFile, path: lockPath) {
        case .held: isLockOurs = !isMarked
        case .heldByAnother:
            throw RecastError(.inputOutput, "another run of recast is writing to this destination", trail: [path])
        case .unsupported:
            hasLocks = false
            if isMarked { try checkUser(of: lockFile, path) } else { isLockOurs = true }
        }
        // Who held it before may have removed it since it was opened.
        guard let there = try POSIX.place(lockPath),
            there.isSameFile(as: try POSIX.status(of: lockFile, path: lockPath)),
            try POSIX.place(path)?.isSameFile(as: place) == true
        else {
            isLockOurs = false
            return nil
        }
        try mark(lockFile, lockPath)
        isEntered = true
        return (directory, lockFile, hasLocks)
    }

    /// Removes what is in the folder's place and was not staged by this program, if that is wanted.
    private static func clear(_ path: String, _ place: POSIX.Status, replaces: Bool) throws(RecastError) {
        func refusal(_ message: String) -> RecastError { RecastError(.destinationExists, message, trail: [path]) }
        let foreign = place.isDirectory ? try ReplacedDirectory.foreignNames(in: path) : []
        guard replaces else {
            throw refusal(
                "is where the destination would be staged, and was not staged by recast; move it away"
                    + (foreign == [] ? ", or --force removes it" : ""))
        }
        guard let foreign else {
            throw refusal("is where the destination would be staged, and holds no checkpoint; move it away")
        }
        if !foreign.isEmpty {
            throw refusal(
                "is where the destination would be staged, and holds what belongs to no checkpoint: "
                    + "\(foreign.abridged); move it away")
        }
        if let problem = POSIX.remove(path).first { throw problem.within("making room for staged files") }
    }

    // MARK: Who uses it

    private static func mark(_ file: Int32, _ path: String) throws(RecastError) {
        let text = Array("\(title)\n\(getpid()) \(host)\n".utf8)
        // The other way round, a mark would be empty for a moment.
        try text.withBytes { (bytes) throws(RecastError) in try POSIX.write(file, bytes, at: 0, path: path) }
        try POSIX.setSize(file, text.count, path: path)
    }

    private static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "?" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Without locks, what remains is to ask whether the process that has marked the folder lives.
    private static func checkUser(of file: Int32, _ path: String) throws(RecastError) {
        // Between making the mark and writing it there is next to no time; one that stays empty was left by a run that was
        // killed there.
        for _ in 0..<5 {
            if let user = try user(of: file, path) {
                if user.host == host, kill(user.process, 0) != 0, errno == ESRCH { return }
                // This very process may have been here before.
                if user.host == host, user.process == getpid() { return }
                throw RecastError(
                    .inputOutput,
                    "process \(user.process) on \(user.host) may be writing to this destination, and this file system has "
                        + "no locks to tell; if it is not, remove the folder", trail: [path])
            }
            usleep(40_000)
        }
    }

    /// What a mark says; nil where it is not whole.
    private static func user(of file: Int32, _ path: String) throws(RecastError) -> (process: pid_t, host: String)? {
        var bytes = [UInt8](repeating: 0, count: min(4096, try POSIX.status(of: file, path: path).byteCount))
        try bytes.withMutableBytes { (buffer) throws(RecastError) in
            try POSIX.read(file, into: buffer, at: 0, path: path)
        }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count > 2 else { return nil }
        let words = lines[1].split(separator: " ", maxSplits: 1)
        guard words.count == 2, let process = pid_t(words[0]), process > 0 else { return nil }
        return (process, String(words[1]))
    }

    // MARK: Content

    /// Removes one of the things in the folder. What is not there is no error.
    @discardableResult
    package func remove(_ name: String) -> [RecastError] {
        POSIX.remove(name, in: directory, path: Path.join(path, name))
    }

    /// Whether nothing is in it but its mark.
    package var isEmpty: Bool { (try? POSIX.names(of: directory, path: path)) == [Self.lockName] }

    /// Removes all that was staged, and keeps the folder.
    package func clear() -> [RecastError] {
        do throws(RecastError) {
            // What says most about the rest goes last, and stays where something of the rest does.
            let last = [Journal.name, CommitRecord.name]
            let names = try POSIX.names(of: directory, path: path).filter { $0 != Self.lockName && !last.contains($0) }
            var problems = names.flatMap(remove)
            for name in last where problems.isEmpty { problems = remove(name) }
            return problems
        } catch {
            return [error]
        }
    }

    /// Removes the folder with all that is in it.
    ///
    /// - Returns: what could not be removed, and why.
    package func discard() -> [RecastError] {
        var problems = clear()
        if problems.isEmpty { problems = remove(Self.lockName) }
        return problems.isEmpty ? POSIX.remove(path) : problems
    }
}
