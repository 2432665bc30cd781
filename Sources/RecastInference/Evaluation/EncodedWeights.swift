import Recast

/// A model's weights in memory, as they are stored; tiles of rows are decoded whenever they are multiplied with, where precision is
/// exact.
final class EncodedWeights: LinearBackend {
    private let matrices: [Slot: EncodedMatrix]
    /// Those that are multiplied as they are stored. A head that is the embedding's is among them.
    private let panels: [Slot: StoredPanels]
    /// Norms and biases, in float32.
    private let vectors: [Slot: FloatBuffer]
    private let workers: Workers
    private let resources: [WorkerResources]
    private let tiles: [FloatBuffer]
    private let activations = RoundedActivations()

    /// Reads the whole model.
    init(_ graph: Graph, files: FilePool, options: PassOptions) throws(RecastError) {
        let workers = try Workers(options)
        let resources = (0..<workers.count).map { _ in WorkerResources(files: files) }
        var matrices: [Slot: EncodedMatrix] = [:]
        var panels: [Slot: StoredPanels] = [:]
        var vectors: [Slot: FloatBuffer] = [:]
        var graph = graph
        graph = graph.byLayers
        if graph.configuration.normalizesOutputHead { graph[Slot(.outputHead)] = graph.computedHead }
        for (index, entry) in graph.entries.enumerated() {
            let (tensor, name) = (entry.tensor, entry.slot.description)
            if tensor.shape.count <= 1 || entry.slot.role.isElementwise {
                let buffer = FloatBuffer(count: tensor.elementCount)
                let loads = TensorLoad.loads(of: tensor, rows: 0..<tensor.rowCount, into: buffer.base, name: name)
                try TensorLoad.run(loads, by: workers, resources)
                vectors[entry.slot] = buffer
            } else if let type = options.precision.panelType(of: graph.multiplied(entry.slot), tensor) {
                panels[entry.slot] = try StoredPanels(type, tensor, name: name, by: workers, resources)
            } else {
                matrices[entry.slot] = try EncodedMatrix(tensor, name: name, by: workers, resources)
            }
            options.progress?(Progress(done: index + 1, total: graph.entries.count, phase: .embedding))
        }
        self.matrices = matrices
        self.panels = panels
        self.vectors = vectors
        self.workers = workers
        self.resources = resources
        let columns = matrices.values.map(\.columns).max() ?? 0
        tiles = (0..<workers.count).map { _ in FloatBuffer(count: max(Self.elementsAtOnce(rows: .max), columns)) }
    }

    /// Decoded numbers of a tile. One row only reads them, which is fastest within the second-level cache; for more, a matrix
    /// product of more columns is more efficient.
    private static func elementsAtOnce(rows: Int) -> Int { rows == 1 ? 1 << 16 : 1 << 20 }

    func embed(
        _ tokens: ArraySlice<Int32>, _ slot: Slot, columns: Range<Int>, into target: UnsafeMutablePointer<Float>,
        worker _: Int
    ) throws(RecastError) {
        guard slot != Slot(.tokenEmbedding) else { return try embed(tokens, into: target) }
        let embedding = matrices[slot]!
        let row = FloatBuffer(count: embedding.columns)
        for (index, token) in tokens.enumerated() {
            try embedding.decode(Int(token)..<Int(token) + 1, into: row.base, using: &resources[0].reader)
            (target + index * columns.count).update(from: row.base + columns.lowerBound, count: columns.count)
        }
    }

    /// Hidden states of tokens: `[tokens, hiddenSize]`.
    func embed(_ tokens: ArraySlice<Int32>, into target: UnsafeMutablePointer<Float>) throws(RecastError) {
        if let embedding = panels[Slot(.tokenEmbedding)] {
            for (index, token) in tokens.enumerated() {
                try embedding.decode(
                    Int(token), into: target + index * embedding.matrix.type.columns, using: &resources[0].reader)
            }
            return
        }
        let embedding = matrices[Slot(.tokenEmbedding)]!
        for (index, token) in tokens.enumerated() {
            try embedding.decode(
                Int(token)..<Int(token) + 1, into: target + index * embedding.columns, using: &resources[0].reader)
        }
    }

