import Recast

extension DecoderLayer {
    func keyValueCache(of block: LayerBlock) -> KeyValueCache { block.state.keyValues! }

    /// Queries, keys and values, as they are before rotary positions.
    func project(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let cache = keyValueCache(of: block)
        let own = configuration.layers[block.layer]
        let (queryRows, keyRows) = (
            configuration.queryRows(inLayer: block.layer), configuration.keyValueRows(inLayer: block.layer)
        )
        let (queries, keys) = (block.buffers[.queries], cache.keys)
        // swift-format-ignore
        let projections: [(role: Role, target: UnsafeMutablePointer<Float>, columns: Int)] = [
            (.query, queries,      queryRows),
            (.key,   keys,         keyRows),
            (.value, cache.values, keyRows),
        ]
        if configuration.layers[block.layer].gatesAttention {
            try block.multiply(.attentionGate, .normed, into: block.buffers[.attentionGate], backend)
        }
        for (role, target, columns) in projections where configuration.has(role, inLayer: block.layer) {
            try block.multiply(role, .normed, into: target, backend)
            if let branches = configuration.multipliers.branches {
                let factor = Float(role == .key ? branches.key * branches.attentionInput : branches.attentionInput)
                for i in 0..<block.rows * columns { target[i] *= factor }
            }
            // Before keys are normalised.
            if role == .key, own.valuesAreKeys { cache.values.update(from: target, count: block.rows * columns) }
            if role != .value { normalize(target, role, rows: block.rows, columns, block, isRotated: false, backend) }
            guard let limit = configuration.projectionLimit.map({ Float($0) }) else { continue }
            for i in 0..<block.rows * columns { target[i] = min(max(target[i], -limit), limit) }
        }
        guard own.norms.normalizesValues, own.keyValueSource == nil else { return }
        let dimension = configuration.headDimension(inLayer: block.layer)
        norm.apply(
            cache.values, Norm.Parameters(), rows: block.rows * keyRows / dimension, columns: dimension,
            into: cache.values)
    }

    /// Normalises queries or keys, where that is done before they are rotated, or after.
    private func normalize(
        _ target: UnsafeMutablePointer<Float>, _ role: Role, rows: Int, _ columns: Int, _ block: LayerBlock,
        isRotated: Bool,
        _ backend: some LinearBackend
    ) {
        let qkNorm = configuration.layers[block.layer].norms.qk
        guard qkNorm != .none, qkNorm.isOfRotatedHeads == isRotated else { return }
        let dimension = qkNorm == .acrossHeads ? columns : configuration.headDimension(inLayer: block.layer)
        let parameters = backend.norm(role == .query ? .queryNorm : .keyNorm, layer: block.layer)
        guard qkNorm == .ofEachHead else {
            norm.apply(
                target, parameters, rows: rows * columns / dimension, columns: dimension, into: target)
            return
        }
        for head in 0..<rows * columns / dimension {
            let own = (head % (columns / dimension)) * dimension
            norm.apply(
                target + head * dimension,
                Norm.Parameters(weight: parameters.weight.map { $0 + own }, bias: parameters.bias.map { $0 + own }),
                rows: 1, columns: dimension, into: target + head * dimension)
        }
    }

    /// What attention gives, before its projection: `[rows, heads · valueDimension]`.
    ///
    /// Where a layer has no keys and values of its own, its state is that of the layer that has, or holds nothing yet.
    func mix(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let cache = keyValueCache(of: block)
        if let source = configuration.layers[block.layer].keyValueSource {
            try block.sharedKeyValues?.load(source, block.firstRow, rows: block.rows, into: cache)
        }
        for (index, sequence) in block.sequences.enumerated() {
            attend(sequence, of: block, cache, member: block.state.member(index)?.keyValues, backend)
        }
        try block.sharedKeyValues?.store(block.layer, block.firstRow, rows: block.rows, of: cache)
        let count = block.rows * configuration.columns(of: .attended, inLayer: block.layer)
        if let branches = configuration.multipliers.branches {
            RecurrentMixer.scale(block.buffers[.attended], count, by: branches.attentionOutput)
        }
        guard configuration.layers[block.layer].gatesAttention else { return }
        RecurrentMixer.multiplySigmoid(of: block.buffers[.attentionGate], count, into: block.buffers[.attended])
    }

