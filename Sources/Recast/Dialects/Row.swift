/// A line of a mapping table: which roles a stored tensor holds, under which name and in which layout.
package struct Row: Sendable, Hashable {
    package let roles: [Role]
    /// The name without `.weight` or `.bias`; `{layer}` and `{expert}` stand for numbers.
    package let stem: String
    /// The whole name that it has in the memory of transformers 5, which may be saved, too; nil for the same.
    package let alias: String?
    package let parts: [Slot.Part]
    package let layout: Layout
    /// Which rows of queries and keys are rotary pairs.
    package private(set) var rotary: RotaryLayout
    /// Whether value heads of a gated delta net are stored in turn for each key head, rather than those of one key head together.
    package private(set) var tilesValueHeads = false
    /// Whether the stem is the whole name, as some tensors are no parts of a module.
    private let isWholeName: Bool
    package let isPerLayer: Bool
    package let isPerExpert: Bool

    /// - Parameter pattern: of `.{weight,bias}` at its end both are meant.
    package init(
        _ role: Role, _ pattern: String, layout: Layout = .direct, rotary: RotaryLayout = .halfSplit,
        or alias: String? = nil
    ) {
        self.init([role], pattern, layout: layout, rotary: rotary, or: alias)
    }

    package init(
        _ roles: [Role], _ pattern: String, layout: Layout, rotary: RotaryLayout = .halfSplit, or alias: String? = nil
    ) {
        self.alias = alias
        let endings = [".{weight,bias}", ".weight"]
        let ending = endings.first(where: pattern.hasSuffix) ?? ""
        self.roles = roles
        self.layout = layout
        self.rotary = rotary
        isWholeName = ending.isEmpty
        stem = String(pattern.dropLast(ending.count))
        isPerLayer = stem.contains("{layer}")
        isPerExpert = stem.contains("{expert}")
        parts = ending == endings[0] ? [.weight, .bias] : [.weight]
    }

    /// The name of one stored tensor.
    package func name(layer: Int?, expert: Int? = nil, _ part: Slot.Part) -> String {
        let stem = stem.split(separator: ".", omittingEmptySubsequences: false).map { component in
            switch component {
            case "{layer}": layer.map(String.init) ?? String(component)
            case "{expert}": expert.map(String.init) ?? String(component)
            default: String(component)
            }
        }
        return stem.joined(separator: ".") + suffix(part)
    }

    /// The same row where halves are those of the whole head.
    var withWholeHeadRotary: Row {
        var row = self
        if rotary == .halfSplit { row.rotary = .halfSplitOfWholeHead }
        return row
    }

    /// The same row with the value heads of a gated delta net in llama.cpp's order.
    var withTiledValueHeads: Row {
        var row = self
        row.tilesValueHeads = true
        return row
    }

    /// What the name of a part has behind the stem.
    func suffix(_ part: Slot.Part) -> String { isWholeName ? "" : "." + part.rawValue }

    /// Whether what the row holds can be stored so.
    func fits(_ configuration: ModelConfiguration) -> Bool {
        !roles.contains(where: \.isRotary) || rotary.fits(configuration)
    }

    /// The tensors of the roles in a stored one. `shapes` are those the configuration demands, whose rows the caller has
    /// checked against the stored tensor.
    func split(_ stored: LazyTensor, shapes: [[Int]], _ configuration: ModelConfiguration) -> [LazyTensor] {
        zip(roles, layout.split(stored, shapes: shapes, configuration)).map { role, part in
            if tilesValueHeads { return ValueHeadOrder(configuration).grouped(part, role) }
            return role.isRotary ? Self.headRows(part, role) { rotary.canonical($0, configuration) } : part
        }
    }

    /// The stored tensor made of those of the roles; float32 where these have several types, or blocks.
    func fuse(_ parts: [LazyTensor], _ configuration: ModelConfiguration) -> LazyTensor {
        var parts = parts
        let dtype = parts[0].dtype
        if parts.count > 1, !parts.allSatisfy({ $0.dtype == dtype }) || dtype.blockElements > 1 {
            parts = parts.map { $0.converted(to: .f32) }
        }
        let stored = zip(roles, parts).map { role, part in
            if tilesValueHeads { return ValueHeadOrder(configuration).tiled(part, role) }
            return role.isRotary ? Self.headRows(part, role) { rotary.stored($0, configuration) } : part
        }
        return layout.fuse(stored, configuration)
    }

    /// A norm with weights for each head, as one row for each of its elements.
    private static func headRows(
        _ tensor: LazyTensor, _ role: Role, _ change: (LazyTensor) -> LazyTensor
    ) -> LazyTensor {
        guard role.isNorm, tensor.shape.count == 2 else { return change(tensor) }
        return change(tensor.reshaped([tensor.elementCount])).reshaped(tensor.shape)
    }
}

