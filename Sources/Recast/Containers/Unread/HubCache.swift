/// The cache of the Hugging Face Hub: `models--ORGANISATION--NAME` with `blobs`, `refs` and `snapshots/REVISION`, whose files
/// are links to blobs.
///
/// Source: huggingface_hub, `file_download.py` and its guide "Understand caching".
enum HubCache {
    static let prefix = "models--"
    private static let snapshots = "snapshots"

    /// The id of the model in whose folder of the cache a path lies; nil for other paths.
    static func id(in path: String) -> String? {
        guard let folder = path.split(separator: "/").last(where: { $0.hasPrefix(prefix) }) else { return nil }
        let id = String(folder.dropFirst(prefix.count)).replacing("--", with: "/")
        return isID(id) ? id : nil
    }

    /// The name of the model of which a folder is a snapshot; nil for other folders.
    static func modelName(ofSnapshot path: String) -> String? {
        let parts = path.split(separator: "/")
        guard parts.count >= 3, parts[parts.count - 2] == snapshots, parts[parts.count - 3].hasPrefix(prefix) else {
            return nil
        }
        return id(in: path)?.split(separator: "/").last.map(String.init)
    }

    /// Whether a text is an id as the hub gives them: `ORGANISATION/NAME`, of letters, digits, `-`, `_` and `.`.
    static func isID(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        return (1...2).contains(parts.count)
            && parts.allSatisfy { part in
                (1...96).contains(part.utf8.count) && part.first != "." && part.first != "-"
                    && part.utf8.allSatisfy { byte in
                        (48...57).contains(byte) || (97...122).contains(byte | 0x20) || [45, 46, 95].contains(byte)
                    }
            }
    }

    /// Whether a folder of these names is that of a model in the cache.
    static func recognizes(_ folder: Folder, _ names: [String]) -> Bool {
        names.contains(snapshots) && (names.contains("refs") || names.contains("blobs"))
            && folder.isDirectory(snapshots)
            || folder.name.hasPrefix(prefix) && (names.contains("refs") || names.contains("blobs"))
    }

    /// The folder in a model's folder that `refs/main` names, or the only one.
    ///
    /// - Throws: `usage` where nothing says which of several is meant, `inputMissing` where none is there.
    static func snapshot(in folder: Folder) throws(RecastError) -> (name: String, note: String) {
        let all = folder.contains(snapshots) ? try folder.names(in: snapshots) : []
        let revisions = all.filter { folder.isDirectory(Path.join(snapshots, $0)) }
        guard let first = revisions.first else {
            throw Downloads.failure("is the hub's cache of a model and has no snapshot", folder.path)
        }
        let main = Path.join("refs", "main")
        if folder.contains(main) {
            let text = String(decoding: try folder.contents(of: main, limit: 1 << 10), as: UTF8.self)
            let revision = text.filter { !$0.isWhitespace }
            // Only names that are there: the text could lead anywhere.
            if revisions.contains(revision) {
                return (
                    Path.join(snapshots, revision),
                    "\(folder.path): the snapshot \(revision) is read, which refs/main names"
                )
            }
        }
        guard revisions.count == 1 else {
            throw RecastError(
                .usage,
                "is the hub's cache of a model, whose refs/main names none of its \(revisions.count) snapshots: name one of "
                    + revisions.prefix(4).map { folder.path(of: Path.join(snapshots, $0)) }.joined(separator: ", "),
                trail: [folder.path])
        }
        return (
            Path.join(snapshots, first), "\(folder.path): the snapshot \(first) is read, the only one that is there"
        )
    }

    /// What is missing of a snapshot; nil for other folders, and where nothing is known to be.
    static func failure(ofSnapshot folder: Folder) -> RecastError? {
        guard let partial = unfinished(besideSnapshot: folder).first else { return nil }
        return Downloads.failure("lacks a file, of which \(partial) is a part", folder.path)
    }

    /// The blobs of the model of a snapshot that are not complete; none of other folders.
    static func unfinished(besideSnapshot folder: Folder) -> [String] {
        guard modelName(ofSnapshot: folder.path) != nil, let model = folder.enclosing?.enclosing,
            let blobs = try? model.names(in: "blobs")
        else { return [] }
        return blobs.filter(Downloads.isPartial).map { model.path(of: Path.join("blobs", $0)) }
    }

    /// The models in the cache; nil for other folders.
    static func refusal(of folder: Folder, _ names: [String]) -> RecastError? {
        if let model = names.first(where: { $0.hasPrefix(prefix) }) {
            return RecastError(
                .usage, "is the hub's cache: name the folder of a model in it, such as \(folder.path(of: model))",
                trail: [folder.path])
        }
        guard folder.path.split(separator: "/").dropLast().last?.hasPrefix(prefix) == true,
            Path.name(folder.path) == snapshots, let model = folder.enclosing
        else { return nil }
        return RecastError(
            .usage, "holds the snapshots of a model in the hub's cache: name \(model.path), or one of them",
            trail: [folder.path])
    }
}

// MARK: Paths that are no files

extension HubCache {
    /// What to say of a path that leads to nothing and may be meant for a model of the hub.
    static func missing(_ path: String) -> RecastError {
        let error = RecastError(.inputMissing, "no such file or directory", trail: [path])
        guard let hint = hint(for: path) else { return error }
        return RecastError(.inputMissing, "no such file or directory; \(hint)", trail: [path])
    }

    private static func hint(for path: String) -> String? {
        var rest = Substring(path)
        var isSurely = false
        for scheme in ["https://", "http://", "hf://"] where rest.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            isSurely = scheme == "hf://"
            if !isSurely, !rest.hasPrefix("huggingface.co/"), !rest.hasPrefix("hf.co/") {
                return "addresses are not read: download it, and name the folder or the file"
            }
        }
        for host in ["huggingface.co/", "hf.co/"] where rest.hasPrefix(host) {
            rest = rest.dropFirst(host.count)
            isSurely = true
        }
        guard isSurely || !rest.hasPrefix("/") && !rest.hasPrefix(".") else { return nil }
        if rest.contains("://") { return "addresses are not read: download it, and name the folder or the file" }
        // Behind a colon some programs name the type of a GGUF file.
        let colon = rest.split(separator: ":", maxSplits: 1)
        let tag = colon.count == 2 && isID(String(colon[1])) ? String(colon[1]) : nil
        let path = Path.trimmed(String(tag == nil ? rest : colon[0]))
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 2 else { return nil }
        let id = parts.prefix(2).joined(separator: "/")
        guard isID(id) else { return nil }
        var file: String?
        if parts.count > 2 {
            let inside = ["tree", "blob", "resolve"].contains(parts[2]) ? parts.dropFirst(4) : parts.dropFirst(2)
            file = inside.isEmpty ? nil : inside.joined(separator: "/")
            guard isSurely || file.map({ ChosenWeights.isOfWeights($0) || $0.hasSuffix(".gguf") }) == true else {
                return nil
            }
        } else if ChosenWeights.isOfWeights(id) || id.hasSuffix(".gguf") {
            return nil
        }
        let what =
            isSurely
            ? "it is a model of the Hugging Face Hub" : "it looks like the id of a model of the Hugging Face Hub"
        let selection = tag.map { " --include '*\($0)*.gguf'" } ?? file.map { " \($0)" } ?? ""
        return
            "\(what): hf download \(id)\(selection) --local-dir \(parts[1]), and name \(file.map { Path.join(String(parts[1]), $0) } ?? String(parts[1]))"
    }
}
