import Recast

@testable import RecastInference

/// Keeps what a pass shows it, and replaces weights by what `replacement` makes of their numbers.
final class RecordingObserver: PassObserver {
    /// By site: the rows, one after the other.
    private(set) var inputs: [Slot: [Float]] = [:]
    private(set) var rowCounts: [Slot: Int] = [:]
    /// Sites in the order in which they could be replaced.
    private(set) var replaced: [Slot] = []
    private let isObserved: (Slot) -> Bool
    private let replacement: (([Float]) -> [Float])?

    init(observes isObserved: @escaping (Slot) -> Bool = { _ in true }, replacement: (([Float]) -> [Float])? = nil) {
        self.isObserved = isObserved
        self.replacement = replacement
    }

    func observes(_ site: Slot) -> Bool { isObserved(site) }

    func observe(
        _ input: UnsafeBufferPointer<Float>, rows: Int, columns: Int, of sites: [Slot]
    ) throws(RecastError) {
        precondition(input.count == rows * columns && rows > 0 && !sites.isEmpty)
        for site in sites {
            // No input comes after the weight could be replaced.
            precondition(!replaced.contains(site))
            inputs[site, default: []] += input
            rowCounts[site, default: 0] += rows
        }
    }

    func replace(
        _ weight: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int, of site: Slot
    ) throws(RecastError) {
        precondition(weight.count == rows * columns)
        replaced.append(site)
        if let replacement { _ = weight.update(from: replacement(Array(weight))) }
    }
}

extension Graph {
    /// The weights that the layers are multiplied by.
    var sites: [Slot] {
        entries.filter { $0.slot.layer != nil && $0.tensor.shape.count > 1 && !$0.slot.role.isElementwise }.map(\.slot)
    }

    /// The same model, but for the numbers of some weights.
    func replacing(
        _ sites: [Slot], files: FilePool, by replacement: ([Float]) -> [Float]
    ) throws(RecastError) -> Graph {
        var graph = self
        var reader = Reader(files: files)
        for site in sites {
            let tensor = self[site]!
            let numbers = replacement(try tensor.floats(&reader))
            graph[site] = LazyTensor.literal(.f32, tensor.shape, numbers.withUnsafeBytes { Array($0) })
        }
        return graph
    }
}

extension LazyTensor {
    func floats(_ reader: inout Reader) throws(RecastError) -> [Float] {
        try converted(to: .f32).bytes(using: &reader).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
}
