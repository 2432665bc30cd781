/// A family of models as Hugging Face stores it: names, layouts and what its configuration means.
public struct Family: Sendable {
    public let name: String
    /// `architectures[0]` of a configuration, the one that is written first.
    public let architectures: [String]
    public let modelType: String
    public let table: MappingTable
    /// Which linear layers have biases; a role in no group has none.
    public let biasGroups: [BiasGroup]
    /// What an absent `tie_word_embeddings` means.
    public let tiesByDefault: Bool
    public let slidingWindow: SlidingWindowKeys
    public let defaults: Defaults
    /// How the configuration speaks of experts; nil for families without.
    public let experts: ExpertKeys?

    /// How the configuration says that layers see only the most recent tokens.
    public enum SlidingWindowKeys: Sendable, Hashable {
        case none
        /// Layers from `max_window_layers` on, where `use_sliding_window` is true.
        case switched
        /// All layers, where `sliding_window` is no null.
        case everywhere
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

        public init(
            contextLength: Int = 2048, keyValueHeadCount: Int? = nil, headDimension: Int? = nil,
            firstSlidingLayer: Int = 0
        ) {
            self.contextLength = contextLength
            self.keyValueHeadCount = keyValueHeadCount
            self.headDimension = headDimension
            self.firstSlidingLayer = firstSlidingLayer
        }
    }

    /// Linear layers that have biases together.
    public struct BiasGroup: Sendable, Hashable {
        public enum Presence: Sendable, Hashable {
            case always
            /// Where this key of the configuration is true.
            case configured(String, default: Bool = false)
        }

        public var roles: [Role]
        public var presence: Presence
    }

    public init(
        _ name: String, architectures: [String], modelType: String, biases: [BiasGroup], tiesByDefault: Bool = false,
        slidingWindow: SlidingWindowKeys = .none, defaults: Defaults = Defaults(), experts: ExpertKeys? = nil,
        @RowBuilder rows: () -> [Row]
    ) {
        self.name = name
        self.architectures = architectures
        self.modelType = modelType
        biasGroups = biases
        self.tiesByDefault = tiesByDefault
        self.slidingWindow = slidingWindow
        self.defaults = defaults
        self.experts = experts
        table = MappingTable(rows())
    }
}

extension Family {
    /// Whether each query and key head is normalised before it turns.
    public var normalizesHeads: Bool { table.row(of: Slot(.queryNorm)) != nil }

    /// Whether keys and values are made of few numbers a token.
    public var hasLatentAttention: Bool { table.row(of: Slot(.keyValueDown)) != nil }
}

@resultBuilder
public enum RowBuilder {
    public static func buildBlock(_ rows: Row...) -> [Row] { rows }
}

extension Family {
    /// Every family that is known. A new one is a file of its own and a place in this list.
    public static let all: [Family] = [
        .llama, .qwen2, .qwen3, .qwen2MoE, .qwen3MoE, .mixtral, .deepSeekV2, .deepSeekV3,
    ]

    public static func named(_ name: String) throws(RecastError) -> Family {
        if let family = all.first(where: { $0.name == name }) { return family }
        let nearest = NearestName.of(name, among: all.map(\.name)).map { "; did you mean \($0)?" } ?? ""
        throw .usage("unknown family \"\(name)\"; known are \(all.map(\.name).joined(separator: ", "))\(nearest)")
    }

    /// The family a configuration belongs to.
    ///
    /// - Throws: `unsupported`, naming the nearest one that is known.
    static func of(_ configuration: JSON.Object, file: String) throws(RecastError) -> Family {
        let architecture = configuration["architectures"]?.array?.first?.string
        let modelType = configuration["model_type"]?.string
        if let architecture {
            if let family = all.first(where: { $0.architectures.contains(architecture) }) { return family }
        } else if let family = all.first(where: { $0.modelType == modelType }) {
            return family
        }
        let given = architecture ?? modelType ?? ""
        guard !given.isEmpty else {
            throw .malformed(file, "has neither \"architectures\" nor \"model_type\"")
        }
        let known = all.flatMap(\.architectures)
        let nearest = NearestName.of(given, among: known).map { "; the nearest is \($0)" } ?? ""
        throw RecastError(
            .unsupported, "unknown architecture \(given)\(nearest); known are \(known.joined(separator: ", "))",
            trail: [file])
    }
}
