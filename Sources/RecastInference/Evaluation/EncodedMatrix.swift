import Recast

/// A weight in memory, as it is stored.
struct EncodedMatrix {
    let dtype: DType
    let rows: Int
    let columns: Int
    private let bytes: [UInt8]
    private let decoded: LazyTensor

    private static let bytesAtOnce = 4 << 20

    /// Reads a tensor in pieces of a few megabytes, by all workers.
    init(
        _ tensor: LazyTensor, name: String, by workers: Workers, _ resources: [WorkerResources]
    ) throws(RecastError) {
        dtype = tensor.dtype
        rows = tensor.rowCount
        columns = tensor.columnCount
        let rowsAtOnce = max(1, Self.bytesAtOnce / tensor.rowByteCount)
        var bytes = [UInt8](repeating: 0, count: tensor.byteCount)
        try bytes.withMutableBytes { (buffer) throws(RecastError) in
            try workers.run(tensor.rowCount.dividedRoundingUp(by: rowsAtOnce)) { (worker, job) throws(RecastError) in
                let rows = job * rowsAtOnce..<min(tensor.rowCount, (job + 1) * rowsAtOnce)
                let range = rows.lowerBound * tensor.rowByteCount..<rows.upperBound * tensor.rowByteCount
                try step(name) { () throws(RecastError) in
                    try tensor.read(
                        Window(rows: rows, columns: 0..<tensor.columnCount),
                        into: UnsafeMutableRawBufferPointer(rebasing: buffer[range]),
                        using: &resources[worker].reader)
                }
            }
        }
        self.bytes = bytes
        decoded = LazyTensor.literal(tensor.dtype, tensor.shape, bytes).converted(to: .f32)
    }

    /// Some rows in float32.
    func decode(
        _ rows: Range<Int>, into target: UnsafeMutablePointer<Float>, using reader: inout Reader
    ) throws(RecastError) {
        try decoded.read(
            Window(rows: rows, columns: 0..<columns),
            into: UnsafeMutableRawBufferPointer(start: target, count: rows.count * columns * 4), using: &reader)
    }

    /// Multiplies some rows with a vector without decoding them into memory first: `output[row] (+)= weight[row] · input`.
    /// Such a product is as fast as memory, and any detour costs as much again.
    ///
    /// - Returns: false where the type has no such product.
    func multiply(
        _ rows: Range<Int>, with input: UnsafePointer<Float>, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool
    ) -> Bool {
        guard dtype == .bf16 else { return false }
        bytes.withUnsafeBytes { bytes in
            let weights = bytes.baseAddress!.assumingMemoryBound(to: UInt16.self)
            for row in rows {
                let product = Reduction.dot(bfloat16: weights + row * columns, input, columns)
                output[row] = accumulating ? output[row] + product : product
            }
        }
        return true
    }
}