    /// - Parameter member: what remembers the tokens of this text, where `cache` is that of a batch.
    private func attend(
        _ sequence: LayerBlock.Sequence, of block: LayerBlock, _ cache: KeyValueCache, member: KeyValueCache?,
        _ backend: some LinearBackend
    ) {
        let (first, count, past) = (sequence.rows.lowerBound, sequence.rows.count, (member ?? cache).count)
        let hasKeys = configuration.layers[block.layer].keyValueSource == nil
        let (queryRows, keyRows, valueRows) = (
            configuration.queryRows(inLayer: block.layer), configuration.keyValueRows(inLayer: block.layer),
            configuration.valueRows(inLayer: block.layer)
        )
        let keyHeads = hasKeys ? configuration.keyValueHeadCount(inLayer: block.layer) : 0
        let dimension = configuration.headDimension(inLayer: block.layer)
        let queries = block.buffers[.queries] + first * queryRows
        let keys = cache.keys + first * keyRows
        if let rotary = positions.rotary(inLayer: block.layer, length: sequence.length) {
            rotate(queries, rows: count, heads: configuration.headCount, dimension, rotary, position: past)
            rotate(keys, rows: count, heads: keyHeads, dimension, rotary, position: past)
        }
        for (role, target, columns) in [
            (Role.query, queries, queryRows), (.key, keys, keyRows),
        ] where role == .query || hasKeys {
            normalize(target, role, rows: count, columns, block, isRotated: true, backend)
        }
        if positions.scalesQueries(inLayer: block.layer, length: sequence.length) {
            for row in 0..<count {
                let factor = positions.queryFactor(at: past + row, inLayer: block.layer)
                for i in 0..<queryRows { queries[row * queryRows + i] *= factor }
            }
        }
        let picker = picker(inLayer: block.layer)
        let indexerColumns = configuration.columns(of: .indexerKeys)
        var indexerKeys = cache.indexerKeys + first * indexerColumns
        let indexerQueries = block.buffers[.indexerQueries] + first * configuration.columns(of: .indexerQueries)
        if let picker, let rotary = positions.rotary(inLayer: block.layer, length: sequence.length) {
            picker.rotate(
                indexerQueries, rows: count, heads: picker.indexer.headCount, rotary, position: past)
            picker.rotate(indexerKeys, rows: count, heads: 1, rotary, position: past)
        }
        var values = cache.values + first * valueRows
        var ownKeys = keys
        if let member {
            if hasKeys { member.take(keys: keys, values: values, indexerKeys: indexerKeys) }
            (ownKeys, values, indexerKeys) = (member.keys, member.values, member.indexerKeys)
        }
        let picked = block.picked(of: sequence)
        if let picker, let picked {
            picker.pick(
                TokenPicker.Operands(
                    queries: indexerQueries,
                    weights: block.buffers[.indexerWeights] + first * picker.indexer.headCount, count: count,
                    keys: indexerKeys - past * indexerColumns, past: past), into: picked, scores: block.buffers.scores)
        }
        let layer = configuration.layers[block.layer]
        attentions[block.layer].attend(
            Attention.Operands(
                queries: queries, count: count, keys: ownKeys - past * keyRows,
                values: values - past * valueRows, past: past, window: layer.slidingWindow,
                chunk: layer.attentionChunk,
                sinks: backend.vector(Slot(.sinks, layer: block.layer)), picked: picked, map: block.attentionMap),
            into: block.buffers[.attended] + first * configuration.columns(of: .attended, inLayer: block.layer),
            scores: block.buffers.scores)
    }

    /// What picks the tokens that a layer sees, where it does so itself.
    func picker(inLayer layer: Int) -> TokenPicker? {
        configuration.layers[layer].ownIndexer == nil ? nil : picker
    }

    private func rotate(
        _ x: UnsafeMutablePointer<Float>, rows: Int, heads: Int, _ dimension: Int, _ rotary: RotaryEmbedding,
        position: Int
    ) {
        if let latent {
            latent.rotate(x, rows: rows, heads: heads, rotary, position: position)
        } else {
            rotary.rotate(x, rows: rows, heads: heads, headDimension: dimension, position: position)
        }
    }
}
