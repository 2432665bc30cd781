/// A checkpoint as its containers give it: stored names, lazy tensors, metadata. Nothing is interpreted yet.
public struct Checkpoint: Sendable {
    public enum Content: Sendable {
        case huggingFace(HuggingFaceFiles)
        case gguf(GGUFSet)
        case megatron(MegatronFiles)
    }

    /// What the user named.
    public let path: String
    public let content: Content
    /// The archive that holds it all; nil where the files lie open.
    public let archive: Archive?
    public let files: [SourceFile]
    /// What the files say of their own bytes.
    public let checksums: [SourceChecksum]
    /// In the order of the source: by file, then by the order the reference converter reads them in.
    public let tensors: [NamedTensor]
    public let warnings: [String]

    /// Opens a directory (of Hugging Face or Megatron), a `.safetensors` file, a `.gguf` file, one file of a set, or an
    /// archive of any of these; the content decides.
    ///
    /// - Throws: `inputMissing`, `malformedInput`, or `unsupported` for what is recognised but not read.
    public init(path: String) throws(RecastError) {
        guard let status = POSIX.status(path) else {
            throw RecastError(.inputMissing, "no such file or directory", trail: [path])
        }
        let archive = status.isDirectory ? nil : try Archive.recognizes(path) ? Archive(path: path) : nil
        let folder: Folder
        let name: String?
        if let archive {
            folder = Folder(archive)
            name = try archive.checkpointName()
        } else {
            folder = status.isDirectory ? Folder(directory: Path.trimmed(path)) : Folder(containing: path)
            name = status.isDirectory ? nil : Path.name(path)
        }
        var files = FileList()
        content = try Self.content(of: folder, name, files: &files)
        switch content {
        case .huggingFace(let found):
            tensors = found.tensors
            warnings = found.warnings
        case .gguf(let set):
            tensors = set.tensors
            warnings = set.warnings
        case .megatron(let found):
            tensors = found.tensors
            warnings = found.warnings
        }
        self.path = path
        self.archive = archive
        self.files = files.files
        checksums = files.checksums
    }

    /// - Parameter name: the file that stands for the checkpoint; nil for the whole folder.
    private static func content(
        of folder: Folder, _ name: String?, files: inout FileList
    ) throws(RecastError) -> Content {
        guard let name else {
            if folder.archive == nil, MegatronFolder.recognizes(folder.path) {
                return .megatron(try MegatronFiles(path: folder.path, files: &files))
            }
            return .huggingFace(try HuggingFaceFiles(folder, files: &files))
        }
        let source = try folder.source(of: name)
        if try GGUFFile.recognizes(source) { return .gguf(try GGUFSet(name, in: folder, files: &files)) }
        let holdsTensors = try SafetensorsFile.recognizes(source) ? true : TorchArchive.recognizes(source)
        if holdsTensors || name.hasSuffix(".safetensors") {
            return .huggingFace(try HuggingFaceFiles(file: name, in: folder, files: &files))
        }
        throw RecastError(
            .malformedInput, "is neither safetensors nor GGUF, and no zip of PyTorch", trail: [source.name])
    }

    /// The tensors, each quantized weight that is stored in several parts as one.
    ///
    /// - Throws: `malformedInput` where its parts contradict each other or the configuration.
    public func weights() throws(RecastError) -> [NamedTensor] { try quantizedModules()?.tensors ?? tensors }

    func quantizedModules() throws(RecastError) -> QuantizedModules.Outcome? {
        guard case .huggingFace(let files) = content else { return nil }
        var configuration = files.configuration
        if let said = quantizationConfiguration, said.key == nil {
            configuration?["quantization_config"] = .object(said.object)
        }
        return try QuantizedModules.find(in: tensors, configuration: configuration, files: self.files, file: path)
    }

    /// What the checkpoint says about its quantization, and under which key of `config.json`; older programs say it only in
    /// a file of its own.
    var quantizationConfiguration: (key: String?, object: JSON.Object)? {
        guard case .huggingFace(let files) = content else { return nil }
        for key in ["quantization", "quantization_config"] {
            if let object = files.configuration?[key]?.object { return (key, object) }
        }
        guard tensors.contains(where: { $0.name.hasSuffix(".qweight") }) else { return nil }
        for (name, method) in [("quantize_config.json", "gptq"), ("quant_config.json", "awq")]
        where files.companions.contains(name) {
            guard let bytes = try? files.folder.contents(of: name),
                var object = (try? JSON(parsing: bytes, file: name))?.object
            else { continue }
            if object["quant_method"] == nil { object["quant_method"] = .string(method) }
            return (nil, object)
        }
        return nil
    }

