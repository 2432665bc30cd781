/// How an architecture picks and weighs experts, and which of it its keys say. Source: llama.cpp's `build_moe_ffn`, and what its
/// loader and its converter do for each architecture.
struct GGUFRouter: Sendable {
    enum Key: Sendable {
        /// `expert_feed_forward_length`; elsewhere `feed_forward_length` is that of the experts.
        case size
        /// `leading_dense_block_count`
        case denseLayers
        /// `expert_shared_count`: of the size of the routed experts, where no key says more.
        case sharedCount
        /// `expert_shared_feed_forward_length`: of all shared experts together.
        case sharedSize
        /// The same key, where it is multiplied by their number.
        case sharedSizeOfOne
        /// `expert_weights_scale`
        case factor
        /// `expert_weights_norm`
        case normalization
        /// `expert_gating_func`
        case score
        /// `expert_group_count` and `expert_group_used_count`
        case groups
    }

    /// What is meant where no key says it.
    var score = Routing.Score.softmax
    var normalizes = true
    /// Whether `exp_probs_b` is added while experts are picked; nil: to sigmoids.
    var hasBias: Bool?
    var keys: Set<Key>

    /// The numbers that llama.cpp has for scores.
    private static let scores: [(number: Int, score: Routing.Score)] = [(1, .softmax), (2, .sigmoid)]

    func read(_ reader: GGUFConfiguration, into configuration: inout ModelConfiguration) throws(RecastError) {
        let states = keys.contains
        try reader.readExperts(
            into: &configuration,
            normalizes: states(.normalization) ? reader.flag("expert_weights_norm") ?? false : normalizes)
        guard var experts = configuration.experts else { return }
        var routing = Routing(score: score)
        if states(.score), let number = reader.number("expert_gating_func") {
            guard let found = Self.scores.first(where: { $0.number == number }) else {
                throw .unsupported(
                    "\(reader.file): \(reader.key("expert_gating_func")) is \(number); 1 and 2 can be computed")
            }
            routing.score = found.score
        }
        routing.hasBias = hasBias ?? (routing.score == .sigmoid)
        if states(.factor) {
            // Zero stands for none.
            let isZero = reader.value("expert_weights_scale")?.double == 0
            routing.factor = isZero ? 1 : try reader.positive("expert_weights_scale") ?? 1
        }
        if states(.groups) { routing.groups = try groups(reader, experts, routing.score) }
        experts.shared = try shared(reader, experts)
        experts.routing = routing
        configuration.eachLayer { if $0.experts != nil { $0.experts = experts } }
    }

    private func groups(
        _ reader: GGUFConfiguration, _ experts: ExpertConfiguration, _ score: Routing.Score
    ) throws(RecastError) -> Routing.Groups? {
        guard let count = try reader.optionalSize("expert_group_count", limit: 1 << 16), count > 1 else { return nil }
        let used = try reader.size("expert_group_used_count", limit: 1 << 16)
        let result = Routing.Groups(count: count, usedCount: used, scoreCount: score == .sigmoid ? 2 : 1)
        guard result.canPick(experts.usedCount, of: experts.count) else {
            throw .malformed(
                reader.file,
                "\(experts.usedCount) of \(experts.count) experts cannot be picked from \(used) of \(count) groups")
        }
        return used < count ? result : nil
    }

    private func shared(
        _ reader: GGUFConfiguration, _ experts: ExpertConfiguration
    ) throws(RecastError) -> SharedExpert? {
        let name = "expert_shared_feed_forward_length"
        var size = keys.contains(.sharedSize) ? try reader.optionalSize(name) : nil
        if size == nil, keys.contains(.sharedCount) {
            let count = reader.number("expert_shared_count") ?? 0
            guard (0...1 << 10).contains(count) else {
                throw reader.failure("\(reader.key("expert_shared_count")) is \(count)")
            }
            let one = keys.contains(.sharedSizeOfOne) ? try reader.optionalSize(name) : nil
            if count > 0 { size = count * (one ?? experts.feedForwardSize) }
        }
        return size.map { SharedExpert(feedForwardSize: $0, isGated: false) }
    }

    func write(_ configuration: ModelConfiguration, into file: inout GGUFKeys) throws(RecastError) {
        guard let experts = configuration.experts else { return }
        try file.writeExperts(experts)
        if !keys.contains(.size) {
            file["expert_feed_forward_length"] = nil
            try file.set("feed_forward_length", experts.feedForwardSize)
        }
        let sharedSize = experts.shared?.feedForwardSize ?? 0
        if keys.contains(.denseLayers) {
            try file.set("leading_dense_block_count", configuration.layers { $0.feedForward == .dense }.count)
        }
        if keys.contains(.sharedCount) {
            try file.set("expert_shared_count", sharedSize / experts.feedForwardSize)
        }
        if sharedSize > 0, keys.contains(.sharedSize) || keys.contains(.sharedSizeOfOne) {
            try file.set(
                "expert_shared_feed_forward_length", keys.contains(.sharedSize) ? sharedSize : experts.feedForwardSize)
        }
        if keys.contains(.factor) { file.set("expert_weights_scale", experts.routing.factor) }
        if keys.contains(.normalization) { file["expert_weights_norm"] = .bool(experts.normalizesWeights) }
        if keys.contains(.score), let found = Self.scores.first(where: { $0.score == experts.routing.score }) {
            try file.set("expert_gating_func", found.number)
        }
        if keys.contains(.groups) {
            try file.set("expert_group_count", experts.routing.groups?.count ?? 1)
            try file.set("expert_group_used_count", experts.routing.groups?.usedCount ?? 1)
        }
    }
}
