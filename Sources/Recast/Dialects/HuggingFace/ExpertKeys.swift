extension Family {
    /// How the configuration of a family speaks of experts, and how its router picks and weighs them.
    public struct ExpertKeys: Sendable, Hashable {
        /// Where the weights of the experts that are picked add up to one.
        public enum Normalization: Sendable, Hashable {
            case always
            /// Where this key is true.
            case configured(String, default: Bool = false)
            /// Nowhere; where this key is true, programs compute different things.
            case refused(String)
            case never
        }

        /// Which layers have one ordinary feed-forward part instead.
        public enum DenseLayers: Sendable, Hashable {
            case none
            /// Those that `decoder_sparse_step` and `mlp_only_layers` leave without experts.
            case named
            /// The first `first_k_dense_replace`.
            case first(default: Int)
            /// Those that `mlp_layer_types` calls dense; the first where there is no list.
            case listed
            /// The same; the first `first_k_dense_replace` where there is no list.
            case listedOrFirst(default: Int)
            /// Those that the family reads from a list of its own.
            case readByFamily
            /// All but those whose number by `expert_layer_period` leaves `expert_layer_offset`.
            ///
            /// - Parameters: what absent keys mean.
            case outsideOfPeriod(period: Int, offset: Int)
            /// All but each `moe_layer_interval`-th from `moe_layer_start_index` to `moe_layer_end_index`.
            case outsideOfInterval
            /// All that `moe_layers` does not list; where there is no list, all but each `interleave_moe_layer_step`-th.
            case spaced
        }

        /// The shared expert, which every token goes through.
        public enum Shared: Sendable, Hashable {
            case none
            /// One expert of the size that a key names, gated for each token.
            case gated(size: String)
            /// One of the size that a key names.
            case one(size: String)
            /// As many as a key says, each of the size of the others, stored as one.
            case several(count: String, default: Int)
        }

        /// Of which one is there: what transformers 5 writes, and what 4 wrote.
        public var count: [String]
        public var usedCount = ["num_experts_per_tok"]
        public var feedForwardSize: String
        public var normalization: Normalization
        public var denseLayers: DenseLayers
        public var shared: Shared = .none
        public var router = Router()
        /// What an absent count, and an absent number of those that a token goes through, mean; nil where they must be there.
        public var defaultCount: Int?
        public var defaultUsedCount: Int?
        /// Experts that are stored as one tensor for all of a layer, by the names of these tensors.
        public var stacks: [ExpertStack] = []
    }

    /// How experts are picked and weighed, and the keys that say more of it.
    public struct Router: Sendable, Hashable {
        /// Experts in groups, by `n_group` and `topk_group`, of which absent keys mean these.
        public struct Groups: Sendable, Hashable {
            public var defaultCount: Int
            public var defaultUsedCount: Int
            /// How many of a group's best scores add up to the group's own.
            public var scoreCount: Int
            /// Whether `topk_method` says where they count (DeepSeek V2).
            public var areSwitched = false
        }

        /// The key of what weights are multiplied by in the end, and what its absence means.
        public struct Factor: Sendable, Hashable {
            public var key = "routed_scaling_factor"
            public var `default`: Double
        }

        /// A key whose value is known beforehand: others cannot be computed. The first value is the one that is written.
        public enum Statement: Sendable, Hashable {
            case text(String, [String])
            case flag(String, Bool)
        }

        public var score = Routing.Score.softmax
        /// Whether a bias is added to the scores while experts are picked.
        public var hasBias = false
        public var groups: Groups?
        public var factor: Factor?
        /// Whether weights multiply what goes into experts.
        public var scalesInput = false
        public var statements: [Statement] = []
    }

    /// A stored tensor with matrices, or biases, of all experts of a layer: `[experts, rows of all roles, columns]`.
    public struct ExpertStack: Sendable, Hashable {
        /// With `{layer}` in the place of a number.
        public var name: String
        public var roles: [Role]
        /// What transformers 5 calls it in memory; nil for the same.
        public var alias: String?
        public var part = Slot.Part.weight
        /// Whether rows and columns are exchanged.
        public var isTransposed = false
        /// Whether a row of each role comes in turn.
        public var interleavesRoles = false

        var layout: Layout { interleavesRoles ? .interleavedRows : .concatenatedRows }
    }
}

