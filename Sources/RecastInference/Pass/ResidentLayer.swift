import Recast

/// The weights of one layer in float32; the memory is used again for the next one.
final class ResidentLayer: Multiplier {
    private struct Linear {
        var weight: UnsafeMutablePointer<Float>
        var bias: UnsafeMutablePointer<Float>?
        var rows: Int
        var columns: Int
    }

    private static let roles: [Role] = [.query, .key, .value, .attentionOutput, .gate, .up, .down]

    private let graph: Graph
    private let arena: FloatBuffer
    private var linears: [Slot: Linear] = [:]
    private var norms: [Slot: UnsafeMutablePointer<Float>] = [:]

    init(of graph: Graph) {
        self.graph = graph
        let sizes = (0..<graph.configuration.layerCount).map { layer in
            Self.slots(of: layer, in: graph).reduce(0) { $0 + graph[$1]!.elementCount.aligned(to: 16) }
        }
        arena = FloatBuffer(count: sizes.max() ?? 0)
    }

    private static func slots(of layer: Int, in graph: Graph) -> [Slot] {
        let headNorms: [Role] = graph.configuration.norms.heads != .none ? [.queryNorm, .keyNorm] : []
        let weights = roles + [.attentionNorm, .feedForwardNorm] + headNorms
        let biases = roles.map { Slot($0, layer: layer, .bias) }.filter { graph[$0] != nil }
        return weights.map { Slot($0, layer: layer) } + biases
    }

    /// Puts another layer in the place of the one before.
    func load(_ layer: Int, by workers: Workers, _ resources: [WorkerResources]) throws(RecastError) {
        linears = [:]
        norms = [:]
        var loads: [TensorLoad] = []
        var next = arena.base
        var places: [Slot: UnsafeMutablePointer<Float>] = [:]
        for slot in Self.slots(of: layer, in: graph) {
            let tensor = graph[slot]!
            places[slot] = next
            loads += TensorLoad.loads(of: tensor, rows: 0..<tensor.rowCount, into: next, name: slot.description)
            next += tensor.elementCount.aligned(to: 16)
        }
        for (slot, place) in places where slot.part == .weight {
            if slot.role.isNorm {
                norms[slot] = place
            } else {
                let tensor = graph[slot]!
                linears[slot] = Linear(
                    weight: place, bias: places[Slot(slot.role, layer: layer, .bias)], rows: tensor.rowCount,
                    columns: tensor.columnCount)
            }
        }
        try TensorLoad.run(loads, by: workers, resources)
    }

    func multiply(
        _ site: Slot, _ input: UnsafePointer<Float>, rows: Int, into output: UnsafeMutablePointer<Float>,
        accumulating: Bool
    ) throws(RecastError) {
        let linear = linears[site]!
        RecastInference.multiply(
            input, rows: rows, by: linear.weight, columns: linear.rows, depth: linear.columns, into: output,
            stride: linear.rows, accumulating: accumulating)
        if let bias = linear.bias {
            add(bias, rows: rows, columns: linear.rows, to: output, stride: linear.rows)
        }
    }

    func norm(_ slot: Slot) -> UnsafePointer<Float> { UnsafePointer(norms[slot]!) }
}

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

    init(files: FilePool) { reader = Reader(files: files) }
}
