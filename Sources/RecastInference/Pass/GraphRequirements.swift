import Recast

extension Graph {
    /// Checks that the pass can compute this model: every tensor there, of the shape its role has, with numbers that can be
    /// decoded, and nothing besides that would change the result.
    ///
    /// - Throws: `malformedInput` for a missing or misshapen tensor, `unsupported` for what cannot be computed.
    func checkComputable() throws(RecastError) {
        let layers = configuration.layers
        guard Set(layers.filter(\.hasAttention).map(\.latentAttention)).count <= 1,
            Set(layers.compactMap(\.recurrence)).count <= 1, Set(layers.compactMap(\.experts)).count <= 1
        else {
            throw .unsupported(
                "cannot compute layers with different kinds of attention, different recurrences or different experts")
        }
        guard configuration.addsBranchesAtOnce || !layers.contains(where: { $0.hasAttention && $0.recurrence != nil })
        else {
            throw .unsupported("cannot compute attention beside a recurrence with post-norms or a residual multiplier")
        }
        guard Set(layers.map(\.hasParallelResidual)).count <= 1,
            !layers.contains(where: { $0.hasParallelResidual && ($0.norms.hasPostNorms || $0.norms.isPostLN) })
        else { throw .unsupported("cannot compute parallel residuals in some layers only, or with post-norms") }
        guard configuration.contextLength <= configuration.learnedPositions?.count ?? .max else {
            throw RecastError(.malformedInput, "the model has fewer learned positions than its context is long")
        }
        guard layers.first?.sharesIndexer != true else {
            throw RecastError(.malformedInput, "the first layer shares an indexer, and none is before it")
        }
        for role in Role.allCases where role != .outputHead {
            for layer in role.isPerLayer ? (0..<configuration.layerCount).map(Optional.some) : [nil]
            where configuration.has(role, inLayer: layer) {
                for slot in configuration.slots(of: role, inLayer: layer) where self[slot] == nil {
                    throw RecastError(.malformedInput, "the model lacks \(slot)")
                }
            }
        }
        for (index, layer) in layers.enumerated() {
            let fits =
                !layer.hasAttention
                || configuration.headCount.isMultiple(of: configuration.keyValueHeadCount(inLayer: index))
            let turning = layer.localRope ?? configuration.rope
            guard fits, !layer.hasRotary || turning.dimensions <= configuration.headDimension(inLayer: index) else {
                throw RecastError(.malformedInput, "the numbers of heads and their dimensions do not fit together")
            }
            guard let source = layer.keyValueSource else { continue }
            guard source < index, layers.indices.contains(source), layers[source].keyValueSource == nil,
                configuration.keyValueRows(inLayer: source) == configuration.keyValueRows(inLayer: index),
                configuration.headDimension(inLayer: source) == configuration.headDimension(inLayer: index)
            else {
                throw RecastError(
                    .malformedInput, "layer \(index) cannot look at the keys and values of layer \(source)")
            }
        }
        for entry in entries { try checkComputable(entry) }
    }

    private func checkComputable(_ entry: Entry) throws(RecastError) {
        let (slot, tensor) = (entry.slot, entry.tensor)
        if configuration.isUnused(slot.role, inLayer: slot.layer) { return }
        guard configuration.has(slot.role, inLayer: slot.layer),
            slot.expert == nil || slot.layer.map(configuration.hasExperts) == true
        else {
            throw .unsupported("cannot compute with \(slot), which such a model does not have")
        }
        let isBiasOfRMS = slot.role.isNorm && configuration.norms.kind == .rms && slot.role != .indexerKeyNorm
        if slot.part == .bias, isBiasOfRMS || slot.role == .tokenEmbedding || slot.role == .positionEmbedding {
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
}

extension ModelConfiguration {
    /// The weights of a role in a layer: one, or one for each expert; none where the layer has no such thing.
    fileprivate func slots(of role: Role, inLayer layer: Int?) -> [Slot] {
        guard let layer, role.isFeedForward else { return [Slot(role, layer: layer)] }
        guard hasExperts(inLayer: layer) else { return role.isOfExperts ? [] : [Slot(role, layer: layer)] }
        if role.isOfExperts { return [Slot(role, layer: layer)] }
        return (0..<layers[layer].experts!.count).map { Slot(role, layer: layer, expert: $0) }
    }
}
