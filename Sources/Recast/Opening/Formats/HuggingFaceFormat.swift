/// Weights in safetensors files or in files of PyTorch, beside a `config.json`.
extension HuggingFaceFiles: CheckpointFormat {
    static func recognition(of candidate: CheckpointCandidate) throws(RecastError) -> Recognition {
        guard let (name, source) = candidate.file else {
            return try ChosenWeights(in: candidate.folder, candidate.names) == nil
                ? .isNot(try reason(candidate)) : .isOfFormat
        }
        if try SafetensorsFile.recognizes(source) { return .isOfFormat }
        return try TorchArchive.recognizes(source) || name.hasSuffix(".safetensors") ? .isOfFormat : .isNot(nil)
    }

    /// Why a folder is not taken that has something of the kind.
    private static func reason(_ candidate: CheckpointCandidate) throws(RecastError) -> RecastError? {
        let (folder, names) = (candidate.folder, candidate.names)
        if let refusal = try UnreadKinds.refusal(of: folder, names) { return refusal }
        let weights = names.filter { $0.hasSuffix(".safetensors") }
        if weights.count > 1 {
            return RecastError(
                .usage,
                "holds \(weights.count) safetensors files and no \(WeightIndex.fileName): name one of them, such as "
                    + folder.path(of: weights[0]), trail: [folder.path])
        }
        if let refusal = try UnreadKinds.nested(in: folder, names) { return refusal }
        if let file = names.filter({ $0.hasSuffix(".bin") || $0.hasSuffix(".pt") }).min() {
            return RecastError(
                .unsupported,
                "holds \(file), but neither the weights of a model (pytorch_model.bin) nor ranks of Megatron: where it is one, name "
                    + "the file itself", trail: [folder.path])
        }
        guard names.contains("config.json") else { return nil }
        return RecastError(
            .inputMissing,
            "holds a config.json and no weights: \(Downloads.nextCommand(for: folder.path)) fetches them",
            trail: [folder.path])
    }

    init(opening candidate: CheckpointCandidate, files: inout FileList) throws(RecastError) {
        let names = candidate.file == nil ? candidate.names : try candidate.folder.names()
        let weights =
            if let file = candidate.file {
                Optional(try ChosenWeights(file: file.name, in: candidate.folder, names))
            } else {
                try ChosenWeights(in: candidate.folder, names)
            }
        guard var weights else { preconditionFailure("\(candidate.folder.path) was not recognised") }
        weights.isNamed = candidate.file != nil
        try self.init(weights, in: candidate.folder, names: names, files: &files)
    }
}

// MARK: What the model is

extension HuggingFaceFiles {
    func lifted(from checkpoint: Checkpoint, _ options: Model.Options) throws(RecastError) -> Model {
        try Model.lift(checkpoint, self, options)
    }

    /// What is inside whatever programs and wrappers have put around it.
    struct Core {
        /// Under the names that the model has for them.
        var tensors: [NamedTensor]
        /// `config.json` of it by itself.
        var configuration: JSON.Object?
        var notes: [String] = []
        /// What it is inside of.
        var wrapped: WrappedModel?
    }

    func core() throws(RecastError) -> Core {
        let (unwrapped, removed) = try WrappedNames.unwrapped(tensors, file: folder.path)
        var core = Core(tensors: MLXNames.separated(unwrapped), configuration: configuration)
        if !removed.isEmpty {
            core.notes.append("names of tensors are read without \(removed.joined(separator: " and "))")
        }
        if let configuration, let wrapped = WrappedModel(configuration, core.tensors) {
            (core.tensors, core.configuration) = (wrapped.tensors, wrapped.configuration)
            core.notes.append(wrapped.note)
            core.wrapped = wrapped
        }
        return core
    }

    var unknownArchitecture: String? {
        guard let configuration, let core = try? core(), core.wrapped == nil,
            let name = configuration["architectures"]?.array?.first?.string ?? configuration["model_type"]?.string
        else { return nil }
        do throws(RecastError) {
            _ = try Family.of(configuration, file: configurationPath)
            return nil
        } catch { return error.code == .unsupported ? name : nil }
    }

