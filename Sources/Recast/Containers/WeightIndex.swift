/// A file of a Hugging Face checkpoint that holds named tensors.
struct WeightFile {

    var metadata: [(key: String, value: String)] = []
    var tensors: [NamedTensor]
    var warnings: [String] = []

    /// By its content: safetensors, or what `torch.save` wrote.
    init(_ source: any ByteSource, files: inout FileList) throws(RecastError) {
        if try TorchArchive.recognizes(source) {
            if let refusal = try UnreadKinds.zipRefusal(of: source) { throw refusal }
            let archive = try TorchArchive(source, as: files.add(source))
            files.checksums += archive.checksums
            let state = try archive.stateDictionary()
            tensors = state.tensors
            if !state.others.isEmpty {
                warnings.append("\(source.name): left out what is no tensor: \(state.others.abridged)")
            }
        } else {
            if try !SafetensorsFile.recognizes(source), let refusal = try UnreadKinds.refusal(of: source) {
                throw refusal
            }
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
        let (map, shardOf) = try Self.map(name, in: folder)
        var metadata: [(key: String, value: String)] = []
        var keys = Set<ByteString>()
        var tensors: [NamedTensor] = []
        var warnings: [String] = []
        var found = Set<ByteString>()
        let shards = Set(shardOf.values).sorted()
        let absent = shards.filter { !folder.contains($0) }
        guard absent.isEmpty else {
            throw .malformed(
                path,
                "weight_map names the shard \(absent[0]), which is not there"
                    + (shards.count > 1 ? "; \(absent.count) of \(shards.count) shards are missing" : "")
                    + "; \(Downloads.nextCommand(for: path)) fetches what was not downloaded")
        }
        var strangers: [String] = []
        for shard in shards {
            let shardPath = folder.path(of: shard)
            let file = try WeightFile(folder.weights(in: shard), files: &files)
            warnings += file.warnings
            for (key, value) in file.metadata where keys.insert(ByteString(key)).inserted {
                metadata.append((key, value))
            }
            for tensor in file.tensors {
                guard found.insert(ByteString(tensor.name)).inserted else {
                    throw .malformed(shardPath, "\(tensor.name) is in another shard, too")
                }
                if shardOf[ByteString(tensor.name)] != shard { strangers.append(tensor.name) }
                tensors.append(tensor)
            }
        }
        // Shards are whole files: what they do not hold was never saved, or the model will miss it.
        let ghosts = map.members.filter { !found.contains(ByteString($0.key)) }.map(\.key)
        if !ghosts.isEmpty { warnings.append("\(path) names what no shard holds: \(ghosts.abridged)") }
        if !strangers.isEmpty { warnings.append("\(path) does not say where these are: \(strangers.abridged)") }
        self.metadata = metadata
        self.tensors = tensors
        self.warnings = warnings
    }

    /// The shards that an index names.
    static func shards(of name: String, in folder: Folder) throws(RecastError) -> [String] {
        Set(try map(name, in: folder).shardOf.values).sorted()
    }

    private static func map(
        _ name: String, in folder: Folder
    ) throws(RecastError) -> (map: JSON.Object, shardOf: [ByteString: String]) {
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
        return (map, shardOf)
    }
}

/// The tensors of one set of weight files.
struct WeightSet {
    var metadata: [(key: String, value: String)] = []
    var tensors: [NamedTensor] = []
    var warnings: [String] = []

    init(_ place: ChosenWeights.Place, in folder: Folder, files: inout FileList) throws(RecastError) {
        switch place {
        case .index(let name):
            let index = try WeightIndex(name, in: folder, files: &files)
            (metadata, tensors, warnings) = (index.metadata, index.tensors, index.warnings)
        case .shards(let names):
            var found = Set<ByteString>()
            for name in names {
                let file = try WeightFile(folder.weights(in: name), files: &files)
                if let twice = file.tensors.first(where: { !found.insert(ByteString($0.name)).inserted }) {
                    throw .malformed(folder.path(of: name), "\(twice.name) is in another shard, too")
                }
                metadata += file.metadata.filter { pair in !metadata.contains { $0.key == pair.key } }
                tensors += file.tensors
                warnings += file.warnings
            }
        case .single(let name):
            let source = try folder.weights(in: name)
            guard try !Archive.recognizes(source) else {
                throw RecastError(.usage, "is an archive; name it itself, or unpack it", trail: [source.name])
            }
            let file = try WeightFile(source, files: &files)
            (metadata, tensors, warnings) = (file.metadata, file.tensors, file.warnings)
        }
    }