extension Family.Router {
    /// Sigmoids with a bias, of groups by their two best experts (DeepSeek V3, and most routers since).
    static func sigmoid(
        groups: (count: Int, used: Int)? = (1, 1), factor: Factor? = Factor(default: 1), _ statements: Statement...
    ) -> Family.Router {
        Family.Router(
            score: .sigmoid, hasBias: true,
            groups: groups.map { Groups(defaultCount: $0.count, defaultUsedCount: $0.used, scoreCount: 2) },
            factor: factor, statements: statements)
    }

    /// Whether a model's router can be stated.
    fileprivate func states(_ routing: Routing) -> Bool {
        let groupsMatch =
            switch (groups, routing.groups) {
            case (_, nil): true
            case (let own?, let given?): own.scoreCount == given.scoreCount
            case (nil, _): false
            }
        return score == routing.score && hasBias == routing.hasBias && groupsMatch
            && (factor != nil || routing.factor == 1) && scalesInput == routing.scalesInput
    }
}

extension Family.ExpertKeys {
    /// What a family has or does that experts are not or do not; nil where it can say what they are.
    func obstacle(_ experts: ExpertConfiguration, in configuration: ModelConfiguration) -> String? {
        let dense = configuration.layers { $0.feedForward == .dense }
        switch denseLayers {
        case .none where !dense.isEmpty: return "has experts in every layer, which this model has not"
        case .first where dense != Array(0..<dense.count):
            return "has layers without experts only at the beginning, this model has others"
        default: break
        }
        if normalization == .always, !experts.normalizesWeights {
            return "makes the weights of experts add up to one, which this model does not"
        }
        let sharesAlike =
            switch shared {
            case .none: experts.shared == nil
            case .gated: experts.shared?.isGated == true
            case .one: experts.shared?.isGated == false
            case .several:
                experts.shared.map { !$0.isGated && $0.feedForwardSize.isMultiple(of: experts.feedForwardSize) }
                    ?? true
            }
        guard sharesAlike else { return "has \(shared.text), this model has \(experts.sharedText)" }
        guard router.states(experts.routing) else {
            return "picks and weighs experts otherwise than this model (\(experts.routing.text))"
        }
        if normalization.isNever, experts.normalizesWeights {
            return "does not make the weights of experts add up to one, which this model does"
        }
        return nil
    }
}

extension Family.ExpertKeys.Normalization {
    fileprivate var isNever: Bool {
        switch self {
        case .refused, .never: true
        case .always, .configured: false
        }
    }
}

extension Family.ExpertKeys.Shared {
    fileprivate var text: String {
        switch self {
        case .none: "no shared expert"
        case .gated: "a shared expert with a gate"
        case .one: "a shared expert without a gate"
        case .several: "shared experts of the size of the routed ones, without a gate"
        }
    }
}

extension ExpertConfiguration {
    fileprivate var sharedText: String {
        guard let shared else { return "none" }
        return "a shared expert of \(shared.feedForwardSize) rows" + (shared.isGated ? " with a gate" : "")
    }
}

extension Routing {
    /// `softmax`, `sigmoid with a bias, of 4 of 8 groups by the 2 best of each, times 2.5`.
    public var text: String {
        var text = score.rawValue + (hasBias ? " with a bias" : "")
        if let groups {
            text += ", of \(groups.usedCount) of \(groups.count) groups by the \(groups.scoreCount) best of each"
        }
        return factor == 1 ? text : text + ", times \(factor)"
    }
}