    func quantizedModules(of checkpoint: Checkpoint) throws(RecastError) -> QuantizedModules.Outcome? {
        let core = try core()
        guard var outcome = try quantizedModules(of: core, checkpoint) else { return nil }
        if let wrapped = core.wrapped {
            for index in outcome.tensors.indices {
                outcome.tensors[index].name = wrapped.storedName(outcome.tensors[index].name)
            }
            outcome.tensors += wrapped.towers
        }
        return outcome
    }

    func quantizedModules(
        of core: Core, _ checkpoint: Checkpoint
    ) throws(RecastError) -> QuantizedModules.Outcome? {
        var configuration = core.configuration
        if let said = quantizationConfiguration, said.key == nil {
            configuration?["quantization_config"] = .object(said.object)
        }
        return try QuantizedModules.find(
            in: core.tensors, configuration: configuration, files: checkpoint.sources,
            file: checkpoint.path)
    }

    /// Older programs say it only in a file of its own.
    var quantizationConfiguration: (key: String?, object: JSON.Object)? {
        for key in ["quantization", "quantization_config"] {
            if let object = configuration?[key]?.object { return (key, object) }
        }
        // Of each the tensors that it must be about.
        let files = [
            ("quantize_config.json", "gptq", ".qweight"), ("quant_config.json", "awq", ".qweight"),
            ("hf_quant_config.json", "modelopt", ".weight_scale"),
        ]
        for (name, method, suffix) in files
        where companions.contains(name) && tensors.contains(where: { $0.name.hasSuffix(suffix) }) {
            guard let bytes = try? folder.contents(of: name),
                var object = (try? JSON(parsing: bytes, file: name))?.object
            else { continue }
            if method == "modelopt" { object = object["quantization"]?.object ?? object }
            if object["quant_method"] == nil { object["quant_method"] = .string(method) }
            return (nil, object)
        }
        return nil
    }
}

// MARK: What belongs to the model

extension HuggingFaceFiles {
    var name: String { folder.name }

    func vocabulary(preTokenizer: String?, size: Int?) throws(RecastError) -> Vocabulary? {
        try Checkpoint.vocabulary(
            in: folder, configuration: tokenizerConfiguration, size: size, preTokenizer: preTokenizer)
    }

    var tokenizerConfiguration: JSON? { configuration.map(JSON.object) }

    func companionFiles() -> [Companion] { companions.map { Companion(name: $0, content: .file(folder)) } }

    func generationConfiguration() throws(RecastError) -> JSON? {
        let name = "generation_config.json"
        guard companions.contains(name) else { return nil }
        return try JSON(parsing: folder.contents(of: name), file: folder.path(of: name))
    }

    var headerMetadata: [(key: String, value: String)] { metadata }

    var huggingFace: HuggingFaceFiles? { self }

    var description: FormatDescription {
        FormatDescription(
            name: "huggingface", title: "Hugging Face \(areTorch ? "PyTorch" : "safetensors")",
            metadata: metadata + (configuration?.members.map { ($0.key, $0.value.text()) } ?? []))
    }
}

// MARK: What is written

extension HuggingFaceFiles {
    static let tensorFileSuffixes = [".safetensors"]

    static func storedTensors(in source: any ByteSource) throws(RecastError) -> [NamedTensor]? {
        guard try SafetensorsFile.recognizes(source) else { return nil }
        var files = FileList()
        return try SafetensorsFile(source, files: &files).tensors
    }

    static func fileSet(of name: String, in folder: Folder) throws(RecastError) -> [String]? {
        guard try SafetensorsFile.recognizes(folder.source(of: name)) else { return nil }
        guard let index = index(ofShard: name, among: try folder.names()) else { return [name] }
        var files = FileList()
        _ = try WeightIndex(index, in: folder, files: &files)
        return [index] + files.files.map { Path.name($0.name) }
    }

    static var directoryContents: DirectoryContents {
        DirectoryContents(
            suffixes: [".safetensors", ".safetensors.index.json"],
            names: ["pytorch_model.bin", "pytorch_model.bin.index.json"],
            companions: [
                "README.md", "USE_POLICY.md", ".gitattributes", "generation_config.json", "quantize_config.json",
                "quant_config.json", "preprocessor_config.json", "processor_config.json",
            ],
            isFolder: { $0 == "additional_chat_templates" })
    }
}
