extension Family {
    /// How the configuration of a family speaks of experts.
    public struct ExpertKeys: Sendable, Hashable {
        /// Where the weights of the experts that are picked add up to one.
        public enum Normalization: Sendable, Hashable {
            case always
            /// Where this key is true.
            case configured(String, default: Bool = false)
        }

        /// Which layers have one ordinary feed-forward part instead.
        public enum DenseLayers: Sendable, Hashable {
            case none
            /// Those that `decoder_sparse_step` and `mlp_only_layers` leave without experts.
            case named
            /// The first `first_k_dense_replace`.
            case first(default: Int)
        }

        /// The shared expert, which every token goes through.
        public enum Shared: Sendable, Hashable {
            case none
            /// One expert of the size that a key names, gated for each token.
            case gated(size: String)
            /// As many as a key says, each of the size of the others, stored as one.
            case several(count: String, default: Int)
        }

        /// How experts are picked and gated.
        public enum Routing: Sendable, Hashable {
            /// By the softmax of all, without more ado.
            case plain
            /// By the softmax of all; of groups that have the best expert, where `topk_method` says so.
            case deepSeekV2
            /// By the sigmoid of each with a bias; of groups whose two best experts are best.
            case deepSeekV3
        }

        /// Of which one is there: what transformers 5 writes, and what 4 wrote.
        public var count: [String]
        public var feedForwardSize: String
        public var normalization: Normalization
        public var denseLayers: DenseLayers
        public var shared: Shared = .none
        public var routing: Routing = .plain
        /// What an absent count, and an absent `num_experts_per_tok`, mean; nil where it must be there.
        public var defaultCount: Int
        public var defaultUsedCount: Int?
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
            case .several:
                experts.shared.map { !$0.isGated && $0.feedForwardSize.isMultiple(of: experts.feedForwardSize) }
                    ?? true
            }
        guard sharesAlike else { return "has \(shared.text), this model has \(experts.sharedText)" }
        let given = experts.routing
        let routesAlike =
            switch routing {
            case .plain: given.isPlain
            case .deepSeekV2: given.score == .softmax && !given.hasBias && given.groups?.scoreCount ?? 1 == 1
            case .deepSeekV3: given.score == .sigmoid && given.hasBias && given.groups?.scoreCount ?? 2 == 2
            }
        guard routesAlike else { return "picks and weighs experts otherwise than this model (\(given.text))" }
        if routing == .deepSeekV2, experts.normalizesWeights {
            return "does not make the weights of experts add up to one, which this model does"
        }
        return nil
    }
}

extension Family.ExpertKeys.Shared {
    fileprivate var text: String {
        switch self {
        case .none: "no shared expert"
        case .gated: "a shared expert with a gate"
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
    fileprivate var isPlain: Bool { self == Routing() }

    /// `softmax`, `sigmoid with a bias, of 4 of 8 groups by the 2 best of each, times 2.5`.
    public var text: String {
        var text = score.rawValue + (hasBias ? " with a bias" : "")
        if let groups {
            text += ", of \(groups.usedCount) of \(groups.count) groups by the \(groups.scoreCount) best of each"
        }
        return factor == 1 ? text : text + ", times \(factor)"
    }
}
