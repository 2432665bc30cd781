/// A file of a Hugging Face checkpoint that holds named tensors.
struct WeightFile {

    var metadata: [(key: String, value: String)] = []
    var tensors: [NamedTensor]
    var warnings: [String] = []

    /// By its content: safetensors, or what `torch.save` wrote.
    init(_ source: any ByteSource, files: inout FileList) throws(RecastError) {
        if try TorchArchive.recognizes(source) {
            let archive = try TorchArchive(source, as: files.add(source))
            files.checksums += archive.checksums
            let state = try archive.stateDictionary()
            tensors = state.tensors
            if !state.others.isEmpty {
                warnings.append("\(source.name): left out what is no tensor: \(state.others.abridged)")
            }
        } else {
            let file = try SafetensorsFile(source, files: &files)
            (metadata, tensors) = (file.metadata, file.tensors)
        }
    }
}

/// A set of weight files held together by `model.safetensors.index.json` or `pytorch_model.bin.index.json`.
package struct WeightIndex: Sendable {
    /// The name of an index of safetensors files.
    package static let fileName = "model.safetensors.index.json"
    static let torchFileName = "pytorch_model.bin.index.json"

    package let metadata: [(key: String, value: String)]
    /// By shard in the order of their names, within a shard in the order of their data.
    package let tensors: [NamedTensor]
    let warnings: [String]

    /// Reads the index and the headers of all its shards.
    ///
    /// - Throws: `malformedInput` for a shard that is missing or lies elsewhere, for a tensor that is not where the index
    ///   says, is in no index, or is there twice.
    package init(path: String, files: inout FileList) throws(RecastError) {
        try self.init(Path.name(path), in: Folder(containing: path), files: &files)
    }

    init(_ name: String, in folder: Folder, files: inout FileList) throws(RecastError) {
        let path = folder.path(of: name)
        let index = try JSON(parsing: folder.contents(of: name), file: path)
        guard let map = index["weight_map"]?.object else { throw .malformed(path, "has no \"weight_map\"") }

        var shardOf: [ByteString: String] = [:]
        for member in map.members {
            guard let shard = member.value.string else {
                throw .malformed(path, "weight_map: \"\(member.key)\" names no file")
            }
            guard !shard.isEmpty, !shard.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "/") }), shard != ".",
                shard != ".."
            else {
                throw .malformed(path, "weight_map: \"\(shard)\" is not the name of a file in this directory")
            }
            shardOf[ByteString(member.key)] = shard
        }

        var metadata: [(key: String, value: String)] = []
        var keys = Set<ByteString>()
        var tensors: [NamedTensor] = []
        var warnings: [String] = []
        var found = Set<ByteString>()
        for shard in Set(shardOf.values).sorted() {
            let shardPath = folder.path(of: shard)
            guard folder.contains(shard) else {
                throw .malformed(path, "weight_map names the shard \(shard), which is not there")
            }
            let file = try WeightFile(folder.source(of: shard), files: &files)
            warnings += file.warnings
            for (key, value) in file.metadata where keys.insert(ByteString(key)).inserted {
                metadata.append((key, value))
            }
            for tensor in file.tensors {
                guard let expected = shardOf[ByteString(tensor.name)] else {
                    throw .malformed(shardPath, "\(tensor.name) is not in \(Path.name(path))")
                }
                guard expected == shard else {
                    throw .malformed(shardPath, "\(tensor.name) belongs into \(expected) by \(Path.name(path))")
                }
                found.insert(ByteString(tensor.name))
                tensors.append(tensor)
            }
        }
        if let missing = map.members.first(where: { !found.contains(ByteString($0.key)) }) {
            throw .malformed(
                path,
                "weight_map: \(missing.key) is not in \(missing.value.string ?? ""); "
                    + "\(shardOf.count - found.count) tensors are missing")
        }
        self.metadata = metadata
        self.tensors = tensors
        self.warnings = warnings
    }
}
