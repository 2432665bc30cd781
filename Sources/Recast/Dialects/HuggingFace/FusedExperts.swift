/// Experts of a layer in two tensors: the gate and up projections of all of them in one, the down projections in another.
///
/// So transformers 5 has them in memory, and saves them of Qwen3-VL-MoE, and of all others where it is told not to write the
/// original format: `[experts, 2 · size, hidden]` and `[experts, hidden, size]`; of experts without a gate the first is
/// `[experts, size, hidden]`, and what they work on may be narrower than hidden states. transformers 4 has saved Qwen3-VL-MoE with both
/// transposed. Source: Specs/families.md §2 and §5.
struct FusedExperts {
    private enum Part: String {
        case gateAndUp = "gate_up_proj"
        case up = "up_proj"
        case down = "down_proj"

        var roles: [Role] {
            switch self {
            case .gateAndUp: [.gate, .up]
            case .up: [.up]
            case .down: [.down]
            }
        }
    }

    private struct Place: Hashable {
        var layer: Int
        var part: Part
    }

    private let family: Family
    private let experts: ExpertConfiguration
    /// Whether experts have a gate.
    private let isGated: Bool
    /// Of what goes into an expert, and comes out of it.
    private let outerSize: Int
    /// As they are stored.
    private let stored: [Place: NamedTensor]
    /// What stands beside them is called as all families call it in memory.
    private let routers: [Int: String]

    /// - Returns: nil where no tensor holds the experts of a layer.
    init?(_ tensors: [NamedTensor], _ family: Family, _ configuration: ModelConfiguration) {
        // Those that a family itself has in one tensor are its own affair.
        guard let experts = configuration.experts, family.experts?.stacks.isEmpty ?? true else { return nil }
        var stored: [Place: NamedTensor] = [:]
        var routers: [Int: String] = [:]
        for tensor in tensors {
            if let place = Self.place(of: tensor.name, family, isGated: configuration.gatesFeedForward) {
                stored[place] = tensor
            } else if let layer = Self.router(of: tensor.name, family) {
                routers[layer] = tensor.name
            }
        }
        guard !stored.isEmpty else { return nil }
        (self.family, self.experts, isGated) = (family, experts, configuration.gatesFeedForward)
        outerSize = experts.latentSize ?? configuration.hiddenSize
        (self.stored, self.routers) = (stored, routers)
    }

    /// The first of the tensors that hold the experts of a layer.
    var firstName: String { stored.values.map(\.name).min() ?? "" }

    /// Of `model.layers.3.mlp.experts.gate_up_proj`: 3, and which it is.
    private static func place(of name: String, _ family: Family, isGated: Bool) -> Place? {
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 6, ["model", first(of: family)].contains(parts[0]), parts[1] == "layers",
            modules(of: family).contains(parts[3]), parts[4] == "experts",
            let layer = Int(parts[2]), layer >= 0, String(layer) == parts[2], let part = Part(rawValue: parts[5]),
            part != (isGated ? .up : .gateAndUp)
        else { return nil }
        return Place(layer: layer, part: part)
    }

    /// What the feed-forward part of a layer that has experts is called: by most families in memory, and by this one in files.
    private static func modules(of family: Family) -> [String] {
        let components = components(of: family)
        return ["mlp"] + (components.count > 3 ? [components[3]] : [])
    }

    private static func first(of family: Family) -> String { components(of: family).first ?? "model" }

    /// Of the name of an expert's weight in files.
    private static func components(of family: Family) -> [String] {
        let row = family.table.row(of: Slot(.up, layer: 0, expert: 0))
        return row?.stem.split(separator: ".").map(String.init) ?? []
    }

    private static func router(of name: String, _ family: Family) -> Int? {
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 6, parts[1] == "layers", modules(of: family).contains(parts[3]),
            parts[4...] == ["gate", "weight"]
        else { return nil }
        return Int(parts[2])
    }

    private func name(_ role: Role, _ layer: Int, _ expert: Int? = nil) -> String? {
        family.table.row(of: Slot(role, layer: layer, expert: expert))?.name(layer: layer, expert: expert, .weight)
    }
}

// MARK: Shapes

extension FusedExperts {
    /// The shape in memory.
    private func shape(of part: Part) -> [Int] {
        let size = experts.feedForwardSize
        return [experts.count] + (part == .down ? [outerSize, size] : [part.roles.count * size, outerSize])
    }

    private func transposed(_ shape: [Int]) -> [Int] { [shape[0], shape[2], shape[1]] }

