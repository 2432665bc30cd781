import Recast

/// What the weights of a layer give for one block of a reference, and how near another model comes to it.
///
/// Of an expert only the tokens that both models route to it are compared.
final class LinearTrace {
    private struct Place: Hashable {
        var site: Slot
        /// Of the block, which the feed-forward network sees in parts.
        var part: Int
    }

    private struct Output {
        var values: FloatBuffer
        var rows: Int
        var columns: Int
        /// Which rows of the part these are; nil for all.
        var tokens: [Int]?
    }

    private var outputs: [Place: Output] = [:]
    private(set) var similarities: [Slot: Similarity] = [:]
    private var part = 0
    private var routing: Routing?

    func clear() { (outputs, similarities) = ([:], [:]) }

    /// Which rows the next products are of.
    func begin(part: Int, _ routing: Routing?) { (self.part, self.routing) = (part, routing) }

    fileprivate func keep(_ values: FloatBuffer, _ site: Slot, rows: Int, columns: Int) {
        outputs[Place(site: site, part: part)] = Output(
            values: values, rows: rows, columns: columns, tokens: tokens(of: site))
    }

    fileprivate func compare(_ values: UnsafePointer<Float>, _ site: Slot, rows: Int, columns: Int) {
        guard let reference = outputs[Place(site: site, part: part)], reference.columns == columns else { return }
        var similarity = similarities[site] ?? Similarity()
        if let own = tokens(of: site), let others = reference.tokens {
            // Both are in the order of the rows.
            var (i, j) = (0, 0)
            while i < own.count, j < others.count {
                if own[i] == others[j] {
                    similarity.add(
                        row: values + i * columns, reference.values.base + j * columns, columns: columns)
                    (i, j) = (i + 1, j + 1)
                } else if own[i] < others[j] {
                    i += 1
                } else {
                    j += 1
                }
            }
        } else if rows == reference.rows {
            similarity.add(values, reference.values.base, rows: rows, columns: columns)
        }
        if similarity.rows > 0 { similarities[site] = similarity }
    }

    private func tokens(of site: Slot) -> [Int]? { site.expert.map { routing!.tokens[$0].map(\.row) } }
}

/// A layer's weights, whose products a trace is shown.
struct TracedLinear: LinearBackend {
    let layer: ResidentLayer
    let trace: LinearTrace
    /// Whether they are kept as the reference's, or compared with those.
    let isReference: Bool

    func multiply(
        _ site: Slot, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool, worker: Int
    ) throws(RecastError) {
        try layer.multiply(site, input, rows: rows, into: output, accumulating: accumulating, worker: worker)
        let columns = layer.rowCount(of: site)
        var product: FloatBuffer?
        if isReference || accumulating {
            let own = FloatBuffer(count: rows * columns)
            if accumulating {
                // By itself once more, so that what is added to has the bits it has without a trace.
                try layer.multiply(site, input, rows: rows, into: own.base, accumulating: false, worker: worker)
            } else {
                own.base.update(from: output, count: rows * columns)
            }
            product = own
        }
        if isReference {
            trace.keep(product!, site, rows: rows, columns: columns)
        } else {
            trace.compare(product?.base ?? output, site, rows: rows, columns: columns)
        }
    }

    func vector(_ slot: Slot) -> UnsafePointer<Float>? { layer.vector(slot) }

    func embed(
        _ tokens: ArraySlice<Int32>, _ slot: Slot, columns: Range<Int>, into target: UnsafeMutablePointer<Float>,
        worker: Int
    ) throws(RecastError) {
        try layer.embed(tokens, slot, columns: columns, into: target, worker: worker)
    }
}
