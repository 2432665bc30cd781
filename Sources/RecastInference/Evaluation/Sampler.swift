/// Chooses the next token from logits.
struct Sampler {
    let temperature: Double
    let topK: Int?
    let topP: Double?
    private var random: SplitMix64

    init(_ settings: Generator.Settings) {
        temperature = settings.temperature
        topK = settings.topK
        topP = settings.topP
        random = SplitMix64(seed: settings.seed)
    }

    /// - Returns: nil where the largest logit is no number, or none that could be compared with others.
    mutating func token(from logits: UnsafeBufferPointer<Float>) -> Int32? {
        guard let likeliest = Self.firstMaximum(of: logits), logits[likeliest].isFinite else { return nil }
        if temperature == 0 { return Int32(likeliest) }
        let maximum = logits[likeliest]
        // exp in our own arithmetic, so that the same logits give the same token everywhere.
        var candidates = logits.indices.map { index in
            (token: index, weight: Double(exponential(Float(Double(logits[index] - maximum) / temperature))))
        }
        candidates.removeAll { $0.weight.isNaN }
        if topK != nil || topP != nil {
            candidates.sort { ($0.weight, $1.token) > ($1.weight, $0.token) }
            if let topK { candidates.removeLast(max(0, candidates.count - topK)) }
            if let topP { candidates.removeLast(candidates.count - nucleusCount(candidates, topP)) }
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

    private static func firstMaximum(of logits: UnsafeBufferPointer<Float>) -> Int? {
        var best: Int?
        for index in logits.indices where !logits[index].isNaN && (best.map { logits[index] > logits[$0] } ?? true) {
            best = index
        }
        return best
    }
}
