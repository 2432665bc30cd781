/// The tensors of a graph under the names of a mapping table, each with the places in the graph that it holds.
struct Lowering {
    let table: MappingTable
    /// What the target is called in messages.
    let target: String

    enum Order {
        /// A fused tensor stands where the first of its roles does.
        case ofGraph
        case ofTable
    }

    /// - Parameter prepared: parts of one stored tensor, as they are fused.
    /// - Throws: `unsupported` for what the table has no place for, so that nothing is dropped.
    func lower(
        _ graph: Graph, order: Order, prepared: ([Graph.Entry]) -> [LazyTensor] = { $0.map(\.tensor) }
    ) throws(RecastError) -> [NamedTensor] {
        var lowered: [NamedTensor] = []
        var places: [Slot: Int] = [:]
        for entry in graph.entries {
            let slot = entry.slot
            guard let row = table.row(of: slot), row.parts.contains(slot.part) else {
                throw .unsupported("\(target) has no \(slot)")
            }
            let slots = row.roles.map { Slot($0, layer: slot.layer, expert: slot.expert, slot.part) }
            let entries = slots.compactMap { slot in graph[slot].map { Graph.Entry(slot: slot, tensor: $0) } }
            guard entries.count == slots.count else {
                throw .unsupported(
                    "\(target) has \(row.roles.map(\.rawValue).joined(separator: ", ")) fused, and needs all of them: \(slot)"
                )
            }
            guard slot == slots[0] else { continue }
            guard row.fits(graph.configuration) else {
                throw .unsupported(
                    "\(target) has \(slot) in rotary pairs, and heads of \(graph.configuration.headDimension) elements have none"
                )
            }
            places[slot] = lowered.count
            lowered.append(
                NamedTensor(
                    row.name(layer: slot.layer, expert: slot.expert, slot.part),
                    row.fuse(prepared(entries), graph.configuration), slots: slots))
        }
        switch order {
        case .ofGraph: return lowered
        case .ofTable: return slots(of: graph.configuration).compactMap { places[$0].map { lowered[$0] } }
        }
    }

    /// The first place of each tensor that the table may name, in its order.
    private func slots(of configuration: ModelConfiguration) -> some Sequence<Slot> {
        table.rows.lazy.flatMap { row in
            let layers = row.isPerLayer ? configuration.layers.indices.map(Optional.some) : [nil]
            return layers.lazy.flatMap { layer in
                configuration.experts(of: row, inLayer: layer).lazy.flatMap { expert in
                    row.parts.map { Slot(row.roles[0], layer: layer, expert: expert, $0) }
                }
            }
        }
    }
}
