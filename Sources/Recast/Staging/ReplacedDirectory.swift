/// What may be removed when a directory is replaced: a checkpoint, and nothing else of the user's.
enum ReplacedDirectory {
    /// What in a directory belongs to no checkpoint, as relative paths: none where the directory may be replaced.
    ///
    /// - Parameter written: files that are about to be written in their place, by the names relative to the directory.
    /// - Returns: nil where it holds no checkpoint at all.
    static func foreignNames(in path: String, besides written: Set<String> = []) throws(RecastError) -> [String]? {
        var search = Search(root: path, written: written)
        try search.look(in: "", depth: 0)
        if search.foreign.isEmpty, !search.names.isEmpty, !search.isCheckpoint { return nil }
        return search.foreign
    }

    private struct Search {
        let root: String
        let written: Set<String>
        var names: [String] = []
        var foreign: [String] = []
        /// Whether anything was found that only a checkpoint has.
        var isCheckpoint = false

        /// Deeper than any layout of ranks.
        static let maximumDepth = 4

        mutating func look(in folder: String, depth: Int) throws(RecastError) {
            for name in try POSIX.names(in: folder.isEmpty ? root : Path.join(root, folder)) {
                let relative = folder.isEmpty ? name : folder + "/" + name
                guard let place = try POSIX.place(Path.join(root, relative)) else { continue }
                names.append(relative)
                if place.isDirectory {
                    if depth < Self.maximumDepth, holdsCheckpoint(name, in: folder) {
                        try look(in: relative, depth: depth + 1)
                    } else {
                        foreign.append(relative + "/")
                    }
                } else if !belongs(name, relative), !written.contains(relative) {
                    foreign.append(relative)
                }
            }
        }

        /// Folders that a checkpoint is made of.
        private func holdsCheckpoint(_ name: String, in folder: String) -> Bool {
            ReplacedDirectory.contents.contains { $0.isFolder(name) }
                || written.contains { $0.hasPrefix(folder.isEmpty ? name + "/" : folder + "/" + name + "/") }
        }

        private mutating func belongs(_ name: String, _ relative: String) -> Bool {
            let contents = ReplacedDirectory.contents
            if contents.contains(where: { $0.suffixes.contains(where: name.hasSuffix) || $0.names.contains(name) }) {
                isCheckpoint = true
                return true
            }
            if name == "config.json" {
                // Programs of every kind have a file of that name.
                guard isModelConfiguration(relative) else { return false }
                isCheckpoint = true
                return true
            }
            return contents.contains { $0.companions.contains(name) } || GGUFCompanions.isEmbedded(name)
                || ReplacedDirectory.companionSuffixes.contains(where: name.hasSuffix)
                || name.hasSuffix(".py") && ReplacedDirectory.codePrefixes.contains(where: name.hasPrefix)
                || ["LICENSE", "NOTICE"].contains { name == $0 || name.hasPrefix($0 + ".") || name.hasPrefix($0 + "-") }
        }

        private func isModelConfiguration(_ relative: String) -> Bool {
            let path = Path.join(root, relative)
            guard let bytes = try? FileSource.contents(of: path, limit: 1 << 24),
                let object = try? JSON(parsing: bytes, file: path).object
            else { return false }
            return object["model_type"]?.string != nil || object["architectures"] != nil
        }
    }

    /// What there is in checkpoints of every format.
    private static let contents = Checkpoint.formats.map { $0.directoryContents }
    private static let companionSuffixes = [".jinja", ".tiktoken"]
    /// Code that transformers loads with `trust_remote_code`.
    private static let codePrefixes = [
        "configuration_", "modeling_", "tokenization_", "processing_", "image_processing_",
    ]
}
