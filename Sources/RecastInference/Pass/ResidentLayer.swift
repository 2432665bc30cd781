import Recast

/// The weights of one layer, in float32 or, where precision is fast, as they are stored; the memory is used again for the next
/// one.
///
/// Experts are not among them: each is read whenever tokens go through it, so that memory is bounded by the largest one;
/// but those whose weights are lent to be replaced stay until they are dropped.
final class ResidentLayer: LinearBackend {
    private struct Linear {
        enum Weight {
            case decoded(UnsafeMutablePointer<Float>)
            case panels(PanelMatrix)
        }

        var weight: Weight
        var bias: UnsafeMutablePointer<Float>?
        var rows: Int
        var columns: Int

        init(_ weight: Weight, _ tensor: LazyTensor, bias: UnsafeMutablePointer<Float>? = nil) {
            self.weight = weight
            self.bias = bias
            rows = tensor.rowCount
            columns = tensor.columnCount
        }
    }

    private let graph: Graph
    private let precision: Precision
    private let slots: [[Slot]]
    private let resources: [WorkerResources]
    private let arena: FloatBuffer
    /// Room for one weight of an expert, for each worker.
    private let expertWeights: [FloatBuffer]
    /// Weights of experts that are kept for all workers, and room for more.
    private var keptExperts: [(site: Slot, weight: FloatBuffer)] = []
    private var freeExperts: [FloatBuffer] = []
    private var linears: [Slot: Linear] = [:]
    private var vectors: [Slot: UnsafeMutablePointer<Float>] = [:]

    init(of graph: Graph, _ precision: Precision, _ resources: [WorkerResources]) {
        self.graph = graph
        self.precision = precision
        self.resources = resources
        var slots = [[Slot]](repeating: [], count: graph.configuration.layerCount)
        var largestExpert = 0
        for entry in graph.entries {
            guard let layer = entry.slot.layer else { continue }
            // Biases of experts are few numbers.
            if entry.slot.expert == nil || entry.slot.part == .bias {
                slots[layer].append(entry.slot)
            } else {
                largestExpert = max(largestExpert, precision.floatCount(of: entry.slot, entry.tensor))
            }
        }
        self.slots = slots
        let sizes = slots.map { $0.reduce(0) { $0 + precision.floatCount(of: $1, graph[$1]!) } }
        arena = FloatBuffer(count: sizes.max() ?? 0)
        expertWeights = resources.map { _ in FloatBuffer(count: largestExpert) }
    }

    /// Puts another layer in the place of the one before.
    func load(_ layer: Int, by workers: Workers) throws(RecastError) {
        linears = [:]
        vectors = [:]
        var loads: [TensorLoad] = []
        var panelLoads: [PanelLoad] = []
        var next = arena.base
        for slot in slots[layer] {
            let tensor = graph[slot]!
            let (rows, place) = (0..<tensor.rowCount, next)
            next += precision.floatCount(of: slot, tensor)
            if let type = precision.panelType(of: slot, tensor) {
                let matrix = PanelMatrix(type, rows: tensor.rowCount, at: place)
                linears[slot] = Linear(.panels(matrix), tensor)
                panelLoads += PanelLoad.loads(of: tensor, rows: rows, into: matrix, name: slot.description)
            } else {
                if tensor.shape.count <= 1 || slot.role.isElementwise {
                    vectors[slot] = place
                } else {
                    linears[slot] = Linear(.decoded(place), tensor)
                }
                loads += TensorLoad.loads(of: tensor, rows: rows, into: place, name: slot.description)
            }
        }
        for slot in Array(linears.keys) { linears[slot]!.bias = vectors[slot.bias] }
        try TensorLoad.run(loads, by: workers, resources)
        try PanelLoad.run(panelLoads, by: workers, resources)
    }

    func multiply(
        _ site: Slot, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool, worker: Int
    ) throws(RecastError) {
        var linear = linears[site]
        if linear == nil { linear = try expert(site, worker: worker) }
        multiply(linear!, input, rows: rows, into: output, accumulating: accumulating, resources[worker])
    }

