/// Stored tensors into a graph by a mapping table, with everything that does not fit said at once.
struct Lifting {
    let table: MappingTable
    let configuration: ModelConfiguration
    /// The biases that must be there; all others must not.
    let biases: Set<Role>
    /// Roles that may be missing.
    let optional: Set<Role>
    /// Layers for predicting further tokens, behind those of the model; they, and what else they have, may be left out.
    var furtherLayers: Range<Int> = 0..<0
    /// Whether a tensor is zero everywhere: a bias that the model has no place for is left out then.
    var isZero: (LazyTensor) throws(RecastError) -> Bool = { (_) throws(RecastError) in false }
    /// Names that are known to carry nothing, such as saved rotary frequencies.
    let ignored: (String) -> Bool

    struct Outcome {
        var graph: Graph
        var ignored: [String]
        /// Tensors that no row names, which the caller allows.
        var unknown: [NamedTensor]
        /// Of layers for predicting further tokens.
        var furtherLayers: [NamedTensor] = []
        /// Biases that the model has no place for, and that are zero.
        var zeroBiases: [String] = []
    }

    /// - Throws: `malformedInput` that names missing tensors, unknown ones and wrong shapes, each with the nearest name.
    func lift(_ tensors: [NamedTensor], allowsUnknown: Bool, file: String) throws(RecastError) -> Outcome {
        var outcome = Outcome(graph: Graph(configuration: configuration), ignored: [], unknown: [])
        var problems: [String] = []
        var foundNames = Set<ByteString>()
        for tensor in tensors {
            if ignored(tensor.name) {
                outcome.ignored.append(tensor.name)
                continue
            }
            guard let match = table.match(tensor.name), isExpected(match) else {
                if isOfFurtherLayer(tensor.name) {
                    outcome.furtherLayers.append(tensor)
                } else if hasWeight(besideBias: tensor.name), tensor.tensor.shape.count == 1, try isZero(tensor.tensor)
                {
                    outcome.zeroBiases.append(tensor.name)
                } else {
                    outcome.unknown.append(tensor)
                }
                continue
            }
            if isRequired(match.row), configuration.has(match.row, inLayer: match.layer) {
                foundNames.insert(ByteString(tensor.name))
            }
            let shapes = match.row.roles.map {
                configuration.shape(of: Slot($0, layer: match.layer, expert: match.expert, match.part))
            }
            let shape = match.row.layout.storedShape(shapes, configuration)
            guard tensor.tensor.shape == shape else {
                problems.append("\(tensor.name) has the shape \(tensor.tensor.shape), the configuration says \(shape)")
                continue
            }
            let dtype = tensor.tensor.dtype
            guard dtype.kind == .float || dtype.kind == .quantized else {
                problems.append(
                    "\(tensor.name) is stored as \(dtype): codes of a quantized weight, without their scales")
                continue
            }
            let block = dtype.blockElements
            guard block == 1 || shape.count > 1 && tensor.tensor.columnCount.isMultiple(of: block) else {
                problems.append("\(tensor.name) is stored as \(dtype), whose blocks of \(block) do not lie in rows")
                continue
            }
            guard match.row.fits(configuration) else {
                problems.append(
                    "\(tensor.name) is in rotary pairs, and heads of \(configuration.headDimension) elements have none")
                continue
            }
            let parts = match.row.split(tensor.tensor, shapes: shapes, configuration)
            for (role, part) in zip(match.row.roles, parts) {
                let slot = Slot(role, layer: match.layer, expert: match.expert, match.part)
                if outcome.graph[slot] != nil { problems.append("\(tensor.name) is there twice") }
                outcome.graph[slot] = part
            }
        }

        let unknownNames = outcome.unknown.map(\.name)
        let needed = unknownNames.compactMap { name in reasonToKeep(name).map { "\(name) \($0)" } }
        if !needed.isEmpty {
            problems += needed.prefix(Self.listedCount)
            if needed.count > Self.listedCount { problems.append("\(needed.count - Self.listedCount) more like these") }
        }
        let missingCount = requiredCount - foundNames.count
        if missingCount > 0 {
            // Names are made until enough are missing, not for all that a configuration of a few bytes may ask for.
            let missing = Array(
                expectedNames(where: isRequired).lazy.filter { !foundNames.contains(ByteString($0)) }
                    .prefix(Self.listedCount))
            let count = missing.count < Self.listedCount ? missing.count : missingCount
            problems += Self.listed(missing, of: count, "missing") {
                NearestName.of($0, among: unknownNames).map { "found \($0)" }
            }
        }
        // Leaving them out helps only where nothing else is wrong.
        let isHarmless = !allowsUnknown && !unknownNames.isEmpty && problems.isEmpty
        if !allowsUnknown, !unknownNames.isEmpty, needed.isEmpty {
            let names = Array(expectedNames { _ in true }.prefix(NearestName.maximumCount))
            problems += Self.listed(unknownNames, of: unknownNames.count, "unknown") {
                NearestName.of($0, among: names).map { "nearest expected name \($0)" }
            }
        }
        guard problems.isEmpty else {
            let hint = isHarmless ? ["--allow-unknown leaves unknown tensors out"] : []
            throw .malformed(
                file, "the tensors do not fit a \(configuration.family) model:", details: problems + hint)
        }
        return outcome
    }

