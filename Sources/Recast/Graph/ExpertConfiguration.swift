/// Feed-forward layers of which a router picks a few for each token.
public struct ExpertConfiguration: Sendable, Hashable, Codable {
    /// How many experts each such layer has.
    public var count: Int
    /// How many of them a token goes through.
    public var usedCount: Int
    public var feedForwardSize: Int
    /// Whether the weights of the experts that are picked add up to one.
    public var normalizesWeights: Bool
    /// What every token goes through besides the routed experts; nil for none.
    public var shared: SharedExpert?
    public var routing: Routing
    /// The size of the latent space that routed experts work in, before and behind which each layer has a projection for all of
    /// them; nil where they work on hidden states. Neither the router nor the shared expert sees it.
    public var latentSize: Int?
    /// Whether routed experts and the shared one have norms of their own before and behind them, and the router has one without
    /// weights, its input being multiplied by `routerScale` and `1 / sqrt(hiddenSize)` (Gemma 4).
    public var hasOwnNorms = false

    /// More in all layers together than any model has, and few enough to be listed.
    static let maximumCount = 1 << 18

    public init(
        count: Int, usedCount: Int, feedForwardSize: Int, normalizesWeights: Bool,
        shared: SharedExpert? = nil, routing: Routing = Routing()
    ) {
        self.count = count
        self.usedCount = usedCount
        self.feedForwardSize = feedForwardSize
        self.normalizesWeights = normalizesWeights
        self.shared = shared
        self.routing = routing
    }
}

/// The shared expert, which every token goes through; several are stored as one of their size together.
public struct SharedExpert: Sendable, Hashable, Codable {
    public var feedForwardSize: Int
    /// Whether its output is multiplied by a gate, the sigmoid of a product (`sharedRouter`).
    public var isGated: Bool

    public init(feedForwardSize: Int, isGated: Bool) {
        self.feedForwardSize = feedForwardSize
        self.isGated = isGated
    }
}

/// How a router picks experts from its products with a token, and weighs them.
public struct Routing: Sendable, Hashable, Codable {
    public enum Score: String, Sendable, Hashable, Codable {
        /// Of the products of all experts.
        case softmax
        /// Of each product by itself.
        case sigmoid
        /// The best expert by the softmax of those near it, the second by the softmax of those near it without the best
        /// (Phi-3.5-MoE's SparseMixer); ``Routing/tolerance`` says what is near.
        case sparseMixer
    }

    /// Experts in groups, of which only the best are looked at.
    public struct Groups: Sendable, Hashable, Codable {
        public var count: Int
        public var usedCount: Int
        /// How many of a group's best scores add up to the group's own.
        public var scoreCount: Int

        public init(count: Int, usedCount: Int, scoreCount: Int) {
            self.count = count
            self.usedCount = usedCount
            self.scoreCount = scoreCount
        }

        /// Whether so many can be picked from the groups that are looked at, and groups are of one size, with enough experts to
        /// rank them by.
        func canPick(_ picked: Int, of experts: Int) -> Bool {
            guard usedCount <= count, experts.isMultiple(of: count) else { return false }
            let (reach, overflows) = usedCount.multipliedReportingOverflow(by: experts / count)
            return experts / count >= scoreCount && (overflows || reach >= picked)
        }
    }

    public var score: Score
    /// Whether a bias is added to the scores while experts are picked (`routerBias`).
    public var hasBias: Bool
    public var groups: Groups?
    /// What the weights of the experts are multiplied by in the end.
    public var factor: Double
    /// Whether weights multiply what goes into experts, not what comes out of them (Llama 4).
    public var scalesInput = false
    /// What is added to the sum of weights that they are divided by, where sums of scores may be next to nothing (LFM2).
    public var sumEpsilon = 0.0
    /// By which part of itself a product may be below the best one and count in the softmax; nil but for `sparseMixer`.
    public var tolerance: Double?

    public init(
        score: Score = .softmax, hasBias: Bool = false, groups: Groups? = nil, factor: Double = 1,
        tolerance: Double? = nil
    ) {
        self.score = score
        self.hasBias = hasBias
        self.groups = groups
        self.factor = factor
        self.tolerance = tolerance
    }
}
