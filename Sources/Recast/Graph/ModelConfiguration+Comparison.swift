extension ModelConfiguration {
    /// The same model without what llama does not do, but for the norms of heads, experts and latent attention.
    var likeLlama: ModelConfiguration {
        var configuration = self
        configuration.norms = Norms()
        configuration.norms.heads = norms.heads
        configuration.multipliers = Multipliers()
        configuration.softCaps = SoftCaps()
        configuration.normalizesOutputHead = false
        configuration.projectionLimit = nil
        configuration.hasALiBi = false
        configuration.unturnedLayers = []
        configuration.slidingRope = nil
        configuration.stretch = nil
        return configuration
    }

    /// What products of queries and keys are multiplied by.
    public var attentionScale: Double { multipliers.attention ?? 1 / Double(headDimension).squareRoot() }
}

extension Rope {
    /// Whether two turn alike, as far as float32 can tell.
    func isEquivalent(to other: Rope, upTo length: Int) -> Bool {
        if self == other { return true }
        for length in [1, length] {
            guard let mine = turning(in: length), let theirs = other.turning(in: length) else { return false }
            let pairs = zip(mine.frequencies + [mine.attentionFactor], theirs.frequencies + [theirs.attentionFactor])
            guard dimensions == other.dimensions, pairs.allSatisfy({ abs($0 - $1) <= 2e-7 * abs($0) }) else {
                return false
            }
        }
        return true
    }
}

extension Rope.Scaling {
    /// The name that transformers gives it.
    public var name: String {
        switch self {
        case .none: "default"
        case .linear: "linear"
        case .llama3: "llama3"
        case .yarn: "yarn"
        case .dynamic: "dynamic"
        case .longrope: "longrope"
        case .factors: "factors of its own"
        case .other(let name): name
        }
    }
}
