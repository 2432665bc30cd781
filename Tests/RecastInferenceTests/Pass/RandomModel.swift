import Foundation
import Recast

/// A model of random BF16 numbers in a temporary file, for shapes of any size.
struct RandomModel {
    let graph: Graph
    let files: FilePool

    static func tinyConfiguration() -> ModelConfiguration {
        ModelConfiguration(
            family: "llama", vocabularySize: 96, hiddenSize: 32, feedForwardSize: 48, layerCount: 2, headCount: 4,
            keyValueHeadCount: 2, headDimension: 8, contextLength: 256, normEpsilon: 1e-5, activation: "silu",
            rope: Rope(theta: 10000, dimensions: 8))
    }

    init(_ configuration: ModelConfiguration, isTied: Bool = false, biases: Set<Role> = [], seed: UInt64 = 1) throws {
        let path = NSTemporaryDirectory() + "/recast-random-\(UUID().uuidString)"
        _ = FileManager.default.createFile(atPath: path, contents: nil)
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        var state = seed
        var offset = 0
        var graph = Graph(configuration: configuration)
        for role in Role.allCases where configuration.has(role) && !(isTied && role == .outputHead) {
            for layer in role.isPerLayer ? (0..<configuration.layerCount).map({ $0 }) : [nil] {
                for part in biases.contains(role) ? [Slot.Part.weight, .bias] : [.weight] {
                    let slot = Slot(role, layer: layer, part)
                    let shape = configuration.shape(of: slot)
                    let count = shape.reduce(1, *)
                    // Rows of unit length on average; norms between 1 and 2.
                    let scale: Float = role.isNorm ? 1 : 2 / Float(shape.last!).squareRoot()
                    let shift: Float = role.isNorm ? 1 : -scale / 2
                    var numbers = [UInt16](repeating: 0, count: count)
                    numbers.withUnsafeMutableBufferPointer { numbers in
                        for index in 0..<count {
                            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                            let value = Float(state >> 40) * 0x1p-24 * scale + shift
                            numbers[index] = UInt16(truncatingIfNeeded: value.bitPattern >> 16)
                        }
                    }
                    try file.write(contentsOf: numbers.withUnsafeBytes { Data($0) })
                    graph[slot] = LazyTensor.stored(.bf16, shape, in: FileID(0), at: offset)
                    offset += 2 * count
                }
            }
        }
        try file.close()
        let source = try FileSource(path: path)
        files = FilePool([source.file])
        // The pool keeps the file open, so that its name can go at once.
        _ = try files.source(FileID(0))
        unlink(path)
        self.graph = graph
    }
}
