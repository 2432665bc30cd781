/// A checkpoint lifted into the canonical graph, with what is needed to write it again.
public struct Model: Sendable {
    public var graph: Graph
    public let checkpoint: Checkpoint
    /// The original `config.json`: the checkpoint's own, or the one that travels in a GGUF file.
    public internal(set) var original: JSON.Object?
    /// The types that tensors had before GGUF widened them to float32.
    public let sourceTypes: SourceTypes?
    public var notes: [String]
    public var warnings: [String]
    public var evidence: [Evidence]
    /// What of the checkpoint is read by a specification that nothing else at hand confirms.
    public var unverified: [String] = []
    /// Whether the checkpoint has scales of activations, which the graph does not have.
    var dropsActivationScales = false

    public var files: [SourceFile] { checkpoint.files }

    public struct Options: Sendable {
        /// Whether tensors that no table names are left out instead of refused.
        public var allowsUnknown = false
        /// A `config.json` that describes the model of a Megatron checkpoint.
        public var huggingFaceConfiguration: String?
        /// How many tokens the vocabulary of a Megatron checkpoint has without its padding.
        public var vocabularySize: Int?
        /// Whether, where ranks have different tensors that should be the same, the first is taken.
        public var allowsRankMismatch = false
        /// How many threads compare what should be the same.
        public var workers = 1
        /// Whether tensors are read where they decide; what has just been written is known.
        var looksAtTensors = true

        public init() {}
    }

    /// - Throws: `malformedInput` where tensors and configuration contradict each other, `unsupported` for families
    ///   that are not known.
    public init(_ checkpoint: Checkpoint, options: Options = Options()) throws(RecastError) {
        switch checkpoint.content {
        case .huggingFace(let files): self = try Self.lift(checkpoint, files, options)
        case .gguf(let set): self = try Self.lift(checkpoint, set, options)
        case .megatron(let files): self = try Self.lift(checkpoint, files, options)
        }
    }

    init(
        graph: Graph, checkpoint: Checkpoint, original: JSON.Object?, sourceTypes: SourceTypes?,
        outcome: Lifting.Outcome
    ) {
        self.graph = graph
        self.checkpoint = checkpoint
        self.original = original
        self.sourceTypes = sourceTypes
        notes = []
        warnings = checkpoint.warnings
        evidence = []
        if !outcome.ignored.isEmpty {
            notes.append(
                "\(outcome.ignored.count) tensors that no model reads are left out, such as \(outcome.ignored[0])")
        }
        for tensor in outcome.unknown { warnings.append("left out: \(tensor.name), which the family does not know") }
    }
}

// MARK: From Hugging Face

extension Model {
    private static func lift(
        _ checkpoint: Checkpoint, _ files: HuggingFaceFiles, _ options: Options
    ) throws(RecastError) -> Model {
        let path = files.configurationPath
        guard let object = files.configuration else {
            throw RecastError(
                .inputMissing, "not found: a checkpoint of tensors alone does not say which model it is", trail: [path])
        }
        let family = try Family.of(object, file: path)
        let reader = HuggingFaceConfiguration(object: object, file: path)
        let configuration = try reader.configuration(of: family)
        let saysTied = try reader.tiesEmbeddings(family)
        let quantized = try checkpoint.quantizedModules()
        let tensors = try FusedExperts.separated(
            Self.withPrefix(quantized?.tensors ?? checkpoint.tensors), family, configuration, file: checkpoint.path)
        let outcome = try Lifting(
            table: family.table, configuration: configuration, biases: try reader.biases(of: family),
            optional: saysTied ? [.outputHead] : [],
            furtherLayerCount: try reader.optionalCount("num_nextn_predict_layers") ?? 0,
            ignored: { $0.hasSuffix("rotary_emb.inv_freq") || $0.hasSuffix("rotary_pos_emb.inv_freq") }
        ).lift(tensors, allowsUnknown: options.allowsUnknown, file: checkpoint.path)
        var model = Model(
            graph: outcome.graph, checkpoint: checkpoint, original: object, sourceTypes: nil, outcome: outcome)
        if let scale = outcome.unknown.first(where: { $0.name.contains("scale") }) {
            throw RecastError(
                .malformedInput,
                "\(scale.name) looks like the scales of a quantized weight, which the configuration says nothing of; without "
                    + "them its numbers are meaningless", trail: [path])
        }
        model.warnings += Self.contradictions(
            in: object, family, isQuantized: tensors.contains(where: \.tensor.isQuantized))
        model.evidence += quantized?.evidence ?? []
        model.warnings += quantized?.warnings ?? []
        model.dropsActivationScales = quantized?.dropsActivationScales ?? false
        if saysTied, options.looksAtTensors { try model.resolveTiedEmbeddings(workers: options.workers) }
        return model
    }

    /// What the configuration says and the checkpoint is not.
    private static func contradictions(in object: JSON.Object, _ family: Family, isQuantized: Bool) -> [String] {
        var warnings: [String] = []
        if let type = object["model_type"]?.string, let architecture = object["architectures"]?.array?.first?.string,
            type != family.modelType, Family.all.contains(where: { $0.modelType == type })
        {
            warnings.append(
                "config.json says model_type \(type), but the architecture \(architecture): the architecture is believed"
            )
        }
        let quantization = (object["quantization_config"] ?? object["quantization"])?.object
        if let quantization, !quantization.members.isEmpty, !isQuantized {
            let method = quantization["quant_method"]?.string.map { " (\($0))" } ?? ""
            warnings.append(
                "config.json says that weights are quantized\(method), but none is stored so: quantization_config is left out"
            )
        }
        return warnings
    }

    /// transformers 5 writes and reads names without `model.` too.
    private static func withPrefix(_ tensors: [NamedTensor]) -> [NamedTensor] {
        guard !tensors.contains(where: { $0.name.hasPrefix("model.") }),
            tensors.contains(where: { $0.name == "embed_tokens.weight" })
        else { return tensors }
        return tensors.map { $0.name == "lm_head.weight" ? $0 : NamedTensor("model." + $0.name, $0.tensor) }
    }

    /// A configuration may say that head and embedding are one while the file has both: the file decides.
    mutating func resolveTiedEmbeddings(workers: Int) throws(RecastError) {
        guard let head = graph[.outputHead], let embedding = graph[.tokenEmbedding] else { return }
        let areEqual = try head.hasSameBits(as: embedding, Parallel(workers: workers, files: FilePool(files)))
        evidence.append(
            Evidence(
                question: "output head and embedding, tied in config.json, are equal:",
                answer: areEqual ? "yes" : "no", byteCount: 2 * head.byteCount))
        if areEqual {
            graph[Slot(.outputHead)] = nil
            notes.append("the output head equals the embedding, to which it is tied, and is left out")
        } else {
            warnings.append(
                "config.json ties the output head to the embedding, but the file holds another head: it is kept, untied"
            )
        }
    }
}
