// Folders that hold a checkpoint in a folder of theirs.
extension UnreadKinds {
    private static let examinedFolderCount = 32

    /// What to name instead of a folder whose own files are no checkpoint.
    ///
    /// - Returns: nil where the folders in it hold nothing that is known either.
    /// - Throws: `inputOutput` where a file cannot be read.
    static func nested(in folder: Folder, _ names: [String]) throws(RecastError) -> RecastError? {
        var contents: [(folder: Folder, names: [String])] = []
        for name in names where !name.hasPrefix(".") && folder.status(of: name)?.isDirectory == true {
            let inner = folder.folder(name)
            if let names = try? inner.names() { contents.append((inner, names)) }
            if contents.count == examinedFolderCount { break }
        }
        let found = contents.filter { holdsCheckpoint($0.folder, $0.names) }.map(\.folder.path)
        if !found.isEmpty {
            let others = found.count > 3 ? " and \(found.count - 3) more" : ""
            return RecastError(
                .inputMissing,
                "holds no checkpoint itself, but in a folder: name \(found.prefix(3).joined(separator: " or "))\(others)",
                trail: [folder.path])
        }
        for (inner, names) in contents {
            if let refusal = try refusal(of: inner, names) { return refusal }
        }
        return nil
    }

    private static func holdsCheckpoint(_ folder: Folder, _ names: [String]) -> Bool {
        if MegatronFolder.recognizes(names) || names.contains(where: { $0.hasSuffix(".gguf") }) { return true }
        return (try? ChosenWeights(in: folder, names)) ?? nil != nil
    }
}
