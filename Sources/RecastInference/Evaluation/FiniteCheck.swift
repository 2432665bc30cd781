import Recast

extension ForwardPass {
    /// Whether all of what was computed is a number.
    ///
    /// - Parameters:
    ///   - values: one for each predicting position.
    ///   - name: of the model, in messages.
    /// - Throws: `malformedInput`, with the layer and the tensor in which numbers end.
    func checkFinite(_ values: [Double], _ texts: ScoredTexts, name: String = "the model") throws(RecastError) {
        guard let place = values.firstIndex(where: { !$0.isFinite }) else { return }
        var count = 0
        let window = texts.windows.first { window in
            count += window.predictions.count
            return place < count
        }!
        throw try endOfNumbers(window, name)
    }

    /// Where numbers end in a text of which the model computes none.
    ///
    /// - Returns: `malformedInput`, with the layer and the tensor.
    public func endOfNumbers(in tokens: [Int32]) throws(RecastError) -> RecastError {
        try endOfNumbers(Text(tokens: tokens, predictions: 0..<0), "the model")
    }

    private func endOfNumbers(_ text: Text, _ name: String) throws(RecastError) -> RecastError {
        var quiet = options
        quiet.progress = nil
        let search = try FiniteSearch(ForwardPass(graph, files: files, options: quiet), text)
        return RecastError(.malformedInput, "\(name) computes no numbers: \(try search.end())")
    }
}

/// Takes a text through a model once more, to see where its numbers end.
private struct FiniteSearch {
    private let run: ForwardPass.Run
    private let walk: ForwardPass.Walk
    private let files: FilePool

    init(_ pass: ForwardPass, _ text: ForwardPass.Text) throws(RecastError) {
        files = pass.files
        run = try ForwardPass.Run(pass, [text], nil)
        walk = try ForwardPass.Walk(run)
    }

    /// Where numbers end, as a sentence.
    func end() throws(RecastError) -> String {
        if try !statesAreFinite() {
            let slot =
                try damage(Slot(.embeddingProjection)) == nil ? Slot(.tokenEmbedding) : Slot(.embeddingProjection)
            return "those of its tokens' embeddings are none (\(slot))"
        }
        while !walk.isDone {
            let layer = walk.layer
            if let slot = try firstSlot() { return "they end in layer \(layer), at \(slot)" + (try cause(slot)) }
            if try !statesAreFinite() { return "they end in layer \(layer)" }
        }
        for slot in [Slot(.outputNorm), Slot(.headProjection), Slot(.outputHead)] where try damage(slot) != nil {
            return "they end behind the layers, at \(slot)" + (try cause(slot))
        }
        return "they end in the head"
    }

    private func statesAreFinite() throws(RecastError) -> Bool {
        var (isFinite, staging) = (true, FloatBuffer?.none)
        try walk.hidden.withRows(0..<walk.hidden.rows, .read, staging: &staging) {
            isFinite = Self.areFinite($0, walk.hidden.rows * walk.hidden.columns)
        }
        return isFinite
    }

    private static func areFinite(_ values: UnsafePointer<Float>, _ count: Int) -> Bool {
        (0..<count).allSatisfy { values[$0].isFinite }
    }

    /// Takes the text through the next layer.
    ///
    /// - Returns: the first norm or weight that gives what is no number.
    private func firstSlot() throws(RecastError) -> Slot? {
        try walk.load()
        let backend = FiniteLinear(layer: walk.weights)
        var staging: FloatBuffer?
        try walk.hidden.withRows(0..<walk.hidden.rows, .update, staging: &staging) { (rows) throws(RecastError) in
            let block = walk.block(0, at: rows, 0)
            let stages = run.layer.stages(inLayer: walk.layer)
            for stage in stages where !stage.isFeedForward { try advance(stage, block, backend) }
            for range in LayerBuffers.parts(of: block.rows) {
                let part = block.part(range, columns: walk.hidden.columns)
                for stage in stages where stage.isFeedForward { try advance(stage, part, backend) }
            }
        }
        try walk.didLayer()
        return backend.found
    }

    private func advance(_ stage: Stage, _ block: LayerBlock, _ backend: FiniteLinear) throws(RecastError) {
        try run.layer.run(stage, block, backend)
        let isPostLN = run.configuration.layers[block.layer].norms.isPostLN
        let (branch, normed): (Stage.Branch, UnsafeMutablePointer<Float>)
        switch stage {
        case .norm(let own) where !isPostLN: (branch, normed) = (own, block.buffers[.normed])
        case .residual(let own) where isPostLN: (branch, normed) = (own, block.hidden)
        default: return
        }
        guard backend.found == nil, !Self.areFinite(normed, block.rows * walk.hidden.columns) else { return }
        backend.found = Slot(run.layer.normRole(of: branch, inLayer: block.layer), layer: block.layer)
    }

    /// What a tensor has to do with it.
    private func cause(_ slot: Slot) throws(RecastError) -> String {
        try damage(slot).map { ", which holds \($0) numbers that are infinite or none" }
            ?? ", whose products are beyond float32"
    }

    /// How many numbers of a weight, or else of its bias, are infinite or none; nil for none of them.
    private func damage(_ slot: Slot) throws(RecastError) -> Int? {
        for slot in [slot, Slot(slot.role, layer: slot.layer, expert: slot.expert, .bias)] {
            guard let tensor = run.graph[slot] else { continue }
            var reader = Reader(files: files)
            let buffer = FloatBuffer(count: tensor.elementCount)
            for load in TensorLoad.loads(
                of: tensor, rows: 0..<tensor.rowCount, into: buffer.base, name: slot.description)
            { try load.run(using: &reader) }
            let count = (0..<tensor.elementCount).count { !buffer.base[$0].isFinite }
            if count > 0 { return count }
        }
        return nil
    }
}

/// A layer's weights, and the first whose product holds what is no number.
private final class FiniteLinear: LinearBackend {
    let layer: ResidentLayer
    var found: Slot?

    init(layer: ResidentLayer) { self.layer = layer }

    func multiply(
        _ site: Slot, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool, worker: Int
    ) throws(RecastError) {
        try layer.multiply(site, input, rows: rows, into: output, accumulating: accumulating, worker: worker)
        guard found == nil, (0..<rows * layer.rowCount(of: site)).contains(where: { !output[$0].isFinite }) else {
            return
        }
        found = site
    }

    func vector(_ slot: Slot) -> UnsafePointer<Float>? { layer.vector(slot) }

    func embed(
        _ tokens: ArraySlice<Int32>, _ slot: Slot, columns: Range<Int>, into target: UnsafeMutablePointer<Float>,
        worker: Int
    ) throws(RecastError) {
        try layer.embed(tokens, slot, columns: columns, into: target, worker: worker)
    }
}
