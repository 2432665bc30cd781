#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

// Partial rotary for programs that rotate whole heads: the other pairs have a divisor so large that they
// never get anywhere. Source: Specs/families.md §1, the tenth trick.
extension Rope {
    /// A divisor that stands for no rotation at all.
    static let unrotated = 1e30

    /// The same rotation of whole heads, whose pairs are halves of the head; nil where that cannot be said. What
    /// cosines and sines are multiplied by is left to be multiplied elsewhere, as it would reach the other elements, too.
    func spread(over headDimension: Int, contextLength: Int) -> (rope: Rope, attentionFactor: Double)? {
        guard dimensions < headDimension else { return (self, 1) }
        func spread(_ factors: [Double]) -> [Double] {
            (0..<headDimension / 2).map { pair in
                pair < factors.count ? slowing(pair, in: headDimension) * factors[pair] : Self.unrotated
            }
        }
        var longrope: Longrope
        switch scaling {
        case .longrope(let own): longrope = own
        case .none, .linear, .llama3, .proportional, .factors, .yarn:
            guard let table = table(in: contextLength) else { return nil }
            let factors = zip(baseFrequencies, table.frequencies).map(/)
            longrope = Longrope(
                short: factors, long: factors, originalContext: contextLength, attentionFactor: table.attentionFactor)
        case .dynamic, .other: return nil
        }
        let attentionFactor = longrope.attentionFactor
        longrope.short = spread(longrope.short)
        longrope.long = spread(longrope.long)
        longrope.attentionFactor = 1
        return (Rope(theta: theta, dimensions: headDimension, scaling: .longrope(longrope)), attentionFactor)
    }

    /// The opposite: pairs at the end that are not rotated are no part of the rotary dimension.
    var gathered: Rope {
        guard case .longrope(let longrope) = scaling,
            let count = longrope.short.firstIndex(where: { $0 >= Self.unrotated / 10 }), count > 0,
            (longrope.short[count...] + longrope.long[count...]).allSatisfy({ $0 >= Self.unrotated / 10 })
        else { return self }
        var part = Rope(theta: theta, dimensions: 2 * count)
        func gathered(_ factors: [Double]) -> [Double] {
            factors[..<count].enumerated().map { pair, factor in
                let own = factor / part.slowing(pair, in: dimensions)
                return abs(own - 1) < 1e-9 ? 1 : own
            }
        }
        let (short, long) = (gathered(longrope.short), gathered(longrope.long))
        if longrope.attentionFactor != 1 || !(short + long).allSatisfy({ $0 == 1 }) {
            part.scaling = .longrope(
                Longrope(
                    short: short, long: long, originalContext: longrope.originalContext,
                    attentionFactor: longrope.attentionFactor))
        }
        return part
    }

    /// How much faster a pair of a whole head would rotate than this one does.
    private func slowing(_ pair: Int, in headDimension: Int) -> Double {
        pow(theta, 2 * Double(pair) / Double(dimensions)) * pow(theta, -2 * Double(pair) / Double(headDimension))
    }
}
