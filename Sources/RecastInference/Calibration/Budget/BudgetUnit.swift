import Recast

/// Tensors of a file that get the same type, as programs multiply with them together.
struct BudgetUnit: Sendable {
    /// What the tensors of a layer have in common that share a type.
    enum Kind: String, Sendable, Hashable {
        case embedding, head
        /// What each token adds to the input of a layer.
        case layerInput
        /// Their product is what a softmax sees.
        case queryKey
        /// vLLM has these as one weight, and all experts of a layer as another.
        case queryKeyValue, experts
        case value, output
        case latentDown, queryUp, keyValueUp, indexer
        /// Fused kernels of llama.cpp need gate and up in one type.
        case gateUp, down
        case expertGateUp, expertDown, expertLatentDown, expertLatentUp
        case sharedGateUp, sharedDown
        case recurrentInput, stateProjection, timeStep, recurrentOutput

        init(_ slot: Slot, _ fusion: TypeChoices.Fusion) {
            let ofExpert = slot.expert != nil
            self =
                switch slot.role {
                case .query where fusion == .layers, .key where fusion == .layers, .value where fusion == .layers:
                    .queryKeyValue
                case .gate where fusion == .layers && ofExpert, .up where fusion == .layers && ofExpert,
                    .down where fusion == .layers && ofExpert:
                    .experts
                case .tokenEmbedding, .layerEmbedding: .embedding
                case .layerInputGate, .layerInputProjection: .layerInput
                case .query, .key, .attentionGate: .queryKey
                case .value: .value
                case .attentionOutput: .output
                case .queryDown, .keyValueDown: .latentDown
                case .queryUp: .queryUp
                case .keyValueUp: .keyValueUp
                case .indexerQuery, .indexerKey: .indexer
                case .gate, .up: ofExpert ? .expertGateUp : .gateUp
                case .down: ofExpert ? .expertDown : .down
                case .expertLatentDown: .expertLatentDown
                case .expertLatentUp: .expertLatentUp
                case .sharedGate, .sharedUp: .sharedGateUp
                case .sharedDown: .sharedDown
                case .recurrentInput, .recurrentGate: .recurrentInput
                case .stateProjection: .stateProjection
                case .timeStep: .timeStep
                case .recurrentOutput: .recurrentOutput
                default: .head
                }
        }
    }

    let kind: Kind
    let layer: Int?
    var tensors: [TypeChoices.Tensor]

    var slots: [Slot] { tensors.flatMap(\.slots) }

    /// In the order of their first tensors.
    static func units(of choices: TypeChoices) -> [BudgetUnit] {
        var units: [BudgetUnit] = []
        for tensor in choices.tensors {
            let kind = Kind(tensor.slots[0], choices.fusion)
            let layer = tensor.slots[0].layer
            if let index = units.firstIndex(where: { $0.kind == kind && $0.layer == layer }) {
                units[index].tensors.append(tensor)
            } else {
                units.append(BudgetUnit(kind: kind, layer: layer, tensors: [tensor]))
            }
        }
        return units
    }

    /// The output errors of the unit's roles in one encoding, each as a part of what the role gives, summed.
    func error(as encoding: Encoding, _ errors: [Slot: [String: TypeError]]) -> Double? {
        var sums: [Role: (error: Double, output: Double)] = [:]
        for slot in slots {
            guard let found = errors[slot]?[encoding.name] else { return nil }
            // An expert matters as often as it is asked.
            let weight = Double(max(1, found.tokens))
            sums[slot.role, default: (0, 0)].error += weight * found.error
            sums[slot.role]!.output += weight * found.output
        }
        return Role.allCases.compactMap { sums[$0] }.reduce(0) { $0 + ($1.output > 0 ? $1.error / $1.output : 0) }
    }
}

extension TypeChoices {
    func byteCount(_ unit: BudgetUnit, as type: WeightType, alignment: Int) -> Int {
        unit.tensors.reduce(0) { $0 + byteCount($1, as: type, alignment: alignment) }
    }

    /// Whether codes of a type can be chosen for all of a unit.
    func fits(_ unit: BudgetUnit, _ type: WeightType) -> Bool {
        unit.tensors.allSatisfy { fits($0, type) && WeightTarget(encoding(type), columns: $0.shape.last!) != nil }
    }
}
