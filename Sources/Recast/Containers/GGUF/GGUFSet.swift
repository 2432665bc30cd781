/// A GGUF model in one file, or in several that carry `split.*` keys. Source: Specs/gguf.md §a.4.
package struct GGUFSet: Sendable {
    package let paths: [String]
    package let version: Int
    /// Of the first file; the others repeat nothing.
    package let metadata: GGUFMetadata
    package let alignment: Int
    package let tensors: [NamedTensor]
    package let warnings: [String]

    /// - Parameter path: the only file, or any one of a set.
    /// - Throws: `malformedInput` where a file is missing, belongs to another set, or repeats a tensor.
    package init(path: String, files: inout FileList) throws(RecastError) {
        try self.init(Path.name(path), in: Folder(containing: path), files: &files)
    }

    init(_ name: String, in folder: Folder, files: inout FileList) throws(RecastError) {
        // A file of a set is numbered in the order of the set, so it is first looked at apart.
        var apart = FileList()
        let mayBeOfSet = GGUFSplitName(name).map { $0.count > 1 } ?? false
        let first = try mayBeOfSet ? GGUFFile(folder.weights(in: name), files: &apart) : nil
        let count = try first.flatMap { (file) throws(RecastError) in try Self.splitCount(of: file) }
        guard let count else {
            let file = try GGUFFile(folder.weights(in: name), files: &files)
            if let count = try Self.splitCount(of: file) {
                _ = try Self.names(ofSetWith: name, in: folder, count: count)
            }
            paths = [file.path]
            version = file.version
            metadata = file.metadata
            alignment = file.alignment
            tensors = file.tensors
            warnings = file.warnings
            return
        }

        let names = try Self.names(ofSetWith: name, in: folder, count: count)
        var parts: [GGUFFile] = []
        for name in names { parts.append(try GGUFFile(folder.weights(in: name), files: &files)) }
        try Self.check(parts, count: count)
        paths = parts.map(\.path)
        version = parts[0].version
        metadata = parts[0].metadata
        alignment = parts[0].alignment
        tensors = parts.flatMap(\.tensors)
        warnings = parts.flatMap(\.warnings)
    }

    /// The number of files of the set; nil for a file that stands alone.
    private static func splitCount(of file: GGUFFile) throws(RecastError) -> Int? {
        guard let value = file.metadata["split.count"] else { return nil }
        guard let count = value.int, (0...65_535).contains(count) else {
            throw .malformed(file.path, "split.count is not a number of files")
        }
        // gguf-split leaves a count of 0 in files it has merged.
        return count > 1 ? count : nil
    }

    /// `stem-00001-of-00003.gguf` and its companions, in the directory of the file given.
    private static func names(
        ofSetWith name: String, in folder: Folder, count: Int
    ) throws(RecastError) -> [String] {
        // Only a name that is spelled so is one of the files that are opened below.
        guard let stem = GGUFSplitName(name), stem.count == count, stem.index < count,
            stem.fileName == name
        else {
            throw .malformed(
                folder.path(of: name),
                "is one of \(count) files (split.count), but is not named …-00001-of-\(GGUFSplitName.digits(count)).gguf"
            )
        }
        var names: [String] = []
        for index in 0..<count {
            let name = GGUFSplitName(stem: stem.stem, index: index, count: count).fileName
            guard folder.contains(name) else {
                throw .malformed(folder.path(of: name), "is missing: the model is split into \(count) files")
            }
            names.append(name)
        }
        return names
    }

    private static func check(_ parts: [GGUFFile], count: Int) throws(RecastError) {
        var names = Set<ByteString>()
        for (index, part) in parts.enumerated() {
            guard part.metadata["split.no"]?.int == index else {
                throw .malformed(part.path, "split.no is not \(index), which the file's name says")
            }
            guard part.metadata["split.count"]?.int == count else {
                throw .malformed(part.path, "split.count is not \(count) as in the first file")
            }
            if let architecture = part.metadata["general.architecture"],
                architecture != parts[0].metadata["general.architecture"]
            {
                throw .malformed(part.path, "belongs to a model of another architecture")
            }
            guard part.alignment == parts[0].alignment || part.metadata["general.alignment"] == nil else {
                throw .malformed(part.path, "has another alignment than the first file")
            }
            for tensor in part.tensors where !names.insert(ByteString(tensor.name)).inserted {
                throw .malformed(part.path, "\(tensor.name) is in an earlier file of the set too")
            }
        }
        guard let total = parts[0].metadata["split.tensors.count"]?.int else {
            throw .malformed(parts[0].path, "split.tensors.count is missing")
        }
        guard total == names.count else {
            throw .malformed(parts[0].path, "split.tensors.count is \(total), the files hold \(names.count) tensors")
        }
    }
}

/// The name of one file of a set: `stem-00001-of-00003.gguf`, counted from 1.
struct GGUFSplitName: Hashable {
    var stem: String
    /// Counted from 0.
    var index: Int
    var count: Int

    init(stem: String, index: Int, count: Int) {
        self.stem = stem
        self.index = index
        self.count = count
    }

    init?(_ name: String) {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard name.hasSuffix(".gguf"), parts.count >= 4, parts[parts.count - 2] == "of",
            let index = Int(parts[parts.count - 3]), let count = Int(parts[parts.count - 1].dropLast(5)), index >= 1
        else { return nil }
        self.init(stem: parts.dropLast(3).joined(separator: "-"), index: index - 1, count: count)
    }

    static func digits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }

    var fileName: String { "\(stem)-\(Self.digits(index + 1))-of-\(Self.digits(count)).gguf" }
}
