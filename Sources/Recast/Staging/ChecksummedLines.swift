#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Lines of text, each behind its CRC-32, so that a line that was cut or damaged is known for none.
enum ChecksummedLines {
    static func bytes(_ lines: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        for line in lines { bytes += Array("\(checksum(of: Array(line.utf8))) \(line)\n".utf8) }
        return bytes
    }

    /// The lines that are whole, in order; those that are not are left out.
    static func lines(in bytes: [UInt8]) -> [String] {
        var lines: [String] = []
        // What is behind the last line break is a line that was cut off.
        for line in bytes.split(separator: 10, omittingEmptySubsequences: false).dropLast() where line.count > 9 {
            let text = Array(line.dropFirst(9))
            guard String(decoding: line.prefix(9), as: UTF8.self) == checksum(of: text) + " " else { continue }
            lines.append(String(decoding: text, as: UTF8.self))
        }
        return lines
    }

    private static func checksum(of bytes: [UInt8]) -> String {
        var checksum = CRC32()
        bytes.withUnsafeBytes { checksum.update($0) }
        return checksum.value.hexadecimal
    }
}

extension StagingFolder {
    /// Lines of a file in the folder: none where it is not there.
    ///
    /// - Throws: where it cannot be read.
    package func lines(of name: String) throws(RecastError) -> [String] {
        let path = Path.join(path, name)
        guard let place = try POSIX.place(path), place.isRegular else { return [] }
        let descriptor = try POSIX.open(path, O_RDONLY | O_NOFOLLOW)
        defer { close(descriptor) }
        let byteCount = try POSIX.status(of: descriptor, path: path).byteCount
        var bytes = [UInt8](repeating: 0, count: byteCount)
        try bytes.withMutableBytes { (buffer) throws(RecastError) in
            try POSIX.read(descriptor, into: buffer, at: 0, path: path)
        }
        return ChecksummedLines.lines(in: bytes)
    }

    /// Writes a file of lines beside its place, makes it last, and puts it there: it is the old one or the new one, whole.
    ///
    /// - Returns: the file, open for more lines.
    @discardableResult
    package func write(_ lines: [String], to name: String) throws(RecastError) -> (file: FileSink, byteCount: Int) {
        let path = Path.join(path, name)
        let beside = path + ".new"
        if let problem = POSIX.remove(beside).first { throw problem }
        let bytes = ChecksummedLines.bytes(lines)
        let sink = try FileSink(creating: beside, mode: 0o600)
        try bytes.withBytes { (buffer) throws(RecastError) in try sink.write(buffer, at: 0) }
        try sink.synchronize()
        do throws(POSIX.RenameFailure) { try POSIX.renameOver(beside, to: path) } catch {
            throw error.error("rename", beside)
        }
        try POSIX.synchronizeDirectory(self.path)
        return (sink, bytes.count)
    }
}
