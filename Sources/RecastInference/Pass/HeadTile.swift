import Recast

/// Some vocabulary rows of a model's head, in memory: in float32, or as they are stored where precision is fast.
final class HeadTile: @unchecked Sendable {
    private let run: ForwardPass.Run
    private let head: LazyTensor
    private let type: PanelType?
    private let memory: FloatBuffer
    // Set between the pieces of parallel work, by one thread.
    private var matrix: PanelMatrix?
    /// The vocabulary rows that are there.
    private(set) var rows = 0..<0

    init(_ run: ForwardPass.Run) {
        self.run = run
        head = run.graph.computedHead!
        type = run.options.precision.panelType(of: Slot(.outputHead), head)
        let count = type.map { PanelMatrix.byteCount($0, rows: run.tileRows) / 4 } ?? run.tileRows * head.columnCount
        memory = FloatBuffer(count: count)
    }

    func load(_ rows: Range<Int>) throws(RecastError) {
        self.rows = rows
        if let type {
            let matrix = PanelMatrix(type, rows: rows.count, at: memory.base)
            self.matrix = matrix
            try PanelLoad.run(
                PanelLoad.loads(of: head, rows: rows, into: matrix, name: "outputHead"), by: run.workers, run.resources)
        } else {
            try run.loadHead(rows, into: memory.base)
        }
    }

    /// Products of some hidden states with some of the vocabulary rows, and the bias: `output[count, …]`, rows of it `stride` apart.
    ///
    /// - Parameter columns: of the vocabulary, all of them loaded; they begin with the tile or a multiple of 16 rows later.
    func multiply(
        _ states: UnsafePointer<Float>, _ count: Int, _ columns: Range<Int>,
        into output: UnsafeMutablePointer<Float>, stride: Int, worker: Int
    ) {
        let first = columns.lowerBound - rows.lowerBound
        defer {
            if let bias = run.headBias {
                add(bias.base + columns.lowerBound, rows: count, columns: columns.count, to: output, stride: stride)
            }
        }
        guard let matrix else {
            RecastInference.multiply(
                states, rows: count, by: memory.base + first * head.columnCount, columns: columns.count,
                depth: head.columnCount, into: output, stride: stride)
            return
        }
        let resources = run.resources[worker]
        resources.activations.round(matrix.type, states, count: count)
        let panels =
            first / PanelType.rowsOfPanel..<(first + columns.count).dividedRoundingUp(by: PanelType.rowsOfPanel)
        matrix.multiply(
            panels, with: resources.activations,
            into: PanelMatrix.Target(output: output, stride: stride, first: first, accumulating: false),
            using: resources.products)
    }

    /// Logits `[count, columns]`.
    func logits(
        _ states: UnsafePointer<Float>, _ count: Int, _ columns: Range<Int>, into logits: FloatBuffer, worker: Int
    ) {
        multiply(states, count, columns, into: logits.base, stride: columns.count, worker: worker)
        run.configuration.finish(logits.base, count * columns.count)
    }
}
