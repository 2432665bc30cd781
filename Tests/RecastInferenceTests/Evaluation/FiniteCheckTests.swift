import Recast
import TestSupport
import Testing

@testable import RecastInference

/// A model that computes no numbers is told of with the place where they end.
@Suite struct FiniteCheckTests {
    private let channels = [Channel(name: "a", tokens: (0..<40).map { Int32($0 * 7 % 96) })]

    /// The model with one number of a tensor replaced.
    private func broken(_ slot: Slot, _ value: Float) throws -> ForwardPass {
        let model = try RandomModel(RandomModel.tinyConfiguration())
        var graph = model.graph
        let tensor = graph[slot]!
        var numbers = [Float](repeating: 0, count: tensor.elementCount)
        var reader = Reader(files: model.files)
        try numbers.withUnsafeMutableBytes { bytes in
            for load in TensorLoad.loads(
                of: tensor, rows: 0..<tensor.rowCount, into: bytes.baseAddress!.assumingMemoryBound(to: Float.self),
                name: "")
            { try load.run(using: &reader) }
        }
        numbers[numbers.count / 2] = value
        graph[slot] = LazyTensor.literal(.f32, tensor.shape, numbers.withUnsafeBytes { Array($0) })
        return try ForwardPass(graph, files: model.files)
    }

    @Test(arguments: [
        Slot(.down, layer: 1), Slot(.query, layer: 0), Slot(.attentionNorm, layer: 1), Slot(.feedForwardNorm, layer: 0),
        Slot(.outputNorm), Slot(.outputHead),
    ])
    func namesTheTensor(_ slot: Slot) throws {
        let pass = try broken(slot, .nan)
        #expect {
            try pass.perplexity(of: channels, PerplexityOptions(context: 16))
        } throws: { error in
            guard let error = error as? RecastError, error.code == .malformedInput else { return false }
            return error.message.contains("\(slot), which holds 1 numbers that are infinite or none")
        }
        #expect(try pass.endOfNumbers(in: channels[0].tokens).message.contains("\(slot), which holds 1 numbers"))
        let reference = try RandomModel(RandomModel.tinyConfiguration())
        let sound = try ForwardPass(reference.graph, files: reference.files)
        #expect {
            try pass.divergence(from: sound, on: channels)
        } throws: { "\($0)".contains("the candidate computes no numbers") }
        #expect {
            try sound.divergence(from: pass, on: channels)
        } throws: { "\($0)".contains("the reference computes no numbers") }
    }

    @Test func numbersThatAreTooLarge() throws {
        let pass = try broken(Slot(.gate, layer: 1), 3e38)
        #expect {
            try pass.perplexity(of: channels, PerplexityOptions(context: 16))
        } throws: { error in
            let text = "\(error)"
            return text.contains("layer 1") && text.contains("beyond float32")
        }
    }
}
