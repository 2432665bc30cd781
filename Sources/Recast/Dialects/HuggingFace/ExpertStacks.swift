// Experts that a family stores as one tensor for all of a layer, as JetMoE did first. The table has a name for each, which no
// file has. Source: transformers 5.23, `modeling_granitemoe.py`.
extension Family {
    /// A matrix for each expert, under the names of the family's table.
    ///
    /// - Throws: `malformedInput` for shapes that are not the configuration's.
    func unstacked(
        _ tensors: [NamedTensor], _ configuration: ModelConfiguration, file: String
    ) throws(RecastError) -> [NamedTensor] {
        guard let stacks = experts?.stacks, !stacks.isEmpty else { return tensors }
        var result: [NamedTensor] = []
        for tensor in tensors {
            guard let (stack, layer) = stack(of: tensor.name), let experts = configuration.experts,
                configuration.layers.indices.contains(layer)
            else {
                result.append(tensor)
                continue
            }
            let shapes = stack.roles.map {
                configuration.shape(of: Slot($0, layer: layer, expert: 0, stack.part))
            }
            let rows = shapes.reduce(0) { $0 + $1[0] }
            let size = stack.part == .bias ? [rows] : stack.isTransposed ? [shapes[0][1], rows] : [rows, shapes[0][1]]
            guard tensor.tensor.shape == [experts.count] + size else {
                throw .malformed(
                    file,
                    "\(tensor.name) has the shape \(tensor.tensor.shape), the configuration says \([experts.count] + size)"
                )
            }
            let stored = stack.isTransposed ? tensor.tensor.transposed() : tensor.tensor
            for expert in 0..<experts.count {
                let own =
                    stack.part == .bias ? stored.rows(expert..<expert + 1).reshaped([rows]) : stored.matrix(expert)
                for (role, part) in zip(stack.roles, stack.layout.split(own, shapes: shapes, configuration)) {
                    guard let name = name(of: Slot(role, layer: layer, expert: expert, stack.part)) else { continue }
                    result.append(NamedTensor(name, part))
                }
            }
        }
        return result
    }

    /// What `unstacked` makes of it, again: a stack stands where its first part stood.
    func stacked(_ tensors: [NamedTensor], _ configuration: ModelConfiguration) -> [NamedTensor] {
        guard let stacks = experts?.stacks, !stacks.isEmpty else { return tensors }
        var parts: [Slot: LazyTensor] = [:]
        var counts: [Slot: Int] = [:]
        for tensor in tensors {
            guard let slot = tensor.slots.first, slot.expert != nil else { continue }
            parts[slot] = tensor.tensor
            counts[Slot(slot.role, layer: slot.layer, slot.part), default: 0] += 1
        }
        return tensors.compactMap { tensor in
            guard let slot = tensor.slots.first, let layer = slot.layer, slot.expert != nil,
                let stack = stacks.first(where: { $0.roles.contains(slot.role) && $0.part == slot.part })
            else { return tensor }
            guard slot.expert == 0, slot.role == stack.roles[0] else { return nil }
            let slots = (0..<counts[Slot(slot.role, layer: layer, slot.part)]!).flatMap { expert in
                stack.roles.map { Slot($0, layer: layer, expert: expert, stack.part) }
            }
            let own = slots.compactMap { parts[$0] }
            let isAlike = own.allSatisfy { $0.dtype == own[0].dtype } && own[0].dtype.blockElements == 1
            let plain = isAlike ? own : own.map { $0.converted(to: .f32) }
            let experts = stride(from: 0, to: plain.count, by: stack.roles.count).map { first in
                stack.layout.fuse(Array(plain[first..<first + stack.roles.count]), configuration)
            }
            let name = stack.name.replacing("{layer}", with: String(layer))
            if stack.part == .bias {
                return NamedTensor(
                    name, .concatenatedRows(experts.map { $0.reshaped([1, $0.elementCount]) }), slots: slots)
            }
            let stacked = LazyTensor.stackedMatrices(experts)
            return NamedTensor(name, stack.isTransposed ? stacked.transposed() : stacked, slots: slots)
        }
    }

    private func name(of slot: Slot) -> String? {
        table.row(of: slot)?.name(layer: slot.layer, expert: slot.expert, slot.part)
    }

    private func stack(of name: String) -> (ExpertStack, layer: Int)? {
        for stack in experts?.stacks ?? [] {
            for pattern in [stack.name, stack.alias].compactMap(\.self) {
                let parts = pattern.split(separator: "{layer}", maxSplits: 1)
                guard parts.count == 2, name.hasPrefix(parts[0]), name.hasSuffix(parts[1]) else { continue }
                let number = name.dropFirst(parts[0].count).dropLast(parts[1].count)
                if let layer = Int(number), layer >= 0, String(layer) == number { return (stack, layer) }
            }
        }
        return nil
    }
}
