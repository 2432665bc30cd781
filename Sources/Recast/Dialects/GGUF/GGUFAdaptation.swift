/// A graph as llama.cpp's architecture can state it, which is what is read again of the keys that would be written.
struct GGUFAdaptation {
    private(set) var graph: Graph
    /// By name, the types of tensors before they were computed with.
    private(set) var types: [String: DType] = [:]
    let notes: [String]
    let warnings: [String]
    let inexactness: [String]
    /// Whether query norms hold what llama.cpp's attention scale is not; the file says so, as its source's configuration does
    /// not know.
    let holdsAttentionScale: Bool
    static let attentionScaleKey = "recast.folded.attention_scale"

    /// - Throws: `unsupported` with every field that llama.cpp would compute otherwise.
    init(_ graph: Graph, to architecture: GGUFArchitecture, allowsInexact: Bool = false) throws(RecastError) {
        let stated = try Self.stated(of: graph.configuration, by: architecture)
        let adaptation = try TargetAdaptation(
            graph, to: "llama.cpp's \(architecture.name)", stating: stated, carriesSource: true,
            allowsInexact: allowsInexact)
        notes = adaptation.notes
        warnings = adaptation.warnings + Self.warnings(of: graph.configuration, for: architecture)
        inexactness = adaptation.inexactness
        holdsAttentionScale = adaptation.holdsAttentionScale
        self.graph = adaptation.graph
        for (slot, dtype) in adaptation.types {
            guard let row = architecture.table.row(of: slot) else { continue }
            types[row.name(layer: slot.layer, expert: slot.expert, slot.part)] = dtype
        }
    }

    /// What llama.cpp does not take though its keys can say it.
    static func warnings(
        of configuration: ModelConfiguration, for architecture: GGUFArchitecture
    ) -> [String] {
        guard architecture.needsWindows, configuration.slidingWindow == nil else { return [] }
        return [
            "no layer has a sliding window, without which llama.cpp ends with an error when it loads a model of its "
                + "architecture \(architecture.name): other programs read the file"
        ]
    }

    /// What would be read of a file with the keys of a configuration.
    static func stated(
        of configuration: ModelConfiguration, by architecture: GGUFArchitecture
    ) throws(RecastError) -> ModelConfiguration {
        var configuration = configuration
        // There is no key for it, and llama.cpp computes texts as if it were not there.
        if case .dynamic = configuration.rope.scaling { configuration.rope.scaling = .none }
        var metadata = GGUFMetadata()
        try architecture.write(configuration, hasHeadDimension: true, fileType: 0, into: &metadata)
        let factors = Dictionary(
            uniqueKeysWithValues: try architecture.rotaryTensors(of: configuration.rope).map { ($0.name, $0.tensor) })
        func numbers(_ name: String) -> [Float]? {
            guard case .literal(let bytes)? = factors[name]?.recipe else { return nil }
            return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        return try GGUFConfiguration(
            architecture: architecture, metadata: metadata, file: "llama.cpp's \(architecture.name)",
            seen: .init(configuration)
        ).configuration(
            embedding: [configuration.vocabularySize, configuration.hiddenSize],
            factors: .init(
                all: numbers(GGUFArchitecture.rotaryFactorsName), short: numbers(GGUFArchitecture.shortFactorsName),
                long: numbers(GGUFArchitecture.longFactorsName)))
    }
}