/// A table of rows, which can be looked up by stored name.
package struct MappingTable: Sendable {
    package let rows: [Row]
    private let byTemplate: [String: (row: Int, part: Slot.Part)]
    /// Rows by their aliases.
    private let byAlias: [String: Int]
    /// Names of modules, `model.layers.#.mlp.up_proj`, and how many components the longest has.
    let stems: Set<String>
    let longestStem: Int

    package struct Match: Sendable {
        package var row: Row
        package var layer: Int?
        package var expert: Int?
        package var part: Slot.Part
    }

    package init(_ rows: [Row]) {
        self.rows = rows
        stems = Set(rows.map { $0.stem.replacing("{layer}", with: "#").replacing("{expert}", with: "#") })
        longestStem = stems.map { $0.split(separator: ".").count }.max() ?? 0
        var byTemplate: [String: (row: Int, part: Slot.Part)] = [:]
        var byAlias: [String: Int] = [:]
        for (index, row) in rows.enumerated() {
            for part in row.parts {
                let template = row.stem.replacing("{layer}", with: "#").replacing("{expert}", with: "#")
                byTemplate[template + row.suffix(part)] = (index, part)
            }
            if let alias = row.alias { byAlias[alias.replacing("{layer}", with: "#")] = index }
        }
        self.byTemplate = byTemplate
        self.byAlias = byAlias
    }

    /// Tensors under the names of the table that are there under others.
    func spelled(_ tensors: [NamedTensor]) -> [NamedTensor] {
        guard !byAlias.isEmpty else { return tensors }
        return tensors.map { tensor in
            let (template, numbers) = Self.template(of: tensor.name)
            guard byTemplate[template] == nil, let row = byAlias[template] else { return tensor }
            var spelled = tensor
            spelled.name = rows[row].name(layer: numbers.first, .weight)
            return spelled
        }
    }

    /// A name with marks in the place of its numbers, and these.
    static func template(of name: String) -> (template: String, numbers: [Int]) {
        var numbers: [Int] = []
        let components = name.split(separator: ".", omittingEmptySubsequences: false).map { component in
            // Only the plain spelling is a number: `007` and `+7` are other names.
            guard let number = Int(component), String(number) == component, number >= 0 else {
                return String(component)
            }
            numbers.append(number)
            return "#"
        }
        return (components.joined(separator: "."), numbers)
    }

    /// The row of a stored name; nil for a name the table does not have.
    package func match(_ name: String) -> Match? {
        let (template, numbers) = Self.template(of: name)
        guard let (row, part) = byTemplate[template] else { return nil }
        let hasLayer = rows[row].isPerLayer
        return Match(
            row: rows[row], layer: hasLayer ? numbers.first : nil,
            expert: numbers.count > (hasLayer ? 1 : 0) ? numbers.last : nil, part: part)
    }

    /// The row that holds a tensor.
    package func row(of slot: Slot) -> Row? {
        rows.first { $0.roles.contains(slot.role) && $0.isPerExpert == (slot.expert != nil) }
    }
}
