import Recast

extension ForwardPass {
    /// A run on its way through the layers: the hidden states of all tokens, and the weights of one layer.
    final class Walk {
        let run: Run
        let hidden: HiddenStates
        let weights: ResidentLayer
        let places: [Run.WorkPlace]
        private let observed: ObservedLayers?
        /// The layer that comes next.
        private(set) var layer: Int

        var configuration: ModelConfiguration { run.configuration }
        var isDone: Bool { layer >= configuration.layerCount }

        init(_ run: Run) throws(RecastError) {
            self.run = run
            hidden = try HiddenStates(
                rows: run.blocks.last?.rows.upperBound ?? 0, columns: run.configuration.hiddenSize,
                maximumMemory: run.options.maximumMemory, directory: run.options.temporaryDirectory)
            weights = ResidentLayer(of: run.graph, run.options.precision, run.resources)
            // Stages that are observed have buffers of their own.
            places = run.observer == nil ? run.places() : []
            layer = run.keeper?.finishedCount ?? 0
            observed =
                if let observer = run.observer { try ObservedLayers(run, hidden, weights, observer) } else { nil }
            if layer == 0 { try embed() } else { try run.keeper?.restore(keptStates) }
            run.work.skip(layers: layer)
        }

        /// What the layers to come need of the tokens.
        private var keptStates: KeptStates {
            KeptStates(states: [hidden] + (run.sharedKeyValues?.all ?? []), picked: run.picked)
        }

        private func embed() throws(RecastError) {
            let embedding = run.graph[.tokenEmbedding]!.converted(to: .f32)
            let (columns, width) = (configuration.hiddenSize, embedding.columnCount)
            let steps = EmbeddingSteps(configuration)
            let (positions, weight, bias) = (
                try positionRows(), try run.vector(Slot(.embeddingNorm)), try run.vector(Slot(.embeddingNorm, .bias))
            )
            let projection = try run.vector(Slot(.embeddingProjection))
            let parameters = Norm.Parameters(
                weight: weight.map { UnsafePointer($0.base) }, bias: bias.map { UnsafePointer($0.base) })
            defer { withExtendedLifetime((positions, weight, bias, projection)) {} }
            try run.forEachBlock(.embedding, cost: { _ in 0 }) { (block, resources) throws(RecastError) in
                try hidden.withRows(block.rows, .write, staging: &resources.staging) { (rows) throws(RecastError) in
                    var target = rows
                    for text in run.texts[block.texts] {
                        let count = text.tokens.count
                        let own = projection.map { _ in FloatBuffer(count: count * width) }
                        defer { withExtendedLifetime(own) {} }
                        for (row, token) in text.tokens.enumerated() {
                            try embedding.read(
                                Window(rows: Int(token)..<Int(token) + 1, columns: 0..<width),
                                into: UnsafeMutableRawBufferPointer(
                                    start: (own?.base ?? target) + row * width, count: width * 4),
                                using: &resources.reader)
                        }
                        if let projection, let own {
                            multiply(
                                own.base, rows: count, by: projection.base, columns: columns, depth: width,
                                into: target, stride: columns)
                        }
                        steps.apply(
                            to: target, rows: count,
                            positions: { row in positions.map { UnsafePointer($0.base + row * columns) } }, parameters)
                        target += count * columns
                    }
                }
            }
        }

        /// Learned positions, as many as the longest text needs: `[positions, hiddenSize]`.
        private func positionRows() throws(RecastError) -> FloatBuffer? {
            guard let tensor = run.graph[.positionEmbedding], let learned = configuration.learnedPositions else {
                return nil
            }
            let count = min(learned.count, run.texts.map(\.tokens.count).max() ?? 0)
            let buffer = FloatBuffer(count: count * configuration.hiddenSize)
            let loads = TensorLoad.loads(
                of: tensor, rows: learned.offset..<learned.offset + count, into: buffer.base, name: "positionEmbedding")
            try TensorLoad.run(loads, by: run.workers, run.resources)
            return buffer
        }

        // MARK: Layers

        /// Brings the next layer's weights into memory.
        func load() throws(RecastError) { try weights.load(layer, by: run.workers) }

