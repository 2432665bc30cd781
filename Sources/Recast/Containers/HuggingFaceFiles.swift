/// The files of a Hugging Face checkpoint.
package struct HuggingFaceFiles: Sendable {
    /// Where all of them lie.
    package let folder: Folder
    package let metadata: [(key: String, value: String)]
    package let tensors: [NamedTensor]
    /// `config.json`; nil where there is none.
    package let configuration: JSON.Object?
    /// All other files of the directory that belong to the model: tokenizer, licence, code.
    package let companions: [String]
    /// What lies in the directory and is not carried along.
    package let ignored: [String]
    package let warnings: [String]
    /// The names of the files with the weights.
    let weightFiles: [String]
    /// Whether the weights are in files of PyTorch.
    package let areTorch: Bool

    var configurationPath: String { folder.path(of: "config.json") }

    private static let weightSuffixes = [
        ".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".ckpt", ".index.json", ".partial",
    ]

    /// - Parameter names: all that the folder holds.
    init(
        _ weights: ChosenWeights, in folder: Folder, names: [String], files: inout FileList
    ) throws(RecastError) {
        let set = try WeightSet(weights.place, in: folder, files: &files)
        if let rival = weights.rival { try set.checkSame(as: rival, in: folder, files: files.pool) }
        var warnings = weights.warnings + set.warnings
        if !weights.isNamed, let other = ChosenWeights.inTorch(beside: weights.place, in: folder, names),
            let name = set.firstDifference(from: other, in: folder, files: files.pool)
        {
            warnings.append(
                "\(folder.path): the weights of PyTorch beside those in safetensors are others (\(name) for one): safetensors are "
                    + "read; naming a file reads its set")
        }
        try self.init(
            folder, names: names, metadata: set.metadata, tensors: set.tensors, warnings: warnings, files)
    }

    /// The index of the set that a file is a shard of; nil for a file by itself.
    static func index(ofShard name: String, among names: [String]) -> String? {
        guard ShardSet(name) != nil else { return nil }
        let index = name.hasSuffix(".bin") ? WeightIndex.torchFileName : WeightIndex.fileName
        return names.contains(index) ? index : nil
    }

    private init(
        _ folder: Folder, names: [String], metadata: [(key: String, value: String)], tensors: [NamedTensor],
        warnings: [String], _ files: FileList
    ) throws(RecastError) {
        let weightFiles = Set(files.files.map { Path.name($0.name) })
        self.folder = folder
        self.metadata = metadata
        self.weightFiles = weightFiles.sorted()
        areTorch = weightFiles.contains { name in [".bin", ".pt", ".pth", ".ckpt"].contains(where: name.hasSuffix) }
        self.tensors = Self.inReadingOrder(tensors, files.positions, areTorch: areTorch)
        var companions: [String] = []
        var ignored: [String] = []
        for name in names where name != "config.json" && !name.hasPrefix(".") && !weightFiles.contains(name) {
            let isDirectory = folder.isDirectory(name)
            if isDirectory, name == "additional_chat_templates" {
                let inner = try folder.names(in: name)
                companions += inner.filter { $0.hasSuffix(".jinja") }.map { Path.join(name, $0) }
            } else if isDirectory || name == UnreadKinds.adapterConfiguration
                || Self.weightSuffixes.contains(where: name.hasSuffix) || Downloads.isPartial(name)
            {
                if !name.hasSuffix(".index.json") { ignored.append(isDirectory ? name + "/" : name) }
            } else {
                companions.append(name)
            }
        }
        self.companions = companions
        self.ignored = ignored
        let adapters = names.filter { $0.hasPrefix("adapter_model.") || $0 == "adapters.safetensors" }
        self.warnings =
            warnings
            + adapters.map {
                "\(folder.path(of: $0)) is an adapter, which is not applied: transformers applies it where it loads this folder; "
                    + "PEFT's merge_and_unload merges it"
            }
        let path = folder.path(of: "config.json")
        if names.contains("config.json") {
            guard let object = try JSON(parsing: folder.contents(of: "config.json"), file: path).object else {
                throw .malformed(path, at: 0, "is not a JSON object")
            }
            configuration = object
        } else {
            configuration = nil
        }
    }

    /// By file, and within a file by name, or as a pickle has them: the order in which llama.cpp's converter visits them.
    private static func inReadingOrder(
        _ tensors: [NamedTensor], _ positions: [FileID: Int], areTorch: Bool
    ) -> [NamedTensor] {
        tensors.enumerated().map { (file: $1.tensor.firstFile.flatMap { positions[$0] } ?? 0, place: $0, tensor: $1) }
            .sorted { a, b in
                if a.file != b.file { return a.file < b.file }
                if areTorch { return a.place < b.place }
                return a.tensor.name.utf8.lexicographicallyPrecedes(b.tensor.name.utf8)
            }
            .map(\.tensor)
    }
}