    /// Whether a tensor has rows and columns exchanged; nil where it has another shape altogether.
    ///
    /// Of the two tensors of a layer with gates one is no square, and tells how both are stored.
    private func isTransposed(_ place: Place) -> Bool? {
        guard let tensor = stored[place]?.tensor else { return nil }
        let shape = shape(of: place.part)
        let exchanged = transposed(shape)
        let canBe = tensor.shape == exchanged && tensor.dtype.blockElements == 1
        guard shape == exchanged, canBe else { return tensor.shape == shape ? false : canBe ? true : nil }
        // Without a gate both are squares, and are stored as transformers 5 has them: its earlier versions stacked none such.
        guard isGated else { return false }
        let otherPart: Part = place.part != .down ? .down : isGated ? .gateAndUp : .up
        let other = stored[Place(layer: place.layer, part: otherPart)]
        return other?.tensor.shape == transposed(self.shape(of: otherPart))
    }

    /// The matrices of each expert in a stored tensor, in the order of the part's roles.
    private func matrices(of tensor: LazyTensor, _ part: Part, isTransposed: Bool) -> [[LazyTensor]] {
        let size = experts.feedForwardSize
        return (0..<experts.count).map { expert in
            let own = tensor.matrix(expert)
            let matrix = isTransposed ? own.transposed() : own
            return part.roles.count == 1 ? [matrix] : [matrix.rows(0..<size), matrix.rows(size..<2 * size)]
        }
    }

    /// What `matrices(of:_:isTransposed:)` takes apart.
    private func stack(of matrices: [[LazyTensor]], isTransposed: Bool) -> LazyTensor {
        let all = matrices.joined()
        let dtype = all.first?.dtype ?? .f32
        let isPlain = dtype.blockElements == 1 && all.allSatisfy { $0.dtype == dtype }
        return .stackedMatrices(
            matrices.map { parts in
                let matrix = LazyTensor.concatenatedRows(isPlain ? parts : parts.map { $0.converted(to: .f32) })
                return isTransposed ? matrix.transposed() : matrix
            })
    }
}

// MARK: Reading and writing

extension FusedExperts {
    /// A matrix for each expert, under the names of the family's own layout.
    ///
    /// - Throws: `malformedInput` for shapes that are not the configuration's.
    func separated(_ tensors: [NamedTensor], file: String) throws(RecastError) -> [NamedTensor] {
        var result: [NamedTensor] = []
        for tensor in tensors {
            guard let place = Self.place(of: tensor.name, family, isGated: isGated) else {
                let renamed = Self.router(of: tensor.name, family).flatMap { name(.router, $0) }
                result.append(renamed.map { NamedTensor($0, tensor.tensor) } ?? tensor)
                continue
            }
            guard let isTransposed = isTransposed(place) else {
                throw .malformed(
                    file,
                    "\(tensor.name) has the shape \(tensor.tensor.shape), the configuration says \(shape(of: place.part))"
                )
            }
            let matrices = matrices(of: tensor.tensor, place.part, isTransposed: isTransposed)
            for (expert, parts) in matrices.enumerated() {
                for (role, weight) in zip(place.part.roles, parts) {
                    guard let name = name(role, place.layer, expert) else { continue }
                    result.append(NamedTensor(name, weight))
                }
            }
        }
        return result
    }

    /// The tensors of a lowered graph as they were stored: a stack stands where the first of its experts did, and is the stored
    /// tensor itself where nothing has changed.
    func fused(_ lowered: [NamedTensor]) -> [NamedTensor] {
        var found: [Place: [Int: [Role: LazyTensor]]] = [:]
        for tensor in lowered {
            guard let (place, expert, role) = part(in: tensor) else { continue }
            found[place, default: [:]][expert, default: [:]][role] = tensor.tensor
        }
        return lowered.compactMap { tensor in
            if let slot = tensor.slots.first, slot.role == .router, let layer = slot.layer, let own = routers[layer] {
                return NamedTensor(own, tensor.tensor, slots: tensor.slots)
            }
            guard let (place, _, _) = part(in: tensor), let own = stored[place] else { return tensor }
            guard let parts = found.removeValue(forKey: place) else { return nil }
            let matrices = parts.sorted { $0.key < $1.key }.map { expert in
                place.part.roles.compactMap { expert.value[$0] }
            }
            let isTransposed = isTransposed(place) ?? false
            let isSame = matrices == self.matrices(of: own.tensor, place.part, isTransposed: isTransposed)
            let slots = place.part.roles.map { Slot($0, layer: place.layer) }
            let stack = isSame ? own.tensor : stack(of: matrices, isTransposed: isTransposed)
            return NamedTensor(own.name, stack, slots: slots)
        }
    }

    /// Which matrix of a stored tensor a lowered one is; nil for what is in none.
    private func part(in tensor: NamedTensor) -> (Place, expert: Int, Role)? {
        guard tensor.slots.count == 1, let slot = tensor.slots.first, slot.part == .weight, let layer = slot.layer,
            let expert = slot.expert, [.gate, .up, .down].contains(slot.role)
        else { return nil }
        let place = Place(layer: layer, part: slot.role == .down ? .down : isGated ? .gateAndUp : .up)
        return stored[place] == nil ? nil : (place, expert, slot.role)
    }
}
