/// Parts of paths, by text alone.
package enum Path {
    package static func join(_ directory: String, _ name: String) -> String {
        directory.isEmpty ? name : directory.hasSuffix("/") ? directory + name : directory + "/" + name
    }

    /// The part after the last slash; a trailing slash does not count.
    package static func name(_ path: String) -> String {
        String(trimmed(path).split(separator: "/").last ?? "")
    }

    /// The part before the last slash: `.` where there is none.
    package static func directory(_ path: String) -> String {
        let trimmed = trimmed(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        return slash == trimmed.startIndex ? "/" : String(trimmed[..<slash])
    }

    /// The text up to the last slash, and the name after it; an empty directory where there is no slash.
    package static func split(_ path: String) -> (directory: String, name: String) {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return ("", path) }
        let directory = slash == bytes.startIndex ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
        return (directory, String(decoding: bytes[bytes.index(after: slash)...], as: UTF8.self))
    }

    /// The folders that a relative path leads through, outermost first: `a` and `a/b` for `a/b/c`.
    package static func folders(of path: String) -> [String] {
        // By bytes: an accent after a slash would make one character of both.
        let bytes = Array(path.utf8)
        let slashes = bytes.indices.filter { bytes[$0] == UInt8(ascii: "/") }
        return slashes.map { String(decoding: bytes[..<$0], as: UTF8.self) }
    }

    /// Without trailing slashes.
    package static func trimmed(_ path: String) -> String {
        var path = Substring(path)
        while path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        return String(path)
    }
}