        /// Takes all tokens through the next layer.
        ///
        /// - Parameter attention: of a run of one text, where the probabilities of all heads are kept:
        ///   `[heads, tokens, tokens]`.
        func advance(attention: FloatBuffer? = nil) throws(RecastError) {
            try load()
            if let observed {
                try observed.apply(layer)
            } else {
                try run.workers.run(run.blocks.count) { (worker, job) throws(RecastError) in
                    try hidden.withRows(
                        run.blocks[job].rows, .update, staging: &run.resources[worker].staging
                    ) { (rows) throws(RecastError) in
                        var block = block(job, at: rows, worker)
                        block.attentionMap = attention?.base
                        try run.layer.apply(to: block, weights)
                    }
                    didBlock(job)
                }
            }
            try didLayer()
        }

        /// A block on its way through the layer whose weights are there.
        func block(_ job: Int, at rows: UnsafeMutablePointer<Float>, _ worker: Int) -> LayerBlock {
            run.layerBlock(run.blocks[job], layer, rows, places[worker])
        }

        func didBlock(_ job: Int) {
            run.work.add(
                run.work.layerCost * run.blocks[job].rows.count, .layer(layer, of: configuration.layerCount))
        }

        func didLayer() throws(RecastError) {
            try run.keeper?.finish(layer, keptStates)
            layer += 1
        }

        /// A copy of the hidden states: `[tokens, hiddenSize]`.
        func copyStates(into target: UnsafeMutablePointer<Float>) throws(RecastError) {
            for block in run.blocks {
                var staging: FloatBuffer?
                try hidden.withRows(block.rows, .read, staging: &staging) {
                    (target + block.rows.lowerBound * hidden.columns)
                        .update(from: $0, count: block.rows.count * hidden.columns)
                }
            }
        }

        // MARK: The end

        /// The asked positions alone, one after the other, normalised.
        func finish() throws(RecastError) -> HiddenStates {
            precondition(isDone)
            return try normalizedPredictions()
        }

        /// The hidden states of the asked positions as the head would have them, were this the last layer.
        func normalizedPredictions() throws(RecastError) -> HiddenStates {
            let columns = configuration.hiddenSize
            let norm = configuration.norms.hasOutputNorm ? Norm(configuration) : nil
            let projection = try run.vector(Slot(.headProjection))
            let width = configuration.embeddingSize ?? columns
            let (weight, bias) = (try run.vector(Slot(.outputNorm)), try run.vector(Slot(.outputNorm, .bias)))
            let parameters = Norm.Parameters(
                weight: weight.map { UnsafePointer($0.base) }, bias: bias.map { UnsafePointer($0.base) })
            defer { withExtendedLifetime((weight, bias, projection)) {} }
            let result = try HiddenStates(
                rows: run.blocks.last?.predictions.upperBound ?? 0, columns: width,
                maximumMemory: run.options.maximumMemory - hidden.memoryByteCount,
                directory: run.options.temporaryDirectory)
            try run.forEachBlock(.head, cost: { _ in 0 }) { (block, resources) throws(RecastError) in
                var staging: FloatBuffer?
                try hidden.withRows(block.rows, .read, staging: &resources.staging) { (rows) throws(RecastError) in
                    try result.withRows(block.predictions, .write, staging: &staging) { (target) throws(RecastError) in
                        var (source, target) = (rows, target)
                        for text in run.texts[block.texts] {
                            let count = text.predictions.count
                            let own = projection.map { _ in FloatBuffer(count: count * columns) }
                            defer { withExtendedLifetime(own) {} }
                            let (first, normed) = (source + text.predictions.lowerBound * columns, own?.base ?? target)
                            if let norm {
                                norm.apply(first, parameters, rows: count, columns: columns, into: normed)
                            } else {
                                normed.update(from: first, count: count * columns)
                            }
                            if let projection {
                                multiply(
                                    normed, rows: count, by: projection.base, columns: width, depth: columns,
                                    into: target, stride: width)
                            }
                            source += text.tokens.count * columns
                            target += count * width
                        }
                    }
                }
            }
            return result
        }
    }
}
