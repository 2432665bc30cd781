import Recast

// What layers of Gemma 4 have besides. Source: transformers 5.23, `modeling_gemma4.py`.
extension DecoderLayer {
    // MARK: Experts with norms of their own

    func hasOwnNorms(inLayer layer: Int) -> Bool { configuration.layers[layer].experts?.hasOwnNorms ?? false }

    /// What goes into the router and the routed experts; what the shared one gave steps aside.
    func normalizeForExperts(_ block: LayerBlock, _ backend: some LinearBackend) {
        let (buffers, rows, columns) = (block.buffers, block.rows, configuration.hiddenSize)
        if configuration.layers[block.layer].experts?.shared != nil {
            norm.apply(
                buffers[.branch], backend.norm(.sharedPostNorm, layer: block.layer), rows: rows, columns: columns,
                into: buffers[.besideBranch])
        } else {
            buffers[.besideBranch].update(repeating: 0, count: rows * columns)
        }
        buffers[.branch].update(repeating: 0, count: rows * columns)
        norm.apply(
            block.hidden, backend.norm(.expertNorm, layer: block.layer), rows: rows, columns: columns,
            into: buffers[.normed])
        let input = buffers[.routerInput]
        norm.apply(block.hidden, Norm.Parameters(), rows: rows, columns: columns, into: input)
        let scale = backend.vector(Slot(.routerScale, layer: block.layer))!
        let root = 1 / Float(columns).squareRoot()
        for row in 0..<rows {
            for i in 0..<columns { input[row * columns + i] *= scale[i] * root }
        }
    }

    /// The branch of the routed experts and that of the shared one together.
    func addExperts(of block: LayerBlock, _ backend: some LinearBackend) {
        let (branch, beside) = (block.buffers[.branch], block.buffers[.besideBranch])
        let columns = configuration.hiddenSize
        norm.apply(
            branch, backend.norm(.expertPostNorm, layer: block.layer), rows: block.rows, columns: columns, into: branch)
        for i in 0..<block.rows * columns { branch[i] += beside[i] }
    }

    // MARK: What a token adds to each layer

    /// Of the token's embedding by a projection of the layer, and of its embedding for the layer.
    func prepareLayerInput(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let (buffers, rows, layer) = (block.buffers, block.rows, block.layer)
        let (columns, size) = (configuration.hiddenSize, configuration.layerInputSize!)
        let (embedding, input, own) = (buffers[.branch], buffers[.layerInput], buffers[.layerGate])
        try backend.embed(
            block.tokens, Slot(.tokenEmbedding), columns: 0..<columns, into: embedding, worker: buffers.worker)
        let factor = Float(configuration.multipliers.embedding)
        if factor != 1 { for i in 0..<rows * columns { embedding[i] *= factor } }
        try backend.multiply(
            Slot(.layerEmbeddingProjection, layer: layer), embedding, rows: rows, into: input, accumulating: false,
            worker: buffers.worker)
        let root = 1 / Float(columns).squareRoot()
        for i in 0..<rows * size { input[i] *= root }
        norm.apply(input, backend.norm(.layerEmbeddingNorm, layer: layer), rows: rows, columns: size, into: input)
        try backend.embed(
            block.tokens, Slot(.layerEmbedding), columns: layer * size..<(layer + 1) * size, into: own,
            worker: buffers.worker)
        let (ownFactor, half) = (Float(size).squareRoot(), Float(0.5).squareRoot())
        for i in 0..<rows * size { input[i] = (input[i] + own[i] * ownFactor) * half }
        buffers[.normed].update(from: block.hidden, count: rows * columns)
    }

    func gateLayerInput(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let gate = block.buffers[.layerGate]
        try block.multiply(.layerInputGate, .normed, into: gate, backend)
        feedForward.activation.apply(
            gate, times: block.buffers[.layerInput], block.rows * configuration.layerInputSize!)
    }

    func addLayerInput(_ block: LayerBlock, _ backend: some LinearBackend) throws(RecastError) {
        let (branch, columns) = (block.buffers[.branch], configuration.hiddenSize)
        try block.multiply(.layerInputProjection, .layerGate, into: branch, backend)
        norm.apply(
            branch, backend.norm(.layerInputNorm, layer: block.layer), rows: block.rows, columns: columns, into: branch)
        for i in 0..<block.rows * columns { block.hidden[i] += branch[i] }
    }

    func scale(_ block: LayerBlock, _ backend: some LinearBackend) {
        guard let scale = backend.vector(Slot(.layerScale, layer: block.layer))?.pointee else { return }
        for i in 0..<block.rows * configuration.hiddenSize { block.hidden[i] *= scale }
    }
}

extension Graph {
    /// The graph as the pass goes through it, layer by layer: what is stored for all layers at once is cut into those of each, and
    /// what no layer looks at is left out.
    var byLayers: Graph {
        let size = configuration.layerInputSize
        guard size != nil || !configuration.keyValueSources.isEmpty else { return self }
        var graph = self
        graph.remove { self.configuration.isUnused($0.slot.role, inLayer: $0.slot.layer) }
        guard let size, let projection = self[.layerEmbeddingProjection], let norm = self[.layerEmbeddingNorm] else {
            return graph
        }
        for layer in 0..<configuration.layerCount {
            graph[Slot(.layerEmbeddingProjection, layer: layer)] = projection.rows(layer * size..<(layer + 1) * size)
            graph[Slot(.layerEmbeddingNorm, layer: layer)] = norm
        }
        graph[Slot(.layerEmbeddingProjection)] = nil
        graph[Slot(.layerEmbeddingNorm)] = nil
        return graph
    }
}
