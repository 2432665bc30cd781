extension MappingTable {
    /// Why a tensor that a model does not expect must not be left out; nil where that is harmless.
    ///
    /// - Parameter name: one that the model has no place for.
    func reasonToKeep(_ name: String, _ configuration: ModelConfiguration) -> String? {
        if let match = match(name) {
            if let layer = match.layer, layer >= configuration.layerCount {
                return "is of layer \(layer), the configuration says \(configuration.layerCount) layers"
            }
            if let expert = match.expert, expert >= configuration.experts?.count ?? 0 {
                return "is of expert \(expert), the configuration says \(configuration.experts?.count ?? 0) experts"
            }
            return "is a \(match.part == .bias ? "bias" : "weight") of the family that the configuration does not have"
        }
        return holdsRow(name) ? "belongs to a weight of the model, and changes it" : nil
    }

    private static let wrappers: Set<String> = ["model", "language_model", "module"]

    /// Whether a name is that of a row with something before or behind it: of an adapter, of a wrapper, of the parts of a
    /// quantized weight.
    private func holdsRow(_ name: String) -> Bool {
        let components = name.split(separator: ".", omittingEmptySubsequences: false).map { component in
            component.allSatisfy(\.isNumber) && !component.isEmpty ? "#" : String(component)
        }
        for start in components.indices {
            var stem = ""
            for end in start..<min(components.count, start + longestStem) {
                stem += (end > start ? "." : "") + components[end]
                // `output` alone is a word of many names; as a module of the model it comes first, or in a wrapper.
                let isModule = end > start || start == 0 || Self.wrappers.contains(components[start - 1])
                if isModule, stems.contains(stem) { return true }
            }
        }
        return false
    }
}
