/// Which entry of an importance file, and which matrix of it, a weight of a graph has.
public struct ImportancePlaces: Sendable {
    public struct Place: Sendable, Hashable {
        public var name: String
        public var matrix: Int
        public var matrixCount: Int
    }

    /// The model as llama.cpp's architecture states it.
    public let graph: Graph
    public let places: [Slot: Place]
    /// Weights of which GGUF stores something else than the model multiplies with.
    public let excluded: [String]

    /// - Throws: `unsupported` for models that GGUF cannot hold.
    public init(_ model: Model) throws(RecastError) {
        let architecture = try GGUFArchitecture.of(model.graph.configuration)
        let adaptation = try GGUFAdaptation(model.graph, to: architecture)
        graph = adaptation.graph
        var places: [Slot: Place] = [:]
        var excluded: [String] = []
        for tensor in GGUFStacks.packed(
            try Lowering(table: architecture.table, target: "the GGUF architecture \(architecture.name)")
                .lower(graph, order: .ofGraph), latent: graph.configuration.latentAttention)
        {
            for slot in tensor.slots where slot.part == .weight && slot.layer != nil && tensor.tensor.shape.count > 1 {
                if graph[slot] != nil, tensor.tensor.shape.count > 2 {
                    // Keys and values of latent attention, apart.
                    excluded.append(tensor.name)
                } else if graph[slot] != nil {
                    places[slot] = Place(name: tensor.name, matrix: 0, matrixCount: 1)
                } else {
                    let count = tensor.tensor.batchCount
                    for expert in 0..<count {
                        places[Slot(slot.role, layer: slot.layer, expert: expert)] = Place(
                            name: tensor.name, matrix: expert, matrixCount: count)
                    }
                }
            }
        }
        self.places = places
        self.excluded = excluded
    }
}
