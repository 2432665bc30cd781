#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension Rope {
    /// By how much the pairs of a head are rotated in one text.
    public struct Table: Sendable, Hashable {
        /// In radians a position, for each pair.
        public var frequencies: [Double]
        /// What cosines and sines are multiplied by.
        public var attentionFactor: Double
    }

    /// How pairs are rotated in a text of so many tokens; nil for a scaling of an unknown type.
    ///
    /// Source: transformers 5.23, `modeling_rope_utils.py`.
    public func table(in length: Int) -> Table? {
        if let factors = frequencyFactors { return Table(divided(by: factors)) }
        switch scaling {
        case .dynamic(let factor, let context):
            let excess = factor * Double(max(length, context)) / Double(context) - (factor - 1)
            var slower = Rope(theta: theta, dimensions: dimensions)
            // A single pair is rotated by one radian whatever the base.
            if dimensions > 2 { slower.theta *= pow(excess, Double(dimensions) / Double(dimensions - 2)) }
            return Table(slower.baseFrequencies)
        case .longrope(let longrope):
            let factors = length > longrope.originalContext ? longrope.long : longrope.short
            return Table(divided(by: factors), attentionFactor: longrope.attentionFactor)
        case .yarn(let yarn):
            let shares = interpolatedShares(yarn)
            let frequencies = zip(baseFrequencies, shares).map { $0 / yarn.factor * $1 + $0 * (1 - $1) }
            return Table(frequencies, attentionFactor: yarn.attentionFactor)
        case .none, .linear, .llama3, .proportional, .factors, .other: return nil
        }
    }

    private func divided(by factors: [Double]) -> [Double] { zip(baseFrequencies, factors).map(/) }

    /// How much of each pair is interpolated by the factor of yarn: nothing of the fastest pairs, all of the slowest.
    private func interpolatedShares(_ yarn: Yarn) -> [Double] {
        func pair(rotating times: Double) -> Double {
            Double(dimensions) * log(Double(yarn.originalContext) / (times * 2 * .pi)) / (2 * log(theta))
        }
        var (low, high) = (pair(rotating: yarn.betaFast), pair(rotating: yarn.betaSlow))
        if yarn.truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
        (low, high) = (max(low, 0), min(high, Double(dimensions - 1)))
        if low == high { high += 0.001 }
        return (0..<pairCount).map { min(max((Double($0) - low) / (high - low), 0), 1) }
    }
}

extension Rope.Table {
    fileprivate init(_ frequencies: [Double], attentionFactor: Double = 1) {
        self.frequencies = frequencies
        self.attentionFactor = attentionFactor
    }
}

extension Rope.Yarn {
    /// What cosines and sines are multiplied by.
    public var attentionFactor: Double {
        statedAttentionFactor ?? sharpening(by: mscale) / sharpening(by: mscaleAllDimensions)
    }

    /// Whether the stated factor, if there is one, is what it would be without being stated.
    var statesUsualAttentionFactor: Bool {
        guard let stated = statedAttentionFactor else { return true }
        let usual = sharpening(by: mscale) / sharpening(by: mscaleAllDimensions)
        return abs(stated - usual) <= 2e-7 * abs(usual)
    }

    /// How much sharper attention is made: a number that latent attention takes the square of.
    public func sharpening(by mscale: Double) -> Double { factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1 }
}
