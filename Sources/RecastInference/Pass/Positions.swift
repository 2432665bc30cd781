import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How the heads of each layer are rotated in texts of different lengths.
struct Positions: Sendable {
    private let configuration: ModelConfiguration
    /// Some scalings rotate long texts otherwise than short ones.
    private let embeddings: [Rope.Table: RotaryEmbedding]

    /// - Parameter lengths: of the texts, in tokens.
    /// - Throws: `unsupported` for a scaling that cannot be computed.
    init(_ configuration: ModelConfiguration, lengths: [Int]) throws(RecastError) {
        self.configuration = configuration
        var positions: [Rope.Table: Int] = [:]
        for rope in Set(configuration.layers.indices.compactMap { Self.rope(ofLayer: $0, configuration) }) {
            for length in Set(lengths) {
                guard let table = Self.table(of: rope, configuration, length: length) else {
                    throw .unsupported("cannot compute rotary embeddings of the type \(rope.scaling.name)")
                }
                positions[table] = max(length, positions[table] ?? 0)
            }
        }
        embeddings = Dictionary(
            uniqueKeysWithValues: positions.map { ($0.key, RotaryEmbedding($0.key, positions: $0.value)) })
    }

    private static func table(of rope: Rope, _ configuration: ModelConfiguration, length: Int) -> Rope.Table? {
        guard let longContext = configuration.longContext, longContext.dynamicNTK, length > longContext.context else {
            return rope.table(in: length)
        }
        // Qwen 1. Source: Specs/families.md §3.3.
        let times = pow(2, (log2(Double(length) / Double(longContext.context)) + 1).rounded(.up)) - 1
        var slower = rope
        slower.theta *= pow(max(times, 1), Double(rope.dimensions) / Double(rope.dimensions - 2))
        return slower.table(in: length)
    }

    private static func rope(ofLayer layer: Int, _ configuration: ModelConfiguration) -> Rope? {
        guard configuration.layers[layer].hasAttention else { return nil }
        return switch configuration.layers[layer].position {
        case .rotary: configuration.rope
        case .localRotary(let rope): rope
        case .alibi, .none: nil
        }
    }

    /// How heads are rotated; nil where they are not.
    func rotary(inLayer layer: Int, length: Int) -> RotaryEmbedding? {
        guard let rope = Self.rope(ofLayer: layer, configuration) else { return nil }
        return Self.table(of: rope, configuration, length: length).flatMap { embeddings[$0] }
    }

    /// What the query at a position is multiplied by.
    func queryFactor(at position: Int, inLayer layer: Int) -> Float {
        var factor = configuration.temperature(inLayer: layer)?.factor(at: position) ?? 1
        if let longContext = configuration.longContext, longContext.logNAttention, position + 1 > longContext.context {
            factor *= log(Double(position + 1)) / log(Double(longContext.context))
        }
        return Float(factor)
    }

    /// Whether any query of a text is multiplied by anything but one.
    func scalesQueries(inLayer layer: Int, length: Int) -> Bool {
        if let temperature = configuration.temperature(inLayer: layer), length > temperature.unchangedLength {
            return true
        }
        return configuration.longContext.map { $0.logNAttention && length > $0.context } ?? false
    }
}
