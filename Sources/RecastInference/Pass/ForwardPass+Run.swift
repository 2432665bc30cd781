import Recast
import Synchronization

extension ForwardPass {
    /// One evaluation of a sample.
    struct Run {
        let graph: Graph
        let options: PassOptions
        let texts: [Text]
        let blocks: [Block]
        let workers: Workers
        let resources: [WorkerResources]
        let work: Work
        let layer: DecoderLayer
        /// Keys and values that later layers look at.
        let sharedKeyValues: SharedKeyValues?
        let observer: (any PassObserver)?
        let keeper: (any LayerKeeper)?
        /// What is added to logits (Phi-3.5-MoE).
        let headBias: FloatBuffer?
        /// Which tokens all tokens see, where layers share an indexer.
        let picked: PickedTokens?

        var configuration: ModelConfiguration { graph.configuration }

        init(
            _ pass: ForwardPass, _ texts: [Text], _ observer: (any PassObserver)?, keeper: (any LayerKeeper)? = nil
        ) throws(RecastError) {
            self.observer = observer
            self.keeper = keeper
            graph = pass.graph.byLayers
            options = pass.options
            self.texts = texts
            blocks = ForwardPass.blocks(of: texts)
            let files = pass.files
            workers = try Workers(options)
            resources = (0..<workers.count).map { _ in WorkerResources(files: files) }
            layer = try DecoderLayer(graph.configuration, lengths: texts.map(\.tokens.count))
            sharedKeyValues = try SharedKeyValues(
                graph.configuration, rows: blocks.last?.rows.upperBound ?? 0, options)
            work = Work(graph, blocks: blocks, report: options.progress)
            picked =
                graph.configuration.sharesIndexers
                ? PickedTokens(
                    graph.configuration, rows: blocks.last?.rows.upperBound ?? 0,
                    length: texts.map(\.tokens.count).max() ?? 0) : nil
            headBias = try Self.headBias(of: graph, by: workers, resources)
            try checkTexts()
        }

        private static func headBias(
            of graph: Graph, by workers: Workers, _ resources: [WorkerResources]
        ) throws(RecastError) -> FloatBuffer? {
            let slot = Slot(.outputHead, .bias)
            guard let bias = graph[slot] else { return nil }
            let buffer = FloatBuffer(count: bias.elementCount)
            try TensorLoad.run(
                TensorLoad.loads(of: bias, rows: 0..<bias.rowCount, into: buffer.base, name: slot.description),
                by: workers,
                resources)
            return buffer
        }

        private func checkTexts() throws(RecastError) {
            let vocabulary = configuration.vocabularySize
            for text in texts {
                try configuration.checkPositions(of: text.tokens.count)
                for token in text.tokens where token < 0 || Int(token) >= vocabulary {
                    throw RecastError(.usage, "token \(token) is not among the \(vocabulary) of the model's vocabulary")
                }
            }
        }

        /// The normalised hidden states of the asked positions, after the last layer.
        func finalHiddenStates() throws(RecastError) -> HiddenStates {
            let walk = try Walk(self)
            while !walk.isDone { try walk.advance() }
            return try walk.finish()
        }

        /// A block on its way through a layer.
        func layerBlock(
            _ block: Block, _ index: Int, _ hidden: UnsafeMutablePointer<Float>, _ place: WorkPlace
        ) -> LayerBlock {
            var first = 0
            let sequences = texts[block.texts].map { text in
                defer { first += text.tokens.count }
                return LayerBlock.Sequence(rows: first..<first + text.tokens.count, length: text.tokens.count)
            }
            let tokens = configuration.layerInputSize == nil ? [] : texts[block.texts].flatMap(\.tokens)
            var result = LayerBlock(
                layer: index, sequences: sequences, tokens: tokens[...], state: place.state, hidden: hidden,
                buffers: place.buffers, picked: picked?.rows(from: block.rows.lowerBound))
            result.sharedKeyValues = sharedKeyValues
            result.firstRow = block.rows.lowerBound
            return result
        }

        /// What each worker needs for one block of one layer.
        struct WorkPlace {
            let buffers: LayerBuffers
            let state: LayerState
        }

        func places() -> [WorkPlace] {
            let rows = blocks.map(\.rows.count).max() ?? 0
            let keys = texts.map(\.tokens.count).max() ?? 0
            return (0..<min(workers.count, blocks.count)).map { worker in
                WorkPlace(
                    buffers: LayerBuffers(configuration, rows: rows, keys: keys, worker: worker),
                    state: LayerState(configuration, layers: configuration.layers.indices, capacity: rows))
            }
        }

        func vector(_ slot: Slot) throws(RecastError) -> FloatBuffer? {
            guard let tensor = graph[slot] else { return nil }
            let buffer = FloatBuffer(count: tensor.elementCount)
            let loads = TensorLoad.loads(of: tensor, rows: 0..<tensor.rowCount, into: buffer.base, name: "\(slot)")
            try TensorLoad.run(loads, by: workers, resources)
            return buffer
        }

        func forEachBlock(
            _ phase: Progress.Phase, cost: (Block) -> Int,
            _ body: (Block, WorkerResources) throws(RecastError) -> Void
        ) throws(RecastError) {
            try workers.run(blocks.count) { (worker, job) throws(RecastError) in
                try body(blocks[job], resources[worker])
                work.add(cost(blocks[job]), phase)
            }
        }
    }

    /// What is done of all there is to do, in multiplications.
    final class Work: Sendable {
        let layerCost: Int
        let headCost: Int
        private let rows: Int
        private let total: Int
        private let report: (@Sendable (Progress) -> Void)?
        private let done = Mutex(0)

        init(_ graph: Graph, blocks: [Block], report: (@Sendable (Progress) -> Void)?) {
            let configuration = graph.configuration
            layerCost = configuration.multiplicationsPerLayer
            headCost = configuration.vocabularySize * (configuration.embeddingSize ?? configuration.hiddenSize)
            rows = blocks.last?.rows.upperBound ?? 0
            let predictions = blocks.last?.predictions.upperBound ?? 0
            total = rows * configuration.layerCount * layerCost + predictions * headCost
            self.report = report
        }

        /// Layers that an earlier run has done.
        func skip(layers: Int) { done.withLock { $0 += layers * rows * layerCost } }

        func add(_ cost: Int, _ phase: Progress.Phase) {
            guard let report else { return }
            done.withLock { done in
                done += cost
                report(Progress(done: done, total: total, phase: phase))
            }
        }
    }
}

extension ModelConfiguration {
    /// For one token, in a layer with experts where there are any.
    fileprivate var multiplicationsPerLayer: Int {
        let layer = layers.firstIndex { $0.experts != nil } ?? 0
        let used = layers.isEmpty ? nil : layers[layer].experts?.usedCount
        return Role.allCases.filter { $0.isLinear && has($0) }.reduce(0) { cost, role in
            let isExpert = used != nil && [.gate, .up, .down].contains(role)
            let shape = shape(of: Slot(role, layer: layer, expert: isExpert ? 0 : nil))
            return cost + shape.reduce(1, *) * (isExpert ? used! : 1)
        }
    }
}