    /// Rows of a weight, which are the columns of its products.
    func rowCount(of site: Slot) -> Int { graph[site]!.rowCount }

    private func multiply(
        _ linear: Linear, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool, _ resources: WorkerResources
    ) {
        switch linear.weight {
        case .decoded(let weight):
            RecastInference.multiply(
                input, rows: rows, by: weight, columns: linear.rows, depth: linear.columns, into: output,
                stride: linear.rows, accumulating: accumulating)
        case .panels(let matrix):
            RecastInference.multiply(
                input, rows: rows, by: matrix, into: output, accumulating: accumulating, using: resources)
        }
        if let bias = linear.bias {
            add(bias, rows: rows, columns: linear.rows, to: output, stride: linear.rows)
        }
    }

    private func expert(_ site: Slot, worker: Int) throws(RecastError) -> Linear {
        let tensor = graph[site]!
        let (weight, rows) = (expertWeights[worker].base, 0..<tensor.rowCount)
        if let type = precision.panelType(of: site, tensor) {
            let matrix = PanelMatrix(type, rows: tensor.rowCount, at: weight)
            for load in PanelLoad.loads(of: tensor, rows: rows, into: matrix, name: site.description) {
                try load.run(using: resources[worker])
            }
            return Linear(.panels(matrix), tensor, bias: vectors[site.bias])
        }
        for load in TensorLoad.loads(of: tensor, rows: rows, into: weight, name: site.description) {
            try load.run(using: &resources[worker].reader)
        }
        return Linear(.decoded(weight), tensor, bias: vectors[site.bias])
    }

    /// Lends a weight `[rows, columns]` to be replaced, while nothing is multiplied. An expert's counts until it is dropped. Precision
    /// must be exact.
    func withWeight(
        of site: Slot, by workers: Workers,
        _ body: (UnsafeMutableBufferPointer<Float>, _ rows: Int, _ columns: Int) throws(RecastError) -> Void
    ) throws(RecastError) {
        if linears[site] == nil { try keepExpert(site, by: workers) }
        let linear = linears[site]!
        guard case .decoded(let place) = linear.weight else { preconditionFailure("\(site) is not in float32") }
        let weight = UnsafeMutableBufferPointer(start: place, count: linear.rows * linear.columns)
        try body(weight, linear.rows, linear.columns)
    }

    private func keepExpert(_ site: Slot, by workers: Workers) throws(RecastError) {
        let tensor = graph[site]!
        let weight = freeExperts.popLast() ?? FloatBuffer(count: expertWeights[0].count)
        let loads = TensorLoad.loads(of: tensor, rows: 0..<tensor.rowCount, into: weight.base, name: site.description)
        try TensorLoad.run(loads, by: workers, resources)
        keptExperts.append((site, weight))
        linears[site] = Linear(.decoded(weight.base), tensor, bias: vectors[site.bias])
    }

    /// Experts are again what the model says.
    func dropExperts() {
        for expert in keptExperts {
            linears[expert.site] = nil
            freeExperts.append(expert.weight)
        }
        keptExperts = []
    }

    func vector(_ slot: Slot) -> UnsafePointer<Float>? { vectors[slot].map { UnsafePointer($0) } }

    func embed(
        _ tokens: ArraySlice<Int32>, _ slot: Slot, columns: Range<Int>, into target: UnsafeMutablePointer<Float>,
        worker: Int
    ) throws(RecastError) {
        let embedding = graph[slot]!.converted(to: .f32)
        for (index, token) in tokens.enumerated() {
            try embedding.read(
                Window(rows: Int(token)..<Int(token) + 1, columns: columns),
                into: UnsafeMutableRawBufferPointer(start: target + index * columns.count, count: columns.count * 4),
                using: &resources[worker].reader)
        }
    }
}
