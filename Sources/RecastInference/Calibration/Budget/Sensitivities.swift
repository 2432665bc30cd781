import Recast

/// What each unit of weights does to a model's predictions when it alone is coarse.
struct Sensitivities {
    let graph: Graph
    /// The same, with every weight as its probe has it.
    let coarse: Graph
    let files: FilePool
    let options: PassOptions
    let progress: (@Sendable (Progress) -> Void)?

    /// How many windows predictions are compared on.
    private static let windowCount = 8

    /// The mean divergence with each unit alone in its probe, in nats.
    func run(
        _ units: [BudgetUnit], _ chunks: [[Int32]], in folder: WorkFolder
    ) throws(RecastError) -> [Double] {
        let layerCount = graph.configuration.layerCount
        let costs = units.map { 1 + layerCount - ($0.layer ?? ($0.kind == .head ? layerCount : 0)) }
        let total = costs.reduce(0, +)
        var divergences: [Double] = []
        var reference: ReferencePredictions?
        for (index, unit) in units.enumerated() {
            let name = "divergence-\(index)"
            if let kept = folder.json(name)?["divergence"]?.double {
                divergences.append(kept)
                continue
            }
            if reference == nil {
                reference = try ReferencePredictions(
                    of: ForwardPass(graph, files: files, options: options), on: Self.sample(of: chunks),
                    keepsLayers: true)
            }
            var changed = graph
            for slot in unit.slots { changed[slot] = coarse[slot] }
            let first = unit.layer ?? (unit.kind == .head && !graph.isTied ? layerCount : 0)
            let value = max(0, try reference!.divergence(of: changed, from: first).divergence.mean)
            divergences.append(value)
            try folder.write(["divergence": .double(value)], to: name)
            progress?(Progress(done: costs[...index].reduce(0, +), total: total))
        }
        return divergences
    }

    /// Some of the windows, evenly spread.
    private static func sample(of chunks: [[Int32]]) -> [[Int32]] {
        let count = min(chunks.count, windowCount)
        return (0..<count).map { chunks[(2 * $0 + 1) * chunks.count / (2 * count)] }
    }
}
