import Recast

/// Some rows of a tensor that are to be brought into memory as float32.
struct TensorLoad {
    var tensor: LazyTensor
    var rows: Range<Int>
    var target: UnsafeMutablePointer<Float>
    var name: String

    private static let elementsAtOnce = 1 << 20

    /// The rows of a tensor in pieces of a few megabytes.
    static func loads(
        of tensor: LazyTensor, rows: Range<Int>, into target: UnsafeMutablePointer<Float>, name: String
    ) -> [TensorLoad] {
        let columns = tensor.columnCount
        let tensor = tensor.converted(to: .f32)
        return stride(from: rows.lowerBound, to: rows.upperBound, by: max(1, elementsAtOnce / columns)).map { first in
            TensorLoad(
                tensor: tensor, rows: first..<min(rows.upperBound, first + max(1, elementsAtOnce / columns)),
                target: target + (first - rows.lowerBound) * columns, name: name)
        }
    }

    static func run(
        _ loads: [TensorLoad], by workers: Workers, _ resources: [WorkerResources]
    ) throws(RecastError) {
        try workers.run(loads.count) { (worker, job) throws(RecastError) in
            try loads[job].run(using: &resources[worker].reader)
        }
    }

    func run(using reader: inout Reader) throws(RecastError) {
        let window = Window(rows: rows, columns: 0..<tensor.columnCount)
        let bytes = UnsafeMutableRawBufferPointer(start: target, count: tensor.byteCount(of: window))
        do throws(RecastError) { try tensor.read(window, into: bytes, using: &reader) } catch {
            throw error.within(name)
        }
    }
}

/// What belongs to one worker for the length of a pass.
final class WorkerResources {
    var reader: Reader
    /// Rows that are otherwise in a file.
    var staging: FloatBuffer?
    /// For products with weights as they are stored.
    lazy var activations = RoundedActivations()
    lazy var products = ProductScratch()
    private var encoded = FloatBuffer(count: 0)

    init(files: FilePool) { reader = Reader(files: files) }

    /// Room for rows as they are stored.
    func encodedRows(_ byteCount: Int) -> UnsafeMutablePointer<UInt8> {
        if encoded.count * 4 < byteCount { encoded = FloatBuffer(count: byteCount.dividedRoundingUp(by: 4)) }
        return UnsafeMutableRawPointer(encoded.base).assumingMemoryBound(to: UInt8.self)
    }
}
