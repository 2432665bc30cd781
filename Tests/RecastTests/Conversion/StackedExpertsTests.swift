import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// The experts of a layer in one tensor each for gate, up and down, as mlx-lm has them.
struct StackedExpertsTests {
    private let directory = TemporaryDirectory()

    /// A model, the module of its experts there, and the names there of its own.
    struct Case: Sendable, CustomTestStringConvertible {
        var model: @Sendable () -> SmallModel
        var stacks: String
        var experts: String
        var names: [String: String]
        var count: Int

        var testDescription: String { experts }
    }

    static let cases = [
        Case(
            model: { SmallModel.mixtral() }, stacks: "model.layers.1.block_sparse_moe.switch_mlp",
            experts: "model.layers.1.block_sparse_moe.experts",
            names: ["w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"], count: 6),
        Case(
            model: { SmallModel.deepSeek(generation: 3, queryRank: 32) }, stacks: "model.layers.2.mlp.switch_mlp",
            experts: "model.layers.2.mlp.experts", names: ["gate_proj": "gate_proj", "up_proj": "up_proj"], count: 8),
    ]

    private func write(_ source: String, _ name: String, _ refine: (inout ConversionOptions) throws -> Void) throws {
        var options = ConversionOptions(target: .huggingFace(family: nil))
        try refine(&options)
        let plan = try Planning(Checkpoint(path: source), options).plan(destination: name)
        _ = try Conversion(plan, to: directory.file(name)).run()
    }

    private func tensors(_ path: String) throws -> [String: (shape: [Int], bytes: [UInt8])] {
        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: checkpoint.sources)
        return try Dictionary(
            uniqueKeysWithValues: checkpoint.tensors.map {
                ($0.name, ($0.tensor.shape, try $0.tensor.bytes(using: &reader)))
            })
    }

    private static func packing() throws -> Packing? {
        var choices = Packing.Choices()
        choices.groupSize = 32
        return try Packing.named("mlx-int4", choices)
    }

    /// One after the other in a stack stands what each expert by itself becomes.
    @Test(arguments: cases) func eachInItsPlace(_ own: Case) throws {
        let source = TemporaryDirectory()
        let path = own.model().write(to: source)
        try write(path, "mlx") {
            $0.packing = try Self.packing()
        }
        // The same codes expert by expert.
        try write(directory.file("mlx"), "plain") { $0.dtype = .f32 }
        let (stacked, plain) = (try tensors(directory.file("mlx")), try tensors(directory.file("plain")))
        #expect(!stacked.keys.contains { $0.hasPrefix(own.experts + ".") })
        let read = try Checkpoint(path: directory.file("mlx"))
        let weights = try read.weights()
        var reader = Reader(files: read.sources)
        for (ownName, name) in own.names {
            let stack = try #require(stacked["\(own.stacks).\(name).weight"])
            let scales = try #require(stacked["\(own.stacks).\(name).scales"])
            #expect(stack.shape[0] == own.count && scales.shape[0] == own.count && stack.shape.count == 3)
            #expect(stacked["\(own.stacks).\(name).biases"]?.shape == scales.shape)
            for expert in 0..<own.count {
                let module = "\(own.experts).\(expert).\(ownName).weight"
                let weight = try #require(weights.first { $0.name == module })
                #expect(try weight.tensor.converted(to: .f32).bytes(using: &reader) == plain[module]?.bytes)
                // Near to what was quantized: no expert in another's place.
                let numbers = own.model().tensors.first { $0.name == module }!.bytes
                #expect(Self.distance(numbers, plain[module]!.bytes) < 0.2)
            }
        }
    }

    /// Codes that stay as they are stay where they are; files are cut between stacks.
    @Test(arguments: cases) func again(_ own: Case) throws {
        let source = TemporaryDirectory()
        let path = own.model().write(to: source)
        try write(path, "mlx") {
            $0.packing = try Self.packing()
            $0.maximumShardSize = 8000
        }
        try write(directory.file("mlx"), "again") { $0.maximumShardSize = 3000 }
        let (first, second) = (try tensors(directory.file("mlx")), try tensors(directory.file("again")))
        #expect(first.count == second.count)
        for (name, tensor) in first {
            #expect(second[name]?.shape == tensor.shape && second[name]?.bytes == tensor.bytes, "\(name)")
        }
    }

    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Float {
        func numbers(_ bytes: [UInt8]) -> [Float] {
            stride(from: 0, to: bytes.count, by: 4).map { index in
                Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: index, as: UInt32.self) })
            }
        }
        let (a, b) = (numbers(a), numbers(b))
        let squares = zip(a, b).reduce(into: (Float(0), Float(0))) { sums, pair in
            sums.0 += (pair.0 - pair.1) * (pair.0 - pair.1)
            sums.1 += pair.0 * pair.0
        }
        return (squares.0 / squares.1).squareRoot()
    }
}
