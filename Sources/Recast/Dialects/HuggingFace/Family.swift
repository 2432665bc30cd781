/// A family of models as Hugging Face stores it: names, layouts and what its configuration means.
public struct Family: Sendable {
    public let name: String
    /// `architectures[0]` of a configuration, the one that is written first.
    public let architectures: [String]
    public let modelType: String
    package let table: MappingTable
    /// Which linear layers have biases; a role in no group has none.
    public let biasGroups: [BiasGroup]
    /// What an absent `tie_word_embeddings` means.
    public let tiesByDefault: Bool
    public let slidingWindow: SlidingWindowKeys
    public let defaults: Defaults
    /// What absent sizes of latent attention mean.
    let latent: LatentAttention
    /// How the configuration speaks of experts; nil for families without.
    public let experts: ExpertKeys?
    /// Keys that the family has its own names for, read as if they had the usual ones.
    public let spellings: [(theirs: String, usual: String)]
    /// What an absent `partial_rotary_factor` means; nil for a family that does not look at it.
    public let partialRotary: Double?
    /// Sets keys that the family's configurations do not have, and that all others must.
    let completes: Completing
    /// How names of stored tensors end that carry nothing, such as masks.
    let buffers: [String]
    let recognizes: Recognizing
    let reads: Reading
    let writes: Writing

    /// Whether a configuration with one of the architectures is of this family.
    typealias Recognizing = @Sendable (JSON.Object) -> Bool
    typealias Completing = @Sendable (inout JSON.Object) -> Void
    /// Adds to a configuration what the usual keys do not say.
    typealias Reading = @Sendable (HuggingFaceConfiguration, inout ModelConfiguration) throws(RecastError) -> Void
    /// Adds the family's own keys to a `config.json` with the usual ones.
    typealias Writing = @Sendable (ModelConfiguration, inout JSON.Object) -> Void

    /// How the configuration says that layers see only the most recent tokens.
    public enum SlidingWindowKeys: Sendable, Hashable {
        case none
        /// Layers from `max_window_layers` on, where `use_sliding_window` is true.
        case switched
        /// Layers from `max_window_layers` on, where `sliding_window` is no null; `layer_types` may say it otherwise.
        case fromLayer
        /// All layers, where `sliding_window` is no null.
        case everywhere
        /// All but each so many-th layer; `layer_types` may say it otherwise.
        case patterned(fullEach: Int)
        /// In a way that is not supported: `use_sliding_window` must not be true.
        case refused
    }

    /// What keys mean that a configuration does not have, by the family's class in transformers.
    public struct Defaults: Sendable, Hashable {
        public var contextLength: Int
        /// nil: one for each head.
        public var keyValueHeadCount: Int?
        /// nil: the hidden size shared among the heads.
        public var headDimension: Int?
        /// The first layer with a sliding window, where there is one.
        public var firstSlidingLayer: Int
        /// nil: no window where `sliding_window` is absent.
        public var slidingWindow: Int?
        public var normEpsilon: Double
        /// How many times the hidden size the feed-forward size is where it is not said; nil: it must be said.
        public var feedForwardTimes: Int?
        public var activation: String
        public var theta: Double
        /// What is meant where neither `rope_scaling` nor `rope_parameters` says anything.
        public var ropeScaling: Rope.Scaling

        public init(
            contextLength: Int = 2048, keyValueHeadCount: Int? = nil, headDimension: Int? = nil,
            firstSlidingLayer: Int = 0, slidingWindow: Int? = nil, normEpsilon: Double = 1e-6,
            feedForwardTimes: Int? = nil, activation: String = "silu", theta: Double = 10_000,
            ropeScaling: Rope.Scaling = .none
        ) {
            self.contextLength = contextLength
            self.keyValueHeadCount = keyValueHeadCount
            self.headDimension = headDimension
            self.firstSlidingLayer = firstSlidingLayer
            self.slidingWindow = slidingWindow
            self.normEpsilon = normEpsilon
            self.feedForwardTimes = feedForwardTimes
            self.activation = activation
            self.theta = theta
            self.ropeScaling = ropeScaling
        }
    }

    /// Linear layers that have biases together.
    public struct BiasGroup: Sendable, Hashable {
        public enum Presence: Sendable, Hashable {
            case always
            /// Where this key of the configuration is true.
            case configured(String, default: Bool = false)
            /// Where this key is false.
            case switchedOff(String, default: Bool = true)
        }

        public var roles: [Role]
        public var presence: Presence
    }

    init(
        _ name: String, architectures: [String], modelType: String, biases: [BiasGroup] = [],
        tiesByDefault: Bool = false, slidingWindow: SlidingWindowKeys = .none, defaults: Defaults = Defaults(),
        latent: LatentAttention = .deepSeek, experts: ExpertKeys? = nil,
        spellings: [(theirs: String, usual: String)] = [], partialRotary: Double? = nil, buffers: [String] = [],
        completes: @escaping Completing = { _ in }, recognizes: @escaping Recognizing = { _ in true },
        reads: @escaping Reading = { _, _ in },
        writes: @escaping Writing = { _, _ in }, @RowBuilder rows: () -> [Row]
    ) {
        self.name = name
        self.architectures = architectures
        self.modelType = modelType
        biasGroups = biases
        self.tiesByDefault = tiesByDefault
        self.slidingWindow = slidingWindow
        self.defaults = defaults
        self.latent = latent
        self.experts = experts
        self.spellings = spellings
        self.partialRotary = partialRotary
        self.completes = completes
        self.buffers = buffers
        self.recognizes = recognizes
        self.reads = reads
        self.writes = writes
        let rows = rows()
        // Programs of such families rotate whole heads: with partial rotary the other rows lie behind each half.
        let turnsWholeHeads = partialRotary == nil && !rows.contains { $0.roles.contains(.keyValueDown) }
        table = MappingTable(turnsWholeHeads ? rows.map(\.withWholeHeadRotary) : rows)
    }
}

