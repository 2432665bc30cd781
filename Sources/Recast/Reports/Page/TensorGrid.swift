/// Where a tensor stands in a model, as its name tells it: in which layer, and as what.
struct TensorPlace: Hashable {
    /// What stands before the number of the layer; empty outside of layers.
    var stem = ""
    var layer: Int?
    var role: String

    /// By names of checkpoints (`model.layers.3.mlp.down_proj.weight`, `blk.3.ffn_down.weight`) and by slots
    /// (`layers.3.down.weight`). Numbers after that of the layer, those of experts, are all alike.
    init(_ name: String) {
        // A name without an end tells no more by its end.
        let parts = name.utf8.count <= 1000 ? name.split(separator: ".") : []
        guard let index = parts.firstIndex(where: { $0.utf8.count <= 6 && Self.isNumber($0) }), index + 1 < parts.count,
            index > 0
        else {
            role = Self.role(parts[...], or: name)
            return
        }
        stem = parts[..<index].joined(separator: ".")
        layer = Int(parts[index])
        role = Self.role(parts[(index + 1)...], or: name)
    }

    /// `mlp.down_proj`, `attentionNorm` as `attention norm`; what every weight is called is left out.
    private static func role(_ parts: ArraySlice<Substring>, or name: String) -> String {
        var words = parts.filter { !isNumber($0) }.map(String.init)
        if words.count > 1, words.last == "weight" { words.removeLast() }
        if words.isEmpty { return name }
        return words.map { word in
            word.unicodeScalars.reduce(into: "") { text, scalar in
                if scalar.properties.isUppercase, scalar.isASCII, !text.isEmpty, word.first?.isLowercase == true {
                    text += " " + scalar.properties.lowercaseMapping
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }.joined(separator: ".")
    }

    private static func isNumber(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}

/// A number for each tensor as a map of layers by roles: where several share a place, those of experts, the largest counts.
struct TensorGrid {
    private(set) var map: HeatMap
    /// What stands outside of the map's layers.
    private(set) var outside: [(name: String, value: Double)] = []

    mutating func note(_ text: String) { map.notes.append(text) }

    /// Layers and roles that have rows and columns of their own.
    private static let (mostRows, mostColumns) = (84, 24)

    /// - Returns: nil where no tensor has a layer.
    init?(
        title: String, explanation: String, _ tensors: [(name: String, value: Double)], scale: Axis.Scale = .log,
        format: @escaping @Sendable (Double) -> String = Format.significant,
        cellFormat: @escaping @Sendable (Double) -> String = Format.brief
    ) {
        let places = tensors.map { TensorPlace($0.name) }
        // A model may have towers: the map is of the one with the most tensors.
        var sizes: [String: Int] = [:]
        for place in places where place.layer != nil { sizes[place.stem, default: 0] += 1 }
        guard let stem = sizes.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key else { return nil }
        var columns: [String: Int] = [:]
        var names: [String] = []
        var cells: [[Int]: Double] = [:]
        var layers: Set<Int> = []
        var omitted = 0
        for (place, tensor) in zip(places, tensors) {
            guard place.stem == stem, let layer = place.layer else {
                outside.append(tensor)
                continue
            }
            guard columns[place.role] != nil || names.count < Self.mostColumns else {
                omitted += 1
                continue
            }
            let column = columns[place.role] ?? names.count
            if column == names.count {
                columns[place.role] = column
                names.append(place.role)
            }
            layers.insert(layer)
            // What is no number is the worst of all.
            let old = cells[[layer, column]]
            let isWorse = old.map { tensor.value.isNaN || tensor.value > $0 } ?? true
            if isWorse, old?.isNaN != true { cells[[layer, column]] = tensor.value }
        }
        let sorted = layers.sorted()
        let step = (sorted.count + Self.mostRows - 1) / Self.mostRows
        let groups = stride(from: 0, to: sorted.count, by: max(1, step)).map {
            Array(sorted[$0..<min($0 + step, sorted.count)])
        }
        let values = groups.map { group in
            names.indices.map { column -> Double? in
                let all = group.compactMap { cells[[$0, column]] }
                return all.first(where: \.isNaN) ?? all.max()
            }
        }
        map = HeatMap(
            title: title, explanation: explanation, rowTitle: "layer",
            rows: groups.map { $0.count > 1 ? "\($0[0])–\($0[$0.count - 1])" : "\($0[0])" }, columns: names,
            values: values, scale: scale, format: format, cellFormat: cellFormat)
        if step > 1 { map.notes.append("\(step) layers share a row, which shows the largest of each role.") }
        if omitted > 0 {
            map.notes.append(
                "\(omitted) tensors of other roles than the first \(names.count) are not in the map; JSON has them all."
            )
        }
        let others = outside.count
        if others > 0 {
            map.notes.append(
                others == 1
                    ? "1 tensor outside of these layers is not in the map."
                    : "\(others) tensors outside of these layers are not in the map.")
        }
    }
}
