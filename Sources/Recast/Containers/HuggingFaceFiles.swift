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
    /// Whether the weights are in files of PyTorch.
    package let areTorch: Bool

    var configurationPath: String { folder.path(of: "config.json") }

    private static let weightSuffixes = [
        ".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".ckpt", ".index.json", ".partial",
    ]

    /// Where the weights of a checkpoint are: in the files that an index names, or in one.
    enum Weights {
        case index(String)
        case single(String)

        /// Those of a folder; nil where no file stands out.
        init?(among names: [String]) {
            let index = names.filter { $0.hasSuffix(".safetensors.index.json") }
            let weights = names.filter { $0.hasSuffix(".safetensors") }
            if index.contains(WeightIndex.fileName) {
                self = .index(WeightIndex.fileName)
            } else if index.count == 1, !weights.contains("model.safetensors") {
                self = .index(index[0])
            } else if weights.contains("model.safetensors") {
                self = .single("model.safetensors")
            } else if names.contains(WeightIndex.torchFileName) {
                self = .index(WeightIndex.torchFileName)
            } else if names.contains(HuggingFaceFiles.torchName) {
                self = .single(HuggingFaceFiles.torchName)
            } else if weights.count == 1 {
                self = .single(weights[0])
            } else {
                return nil
            }
        }

        /// A file given by name: it alone, or the set it is a shard of.
        init(file name: String, among names: [String]) {
            self = HuggingFaceFiles.index(ofShard: name, among: names).map(Self.index) ?? .single(name)
        }
    }

    /// - Parameter names: all that the folder holds.
    init(_ weights: Weights, in folder: Folder, names: [String], files: inout FileList) throws(RecastError) {
        switch weights {
        case .index(let name): try self.init(index: name, in: folder, names: names, files: &files)
        case .single(let name): try self.init(single: name, in: folder, names: names, files: &files)
        }
    }

    /// PyTorch's file of weights, where there is just one.
    private static let torchName = "pytorch_model.bin"

    /// The index of the set that a file is a shard of; nil for a file by itself.
    static func index(ofShard name: String, among names: [String]) -> String? {
        guard name.contains("-of-") else { return nil }
        let index = name.hasSuffix(".bin") ? WeightIndex.torchFileName : WeightIndex.fileName
        return names.contains(index) ? index : nil
    }

    private init(index: String, in folder: Folder, names: [String], files: inout FileList) throws(RecastError) {
        let set = try WeightIndex(index, in: folder, files: &files)
        try self.init(
            folder, names: names, metadata: set.metadata, tensors: set.tensors, warnings: set.warnings,
            files)
    }

    private init(single name: String, in folder: Folder, names: [String], files: inout FileList) throws(RecastError) {
        let source = try folder.source(of: name)
        guard try !Archive.recognizes(source) else {
            throw RecastError(.usage, "is an archive; name it itself, or unpack it", trail: [source.name])
        }
        let file = try WeightFile(source, files: &files)
        try self.init(
            folder, names: names, metadata: file.metadata, tensors: file.tensors, warnings: file.warnings,
            files)
    }

    private init(
        _ folder: Folder, names: [String], metadata: [(key: String, value: String)], tensors: [NamedTensor],
        warnings: [String], _ files: FileList
    ) throws(RecastError) {
        let weightFiles = Set(files.files.map { Path.name($0.name) })
        self.folder = folder
        self.metadata = metadata
        areTorch = weightFiles.contains { $0.hasSuffix(".bin") }
        self.tensors = Self.inReadingOrder(tensors, files.positions, areTorch: areTorch)
        var companions: [String] = []
        var ignored: [String] = []
        for name in names where name != "config.json" && !name.hasPrefix(".") && !weightFiles.contains(name) {
            let isDirectory = folder.isDirectory(name)
            if isDirectory, name == "additional_chat_templates" {
                let inner = try folder.names(in: name)
                companions += inner.filter { $0.hasSuffix(".jinja") }.map { Path.join(name, $0) }
            } else if isDirectory || Self.weightSuffixes.contains(where: name.hasSuffix) {
                if !name.hasSuffix(".index.json") { ignored.append(isDirectory ? name + "/" : name) }
            } else {
                companions.append(name)
            }
        }
        self.companions = companions
        self.ignored = ignored
        self.warnings = warnings
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
