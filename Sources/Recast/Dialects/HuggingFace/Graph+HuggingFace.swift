/// A graph in the layout of a Hugging Face family.
struct HuggingFaceLowering {
    let family: Family

    struct Outcome {
        var tensors: [NamedTensor] = []
        /// Where each tensor comes from in the graph.
        var slots: [Slot] = []
        var biases: Set<Role> = []
        var notes: [String] = []
        var evidence: [Evidence] = []
    }

    /// - Parameter isZero: looks whether a bias that the family cannot store is zero everywhere.
    /// - Throws: `unsupported` with the reason where the family cannot say what the graph says.
    func lower(
        _ graph: Graph, isZero: (LazyTensor) throws(RecastError) -> Bool
    ) throws(RecastError) -> Outcome {
        try checkRepresentable(graph.configuration)
        var outcome = Outcome()
        let graph = try fitted(graph, &outcome, isZero: isZero)
        for row in family.table.rows {
            let layers = row.isPerLayer ? (0..<graph.configuration.layerCount).map(Optional.some) : [nil]
            for layer in layers {
                for expert in graph.configuration.experts(of: row) {
                    for part in row.parts {
                        let slots = row.roles.map { Slot($0, layer: layer, expert: expert, part) }
                        let tensors = slots.compactMap { graph[$0] }
                        guard tensors.count == row.roles.count else { continue }
                        outcome.tensors.append(
                            NamedTensor(
                                row.name(layer: layer, expert: expert, part),
                                row.layout.fuse(tensors, graph.configuration)))
                        outcome.slots.append(slots[0])
                    }
                }
            }
        }
        return outcome
    }

    private func checkRepresentable(_ configuration: ModelConfiguration) throws(RecastError) {
        if let window = configuration.slidingWindow, !family.slidingWindow.canSay(window) {
            throw .unsupported(
                "from layer \(window.firstLayer) on this model attends only to the last \(window.size) tokens; "
                    + "\(family.architectures[0]) cannot say so")
        }
        // It depends on the token, so no weight can stand for it.
        if configuration.normalizesHeads, !family.normalizesHeads {
            throw .unsupported(
                "\(configuration.family) normalises every query and key head (q_norm, k_norm); \(family.architectures[0]) "
                    + "has no such step, and it cannot be folded into weights")
        }
        if family.normalizesHeads, !configuration.normalizesHeads {
            throw .unsupported(
                "\(family.architectures[0]) normalises every query and key head (q_norm, k_norm), which this model does not"
            )
        }
        if (configuration.latentAttention != nil) != family.hasLatentAttention {
            throw .unsupported(
                family.hasLatentAttention
                    ? "\(family.architectures[0]) has latent attention, which this model has not"
                    : "\(configuration.family) makes keys and values of few numbers a token (latent attention); "
                        + "\(family.architectures[0]) does not")
        }
        if let experts = configuration.experts {
            guard let keys = family.experts else {
                throw .unsupported(
                    "\(configuration.family) picks \(experts.usedCount) of \(experts.count) experts for each token; "
                        + "\(family.architectures[0]) has no experts")
            }
            if let obstacle = keys.obstacle(experts) {
                throw .unsupported("\(family.architectures[0]) \(obstacle)")
            }
        } else if family.experts != nil {
            throw .unsupported("\(family.architectures[0]) has experts, which this model has not")
        }
        if case .yarn(let yarn) = configuration.rope.scaling, !yarn.isSayable {
            throw .unsupported(
                "the yarn scaling of this model has an mscale of \(yarn.mscale) and an mscale_all_dim of "
                    + "\(yarn.mscaleAllDimensions), of which a configuration says both or none")
        }
        if case .factors = configuration.rope.scaling {
            throw .unsupported(
                "the rotary factors of this GGUF file belong to no scaling that \(family.architectures[0]) knows; "
                    + "its original configuration is needed")
        }
    }

    /// The graph with the biases that the family's layers have, neither more nor fewer.
    private func fitted(
        _ graph: Graph, _ outcome: inout Outcome, isZero: (LazyTensor) throws(RecastError) -> Bool
    ) throws(RecastError) -> Graph {
        var graph = graph
        for group in family.biasGroups {
            let isNeeded = group.presence == .always || graph.hasBias(group.roles)
            guard isNeeded else { continue }
            outcome.biases.formUnion(group.roles)
            var added = 0
            for layer in 0..<graph.configuration.layerCount {
                for role in group.roles where graph[role, layer: layer, part: .bias] == nil {
                    let like = group.roles.compactMap { graph[$0, layer: layer, part: .bias]?.dtype }.first
                    let dtype = like ?? graph[role, layer: layer]?.dtype ?? .f32
                    graph[Slot(role, layer: layer, .bias)] = .zeros(
                        dtype.isQuantized ? .f32 : dtype, graph.configuration.shape(of: Slot(role, layer: layer, .bias))
                    )
                    added += 1
                }
            }
            if added > 0 { outcome.notes.append("\(added) biases that \(family.name) needs are written as zeros") }
        }
        try dropZeroBiases(&graph, &outcome, isZero: isZero)
        return graph
    }

    private func dropZeroBiases(
        _ graph: inout Graph, _ outcome: inout Outcome, isZero: (LazyTensor) throws(RecastError) -> Bool
    ) throws(RecastError) {
        let foreign = graph.entries.filter { $0.slot.part == .bias && !outcome.biases.contains($0.slot.role) }
        guard !foreign.isEmpty else { return }
        for entry in foreign {
            guard try isZero(entry.tensor) else {
                throw .unsupported(
                    "\(family.name) has no bias on \(entry.slot.role), but \(entry.slot) is not zero")
            }
            graph[entry.slot] = nil
        }
        outcome.notes.append(
            "\(foreign.count) biases that are zero everywhere are left out: \(family.name) has none there")
        outcome.evidence.append(
            Evidence(
                question: "are the biases that \(family.name) cannot store zero?", answer: "yes, all \(foreign.count)",
                byteCount: foreign.reduce(0) { $0 + $1.tensor.byteCount }))
    }
}

extension Family.SlidingWindowKeys {
    func canSay(_ window: SlidingWindow) -> Bool {
        switch self {
        case .none, .refused: false
        case .switched: true
        case .everywhere: window.firstLayer == 0
        }
    }
}

extension Graph {
    /// Whether any of these roles has a bias in any layer.
    func hasBias(_ roles: [Role]) -> Bool {
        entries.contains { $0.slot.part == .bias && roles.contains($0.slot.role) }
    }
}
