/// One GGUF file, or the files of a split one.
extension GGUFSet: CheckpointFormat {
    static func recognition(of candidate: CheckpointCandidate) throws(RecastError) -> Recognition {
        if let source = candidate.file?.source { return try GGUFFile.recognizes(source) ? .isOfFormat : .isNot(nil) }
        // Which of several models is meant nobody knows.
        let models = candidate.names.filter { $0.hasSuffix(".gguf") }
        // Most of what lies beside a model is no other one.
        let besides = ["mmproj", "imatrix", "lora", "vocab"]
        guard let first = models.first(where: { !besides.contains(where: $0.contains) }) ?? models.first,
            !candidate.names.contains(where: { $0.hasSuffix(".safetensors") })
        else { return .isNot(nil) }
        return .isNot(
            RecastError(
                .usage, "holds GGUF files; name one of them, for example \(candidate.folder.path(of: first))",
                trail: [candidate.folder.path]))
    }

    init(opening candidate: CheckpointCandidate, files: inout FileList) throws(RecastError) {
        guard let name = candidate.file?.name else {
            preconditionFailure("\(candidate.folder.path) was not recognised")
        }
        try self.init(name, in: candidate.folder, files: &files)
    }

    func lifted(from checkpoint: Checkpoint, _ options: Model.Options) throws(RecastError) -> Model {
        try Model.lift(checkpoint, self, options)
    }
}

extension GGUFSet {
    var unknownArchitecture: String? {
        guard let name = metadata["general.architecture"]?.string,
            metadata["general.type"]?.string ?? "model" == "model"
        else { return nil }
        let isKnown = (try? GGUFArchitecture.named(name, tensors: tensors.map(\.name), file: paths[0])) != nil
        return isKnown ? nil : name
    }
}

// MARK: What belongs to the model

extension GGUFSet {
    var name: String { Path.name(paths[0]) }

    func vocabulary(preTokenizer: String?, size: Int?) throws(RecastError) -> Vocabulary? {
        try EmbeddedTokenizer(self, preTokenizer: preTokenizer).vocabulary
    }

    func embeddedTokenizer(preTokenizer: String?) throws(RecastError) -> EmbeddedTokenizer? {
        try EmbeddedTokenizer(self, preTokenizer: preTokenizer)
    }

    func generationConfiguration() throws(RecastError) -> JSON? {
        let name = "generation_config.json"
        guard let file = GGUFCompanions.files(in: metadata).first(where: { $0.name == name }) else { return nil }
        return try JSON(parsing: file.bytes, file: "\(paths[0]): \(name)")
    }

    var tokenCount: Int? { metadata["tokenizer.ggml.tokens"]?.elementCount }

    func companionFiles() -> [Companion] {
        GGUFCompanions.files(in: metadata).map { Companion(name: $0.name, content: .bytes($0.bytes)) }
    }

    var gguf: GGUFSet? { self }

    var description: FormatDescription {
        FormatDescription(
            name: "gguf", title: "GGUF version \(version)", metadata: metadata.pairs.map { ($0.key, $0.value.summary) })
    }
}

// MARK: What is written

extension GGUFSet {
    static func storedTensors(in source: any ByteSource) throws(RecastError) -> [NamedTensor]? {
        guard try GGUFFile.recognizes(source) else { return nil }
        var files = FileList()
        return try GGUFFile(source, files: &files).tensors
    }

    static func fileSet(of name: String, in folder: Folder) throws(RecastError) -> [String]? {
        guard try GGUFFile.recognizes(folder.source(of: name)) else { return nil }
        var files = FileList()
        return try GGUFSet(name, in: folder, files: &files).paths.map(Path.name)
    }

    static var directoryContents: DirectoryContents { DirectoryContents(suffixes: [".gguf"]) }
}

extension GGUFValue {
    /// The value in a line: long ones cut, arrays by their length.
    fileprivate var summary: String {
        switch self {
        case .string(let text):
            // By scalars: one character may have any number of them.
            text.unicodeScalars.count > 100
                ? "\(String(text.unicodeScalars.prefix(100)))… (\(text.utf8.count) bytes)" : text
        case .bool(let value): "\(value)"
        case .array(let array): "array of \(array.count)"
        case .f32(let value): "\(value)"
        case .f64(let value): "\(value)"
        default: int.map(String.init) ?? ""
        }
    }
}
