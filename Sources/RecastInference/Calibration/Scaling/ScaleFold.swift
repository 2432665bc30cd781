import Recast

/// What a group of weights' input comes from: where scales of the input's columns can be folded into, so that the model
/// computes the same.
enum ScaleFold: Hashable {
    /// The weight of the norm before.
    case norm(Slot)
    /// The rows of the weight, and of its bias, whose products the input is: each column of the input is linear in one row.
    ///
    /// - sharedBy: how many columns of the input each row is behind, where heads share values.
    case rows(of: Slot, sharedBy: Int)

    /// - Parameter sites: multiplied with the same input.
    /// - Returns: nil where no operation before takes the scales, or others have the same input.
    init?(before sites: [Slot], in graph: Graph) {
        guard let site = sites.first, let layer = site.layer else { return nil }
        let configuration = graph.configuration
        let norms = configuration.layers[layer].norms
        switch site.role {
        case .query, .key, .value, .queryDown, .keyValueDown, .indexerKey:
            let slot = Slot(.attentionNorm, layer: layer)
            // What weighs the heads of an indexer has the same input.
            guard configuration.layers[layer].ownIndexer == nil else { return nil }
            // Where feed-forward has the same norm, what it is multiplied with would be scaled, too.
            guard norms.hasPreNorms, !norms.sharesPreNorm, graph[slot] != nil,
                configuration.layers[layer].recurrence == nil
            else { return nil }
            self = .norm(slot)
        case .gate, .up:
            let slot = Slot(.feedForwardNorm, layer: layer)
            // Router and experts all have the same input, and come one after the other.
            guard norms.hasPreNorms, graph[slot] != nil, !configuration.hasExperts(inLayer: layer) else { return nil }
            self = .norm(slot)
        case .attentionOutput:
            let own = configuration.layers[layer]
            // A norm, or others that look at the values, do not let scales through.
            guard configuration.latentAttention == nil, configuration.projectionLimit == nil, !own.valuesAreKeys,
                !norms.normalizesValues, own.keyValueSource == nil, !configuration.keyValueSources.contains(layer)
            else { return nil }
            self = .rows(
                of: Slot(.value, layer: layer),
                sharedBy: configuration.headCount / configuration.keyValueHeadCount(inLayer: layer))
        // An activation between, or a limit, does not let scales through.
        case .down, .sharedDown:
            guard configuration.gatesFeedForward, configuration.gateLimit == nil else { return nil }
            self = .rows(
                of: Slot(site.role == .down ? .up : .sharedUp, layer: layer, expert: site.expert), sharedBy: 1)
        default: return nil
        }
    }
}