    /// Whether a name is that of a bias beside a weight of the model.
    private func hasWeight(besideBias name: String) -> Bool {
        guard name.hasSuffix(".bias"), let match = table.match(name.dropLast(".bias".count) + ".weight") else {
            return false
        }
        return isExpected(match)
    }

    private func reasonToKeep(_ name: String) -> String? { table.reasonToKeep(name, configuration) }

    private func isOfFurtherLayer(_ name: String) -> Bool {
        if name.hasPrefix(FurtherLayers.prefix) { return true }
        guard !furtherLayers.isEmpty else { return false }
        let parts = name.split(separator: ".")
        // ERNIE has them beside its layers.
        if parts.count > 2, parts[0] == "model", parts[1].hasPrefix("mtp_") { return true }
        guard let place = parts.firstIndex(where: { $0 == "layers" || $0 == "blk" }), place + 1 < parts.count,
            let layer = Int(parts[place + 1])
        else {
            return false
        }
        return furtherLayers.contains(layer)
    }

    private func isExpected(_ match: MappingTable.Match) -> Bool {
        guard
            configuration.has(match.row, inLayer: match.layer)
                || match.row.roles.allSatisfy({ configuration.isUnused($0, inLayer: match.layer) })
        else { return false }
        if let expert = match.expert, expert >= configuration.expertCount(inLayer: match.layer) { return false }
        return match.part == .weight || match.row.roles.allSatisfy(biases.contains)
    }

    private func isRequired(_ row: Row) -> Bool { !row.roles.allSatisfy(optional.contains) }

    private func layers(of row: Row) -> [Int?] {
        let layers = row.isPerLayer ? (0..<configuration.layerCount).map(Optional.some) : [nil]
        return layers.filter { configuration.has(row, inLayer: $0) }
    }

    private func parts(of row: Row) -> [Slot.Part] {
        row.parts.filter { $0 == .weight || row.roles.allSatisfy(biases.contains) }
    }

    /// How many tensors must be there.
    private var requiredCount: Int {
        table.rows.lazy.filter(isRequired).reduce(0) { count, row in
            let tensors = layers(of: row).reduce(0) {
                $0 + (row.isPerExpert ? configuration.expertCount(inLayer: $1) : 1)
            }
            return count + tensors * parts(of: row).count
        }
    }

    /// The names of what may be there, made one by one.
    private func expectedNames(where isWanted: @escaping (Row) -> Bool) -> some Sequence<String> {
        table.rows.lazy.filter(isWanted).flatMap { row in
            layers(of: row).lazy.flatMap { layer in
                configuration.experts(of: row, inLayer: layer).lazy.flatMap { expert in
                    parts(of: row).map { row.name(layer: layer, expert: expert, $0) }
                }
            }
        }
    }

    private static let listedCount = 5

    /// The first few names with a hint each, and how many more there are.
    private static func listed(
        _ names: [String], of count: Int, _ what: String, hint: (String) -> String?
    ) -> [String] {
        let shown = names.prefix(listedCount).map { name in
            "\(what): \(name)" + (hint(name).map { " (\($0))" } ?? "")
        }
        return shown + (count > shown.count ? ["\(what): \(count - shown.count) more"] : [])
    }
}
