import Recast

/// Some rows of a weight that are to be put into panels.
struct PanelLoad {
    var tensor: LazyTensor
    /// Rows of the tensor.
    var rows: Range<Int>
    var matrix: PanelMatrix
    /// The tensor's row that is the matrix' first one.
    var first: Int
    var name: String

    private static let bytesAtOnce = 1 << 20

    /// Rows of a weight in pieces of a megabyte.
    static func loads(
        of tensor: LazyTensor, rows: Range<Int>, into matrix: PanelMatrix, name: String
    ) -> [PanelLoad] {
        let atOnce = max(1, bytesAtOnce / matrix.type.panelByteCount) * PanelType.rowsOfPanel
        return stride(from: rows.lowerBound, to: rows.upperBound, by: atOnce).map { first in
            PanelLoad(
                tensor: tensor, rows: first..<min(rows.upperBound, first + atOnce), matrix: matrix,
                first: rows.lowerBound, name: name)
        }
    }

    static func run(
        _ loads: [PanelLoad], by workers: Workers, _ resources: [WorkerResources]
    ) throws(RecastError) {
        try workers.run(loads.count) { (worker, job) throws(RecastError) in
            try loads[job].run(using: resources[worker])
        }
    }

    func run(using resources: WorkerResources) throws(RecastError) {
        let window = Window(rows: rows, columns: 0..<tensor.columnCount)
        let count = tensor.byteCount(of: window)
        let bytes = resources.encodedRows(count)
        do throws(RecastError) {
            try tensor.read(
                window, into: UnsafeMutableRawBufferPointer(start: bytes, count: count), using: &resources.reader)
        } catch { throw error.within(name) }
        matrix.fill(rows.lowerBound - first..<rows.upperBound - first, from: bytes)
    }
}
