import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Which experts a token goes through, and what each counts.
struct Router: Sendable {
    let experts: ExpertConfiguration

    struct Choice {
        var expert: Int
        var weight: Float
    }

    /// - Parameters:
    ///   - logits: the router's products with one token: `[experts]`; they are lost.
    ///   - bias: added to scores while experts are picked.
    func choices(_ logits: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?) -> [Choice] {
        let count = experts.count
        if experts.routing.score == .sparseMixer { return nearest(logits) }
        // Where large products have the same score, these themselves decide.
        let products = experts.routing.scalesInput ? (0..<count).map { logits[$0] } : nil
        switch experts.routing.score {
        case .sparseMixer: break
        case .softmax: Softmax.normalize(logits, 0..<count, width: count)
        case .sigmoid: for i in 0..<count { logits[i] = 1 / (1 + expf(-logits[i])) }
        }
        let ranked =
            products ?? bias.map { bias in (0..<count).map { logits[$0] + bias[$0] } } ?? (0..<count).map { logits[$0] }
        var picked = Self.best(experts.usedCount, of: candidates(ranked), by: ranked)
            .map { Choice(expert: $0, weight: logits[$0]) }
        if experts.normalizesWeights {
            let epsilon = max(Float(experts.routing.sumEpsilon), experts.routing.score == .sigmoid ? 1e-20 : 0)
            let sum = picked.reduce(Float(0)) { $0 + $1.weight } + epsilon
            for index in picked.indices { picked[index].weight /= sum }
        }
        if experts.routing.factor != 1 {
            for index in picked.indices { picked[index].weight *= Float(experts.routing.factor) }
        }
        return picked
    }

    /// The best expert, and the best of the others, each by the softmax of those that are near it.
    ///
    /// Source: transformers 5.23, `modeling_phimoe.py`, `sparsemixer` where nothing is trained.
    private func nearest(_ logits: UnsafeMutablePointer<Float>) -> [Choice] {
        let tolerance = Float(experts.routing.tolerance ?? 0)
        var picked: [Choice] = []
        for _ in 0..<experts.usedCount {
            let left = (0..<experts.count).filter { expert in !picked.contains { $0.expert == expert } }
            guard
                let best = Self.best(1, of: left, by: Array(UnsafeBufferPointer(start: logits, count: experts.count)))
                    .first
            else { break }
            let largest = logits[best]
            let sum = left.reduce(Float(0)) { sum, expert in
                let scale = max(abs(logits[expert]), largest)
                return (largest - logits[expert]) / scale > tolerance ? sum : sum + expf(logits[expert] - largest)
            }
            picked.append(Choice(expert: best, weight: 1 / sum))
        }
        return picked
    }

    /// The experts of the best groups; all where there are no groups.
    private func candidates(_ scores: [Float]) -> [Int] {
        guard let groups = experts.routing.groups else { return Array(scores.indices) }
        let size = experts.count / groups.count
        let totals = (0..<groups.count).map { group in
            scores[group * size..<(group + 1) * size].sorted(by: >).prefix(groups.scoreCount).reduce(0, +)
        }
        return Self.best(groups.usedCount, of: Array(totals.indices), by: totals).sorted()
            .flatMap { $0 * size..<($0 + 1) * size }
    }

    /// Of equals the first.
    private static func best(_ count: Int, of candidates: [Int], by scores: [Float]) -> [Int] {
        Array(candidates.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(count))
    }
}

/// Which rows of a block go through each expert.
final class Routing {
    struct Token {
        var row: Int
        /// What the expert counts for it.
        var weight: Float
    }

    /// By expert, in the order of the rows.
    private(set) var tokens: [[Token]] = []

    /// - Parameters:
    ///   - logits: products with the router: `[rows, experts]`; they are lost.
    ///   - scale: what the weights of the experts are multiplied by in the end; nil for nothing.
    func route(
        _ logits: UnsafeMutablePointer<Float>, rows: Int, _ router: Router, bias: UnsafePointer<Float>?,
        scale: UnsafePointer<Float>?
    ) {
        let count = router.experts.count
        if tokens.count != count { tokens = [[Token]](repeating: [], count: count) }
        for expert in tokens.indices { tokens[expert].removeAll(keepingCapacity: true) }
        for row in 0..<rows {
            for choice in router.choices(logits + row * count, bias: bias) {
                let weight = choice.weight * (scale?[choice.expert] ?? 1)
                tokens[choice.expert].append(Token(row: row, weight: weight))
            }
        }
    }
}
