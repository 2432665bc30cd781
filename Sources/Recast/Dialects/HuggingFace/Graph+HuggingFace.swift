/// A graph in the layout of a Hugging Face family.
struct HuggingFaceLowering {
    let family: Family
    /// The original `config.json`, of whatever family, if there was one.
    var original: JSON.Object?
    /// Whether a family that computes something else with the same tensors will do.
    var allowsInexact = false
    /// Weights that take the place of the graph's own, once it is as the family can say it.
    var calibrated: CalibratedWeights?

    struct Outcome {
        /// What is lowered.
        var graph: Graph
        /// What the target will compute.
        var configuration: ModelConfiguration
        var tensors: [NamedTensor] = []
        var biases: Set<Role> = []
        var isTied = false
        /// The types of weights before they were computed with.
        var types: [Slot: DType] = [:]
        var notes: [String] = []
        var warnings: [String] = []
        /// What the family computes otherwise, where that was allowed.
        var inexactness: [String] = []
        var evidence: [Evidence] = []
        /// What is written beside the graph.
        var carried = Carried()
    }

    /// - Parameters:
    ///   - isZero: looks whether a bias that the family cannot store is zero everywhere.
    ///   - hasUnitRows: looks whether each row of the head has the length one.
    /// - Throws: `unsupported` with the reason where the family cannot say what the graph says.
    func lower(
        _ graph: Graph, isZero: (LazyTensor) throws(RecastError) -> Bool,
        hasUnitRows: (LazyTensor) throws(RecastError) -> Bool
    ) throws(RecastError) -> Outcome {
        var outcome = Outcome(graph: graph, configuration: graph.configuration)
        var graph = try withBiases(
            fitted(graph, &outcome, isZero: isZero, hasUnitRows: hasUnitRows), &outcome, isZero: isZero)
        if let calibrated { graph = calibrated.replacing(graph) }
        outcome.graph = graph
        outcome.configuration = graph.configuration
        outcome.isTied = graph.isTied
        outcome.tensors = family.stacked(
            try Lowering(table: family.table, target: family.architectures[0]).lower(graph, order: .ofTable),
            graph.configuration)
        for tensor in outcome.tensors where tensor.slots.contains(where: { outcome.types[$0] != nil }) {
            let types = Set(tensor.slots.map { outcome.types[$0] ?? graph[$0]!.dtype })
            if types.count == 1 { outcome.types[tensor.slots[0]] = types.first }
        }
        return outcome
    }

    /// The graph as this family can say it.
    private func fitted(
        _ graph: Graph, _ outcome: inout Outcome, isZero: (LazyTensor) throws(RecastError) -> Bool,
        hasUnitRows: (LazyTensor) throws(RecastError) -> Bool
    ) throws(RecastError) -> Graph {
        var graph = graph
        if let experts = family.identicalExperts(for: graph.configuration) {
            outcome.notes.append(
                "the feed-forward layers are written as \(experts.count) identical experts, of which any \(experts.usedCount) "
                    + "together give the same; the router is zero")
            graph = graph.repeated(in: experts)
        }
        let configuration = graph.configuration
        try checkSayable(configuration)
        let stated: ModelConfiguration
        do throws(RecastError) {
            stated = try HuggingFaceConfiguration.stated(
                of: graph.configuration(for: family), by: family, original: original,
                ropeScaling: original?["rope_scaling"]?.object ?? original?["rope_parameters"]?.object)
        } catch {
            throw .unsupported("\(family.architectures[0]) cannot state this model: \(error.message)")
        }
        if stated.normalizesOutputHead, !configuration.normalizesOutputHead, let head = graph.head,
            try hasUnitRows(head)
        {
            // Normalising again changes nothing.
            graph.configuration.normalizesOutputHead = true
            outcome.notes.append("the rows of the output head have unit length already, as \(family.name) makes them")
            outcome.evidence.append(
                Evidence(
                    question: "rows of the output head have unit length:", answer: "yes", byteCount: head.byteCount))
        }
        var lastNormHasBias = true
        if configuration.norms.kind != stated.norms.kind, let bias = graph[.outputNorm, layer: nil, part: .bias] {
            lastNormHasBias = try !isZero(bias)
            outcome.evidence.append(
                Evidence(
                    question: "the bias of the final norm is zero:", answer: lastNormHasBias ? "no" : "yes",
                    byteCount: bias.byteCount))
        }
        let adaptation = try TargetAdaptation(
            graph, to: family.architectures[0], stating: stated, lastNormHasBias: lastNormHasBias,
            allowsInexact: allowsInexact)
        outcome.types = adaptation.types
        outcome.notes += adaptation.notes
        outcome.warnings += adaptation.warnings
        outcome.inexactness = adaptation.inexactness
        graph = adaptation.graph
        graph.configuration.family = family.name
        return graph
    }

