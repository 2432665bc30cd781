import Recast

/// A model's weights in memory, as they are stored; tiles of rows are decoded whenever they are multiplied with.
final class EncodedWeights: Multiplier {
    private let configuration: ModelConfiguration
    private let weights: [Slot: LazyTensor]
    private let vectors: [Slot: FloatBuffer]
    private let workers: Workers
    private let readers: [WorkerResources]
    private let tiles: [FloatBuffer]

    /// Decoded numbers of a tile: a megabyte, so that it is still in the cache when it is multiplied with.
    private static let elementsAtOnce = 1 << 18

    /// Reads the whole model.
    init(_ graph: Graph, files: FilePool, options: PassOptions) throws(RecastError) {
        configuration = graph.configuration
        let workers = Workers(options.workers)
        self.workers = workers
        // Nothing is read from files later on.
        readers = (0..<workers.count).map { _ in WorkerResources(files: FilePool([])) }
        let source = (0..<workers.count).map { _ in WorkerResources(files: files) }
        var matrices: [Slot: LazyTensor] = [:]
        var vectors: [Slot: FloatBuffer] = [:]
        for (index, entry) in graph.entries.enumerated() {
            try options.checkCancellation()
            let tensor = entry.tensor
            if tensor.shape.count == 1 {
                let buffer = FloatBuffer(count: tensor.elementCount)
                try TensorLoad.run(
                    TensorLoad.loads(
                        of: tensor, rows: 0..<tensor.rowCount, into: buffer.base, name: entry.slot.description),
                    by: workers, source)
                vectors[entry.slot] = buffer
            } else {
                let bytes = try step(entry.slot.description) { () throws(RecastError) in
                    try tensor.bytes(using: &source[0].reader)
                }
                matrices[entry.slot] = LazyTensor.literal(tensor.dtype, tensor.shape, bytes).converted(to: .f32)
            }
            options.progress?(
                .init(phase: .embedding, fraction: Double(index + 1) / Double(graph.entries.count)))
        }
        weights = matrices
        self.vectors = vectors
        let columns = matrices.values.map(\.columnCount).max() ?? 0
        tiles = (0..<workers.count).map { _ in FloatBuffer(count: max(Self.elementsAtOnce, columns)) }
    }

    /// Hidden states of tokens: `[tokens, hiddenSize]`.
    func embed(_ tokens: ArraySlice<Int32>, into target: UnsafeMutablePointer<Float>) throws(RecastError) {
        let embedding = weights[Slot(.tokenEmbedding)]!
        let columns = embedding.columnCount
        for (index, token) in tokens.enumerated() {
            try embedding.read(
                Window(rows: Int(token)..<Int(token) + 1, columns: 0..<columns),
                into: UnsafeMutableRawBufferPointer(start: target + index * columns, count: columns * 4),
                using: &readers[0].reader)
        }
    }

    func multiply(
        _ site: Slot, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool
    ) throws(RecastError) {
        // A tied head is the embedding.
        let tensor = (weights[site] ?? weights[Slot(.tokenEmbedding)])!
        let bias = vectors[Slot(site.role, layer: site.layer, .bias)]
        let (outputs, depth) = (tensor.rowCount, tensor.columnCount)
        let rowsAtOnce = max(1, Self.elementsAtOnce / depth)
        try workers.run(outputs.dividedRoundingUp(by: rowsAtOnce)) { (worker, job) throws(RecastError) in
            let range = job * rowsAtOnce..<min(outputs, (job + 1) * rowsAtOnce)
            let tile = tiles[worker].base
            try tensor.read(
                Window(rows: range, columns: 0..<depth),
                into: UnsafeMutableRawBufferPointer(start: tile, count: range.count * depth * 4),
                using: &readers[worker].reader)
            let target = output + range.lowerBound
            RecastInference.multiply(
                input, rows: rows, by: tile, columns: range.count, depth: depth, into: target, stride: outputs,
                accumulating: accumulating)
            if let bias {
                add(bias.base + range.lowerBound, rows: rows, columns: range.count, to: target, stride: outputs)
            }
        }
    }

    func norm(_ slot: Slot) -> UnsafePointer<Float> { UnsafePointer(vectors[slot]!.base) }
}
