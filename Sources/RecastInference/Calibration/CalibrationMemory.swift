import Recast

/// What a calibration has in memory beside the states of its tokens, by the shapes of the model: an upper bound.
struct CalibrationMemory {
    let graph: Graph
    /// What each weight may be rounded to.
    let targets: [Slot: [WeightTarget]]
    let options: CalibrationOptions
    let workers: Int

    /// The program, its tokenizer, the graph.
    private static let program = 80 << 20
    /// The least that states of tokens are worth having in memory.
    private static let leastStates = 16 << 20

    /// What is left of a limit for the states of tokens; the rest of these goes to files.
    ///
    /// - Throws: `usage` where a layer alone needs more.
    func states(within limit: Int) throws(RecastError) -> Int {
        let needed = byteCount
        guard limit >= needed + Self.leastStates else {
            let least = (needed + Self.leastStates).dividedRoundingUp(by: 10_000_000) * 10
            throw .usage(
                "--max-memory is too little for this model: a calibration holds a layer of it in float32 and second moments of what it "
                    + "is multiplied with, and needs \(least)MB\(workers > 1 ? "; fewer --jobs need less" : "")")
        }
        return limit - needed
    }

    var byteCount: Int { Self.program + layer + passes + max(moments + rows, head) }

    /// The weights of a layer, an expert's apart.
    private var layer: Int {
        var sizes = [Int](repeating: 0, count: graph.configuration.layerCount)
        var expert = 0
        for entry in graph.entries {
            guard let layer = entry.slot.layer else { continue }
            if entry.slot.expert == nil {
                sizes[layer] += entry.tensor.elementCount
            } else {
                expert = max(expert, entry.tensor.elementCount)
            }
        }
        return 4 * ((sizes.max() ?? 0) + expert * (workers + 3))
    }

    /// What each worker has of a block, twice where it comes from files.
    private var passes: Int {
        let columns = Intermediate.allCases.reduce(0) { $0 + graph.configuration.columns(of: $1) }
        let rows = max(ForwardPass.rowsAtOnce, options.longestWindow)
        return workers * 4 * rows * (2 * columns + ForwardPass.rowsAtOnce)
    }

    /// Second moments and their factors: for each order of columns a damped matrix and a triangle, and once more in float64.
    private var moments: Int {
        var orders: [Int: Set<ColumnOrder>] = [:]
        for (_, list) in targets { for target in list { orders[target.columns, default: []].insert(target.order) } }
        let isOrdered = targets.values.joined().contains { $0.encoding.hasActOrder }
        let matrices = orders.map { columns, own in
            4 * columns * columns
                * (3 + 2 * own.count + (options.reorders || isOrdered ? 3 : 0) + (options.method == .awq ? 3 : 0))
        }
        return (matrices.max() ?? 0) + pooled
    }

    /// The moments of what experts see, and of a latent space of theirs with its projection.
    private var pooled: Int {
        guard let experts = graph.configuration.experts else { return 0 }
        let (columns, latent) = (graph.configuration.hiddenSize, experts.latentSize ?? 0)
        return 4 * (columns * columns + latent * latent + latent * columns)
    }

    /// Rows of a weight that are being rounded, and copies of it that scaling and other orders make.
    private var rows: Int {
        let columns = targets.values.joined().map(\.columns).max() ?? 0
        let largest = targets.keys.compactMap { $0.layer == nil ? nil : graph[$0]?.elementCount }.max() ?? 0
        let copies = options.method == .awq ? 4 : options.reorders ? 2 : 1
        return workers * 12 * 4 * GridTile.lanes * columns + copies * 4 * largest
    }

    /// A part of the head, with what its own moments need.
    private var head: Int {
        let columns = graph.configuration.embeddingSize ?? graph.configuration.hiddenSize
        return 4 * columns * (3 * 8192 + 8 * columns) + workers * 12 * 4 * GridTile.lanes * columns
    }
}
