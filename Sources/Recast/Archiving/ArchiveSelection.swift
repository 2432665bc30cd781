/// The files that are packed when a path is named.
struct ArchiveSelection {
    var folder: Folder
    var name: String
    /// The file that was named; nil for a directory.
    var main: String?
    /// In the order they are packed in.
    var names: [String]
    var notes: [String] = []

    init(_ path: String) throws(RecastError) {
        guard let status = POSIX.status(path) else {
            throw HubCache.missing(path)
        }
        if status.isDirectory {
            folder = Folder(directory: Path.trimmed(path))
            name = Path.name(POSIX.resolved(path) ?? path)
            // A model's folder in the hub's cache holds its files twice, as links and as blobs, and other revisions.
            if HubCache.recognizes(folder, try folder.names()) {
                let snapshot = try HubCache.snapshot(in: folder)
                folder = Folder(directory: folder.path(of: snapshot.name))
                name = folder.name
                notes.append(snapshot.note)
            }
            names = []
            var leftOut: [String] = []
            try Self.list(folder.path, below: "", depth: 1, into: &names, leftOut: &leftOut)
            if !leftOut.isEmpty { notes.append("not packed: \(leftOut.joined(separator: ", "))") }
        } else if try Archive.recognizes(path) {
            let archive = try Archive(path: path)
            folder = Folder(archive)
            (name, main, names) = (archive.name, archive.main, archive.names)
        } else {
            folder = Folder(containing: path)
            name = Path.name(path)
            main = name
            names = try Self.set(of: name, in: folder)
        }
        if name.isEmpty || name == "/" { name = "model" }
    }

    /// Folders of version control and of downloads, which are no part of a checkpoint and can be larger.
    private static let foreign: Set<String> = [".git", ".cache"]

    private static func list(
        _ directory: String, below prefix: String, depth: Int, into names: inout [String], leftOut: inout [String]
    ) throws(RecastError) {
        let found = try POSIX.names(in: directory)
        if found.isEmpty, !prefix.isEmpty { leftOut.append(prefix + " (empty)") }
        for name in found {
            let path = Path.join(directory, name)
            let status = POSIX.status(path)
            if status?.isDirectory == true {
                // A link may lead back to where it comes from.
                let isForeign = foreign.contains(name) || POSIX.isLink(path)
                if isForeign || depth >= ArchiveIndex.maximumDepth {
                    leftOut.append(prefix + name + "/")
                } else {
                    try list(path, below: prefix + name + "/", depth: depth + 1, into: &names, leftOut: &leftOut)
                }
            } else if status?.isRegular == true {
                names.append(prefix + name)
            } else {
                leftOut.append(prefix + name)
            }
        }
    }

    /// A file alone, or with the others of its set.
    private static func set(of name: String, in folder: Folder) throws(RecastError) -> [String] {
        for format in Checkpoint.formats {
            if let names = try format.fileSet(of: name, in: folder) { return names }
        }
        throw RecastError(.malformedInput, "is neither safetensors nor GGUF", trail: [folder.path(of: name)])
    }
}
