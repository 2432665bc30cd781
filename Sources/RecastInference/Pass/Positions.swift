import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How the heads of each layer turn in texts of different lengths.
struct Positions: Sendable {
    private let configuration: ModelConfiguration
    /// Some scalings turn long texts otherwise than short ones.
    private let embeddings: [Rope.Table: RotaryEmbedding]

    /// - Parameter lengths: of the texts, in tokens.
    /// - Throws: `unsupported` for a scaling that cannot be computed.
    init(_ configuration: ModelConfiguration, lengths: [Int]) throws(RecastError) {
        self.configuration = configuration
        var positions: [Rope.Table: Int] = [:]
        for rope in [configuration.rope, configuration.slidingRope].compactMap(\.self) where !configuration.hasALiBi {
            for length in Set(lengths) {
                guard let turning = Self.turning(of: rope, configuration, length: length) else {
                    throw .unsupported("cannot compute rotary embeddings of the type \(rope.scaling.name)")
                }
                positions[turning] = max(length, positions[turning] ?? 0)
            }
        }
        embeddings = Dictionary(
            uniqueKeysWithValues: positions.map { ($0.key, RotaryEmbedding($0.key, positions: $0.value)) })
    }

    private static func turning(of rope: Rope, _ configuration: ModelConfiguration, length: Int) -> Rope.Table? {
        guard let longContext = configuration.longContext, longContext.dynamicNTK, length > longContext.context else {
            return rope.table(in: length)
        }
        // Qwen 1. Source: Specs/families.md §3.3.
        let times = pow(2, (log2(Double(length) / Double(longContext.context)) + 1).rounded(.up)) - 1
        var slower = rope
        slower.theta *= pow(max(times, 1), Double(rope.dimensions) / Double(rope.dimensions - 2))
        return slower.table(in: length)
    }

    /// How heads turn; nil where they do not.
    func rotary(inLayer layer: Int, length: Int) -> RotaryEmbedding? {
        guard !configuration.hasALiBi, !configuration.unturnedLayers.contains(layer) else { return nil }
        let isSliding = configuration.slidingWindow?.limits(layer: layer) ?? false
        let rope = isSliding ? configuration.slidingRope ?? configuration.rope : configuration.rope
        return Self.turning(of: rope, configuration, length: length).flatMap { embeddings[$0] }
    }

    /// What the query at a position is multiplied by.
    func queryFactor(at position: Int, length: Int) -> Float {
        guard let longContext = configuration.longContext, longContext.logNAttention, position + 1 > longContext.context
        else {
            return 1
        }
        return Float(log(Double(position + 1)) / log(Double(longContext.context)))
    }

    /// Whether any query of a text is multiplied by anything but one.
    func scalesQueries(length: Int) -> Bool {
        configuration.longContext.map { $0.logNAttention && length > $0.context } ?? false
    }
}