    /// What no configuration can say, with better words than its reader has.
    private func checkSayable(_ configuration: ModelConfiguration) throws(RecastError) {
        if family.hasLatentAttention, configuration.latentAttention == nil {
            throw .unsupported(
                "\(family.architectures[0]) has multi-head latent attention (MLA), which this model has not")
        }
        if let experts = configuration.experts, let obstacle = family.experts?.obstacle(experts, in: configuration) {
            throw .unsupported("\(family.architectures[0]) \(obstacle)")
        }
        if family.experts?.denseLayers == Family.ExpertKeys.DenseLayers.none, configuration.experts == nil {
            throw .unsupported("\(family.architectures[0]) has experts, which this model has not")
        }
        if case .yarn(let yarn) = configuration.rope.scaling, !yarn.isExpressibleInTransformers {
            throw .unsupported(
                "the yarn scaling of this model has an mscale of \(yarn.mscale) and an mscale_all_dim of "
                    + "\(yarn.mscaleAllDimensions); transformers reads both or neither")
        }
        if case .factors = configuration.rope.scaling {
            throw .unsupported(
                "the rotary factors of this GGUF file belong to no scaling that \(family.architectures[0]) knows; "
                    + "its original configuration is needed")
        }
    }

    /// The graph with the biases that the family's layers have, neither more nor fewer.
    private func withBiases(
        _ graph: Graph, _ outcome: inout Outcome, isZero: (LazyTensor) throws(RecastError) -> Bool
    ) throws(RecastError) -> Graph {
        var graph = graph
        for group in family.biasGroups {
            guard try isNeeded(group, graph, isZero: isZero) else { continue }
            outcome.biases.formUnion(group.roles)
            var added: [Role: Int] = [:]
            for role in group.roles {
                let layers = role.isPerLayer ? (0..<graph.configuration.layerCount).map(Optional.some) : [nil]
                // A layer with experts has no ordinary feed-forward part.
                for layer in layers
                where graph[role, layer: layer] != nil && graph[role, layer: layer, part: .bias] == nil {
                    let like = group.roles.compactMap { graph[$0, layer: layer, part: .bias]?.dtype }.first
                    let dtype = like ?? graph[role, layer: layer]?.dtype ?? .f32
                    graph[Slot(role, layer: layer, .bias)] = .zeros(
                        dtype.isQuantized ? .f32 : dtype, graph.configuration.shape(of: Slot(role, layer: layer, .bias))
                    )
                    added[role, default: 0] += 1
                }
            }
            if !added.isEmpty {
                outcome.notes.append("biases that \(family.name) needs are written as zeros: \(names(of: added))")
            }
        }
        try dropZeroBiases(&graph, &outcome, isZero: isZero)
        return graph
    }

    /// `o_proj.bias × 4`, as the family calls them.
    private func names(of biases: [Role: Int]) -> String {
        Role.allCases.compactMap { role in
            biases[role].map { count in
                let stem = family.table.rows.first { $0.roles.contains(role) }?.stem ?? role.rawValue
                return "\(stem.split(separator: ".").last ?? "").bias × \(count)"
            }
        }.joined(separator: ", ")
    }

