/// Stored tensors into a graph by a mapping table, with everything that does not fit said at once.
struct Lifting {
    let table: MappingTable
    let configuration: ModelConfiguration
    /// The biases that must be there; all others must not.
    let biases: Set<Role>
    /// Roles that may be missing.
    let optional: Set<Role>
    /// Names that are known to carry nothing, such as saved rotary frequencies.
    let ignored: (String) -> Bool

    struct Outcome {
        var graph: Graph
        var ignored: [String]
        /// Tensors that no row names, which the caller allows.
        var unknown: [NamedTensor]
    }

    /// - Throws: `malformedInput` that names missing tensors, unknown ones and wrong shapes, each with the nearest name.
    func lift(_ tensors: [NamedTensor], allowsUnknown: Bool, file: String) throws(RecastError) -> Outcome {
        var outcome = Outcome(graph: Graph(configuration: configuration), ignored: [], unknown: [])
        var problems: [String] = []
        let expected = expectedNames()
        for tensor in tensors {
            if ignored(tensor.name) {
                outcome.ignored.append(tensor.name)
                continue
            }
            guard let match = table.match(tensor.name), isExpected(match) else {
                outcome.unknown.append(tensor)
                continue
            }
            let shapes = match.row.roles.map { configuration.shape(of: Slot($0, expert: match.expert, match.part)) }
            var shape = shapes[0]
            shape[0] = shapes.reduce(0) { $0 + $1[0] }
            guard tensor.tensor.shape == shape else {
                problems.append("\(tensor.name) has the shape \(tensor.tensor.shape), the configuration says \(shape)")
                continue
            }
            let dtype = tensor.tensor.dtype
            let block = dtype.blockElements
            guard block == 1 || shape.count > 1 && tensor.tensor.columnCount.isMultiple(of: block) else {
                problems.append("\(tensor.name) is stored as \(dtype), whose blocks of \(block) do not lie in rows")
                continue
            }
            let parts = match.row.split(tensor.tensor, shapes: shapes, configuration)
            for (role, part) in zip(match.row.roles, parts) {
                let slot = Slot(role, layer: match.layer, expert: match.expert, match.part)
                if outcome.graph[slot] != nil { problems.append("\(tensor.name) is there twice") }
                outcome.graph[slot] = part
            }
        }

        let found = Set(tensors.map { ByteString($0.name) })
        let missing = expected.filter { !$0.isOptional && !found.contains(ByteString($0.name)) }.map(\.name)
        let unknownNames = outcome.unknown.map(\.name)
        problems += Self.listed(missing, "missing") { NearestName.of($0, among: unknownNames).map { "found \($0)" } }
        if !allowsUnknown {
            let names = expected.map(\.name)
            problems += Self.listed(unknownNames, "unknown") {
                NearestName.of($0, among: names).map { "nearest expected name \($0)" }
            }
        }
        guard problems.isEmpty else {
            let hint = !allowsUnknown && !unknownNames.isEmpty ? ["--allow-unknown leaves unknown tensors out"] : []
            throw .malformed(
                file, "the tensors do not fit a \(configuration.family) model:", details: problems + hint)
        }
        return outcome
    }

    private func isExpected(_ match: MappingTable.Match) -> Bool {
        guard configuration.has(match.row, inLayer: match.layer) else { return false }
        if let expert = match.expert, expert >= configuration.experts?.count ?? 0 { return false }
        return match.part == .weight || match.row.roles.allSatisfy(biases.contains)
    }

    private func expectedNames() -> [(name: String, isOptional: Bool)] {
        table.rows.flatMap { row in
            let layers = row.isPerLayer ? (0..<configuration.layerCount).map(Optional.some) : [nil]
            return layers.filter { configuration.has(row, inLayer: $0) }.flatMap { layer in
                configuration.experts(of: row).flatMap { expert in
                    row.parts.filter { $0 == .weight || row.roles.allSatisfy(biases.contains) }.map { part in
                        (row.name(layer: layer, expert: expert, part), row.roles.allSatisfy(optional.contains))
                    }
                }
            }
        }
    }

    /// The first few names with a hint each, and how many more there are.
    private static func listed(_ names: [String], _ what: String, hint: (String) -> String?) -> [String] {
        let shown = names.prefix(5).map { name in "\(what): \(name)" + (hint(name).map { " (\($0))" } ?? "") }
        return shown + (names.count > 5 ? ["\(what): \(names.count - 5) more"] : [])
    }
}
