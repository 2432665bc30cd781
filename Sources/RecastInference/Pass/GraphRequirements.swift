import Recast

extension Graph {
    /// Checks that the pass can compute this model: every tensor there, of the shape its role has, with numbers that can be
    /// decoded, and nothing besides that would change the result.
    ///
    /// - Throws: `malformedInput` for a missing or misshapen tensor, `unsupported` for what cannot be computed.
    func checkComputable() throws(RecastError) {
        guard configuration.latentAttention == nil else {
            throw .unsupported("cannot compute multi-head latent attention yet")
        }
        guard configuration.experts == nil else { throw .unsupported("cannot compute a mixture of experts yet") }
        for role in Role.allCases where role != .outputHead && configuration.has(role) {
            for layer in role.isPerLayer ? (0..<configuration.layerCount).map({ $0 }) : [nil] {
                let slot = Slot(role, layer: layer)
                if self[slot] == nil { throw RecastError(.malformedInput, "the model lacks \(slot)") }
            }
        }
        guard configuration.headCount.isMultiple(of: configuration.keyValueHeadCount),
            configuration.rope.dimensions <= configuration.headDimension
        else { throw RecastError(.malformedInput, "the numbers of heads and their dimensions do not fit together") }
        for entry in entries { try checkComputable(entry) }
    }

    private func checkComputable(_ entry: Entry) throws(RecastError) {
        let (slot, tensor) = (entry.slot, entry.tensor)
        guard slot.expert == nil, configuration.has(slot.role) else {
            throw .unsupported("cannot compute with \(slot), which such a model does not have")
        }
        if slot.part == .bias, slot.role.isNorm || !slot.role.isPerLayer {
            throw .unsupported("cannot compute with a bias there (\(slot))")
        }
        let expected = configuration.shape(of: slot)
        guard tensor.shape == expected else {
            throw RecastError(.malformedInput, "\(slot) has the shape \(tensor.shape) instead of \(expected)")
        }
        guard tensor.dtype.isDecodable else {
            throw .unsupported("cannot compute with numbers stored as \(tensor.dtype) (\(slot))")
        }
    }

    /// The longest text for which a sliding window changes nothing; nil where there is none.
    var slidingLimit: Int? {
        guard let window = configuration.slidingWindow, window.fullLayers.count < configuration.layerCount else {
            return nil
        }
        return window.size
    }
}
