#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file beside checkpoints that appears whole: it is written under another name in the same folder, made durable, and then
/// renamed. What is not committed is removed.
package final class StagedFile: Sendable {
    package let path: String
    private let replaces: Bool
    private let staged: String
    private let sink: FileSink

    /// - Parameters:
    ///   - byteCount: what is held against the free space.
    ///   - replaces: whether a file of that name may be replaced.
    /// - Throws: `destinationExists`; `inputOutput` where it cannot be made, or there is too little space.
    package init(_ path: String, byteCount: Int, replaces: Bool) throws(RecastError) {
        try Self.check(path, replaces: replaces)
        let folder = Path.directory(path)
        if let free = POSIX.freeBytes(at: folder), free < byteCount {
            throw RecastError(
                .inputOutput, "not enough space: \(byteCount) bytes are needed, \(free) are free", trail: [path])
        }
        self.path = path
        self.replaces = replaces
        staged = Path.join(folder, ".\(Path.name(path)).\(getpid()).part")
        // Left over by a process of the same number.
        _ = POSIX.remove(staged)
        sink = try FileSink(creating: staged)
        do throws(RecastError) { try sink.setSize(byteCount) } catch {
            _ = POSIX.remove(staged)
            throw error
        }
    }

    /// Whether a file may be written at all, before there is anything to write.
    package static func check(_ path: String, replaces: Bool) throws(RecastError) {
        guard !path.isEmpty, ![".", "..", ""].contains(Path.name(path)) else {
            throw .usage("\(path.isEmpty ? "the file" : path) has no name to write to")
        }
        let folder = Path.directory(path)
        guard try POSIX.target(folder)?.isDirectory == true else {
            throw RecastError(.inputOutput, "there is no directory \(folder) to write to", trail: [path])
        }
        guard let there = try POSIX.place(path) else { return }
        if there.isDirectory { throw RecastError(.destinationExists, "is a directory", trail: [path]) }
        guard replaces else {
            throw RecastError(.destinationExists, "exists already; --force replaces it", trail: [path])
        }
    }

    deinit { _ = POSIX.remove(staged) }

    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(RecastError) {
        try sink.write(bytes, at: offset)
    }

    package func write(_ bytes: [UInt8], at offset: Int) throws(RecastError) {
        try bytes.withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: offset) }
    }

    /// Gives it its name.
    package func commit() throws(RecastError) {
        try sink.synchronize()
        do throws(POSIX.RenameFailure) {
            if replaces {
                try POSIX.renameOver(staged, to: path)
            } else {
                try POSIX.renameExclusively(staged, to: path)
            }
        } catch {
            switch error {
            case .exists:
                throw RecastError(
                    .destinationExists, "has appeared in the meantime; --force replaces it", trail: [path])
            default: throw error.error("rename to \(path)", staged)
            }
        }
        try POSIX.synchronizeDirectory(Path.directory(path))
    }
}
