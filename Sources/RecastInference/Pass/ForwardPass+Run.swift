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
        private let observer: (any PassObserver)?
        private let keeper: (any LayerKeeper)?

        var configuration: ModelConfiguration { graph.configuration }

        init(
            _ pass: ForwardPass, _ texts: [Text], _ observer: (any PassObserver)?, keeper: (any LayerKeeper)? = nil
        ) throws(RecastError) {
            self.observer = observer
            self.keeper = keeper
            graph = pass.graph
            options = pass.options
            self.texts = texts
            blocks = ForwardPass.blocks(of: texts)
            let files = pass.files
            workers = try Workers(options)
            resources = (0..<workers.count).map { _ in WorkerResources(files: files) }
            layer = try DecoderLayer(graph.configuration, lengths: texts.map(\.tokens.count))
            work = Work(graph, blocks: blocks, report: options.progress)
            try checkTexts()
        }

        private func checkTexts() throws(RecastError) {
            let vocabulary = configuration.vocabularySize
            for text in texts {
                for token in text.tokens where token < 0 || Int(token) >= vocabulary {
                    throw RecastError(.usage, "token \(token) is not among the \(vocabulary) of the model's vocabulary")
                }
            }
        }

        // MARK: Layers

        /// The normalised hidden states of the asked positions, after the last layer.
        func finalHiddenStates() throws(RecastError) -> HiddenStates {
            let columns = configuration.hiddenSize
            let hidden = try HiddenStates(
                rows: blocks.last?.rows.upperBound ?? 0, columns: columns, maximumMemory: options.maximumMemory,
                directory: options.temporaryDirectory)
            let first = keeper?.finishedCount ?? 0
            if first == 0 { try embed(into: hidden) } else { try keeper?.restore(KeptStates(states: hidden)) }
            try applyLayers(from: first, to: hidden)
            return try normalizedPredictions(of: hidden)
        }

        private func embed(into hidden: HiddenStates) throws(RecastError) {
            let embedding = graph[.tokenEmbedding]!.converted(to: .f32)
            let columns = configuration.hiddenSize
            let factor = Float(configuration.multipliers.embedding)
            try forEachBlock(.embedding, cost: { _ in 0 }) { (block, resources) throws(RecastError) in
                try hidden.withRows(block.rows, .write, staging: &resources.staging) { (rows) throws(RecastError) in
                    var target = rows
                    for text in texts[block.texts] {
                        for token in text.tokens {
                            try embedding.read(
                                Window(rows: Int(token)..<Int(token) + 1, columns: 0..<columns),
                                into: UnsafeMutableRawBufferPointer(start: target, count: columns * 4),
                                using: &resources.reader)
                            if factor != 1 { for i in 0..<columns { target[i] *= factor } }
                            target += columns
                        }
                    }
                }
            }
        }

        private func applyLayers(from first: Int, to hidden: HiddenStates) throws(RecastError) {
            let weights = ResidentLayer(of: graph, resources)
            let observed = try observer.map { (observer) throws(RecastError) in
                try ObservedLayers(self, hidden, weights, observer)
            }
            let places = places()
            work.skip(layers: first)
            for index in first..<configuration.layerCount {
                try weights.load(index, by: workers)
                if let observed {
                    try observed.apply(index)
                } else {
                    try apply(index, to: hidden, weights, places)
                }
                try keeper?.finish(index, KeptStates(states: hidden))
            }
        }

        private func apply(
            _ index: Int, to hidden: HiddenStates, _ weights: ResidentLayer, _ places: [WorkPlace]
        ) throws(RecastError) {
            let phase = Progress.Phase.layer(index, of: configuration.layerCount)
            try workers.run(blocks.count) { (worker, job) throws(RecastError) in
                let block = blocks[job]
                try hidden.withRows(block.rows, .update, staging: &resources[worker].staging) {
                    (rows) throws(RecastError) in
                    try layer.apply(to: layerBlock(block, index, rows, places[worker]), weights)
                }
                work.add(work.layerCost * block.rows.count, phase)
            }
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
            return LayerBlock(
                layer: index, sequences: sequences, state: place.state, hidden: hidden, buffers: place.buffers)
        }

        /// What each worker needs for one block of one layer.
        struct WorkPlace {
            let buffers: LayerBuffers
            let state: any LayerState
        }

        func places() -> [WorkPlace] {
            let rows = blocks.map(\.rows.count).max() ?? 0
            let keys = texts.map(\.tokens.count).max() ?? 0
            return (0..<min(workers.count, blocks.count)).map { worker in
                WorkPlace(
                    buffers: LayerBuffers(configuration, rows: rows, keys: keys, worker: worker),
                    state: layer.makeState(capacity: rows))
            }
        }

        /// Only the asked positions go on, one after the other.
        private func normalizedPredictions(of hidden: HiddenStates) throws(RecastError) -> HiddenStates {
            let columns = configuration.hiddenSize
            let norm = Norm(configuration)
            let (weight, bias) = (try vector(Slot(.outputNorm)), try vector(Slot(.outputNorm, .bias)))
            let parameters = Norm.Parameters(
                weight: weight.map { UnsafePointer($0.base) }, bias: bias.map { UnsafePointer($0.base) })
            defer { withExtendedLifetime((weight, bias)) {} }
            let result = try HiddenStates(
                rows: blocks.last?.predictions.upperBound ?? 0, columns: columns,
                maximumMemory: options.maximumMemory - hidden.memoryByteCount, directory: options.temporaryDirectory)
            try forEachBlock(.head, cost: { _ in 0 }) { (block, resources) throws(RecastError) in
                var staging: FloatBuffer?
                try hidden.withRows(block.rows, .read, staging: &resources.staging) { (rows) throws(RecastError) in
                    try result.withRows(block.predictions, .write, staging: &staging) { (target) throws(RecastError) in
                        var (source, target) = (rows, target)
                        for text in texts[block.texts] {
                            norm.apply(
                                source + text.predictions.lowerBound * columns, parameters,
                                rows: text.predictions.count, columns: columns, into: target)
                            source += text.tokens.count * columns
                            target += text.predictions.count * columns
                        }
                    }
                }
            }
            return result
        }

        private func vector(_ slot: Slot) throws(RecastError) -> FloatBuffer? {
            guard let tensor = graph[slot] else { return nil }
            let buffer = FloatBuffer(count: tensor.elementCount)
            let loads = TensorLoad.loads(of: tensor, rows: 0..<tensor.rowCount, into: buffer.base, name: "\(slot)")
            try TensorLoad.run(loads, by: workers, resources)
            return buffer
        }

        private func forEachBlock(
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
            headCost = configuration.vocabularySize * configuration.hiddenSize
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