extension Family {
    /// Whether there is a QK norm.
    public var normalizesHeads: Bool { table.row(of: Slot(.queryNorm)) != nil }

    /// Whether weights of layers are stored with rows and columns exchanged.
    var transposesWeights: Bool { table.rows.contains { $0.layout == .transposedRows } }

    /// Whether keys and values are made of few numbers a token.
    public var hasLatentAttention: Bool { table.row(of: Slot(.keyValueDown)) != nil }
}

@resultBuilder
package enum RowBuilder {
    package static func buildExpression(_ row: Row) -> [Row] { [row] }
    package static func buildExpression(_ rows: [Row]) -> [Row] { rows }
    package static func buildBlock(_ rows: [Row]...) -> [Row] { Array(rows.joined()) }
}

extension Family {
    /// Every family that is known. A new one is a file of its own and a place in this list.
    public static let all: [Family] = [
        .llama, .yi, .mistral, .mixtral, .qwen1, .qwen2, .qwen3, .qwen2MoE, .qwen3MoE, .deepSeekV2, .deepSeekV3,
        .glm4MoE, .glm4MoELite, .miniMaxM2, .ernie45MoE, .hunYuanMoE, .hyV3, .bailingMoE2, .dots1, .olmoE, .graniteMoE,
        .phiMoE,
        .baichuan2, .baichuan, .internLM1, .internLM2, .internLM3, .chatGLM, .glm, .glm4, .phi3, .gemma, .gemma2,
        .gemma3, .olmo, .olmo2, .olmo3, .smolLM3, .granite, .stableLM, .miniCPM, .exaone, .exaone4, .seedOSS, .ernie45,
        .helium,
        .deepSeekV32, .glmMoEDSA,
        .hunYuanDense, .ministral3, .mistral4, .arcee, .cohere, .cohere2, .gptOSS,
        .gemma4, .gemma4Unified, .gemma4MoE, .llama4, .apertus,
        .qwen3Next, .qwen35, .qwen35MoE, .lfm2, .lfm2MoE, .mamba, .falconMamba, .jamba, .mamba2, .bamba,
        .graniteHybridMoE, .graniteHybrid, .nemotronH, .falconH1,
        .nemotron, .starCoder2, .phi, .gptNeoX, .gpt2, .gptBigCode, .opt, .falcon, .falcon40B, .bloom, .mpt, .gptJ,
        .codeGen,
    ]

    public static func named(_ name: String) throws(RecastError) -> Family {
        if let family = all.first(where: { $0.name == name }) { return family }
        let nearest = NearestName.of(name, among: all.map(\.name)).map { "; did you mean \($0)?" } ?? ""
        throw .usage("unknown family \"\(name)\"; known are \(all.map(\.name).joined(separator: ", "))\(nearest)")
    }

    /// The family a configuration belongs to.
    ///
    /// - Parameter tensors: names of the checkpoint's, by which the nearest family is told; none where they are not known.
    /// - Throws: `unsupported`, naming the nearest one that is known.
    static func of(_ configuration: JSON.Object, tensors: [String] = [], file: String) throws(RecastError) -> Family {
        let architecture = configuration["architectures"]?.array?.first?.string
        let modelType = configuration["model_type"]?.string
        if let architecture {
            if let family = all.first(where: {
                $0.architectures.contains(architecture) && $0.recognizes(configuration)
            }) {
                return family
            }
            // AutoModel saves the model without its head: Qwen2Model is that of Qwen2ForCausalLM.
            if architecture.hasSuffix("Model"), !architecture.hasSuffix("LMHeadModel") {
                let whole = architecture.dropLast("Model".count) + "ForCausalLM"
                if let family = all.first(where: {
                    $0.architectures.contains(String(whole)) && $0.recognizes(configuration)
                }) {
                    return family
                }
            }
        } else if let family = all.first(where: { $0.modelType == modelType && $0.recognizes(configuration) }) {
            return family
        }
        let given = architecture ?? modelType ?? ""
        guard !given.isEmpty else {
            if let refusal = foreign(configuration, file: file) { throw refusal }
            throw .malformed(file, "has neither \"architectures\" nor \"model_type\"")
        }
        if let unsupported = UnsupportedArchitecture.named(given) {
            throw RecastError(
                .unsupported,
                "\(given) is not supported: \(unsupported.difference)",
                trail: [file])
        }
        if let refusal = foreign(configuration, file: file) { throw refusal }
        let nearest = hint(for: configuration, tensors: tensors).map { "; \($0)" } ?? ""
        throw RecastError(
            .unsupported,
            "unknown architecture \(given)\(nearest); known are \(all.map(\.architectures[0]).joined(separator: ", "))",
            trail: [file])
    }
}
