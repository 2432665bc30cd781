#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Removing: by descriptor, from a directory that is open, so that no link is followed whoever puts one there meanwhile.
extension POSIX {
    /// Deeper than any folder that was ever staged, and than descriptors reach.
    private static let maximumDepth = 64

    /// Removes a file or link, or a directory with all that is in it.
    ///
    /// - Returns: what could not be removed, and why; nothing where nothing was there.
    package static func remove(_ path: String) -> [RecastError] {
        do throws(RecastError) {
            let parent = Path.directory(path)
            let directory = try open(parent, O_RDONLY | O_DIRECTORY)
            defer { close(directory) }
            return remove(Path.name(path), in: directory, path: path)
        } catch {
            return error.code == .inputMissing ? [] : [error]
        }
    }

    /// Removes what has this name in an open directory.
    ///
    /// - Parameter path: for messages.
    package static func remove(_ name: String, in directory: Int32, path: String) -> [RecastError] {
        remove(name, in: directory, path: path, device: nil, depth: 0)
    }

    private static func remove(
        _ name: String, in directory: Int32, path: String, device: UInt64?, depth: Int
    ) -> [RecastError] {
        var record = stat()
        guard call(.status, path, { _ in fstatat(directory, name, &record, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            return errno == ENOENT ? [] : [failure("examine", path)]
        }
        let status = Status(record)
        guard status.isDirectory else { return unlink(name, in: directory, path: path, flags: 0) }
        // Another file system that is mounted there is not a part of it.
        if let device, device != status.identity.device {
            return [RecastError(.inputOutput, "another file system is mounted here", trail: [path])]
        }
        guard depth < maximumDepth else {
            return [RecastError(.inputOutput, "is too many folders deep to be removed", trail: [path])]
        }
        var problems: [RecastError] = []
        do throws(RecastError) {
            let inner = call(.open, path) { _ in
                openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            }
            guard inner >= 0 else { throw failure("open", path) }
            defer { close(inner) }
            for entry in try names(of: inner, path: path) {
                problems += remove(
                    entry, in: inner, path: Path.join(path, entry), device: status.identity.device, depth: depth + 1)
            }
        } catch {
            problems.append(error)
        }
        return problems.isEmpty ? unlink(name, in: directory, path: path, flags: AT_REMOVEDIR) : problems
    }

    private static func unlink(_ name: String, in directory: Int32, path: String, flags: Int32) -> [RecastError] {
        if call(.remove, path, { _ in unlinkat(directory, name, flags) }) == 0 || errno == ENOENT { return [] }
        return [failure("remove", path)]
    }
}
