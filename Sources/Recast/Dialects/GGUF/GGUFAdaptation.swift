/// A graph as llama.cpp's architecture can say it, which is what is read of the keys that would be written.
struct GGUFFitting {
    private(set) var graph: Graph
    /// By name, the types of tensors before they were computed with.
    private(set) var types: [String: DType] = [:]
    private(set) var notes: [String] = []
    private(set) var warnings: [String] = []

    /// - Throws: `unsupported` with every reason.
    init(_ graph: Graph, to architecture: GGUFArchitecture) throws(RecastError) {
        self.graph = graph
        let target = "llama.cpp's \(architecture.name)"
        if case .dynamic(let factor, let context) = graph.configuration.rope.scaling {
            warnings.append(
                "llama.cpp ignores dynamic rotary scaling (factor \(factor.plain)): up to \(context) tokens nothing changes"
            )
            self.graph.configuration.rope.scaling = .none
        }
        var said = try Self.said(of: self.graph.configuration, by: architecture, target)
        takeForGranted(&said, target)
        let fitting = try Fitting(self.graph, to: target, saying: said)
        notes += fitting.notes
        warnings += fitting.warnings
        self.graph = fitting.graph
        for (slot, dtype) in fitting.types {
            guard let row = architecture.table.row(of: slot) else { continue }
            types[row.name(layer: slot.layer, expert: slot.expert, slot.part)] = dtype
        }
    }

    private static func said(
        of configuration: ModelConfiguration, by architecture: GGUFArchitecture, _ target: String
    ) throws(RecastError) -> ModelConfiguration {
        var metadata = GGUFMetadata()
        try architecture.write(configuration, hasHeadDimension: true, fileType: 0, into: &metadata)
        let factors = Dictionary(
            uniqueKeysWithValues: try architecture.rotaryTensors(of: configuration.rope).map { ($0.name, $0.tensor) })
        func numbers(_ name: String) -> [Float]? {
            guard case .literal(let bytes)? = factors[name]?.recipe else { return nil }
            return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        return try GGUFConfiguration(architecture: architecture, metadata: metadata, file: target).configuration(
            embedding: [configuration.vocabularySize, configuration.hiddenSize],
            factors: .init(
                all: numbers(GGUFArchitecture.rotaryFactorsName), short: numbers(GGUFArchitecture.shortFactorsName),
                long: numbers(GGUFArchitecture.longFactorsName)))
    }

    /// What llama.cpp has no key for and computes in a way of its own: the file holds the model's weights as they are, and
    /// the user is told.
    private mutating func takeForGranted(_ said: inout ModelConfiguration, _ target: String) {
        let configuration = graph.configuration
        said.contextLength = configuration.contextLength
        if let stretch = configuration.stretch {
            warnings.append(
                "beyond \(stretch.context) tokens this model turns and scales otherwise, which \(target) does not: up to there "
                    + "the results are the same")
        }
        said.stretch = configuration.stretch
        if let groups = configuration.experts?.routing.groups, groups.scoreCount != 2 {
            warnings.append(
                "\(target) ranks groups of experts by the two best of each, this model by the \(groups.scoreCount) best, which GGUF "
                    + "has no key for: llama.cpp computes something else")
        }
        if let window = configuration.slidingWindow, said.slidingWindow != configuration.slidingWindow {
            let layers = window.text(layerCount: configuration.layerCount)
            warnings.append(
                said.slidingWindow == nil
                    ? "llama.cpp ignores the sliding window of \(window.size) tokens that \(layers) have"
                    : "\(target) has windows in other layers than this model (\(layers))")
        }
        said.slidingWindow = configuration.slidingWindow
        if Float(said.attentionScale) != Float(configuration.attentionScale), configuration.latentAttention == nil {
            warnings.append(
                "\(target) scales attention by \(Float(said.attentionScale)), this model by "
                    + "\(Float(configuration.attentionScale)), which GGUF has no key for: llama.cpp computes something else"
            )
        }
        said.multipliers.attention = configuration.multipliers.attention
        if said.unturnedLayers != configuration.unturnedLayers {
            warnings.append(
                "\(target) has rotary positions in other layers than this model, which GGUF has no key for: llama.cpp "
                    + "computes something else")
        }
        said.unturnedLayers = configuration.unturnedLayers
        if said.slidingRope != configuration.slidingRope {
            warnings.append(
                "\(target) has a rotary of its own in layers with windows: llama.cpp computes something else")
        }
        said.slidingRope = configuration.slidingRope
    }
}
