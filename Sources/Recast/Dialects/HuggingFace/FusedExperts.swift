/// Experts as transformers 5 has them in memory, and saves them where it is told not to write the original format: the gate
/// and up projections of all experts of a layer in one tensor, the down projections in another.
///
/// Source: Specs/families.md §2.
enum FusedExperts {
    private static let (gateAndUp, down) = ("gate_up_proj", "down_proj")

    /// A matrix for each expert, under the names of the family's own layout.
    ///
    /// - Throws: `malformedInput` for shapes that are not the configuration's.
    static func separated(
        _ tensors: [NamedTensor], _ family: Family, _ configuration: ModelConfiguration, file: String
    ) throws(RecastError) -> [NamedTensor] {
        guard let experts = configuration.experts, tensors.contains(where: { layer(of: $0.name) != nil }) else {
            return tensors
        }
        func name(_ role: Role, _ layer: Int, _ expert: Int? = nil) -> String? {
            family.table.row(of: Slot(role, layer: layer, expert: expert))?.name(layer: layer, expert: expert, .weight)
        }
        var result: [NamedTensor] = []
        for tensor in tensors {
            guard let (layer, part) = layer(of: tensor.name) else {
                // The router beside them has the name that all families have in memory.
                let renamed = router(of: tensor.name).flatMap { name(.router, $0) }
                result.append(renamed.map { NamedTensor($0, tensor.tensor) } ?? tensor)
                continue
            }
            let (size, hidden) = (experts.feedForwardSize, configuration.hiddenSize)
            let shape = [experts.count] + (part == gateAndUp ? [2 * size, hidden] : [hidden, size])
            // Qwen3-VL's checkpoints have them transposed.
            let isTransposed =
                tensor.tensor.shape == [shape[0], shape[2], shape[1]] && tensor.tensor.dtype.blockElements == 1
            guard tensor.tensor.shape == shape || isTransposed else {
                throw .malformed(
                    file, "\(tensor.name) has the shape \(tensor.tensor.shape), the configuration says \(shape)")
            }
            for expert in 0..<experts.count {
                let stored = tensor.tensor.matrix(expert)
                let matrix = stored.shape == Array(shape[1...]) ? stored : stored.transposed()
                let parts: [(Role, LazyTensor)] =
                    part == gateAndUp
                    ? [(.gate, matrix.rows(0..<size)), (.up, matrix.rows(size..<2 * size))] : [(.down, matrix)]
                for (role, weight) in parts {
                    guard let name = name(role, layer, expert) else { continue }
                    result.append(NamedTensor(name, weight))
                }
            }
        }
        return result
    }

    /// Of `model.layers.3.mlp.experts.gate_up_proj`: 3, and which it is.
    private static func layer(of name: String) -> (layer: Int, part: String)? {
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 6, parts[0] == "model", parts[1] == "layers", parts[3] == "mlp", parts[4] == "experts",
            let layer = Int(parts[2]), layer >= 0, String(layer) == parts[2], [gateAndUp, down].contains(parts[5])
        else { return nil }
        return (layer, parts[5])
    }

    private static func router(of name: String) -> Int? {
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count == 6, Array(parts[3...]) == ["mlp", "gate", "weight"], parts[1] == "layers" else {
            return nil
        }
        return Int(parts[2])
    }
}
