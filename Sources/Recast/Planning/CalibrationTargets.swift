/// What a plan will store of a graph, before it is laid out: what a calibration has to know.
package struct CalibrationTargets: Sendable {
    /// The model as the target states it.
    package var graph: Graph
    /// How each weight that is quantized will be stored.
    package var encodings: [Slot: Encoding]
    /// Quantized weights whose codes cannot be chosen in the graph, by their names in the target, with the reason.
    package var excluded: [(name: String, reason: String)]

    init(graph: Graph, _ tensors: [TypedTensor]) {
        self.graph = graph
        encodings = [:]
        excluded = []
        for tensor in tensors where tensor.encoding.isQuantized {
            for slot in tensor.named.slots where slot.part == .weight {
                // A stack of experts has one place for all of them.
                let slots = graph[slot] != nil ? [slot] : graph.experts(at: slot)
                for slot in slots { encodings[slot] = tensor.encoding }
            }
        }
    }

    /// Weights as if all were calibrated, of which nothing can be read.
    fileprivate var trial: CalibratedWeights {
        CalibratedWeights(
            tensors: Dictionary(
                uniqueKeysWithValues: encodings.map { ($0, $1.placeholder(of: graph[$0]!.shape)) }),
            record: CalibrationRecord(method: "", effort: 0, damping: 0, context: 0, texts: []))
    }

    /// Takes out what a plan for the trial does not leave as it is: codes survive whatever is done to whole rows, and nothing
    /// else.
    fileprivate mutating func exclude(unlessKeptBy trial: [TypedTensor]) {
        for tensor in trial where tensor.encoding.isQuantized && !tensor.keepsCodes {
            for slot in tensor.named.slots {
                let slots = graph[slot] != nil ? [slot] : graph.experts(at: slot)
                for slot in slots { encodings[slot] = nil }
            }
            excluded.append((tensor.name, "the target stores it otherwise than by rows"))
        }
    }
}

extension TypedTensor {
    /// Whether what it is made of has the codes that it is to have.
    fileprivate var keepsCodes: Bool {
        switch encoding {
        case .plain(let dtype): tensor.dtype == dtype && !tensor.changesNumbers
        case .packed: encoding.repacking(of: tensor)?.isExact == true
        }
    }
}

extension Graph {
    /// The places of all experts of a layer.
    func experts(at slot: Slot) -> [Slot] {
        (0..<(configuration.experts?.count ?? 0)).map { Slot(slot.role, layer: slot.layer, expert: $0, slot.part) }
            .filter { self[$0] != nil }
    }
}

extension Encoding {
    /// A weight in this encoding that is nowhere yet.
    fileprivate func placeholder(of shape: [Int]) -> LazyTensor {
        switch self {
        case .plain(let dtype): .zeros(dtype, shape)
        case .packed(let packed):
            .decoded(
                packed, weight: shape, packed.layouts(ofWeight: shape).map { .zeros($0.dtype, $0.shape) })
        }
    }
}

extension Planning {
    /// What a calibration for this plan has to know.
    package func calibrationTargets() throws(RecastError) -> CalibrationTargets {
        var options = options
        options.isCalibrated = true
        let model = try model()
        let (graph, tensors) = try Planning(model, options).calibrationDraft()
        var targets = CalibrationTargets(graph: graph, tensors)
        options.calibrated = targets.trial
        targets.exclude(unlessKeptBy: try Planning(model, options).calibrationDraft().tensors)
        return targets
    }

    /// The model as the target states it, and what will be stored of it.
    private func calibrationDraft() throws(RecastError) -> (graph: Graph, tensors: [TypedTensor]) {
        switch options.target {
        case .gguf:
            let draft = try ggufDraft()
            if let graph = draft.graph { return (graph, draft.tensors) }
            return (try model().graph, draft.tensors)
        case .huggingFace(let family):
            let model = try model()
            var plan = basis(model, form: .directory)
            let outcome = try lowered(
                model, Family.named(family ?? model.graph.configuration.family), plan: &plan)
            return (outcome.graph, try typedTensors(outcome, model, plan: &plan).tensors)
        case .megatron: throw .unsupported("Megatron targets hold no quantized weights")
        }
    }
}