    /// - Throws: `usage` where the other set of the folder holds anything else: nobody knows which is meant.
    func checkSame(as rival: ChosenWeights.Place, in folder: Folder, files pool: FilePool) throws(RecastError) {
        var files = FileList()
        let other = try WeightSet(rival, in: folder, files: &files)
        func name(_ place: ChosenWeights.Place) -> String {
            switch place {
            case .index(let name): "the shards of \(name)"
            case .shards(let names): "\(names[0]) and its like"
            case .single(let name): name
            }
        }
        guard other.tensors.count == tensors.count else { throw Self.ambiguous(name(rival), in: folder) }
        let own = Dictionary(tensors.map { (ByteString($0.name), $0.tensor) }) { first, _ in first }
        let pairs = other.tensors.map { (own[ByteString($0.name)], $0.tensor) }
        guard pairs.allSatisfy({ $0?.dtype == $1.dtype && $0?.shape == $1.shape }) else {
            throw Self.ambiguous(name(rival), in: folder)
        }
        var reader = Reader(files: pool)
        var otherReader = Reader(files: files.pool)
        for (mine, theirs) in pairs {
            for window in theirs.windows(of: Self.elementsAtOnce) {
                try Interruption.check()
                let own = try Self.bytes(of: mine!, window, using: &reader)
                guard try own == Self.bytes(of: theirs, window, using: &otherReader) else {
                    throw Self.ambiguous(name(rival), in: folder)
                }
            }
        }
    }

    /// A tensor that another set of the folder, of the other kind of file, has differently: of each tensor the beginning is
    /// compared. What is stored in another type, or not there, is no other weight.
    ///
    /// - Returns: its name; nil where there is none, or the other set cannot be read.
    func firstDifference(from rival: ChosenWeights.Place, in folder: Folder, files pool: FilePool) -> String? {
        var files = FileList()
        guard let other = try? WeightSet(rival, in: folder, files: &files) else { return nil }
        let theirs = Dictionary(other.tensors.map { (ByteString($0.name), $0.tensor) }) { first, _ in first }
        var reader = Reader(files: pool)
        var otherReader = Reader(files: files.pool)
        for (name, mine) in tensors.map({ ($0.name, $0.tensor) }) {
            guard let their = theirs[ByteString(name)], their.dtype == mine.dtype else { continue }
            guard their.shape == mine.shape else { return name }
            guard let window = mine.windows(of: Self.elementsLookedAt).first,
                mine.byteCount(of: window) <= Self.elementsAtOnce
            else { continue }
            let own = try? Self.bytes(of: mine, window, using: &reader)
            let other = try? Self.bytes(of: their, window, using: &otherReader)
            if let own, let other, own != other { return name }
        }
        return nil
    }

    private static func bytes(
        of tensor: LazyTensor, _ window: Window, using reader: inout Reader
    ) throws(RecastError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: tensor.byteCount(of: window))
        try bytes.withMutableBytes { (buffer) throws(RecastError) in
            try tensor.read(window, into: buffer, using: &reader)
        }
        return bytes
    }

    private static let elementsAtOnce = 1 << 20
    private static let elementsLookedAt = 1 << 12

    private static func ambiguous(_ rival: String, in folder: Folder) -> RecastError {
        RecastError(
            .usage,
            "holds two sets of weights, which are not the same: \(rival), and others. Name a file of the one that is meant, or "
                + "remove the other", trail: [folder.path])
    }
}