    public var formatName: String {
        switch content {
        case .huggingFace: "huggingface"
        case .gguf: "gguf"
        case .megatron: "megatron"
        }
    }
}

/// The files of a Hugging Face checkpoint.
public struct HuggingFaceFiles: Sendable {
    /// Where all of them lie.
    public let folder: Folder
    public let metadata: [(key: String, value: String)]
    public let tensors: [NamedTensor]
    /// `config.json`; nil where there is none.
    public let configuration: JSON.Object?
    /// All other files of the directory that belong to the model: tokenizer, licence, code.
    public let companions: [String]
    /// What lies in the directory and is not carried along.
    public let ignored: [String]
    public let warnings: [String]
    /// Whether the weights are in files of PyTorch.
    public let areTorch: Bool

    var configurationPath: String { folder.path(of: "config.json") }

    private static let weightSuffixes = [
        ".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".ckpt", ".index.json", ".partial",
    ]

    init(_ folder: Folder, files: inout FileList) throws(RecastError) {
        let directory = folder.path
        let names = try folder.names()
        let index = names.filter { $0.hasSuffix(".safetensors.index.json") }
        let weights = names.filter { $0.hasSuffix(".safetensors") }
        if index.contains(WeightIndex.fileName) || index.count == 1 && !weights.contains("model.safetensors") {
            let name = index.contains(WeightIndex.fileName) ? WeightIndex.fileName : index[0]
            try self.init(index: name, in: folder, names: names, files: &files)
        } else if weights.contains("model.safetensors") {
            try self.init(single: "model.safetensors", in: folder, names: names, files: &files)
        } else if names.contains(WeightIndex.torchFileName) {
            try self.init(index: WeightIndex.torchFileName, in: folder, names: names, files: &files)
        } else if names.contains(Self.torchName) {
            try self.init(single: Self.torchName, in: folder, names: names, files: &files)
        } else if weights.count == 1 {
            try self.init(single: weights[0], in: folder, names: names, files: &files)
        } else if weights.isEmpty, names.contains(where: { $0.hasSuffix(".gguf") }) {
            let first = names.first { $0.hasSuffix(".gguf") }!
            throw RecastError(
                .usage, "holds GGUF files; name one of them, for example \(folder.path(of: first))",
                trail: [directory])
        } else if weights.count > 1 {
            throw RecastError(
                .malformedInput, "holds \(weights.count) safetensors files and no \(WeightIndex.fileName)",
                trail: [directory])
        } else if names.contains(where: { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasPrefix("iter_") }) {
            throw RecastError(.unsupported, "holds PyTorch files, which cannot be read yet", trail: [directory])
        } else {
            throw RecastError(.inputMissing, "holds no checkpoint: no safetensors and no GGUF file", trail: [directory])
        }
    }

    /// A file given by name: it alone, or the set it is a shard of.
    init(file name: String, in folder: Folder, files: inout FileList) throws(RecastError) {
        let names = try folder.names()
        if let index = Self.index(ofShard: name, among: names) {
            try self.init(index: index, in: folder, names: names, files: &files)
        } else {
            try self.init(single: name, in: folder, names: names, files: &files)
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
            weightFiles: Set(files.files.map { Path.name($0.path) }))
    }

    private init(single name: String, in folder: Folder, names: [String], files: inout FileList) throws(RecastError) {
        let source = try folder.source(of: name)
        guard try !Archive.recognizes(source) else {
            throw RecastError(.usage, "is an archive; name it itself, or unpack it", trail: [source.name])
        }
        let file = try WeightFile(source, files: &files)
        try self.init(
            folder, names: names, metadata: file.metadata, tensors: file.tensors, warnings: file.warnings,
            weightFiles: [name])
    }

    private init(
        _ folder: Folder, names: [String], metadata: [(key: String, value: String)], tensors: [NamedTensor],
        warnings: [String], weightFiles: Set<String>
    ) throws(RecastError) {
        self.folder = folder
        self.metadata = metadata
        areTorch = weightFiles.contains { $0.hasSuffix(".bin") }
        self.tensors = Self.inReadingOrder(tensors, areTorch: areTorch)
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
    private static func inReadingOrder(_ tensors: [NamedTensor], areTorch: Bool) -> [NamedTensor] {
        tensors.enumerated().map { (file: $1.tensor.firstFile?.index ?? 0, place: $0, tensor: $1) }
            .sorted { a, b in
                if a.file != b.file { return a.file < b.file }
                if areTorch { return a.place < b.place }
                return a.tensor.name.utf8.lexicographicallyPrecedes(b.tensor.name.utf8)
            }
            .map(\.tensor)
    }
}
