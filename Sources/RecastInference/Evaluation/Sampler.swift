/// Chooses the next token from logits.
///
/// In this order: penalties for tokens that are there already; the temperature; then of the likeliest tokens those that top-k,
/// top-p and min-p leave, one after the other; and a draw. At temperature 0 the likeliest token is taken after the penalties.
struct Sampler {
    let settings: SamplingSettings
    private var random: SplitMix64

    init(_ settings: SamplingSettings) {
        self.settings = settings
        random = SplitMix64(seed: settings.seed)
    }

    /// - Parameters:
    ///   - logits: of all tokens; with penalties, they are changed.
    ///   - tokens: the text so far.
    /// - Returns: nil where the largest logit is no number, or none that could be compared with others.
    mutating func token(from logits: UnsafeMutableBufferPointer<Float>, after tokens: [Int32]) -> Int32? {
        settings.penalties.apply(to: logits, after: tokens)
        let logits = UnsafeBufferPointer(logits)
        guard let likeliest = Self.firstMaximum(of: logits), logits[likeliest].isFinite else { return nil }
        if settings.temperature == 0 { return Int32(likeliest) }
        let maximum = logits[likeliest]
        // exp in our own arithmetic, so that the same logits give the same token everywhere.
        var candidates = logits.indices.map { index in
            (
                token: index,
                weight: Double(exponential(Float(Double(logits[index] - maximum) / settings.temperature)))
            )
        }
        candidates.removeAll { $0.weight.isNaN }
        if settings.limitsCandidates {
            candidates.sort { ($0.weight, $1.token) > ($1.weight, $0.token) }
            if let topK = settings.topK { candidates.removeLast(max(0, candidates.count - topK)) }
            if let topP = settings.topP { candidates.removeLast(candidates.count - nucleusCount(candidates, topP)) }
            if let minP = settings.minP {
                let least = minP * candidates[0].weight
                candidates.removeLast(candidates.count - max(1, candidates.prefix { $0.weight >= least }.count))
            }
        }
        var remaining = random.nextUnit() * candidates.reduce(0) { $0 + $1.weight }
        for candidate in candidates {
            remaining -= candidate.weight
            if remaining < 0 { return Int32(candidate.token) }
        }
        return Int32(candidates.last!.token)
    }

    /// The fewest of the likeliest candidates that together reach the probability `share`.
    private func nucleusCount(_ candidates: [(token: Int, weight: Double)], _ share: Double) -> Int {
        let enough = share * candidates.reduce(0) { $0 + $1.weight }
        var sum = 0.0
        for (index, candidate) in candidates.enumerated() {
            sum += candidate.weight
            if sum >= enough { return index + 1 }
        }
        return candidates.count
    }

    static func firstMaximum(of logits: UnsafeBufferPointer<Float>) -> Int? {
        var best: Int?
        for index in logits.indices where !logits[index].isNaN && (best.map { logits[index] > logits[$0] } ?? true) {
            best = index
        }
        return best
    }
}
