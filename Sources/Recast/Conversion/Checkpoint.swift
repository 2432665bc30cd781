/// A checkpoint as its containers give it: stored names, lazy tensors, metadata. Nothing is interpreted yet.
public struct Checkpoint: Sendable {
    public enum Content: Sendable {
        case huggingFace(HuggingFaceFiles)
        case gguf(GGUFSet)
    }

    /// What the user named.
    public let path: String
    public let content: Content
    public let files: [SourceFile]
    /// In the order of the source: by file, then by the order the reference converter reads them in.
    public let tensors: [NamedTensor]
    public let warnings: [String]

    /// Opens a directory, a `.safetensors` file, a `.gguf` file, or one file of a set; the content decides.
    ///
    /// - Throws: `inputMissing`, `malformedInput`, or `unsupported` for what is recognised but not read.
    public init(path: String) throws(RecastError) {
        guard let status = POSIX.status(path) else {
            throw RecastError(.inputMissing, "no such file or directory", trail: [path])
        }
        var files = FileList()
        if status.isDirectory {
            let found = try HuggingFaceFiles(directory: Path.trimmed(path), files: &files)
            content = .huggingFace(found)
            tensors = found.tensors
            warnings = found.warnings
        } else if GGUFFile.recognizes(path) {
            let set = try GGUFSet(path: path, files: &files)
            content = .gguf(set)
            tensors = set.tensors
            warnings = set.warnings
        } else if SafetensorsFile.recognizes(path) || path.hasSuffix(".safetensors") {
            let found = try HuggingFaceFiles(file: path, files: &files)
            content = .huggingFace(found)
            tensors = found.tensors
            warnings = found.warnings
        } else {
            throw RecastError(.malformedInput, "is neither safetensors nor GGUF", trail: [path])
        }
        self.path = path
        self.files = files.files
    }

    /// The tensors, each quantized weight that is stored in several parts as one.
    ///
    /// - Throws: `malformedInput` where its parts contradict each other or the configuration.
    public func weights() throws(RecastError) -> [NamedTensor] { try quantizedModules()?.tensors ?? tensors }

    func quantizedModules() throws(RecastError) -> QuantizedModules.Outcome? {
        guard case .huggingFace(let files) = content else { return nil }
        return try QuantizedModules.find(
            in: tensors, configuration: files.configuration, files: self.files, file: path)
    }

    public var formatName: String {
        switch content {
        case .huggingFace: "huggingface"
        case .gguf: "gguf"
        }
    }
}

/// The files of a Hugging Face checkpoint.
public struct HuggingFaceFiles: Sendable {
    public let directory: String
    public let metadata: [(key: String, value: String)]
    public let tensors: [NamedTensor]
    /// `config.json`; nil where there is none.
    public let configuration: JSON.Object?
    /// All other files of the directory that belong to the model: tokenizer, licence, code.
    public let companions: [String]
    /// What lies in the directory and is not carried along.
    public let ignored: [String]
    public let warnings: [String]

    var configurationPath: String { Path.join(directory, "config.json") }

    private static let weightSuffixes = [
        ".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".ckpt", ".index.json", ".partial",
    ]