    /// Learned vectors of positions: `[positions, hiddenSize]`; nil where there are none.
    func positionRows(_ positions: [Int], _ configuration: ModelConfiguration) throws(RecastError) -> FloatBuffer? {
        guard let matrix = matrices[Slot(.positionEmbedding)], let learned = configuration.learnedPositions else {
            return nil
        }
        let rows = FloatBuffer(count: positions.count * matrix.columns)
        for (index, position) in positions.enumerated() {
            let row = learned.offset + position
            try matrix.decode(row..<row + 1, into: rows.base + index * matrix.columns, using: &resources[0].reader)
        }
        return rows
    }

    func multiply(
        _ site: Slot, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool, worker _: Int
    ) throws(RecastError) {
        if let panels = panels[site] ?? (site.role == .outputHead ? panels[Slot(.tokenEmbedding)] : nil) {
            return try multiply(panels.matrix, site, input, rows: rows, into: output, accumulating: accumulating)
        }
        // A tied head is the embedding.
        let matrix = (matrices[site] ?? matrices[Slot(.tokenEmbedding)])!
        let bias = bias(of: site)
        let rowsAtOnce = max(1, Self.elementsAtOnce(rows: rows) / matrix.columns)
        try workers.run(matrix.rows.dividedRoundingUp(by: rowsAtOnce)) { (worker, job) throws(RecastError) in
            let range = job * rowsAtOnce..<min(matrix.rows, (job + 1) * rowsAtOnce)
            let target = output + range.lowerBound
            if rows > 1 || !matrix.multiply(range, with: input, into: output, accumulating: accumulating) {
                let tile = tiles[worker].base
                try matrix.decode(range, into: tile, using: &resources[worker].reader)
                RecastInference.multiply(
                    input, rows: rows, by: tile, columns: range.count, depth: matrix.columns, into: target,
                    stride: matrix.rows, accumulating: accumulating)
            }
            if let bias {
                add(bias.base + range.lowerBound, rows: rows, columns: range.count, to: target, stride: matrix.rows)
            }
        }
    }

    private func bias(of site: Slot) -> FloatBuffer? { vectors[site.bias] }

    /// Numbers of a weight that a worker takes at once.
    private static let productsAtOnce = 1 << 19

    private func multiply(
        _ matrix: PanelMatrix, _ site: Slot, _ input: UnsafePointer<Float>, rows: Int,
        into output: UnsafeMutablePointer<Float>, accumulating: Bool
    ) throws(RecastError) {
        activations.prepare(matrix.type, rows: rows)
        try workers.run(activations.tiles.count) { (_, tile) throws(RecastError) in
            activations.round(tile: tile, of: input)
        }
        let bias = bias(of: site)
        let atOnce = max(1, Self.productsAtOnce / (PanelType.rowsOfPanel * matrix.type.columns))
        let pieces = (0..<matrix.panelCount).pieces(of: atOnce)
        try workers.run(pieces.count) { (worker, job) throws(RecastError) in
            matrix.multiply(
                pieces[job], with: activations,
                into: PanelMatrix.Target(output: output, stride: matrix.rows, accumulating: accumulating),
                using: resources[worker].products)
            if let bias {
                let first = pieces[job].lowerBound * PanelType.rowsOfPanel
                let count = min(matrix.rows, pieces[job].upperBound * PanelType.rowsOfPanel) - first
                add(bias.base + first, rows: rows, columns: count, to: output + first, stride: matrix.rows)
            }
        }
    }

    func vector(_ slot: Slot) -> UnsafePointer<Float>? { vectors[slot].map { UnsafePointer($0.base) } }
}

extension Graph {
    /// What an embedding is multiplied as, where it is the head too.
    fileprivate func multiplied(_ slot: Slot) -> Slot {
        slot == Slot(.tokenEmbedding) && isTied ? Slot(.outputHead) : slot
    }
}
