// Tensors of one number for each layer, which GGUF has in keys instead. Source: llama.cpp's converter for Apertus.
extension GGUFArchitecture {
    /// The numbers of a file's keys as tensors, under the names of the table.
    ///
    /// - Throws: `malformedInput` where a key is missing, or has no number for each layer.
    func numbers(
        in metadata: GGUFMetadata, _ configuration: ModelConfiguration, file: String
    ) throws(RecastError) -> [NamedTensor] {
        var tensors: [NamedTensor] = []
        for (role, key) in keysOfNumbers.sorted(by: { $0.value < $1.value }) {
            guard let row = table.row(of: Slot(role, layer: 0)), configuration.has(role) else { continue }
            let numbers = metadata[key]?.floats ?? []
            guard numbers.count == configuration.layerCount else {
                throw .malformed(
                    file, "\(key) has \(numbers.count) numbers for \(configuration.layerCount) layers")
            }
            for (layer, number) in numbers.enumerated() {
                let shape = configuration.shape(of: Slot(role, layer: layer))
                tensors.append(NamedTensor(row.name(layer: layer, .weight), .vector([number]).reshaped(shape)))
            }
        }
        return tensors
    }

    /// Takes out the tensors that stand in keys.
    func takeNumbers(out tensors: inout [NamedTensor]) -> [NamedTensor] {
        let isNumber = { (tensor: NamedTensor) in
            tensor.slots.first.map { keysOfNumbers[$0.role] != nil && $0.part == .weight } ?? false
        }
        defer { tensors.removeAll(where: isNumber) }
        return tensors.filter(isNumber)
    }
}