    /// Whether there are biases of a group; some of them that are zero everywhere, and others missing, are none.
    private func isNeeded(
        _ group: Family.BiasGroup, _ graph: Graph, isZero: (LazyTensor) throws(RecastError) -> Bool
    ) throws(RecastError) -> Bool {
        if group.presence == .always { return true }
        let present = graph.entries.filter { $0.slot.part == .bias && group.roles.contains($0.slot.role) }
        if Set(present.map(\.slot.role)) == Set(group.roles) { return true }
        for entry in present where try !isZero(entry.tensor) { return true }
        return false
    }

    private func dropZeroBiases(
        _ graph: inout Graph, _ outcome: inout Outcome, isZero: (LazyTensor) throws(RecastError) -> Bool
    ) throws(RecastError) {
        let foreign = graph.entries.filter { $0.slot.part == .bias && !outcome.biases.contains($0.slot.role) }
        guard !foreign.isEmpty else { return }
        for entry in foreign {
            guard try isZero(entry.tensor) else {
                let slot = entry.slot
                let name = family.table.row(of: Slot(slot.role, layer: slot.layer, expert: slot.expert))?.name(
                    layer: slot.layer, expert: slot.expert, .bias)
                throw .unsupported("\(family.name) has no \(name ?? "\(slot)"), and that of this model is not zero")
            }
        }
        let biases = outcome.biases
        graph.remove { $0.slot.part == .bias && !biases.contains($0.slot.role) }
        let counts = Dictionary(grouping: foreign, by: \.slot.role).mapValues(\.count)
        outcome.notes.append(
            "biases that are zero, and that \(family.name) has not, are left out: \(names(of: counts))")
        outcome.evidence.append(
            Evidence(
                question: "biases that \(family.name) cannot store are zero:", answer: "yes, all \(foreign.count)",
                byteCount: foreign.reduce(0) { $0 + $1.tensor.byteCount }))
    }
}

extension Family {
    /// The experts that a dense model can be, all alike: where nothing but their weights, which add up to one, decides. The
    /// fifteenth trick of Specs/families.md §1.
    fileprivate func identicalExperts(for configuration: ModelConfiguration) -> ExpertConfiguration? {
        guard configuration.experts == nil, let experts, experts.normalization == .always, experts.shared == .none,
            experts.router == Family.Router(), let used = experts.defaultUsedCount, let count = experts.defaultCount
        else { return nil }
        return ExpertConfiguration(
            count: count, usedCount: used, feedForwardSize: configuration.feedForwardSize,
            normalizesWeights: true)
    }
}

extension Graph {
    /// Every layer's feed-forward part as so many experts.
    fileprivate func repeated(in experts: ExpertConfiguration) -> Graph {
        var result = Graph(configuration: configuration)
        result.configuration.setExperts(experts, butIn: [])
        for entry in entries {
            guard [.gate, .up, .down].contains(entry.slot.role) else {
                result[entry.slot] = entry.tensor
                continue
            }
            // Biases would be added once for each expert, with weights that add up to one; but no family has them.
            var slot = entry.slot
            guard slot.part == .weight else {
                result[slot] = entry.tensor
                continue
            }
            for expert in 0..<experts.count {
                slot.expert = expert
                result[slot] = entry.tensor
            }
            if slot.role == .gate {
                let dtype = entry.tensor.dtype.isQuantized ? DType.f32 : entry.tensor.dtype
                result[Slot(.router, layer: slot.layer)] = .zeros(
                    dtype, result.configuration.shape(of: Slot(.router, layer: slot.layer)))
            }
        }
        return result
    }

    /// Whether any of these roles has a bias in any layer.
    func hasBias(_ roles: [Role]) -> Bool {
        entries.contains { $0.slot.part == .bias && roles.contains($0.slot.role) }
    }
}
