import Recast

extension ForwardPass {
    /// Whether all of what was computed is a number.
    ///
    /// - Parameters:
    ///   - values: one for each scored position.
    ///   - name: of the model, in messages.
    /// - Throws: `malformedInput`, with the layer and the tensor in which numbers end.
    func checkFinite(_ values: [Double], _ texts: ScoredTexts, name: String = "the model") throws(RecastError) {
        guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
        var count = 0
        let window = texts.windows.first { window in
            count += window.predictions.count
            return place < count
        }!
        throw try finding(on: window, name: name)
    }

    /// Where a text's numbers end: the text is run once more, stage by stage.
    private func finding(on text: Text, name: String) throws(RecastError) -> RecastError {
        func error(_ what: String) -> RecastError {
            RecastError(.malformedInput, "\(name) computes no numbers: \(what)")
        }
        var quiet = self.options
        quiet.progress = nil
        let pass = try ForwardPass(graph, files: files, options: quiet)
        let run = try Run(pass, [text], nil)
        let walk = try Walk(run)
        let place = walk.places[0]
        func isFinite(_ values: UnsafePointer<Float>, _ count: Int) -> Bool {
            (0..<count).allSatisfy { values[$0].isFinite }
        }
        var found: String?
        var staging: FloatBuffer?
        func check(_ name: String) throws(RecastError) {
            let count = text.tokens.count * graph.configuration.hiddenSize
            try walk.hidden.withRows(0..<text.tokens.count, .read, staging: &staging) { (rows) throws(RecastError) in
                if !isFinite(rows, count) { found = name }
            }
        }
        try check("the embeddings of its tokens hold some that are none (\(Slot(.tokenEmbedding)))")
        while found == nil, !walk.isDone {
            let layer = walk.layer
            try walk.load()
            let backend = FiniteLinear(layer: walk.weights)
            try walk.hidden.withRows(0..<text.tokens.count, .update, staging: &staging) { (rows) throws(RecastError) in
                let block = run.layerBlock(run.blocks[0], layer, rows, place)
                for stage in run.layer.stages(inLayer: layer) {
                    let parts = stage.isFeedForward ? LayerBuffers.parts(of: block.rows) : [0..<block.rows]
                    for range in parts {
                        let part =
                            stage.isFeedForward
                            ? block.part(range, columns: graph.configuration.hiddenSize) : block
                        try run.layer.run(stage, part, backend)
                    }
                    if backend.found == nil, case .norm(let branch) = stage,
                        !isFinite(
                            place.buffers[.normed], min(block.rows, parts.last!.count) * graph.configuration.hiddenSize)
                    {
                        let role: Role = branch == .attention ? .attentionNorm : .feedForwardNorm
                        backend.found = (Slot(role, layer: layer), nil)
                    }
                    if backend.found != nil { break }
                }
            }
            if let (slot, _) = backend.found {
                found = "they end in layer \(layer), at \(slot)" + (try cause(slot))
            } else {
                try check("they end in layer \(layer)")
            }
            try walk.didLayer()
        }
        if let found { return error(found) }
        for slot in [Slot(.outputNorm), Slot(.outputHead)] where graph[slot] != nil {
            let cause = try cause(slot)
            if cause.contains("holds") { return error("they end behind the layers, at \(slot)" + cause) }
        }
        return error("they end in the head")
    }

    /// What a tensor has to do with it.
    private func cause(_ slot: Slot) throws(RecastError) -> String {
        for slot in [slot, Slot(slot.role, layer: slot.layer, expert: slot.expert, .bias)] {
            guard let tensor = graph[slot] else { continue }
            var reader = Reader(files: files)
            let buffer = FloatBuffer(count: tensor.elementCount)
            for load in TensorLoad.loads(
                of: tensor, rows: 0..<tensor.rowCount, into: buffer.base, name: slot.description)
            { try load.run(using: &reader) }
            let count = (0..<tensor.elementCount).count { !buffer.base[$0].isFinite }
            if count > 0 { return ", which holds \(count) numbers that are infinite or none" }
        }
        return ", whose products are beyond float32"
    }
}

/// A layer's weights, and the first whose product holds what is no number.
private final class FiniteLinear: LinearBackend {
    let layer: ResidentLayer
    var found: (slot: Slot, rows: Int?)?

    init(layer: ResidentLayer) { self.layer = layer }

    func multiply(
        _ site: Slot, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool, worker: Int
    ) throws(RecastError) {
        try layer.multiply(site, input, rows: rows, into: output, accumulating: accumulating, worker: worker)
        guard found == nil else { return }
        for i in 0..<rows * layer.rowCount(of: site) where !output[i].isFinite {
            found = (site, rows)
            return
        }
    }

    func vector(_ slot: Slot) -> UnsafePointer<Float>? { layer.vector(slot) }
}
