/// A checkpoint lifted into the canonical graph, with what is needed to write it again.
public struct Model: Sendable {
    public var graph: Graph
    public let checkpoint: Checkpoint
    /// The original `config.json`: the checkpoint's own, or the one that travels in a GGUF file.
    package internal(set) var original: JSON.Object?
    /// The types that tensors had before GGUF widened them to float32.
    package let sourceTypes: SourceTypes?
    public var notes: [String]
    public var warnings: [String]
    public var evidence: [Evidence]
    /// What of the checkpoint is read by a specification that nothing else at hand confirms.
    public var unverified: [String] = []
    /// Whether the checkpoint has scales of activations, which the graph does not have.
    var dropsActivationScales = false
    /// What the text model is inside of, in the checkpoint's own layout.
    var wrapped: WrappedModel?
    /// How the checkpoint has the experts of a layer in one tensor; nil where each is by itself.
    var fusedExperts: FusedExperts?
    /// Layers for predicting further tokens.
    var furtherLayers = FurtherLayers()

    /// Through which its tensors are read.
    public var sources: FilePool { checkpoint.sources }

    /// All files of the run, by the ids with which tensors refer to them.
    package var files: [SourceFile] { sources.files }

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
        /// Whether the graph gets the layers for predicting further tokens, behind the model's own.
        var takesFurtherLayers = false

        public init() {}
    }

    /// - Throws: `malformedInput` where tensors and configuration contradict each other, `unsupported` for families
    ///   that are not known.
    public init(_ checkpoint: Checkpoint, options: Options = Options()) throws(RecastError) {
        self = try checkpoint.content.lifted(from: checkpoint, options)
    }

    init(
        graph: Graph, checkpoint: Checkpoint, original: JSON.Object?, sourceTypes: SourceTypes?,
        outcome: Lifting.Outcome
    ) {
        self.graph = graph
        self.checkpoint = checkpoint
        self.original = original
        self.sourceTypes = sourceTypes
        notes = checkpoint.notes
        warnings = checkpoint.warnings
        evidence = []
        if !outcome.ignored.isEmpty {
            notes.append(
                "\(outcome.ignored.count) tensors that no model reads are left out, such as \(outcome.ignored[0])")
        }
        for tensor in outcome.unknown { warnings.append("left out: \(tensor.name), which the family does not know") }
    }
}

// MARK: Positions

extension Model {
    /// How many rotary pairs each of four dimensions of a position turns, where a file says it; empty for positions of one.
    func rotarySections(in architecture: GGUFArchitecture) -> [Int] {
        if let own = wrapped?.rotarySections { return own.counts + [0] }
        guard let usual = architecture.sections else { return [] }
        let stated = ["rope_parameters", "rope_scaling"].lazy
            .compactMap { original?[$0]?.object }.compactMap { RotarySections.Stated(in: $0, path: [])?.counts }.first
        return stated.map { $0 + [0] } ?? usual
    }
}

// MARK: What tensors decide

extension Model {
    /// A configuration may say that head and embedding are one while the file has both: the file decides.
    mutating func resolveTiedEmbeddings(workers: Int) throws(RecastError) {
        guard let head = graph[.outputHead], let embedding = graph[.tokenEmbedding] else { return }
        let areEqual = try head.hasSameBits(as: embedding, Parallel(workers: workers, files: sources))
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
