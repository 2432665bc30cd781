/// A directory of the local file system.
package struct Directory: FilePlace {
    package static let scheme = "file"

    /// Empty for the current directory, where names stand for themselves.
    let path: String

    package init(opening path: String) { self.path = path }

    package static func found(at path: String) -> Directory? {
        POSIX.status(path)?.isDirectory == true ? Directory(opening: Path.trimmed(path)) : nil
    }

    package var reference: PlaceReference { PlaceReference(scheme: Self.scheme, path: path) }

    package var name: String { Path.name(listedPath) }

    package var enclosing: (any FilePlace)? {
        let outer = Path.directory(listedPath)
        return outer == "." ? nil : Directory(opening: outer)
    }

    private var listedPath: String { path.isEmpty ? "." : path }

    package func names(in folder: String?) throws(RecastError) -> [String] {
        try POSIX.names(in: folder.map { Path.join(path, $0) } ?? listedPath)
    }

    package func status(of name: String) -> PlaceStatus? {
        POSIX.status(Path.join(path, name)).map { status in
            PlaceStatus(isDirectory: status.isDirectory, byteCount: status.byteCount, tag: status.tag)
        }
    }

    package func source(of name: String) throws(RecastError) -> any ByteSource {
        try FileSource(path: Path.join(path, name), place: reference, name: name)
    }
}

extension POSIX.Status {
    /// What another file, or the same one changed, does not have: when its content was last changed, when its status was,
    /// which no program can set back, and what tells it from other files of its name.
    package var tag: String { "\(modified) \(changed) \(identity.device) \(identity.inode)" }
}
