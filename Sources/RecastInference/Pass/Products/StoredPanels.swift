import Recast

/// A weight in panels, with its memory.
final class StoredPanels {
    let matrix: PanelMatrix
    private let dtype: DType
    private let memory: FloatBuffer

    /// Reads a tensor, by all workers.
    init(
        _ type: PanelType, _ tensor: LazyTensor, name: String, by workers: Workers, _ resources: [WorkerResources]
    ) throws(RecastError) {
        dtype = tensor.dtype
        memory = FloatBuffer(count: PanelMatrix.byteCount(type, rows: tensor.rowCount) / 4)
        matrix = PanelMatrix(type, rows: tensor.rowCount, at: memory.base)
        let loads = PanelLoad.loads(of: tensor, rows: 0..<tensor.rowCount, into: matrix, name: name)
        try PanelLoad.run(loads, by: workers, resources)
    }

    /// A row in float32.
    func decode(_ row: Int, into target: UnsafeMutablePointer<Float>, using reader: inout Reader) throws(RecastError) {
        var bytes = [UInt8](repeating: 0, count: matrix.type.rowByteCount)
        bytes.withUnsafeMutableBufferPointer { matrix.copyRow(row, into: $0.baseAddress!) }
        let columns = matrix.type.columns
        try LazyTensor.literal(dtype, [1, columns], bytes).converted(to: .f32)
            .read(
                Window(rows: 0..<1, columns: 0..<columns),
                into: UnsafeMutableRawBufferPointer(start: target, count: columns * 4), using: &reader)
    }
}