    init(directory: String, files: inout FileList) throws(RecastError) {
        let names = try POSIX.names(in: directory)
        let index = names.filter { $0.hasSuffix(".safetensors.index.json") }
        let weights = names.filter { $0.hasSuffix(".safetensors") }
        if index.contains(SafetensorsIndex.fileName) || index.count == 1 && !weights.contains("model.safetensors") {
            let name = index.contains(SafetensorsIndex.fileName) ? SafetensorsIndex.fileName : index[0]
            try self.init(index: Path.join(directory, name), directory: directory, names: names, files: &files)
        } else if weights.contains("model.safetensors") || weights.count == 1 {
            let name = weights.contains("model.safetensors") ? "model.safetensors" : weights[0]
            try self.init(single: Path.join(directory, name), directory: directory, names: names, files: &files)
        } else if weights.isEmpty, names.contains(where: { $0.hasSuffix(".gguf") }) {
            let first = names.first { $0.hasSuffix(".gguf") }!
            throw RecastError(
                .usage, "holds GGUF files; name one of them, for example \(Path.join(directory, first))",
                trail: [directory])
        } else if weights.count > 1 {
            throw RecastError(
                .malformedInput, "holds \(weights.count) safetensors files and no \(SafetensorsIndex.fileName)",
                trail: [directory])
        } else if names.contains(where: { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") || $0.hasPrefix("iter_") }) {
            throw RecastError(.unsupported, "holds PyTorch files, which cannot be read yet", trail: [directory])
        } else {
            throw RecastError(.inputMissing, "holds no checkpoint: no safetensors and no GGUF file", trail: [directory])
        }
    }

    /// A file given by name: it alone, or the set it is a shard of.
    init(file path: String, files: inout FileList) throws(RecastError) {
        let directory = Path.directory(path)
        let names = try POSIX.names(in: directory)
        let isShard = Path.name(path).contains("-of-") && names.contains(SafetensorsIndex.fileName)
        if isShard {
            try self.init(
                index: Path.join(directory, SafetensorsIndex.fileName), directory: directory, names: names,
                files: &files)
        } else {
            try self.init(single: path, directory: directory, names: names, files: &files)
        }
    }

    private init(index: String, directory: String, names: [String], files: inout FileList) throws(RecastError) {
        let set = try SafetensorsIndex(path: index, files: &files)
        try self.init(
            directory: directory, names: names, metadata: set.metadata, tensors: set.tensors,
            weightFiles: Set(files.files.map { Path.name($0.path) }))
    }

    private init(single path: String, directory: String, names: [String], files: inout FileList) throws(RecastError) {
        let file = try SafetensorsFile(path: path, files: &files)
        try self.init(
            directory: directory, names: names, metadata: file.metadata, tensors: file.tensors,
            weightFiles: [Path.name(path)])
    }

    private init(
        directory: String, names: [String], metadata: [(key: String, value: String)], tensors: [NamedTensor],
        weightFiles: Set<String>
    ) throws(RecastError) {
        self.directory = directory
        self.metadata = metadata
        self.tensors = Self.inReadingOrder(tensors)
        var companions: [String] = []
        var ignored: [String] = []
        for name in names where name != "config.json" && !name.hasPrefix(".") && !weightFiles.contains(name) {
            let isDirectory = POSIX.status(Path.join(directory, name))?.isDirectory ?? true
            if isDirectory, name == "additional_chat_templates" {
                let inner = try POSIX.names(in: Path.join(directory, name))
                companions += inner.filter { $0.hasSuffix(".jinja") }.map { Path.join(name, $0) }
            } else if isDirectory || Self.weightSuffixes.contains(where: name.hasSuffix) {
                if !name.hasSuffix(".index.json") { ignored.append(isDirectory ? name + "/" : name) }
            } else {
                companions.append(name)
            }
        }
        self.companions = companions
        self.ignored = ignored
        warnings = []
        let path = Path.join(directory, "config.json")
        if names.contains("config.json") {
            guard let object = try JSON(parsing: FileSource.contents(of: path), file: path).object else {
                throw .malformed(path, at: 0, "is not a JSON object")
            }
            configuration = object
        } else {
            configuration = nil
        }
    }

    /// By file, and within a file by name: the order in which llama.cpp's converter visits them.
    private static func inReadingOrder(_ tensors: [NamedTensor]) -> [NamedTensor] {
        func file(_ tensor: NamedTensor) -> Int {
            if case .stored(let id, _) = tensor.tensor.recipe { id.index } else { 0 }
        }
        return tensors.map { (file($0), $0) }
            .sorted { $0.0 != $1.0 ? $0.0 < $1.0 : $0.1.name.utf8.lexicographicallyPrecedes($1.1.name.utf8) }
            .map(\.1)
    }
}
