import Foundation
import Recast
import Synchronization
import Testing

@testable import RecastInference

/// What must hold for any model, on small random ones.
@Suite struct ForwardPassTests {
    let model: RandomModel

    init() throws {
        model = try RandomModel(RandomModel.tinyConfiguration(), biases: [.query, .attentionOutput, .down])
    }

    /// Texts of different lengths, enough for several blocks.
    private func texts(_ count: Int, length: Int) -> [ForwardPass.Text] {
        (0..<count).map { text in
            let tokens = (0..<length + text % 3).map { Int32(($0 * 31 + text * 17) % 96) }
            return ForwardPass.Text(tokens: tokens, predictions: 0..<tokens.count - 1)
        }
    }

    private func likelihoods(_ options: PassOptions, _ texts: [ForwardPass.Text]) throws -> [[Double]] {
        try ForwardPass(model.graph, files: model.files, options: options).negativeLogLikelihoods(of: texts)
    }

    @Test func sameBitsForAnyWorkersAndStorage() throws {
        let texts = texts(12, length: 250)
        #expect(ForwardPass.blocks(of: texts).count > 3)
        let reference = try likelihoods(PassOptions(workers: 1), texts)
        #expect(try likelihoods(PassOptions(workers: 2), texts) == reference)
        #expect(try likelihoods(PassOptions(workers: 3), texts) == reference)
        #expect(try likelihoods(PassOptions(workers: 1, maximumMemory: 0), texts) == reference)
        #expect(try likelihoods(PassOptions(workers: 2, maximumMemory: 0), texts) == reference)
    }

    @Test func spillingToNowhere() throws {
        let options = PassOptions(maximumMemory: 0, temporaryDirectory: "/nowhere")
        let error = #expect(throws: RecastError.self) { try likelihoods(options, texts(1, length: 8)) }
        #expect(error?.code == .inputOutput && error?.trail == ["/nowhere"])
    }

    @Test(arguments: [0, 1, 1023, 1024, 1025, 2047, 2049, 4097])
    func partsFitTheirBuffers(_ rows: Int) {
        let parts = LayerBuffers.parts(of: rows)
        #expect(parts.allSatisfy { $0.count <= ForwardPass.rowsAtOnce && !$0.isEmpty })
        #expect(parts.flatMap { $0 } == Array(0..<rows))
    }

    @Test func longTextInParts() throws {
        // More rows than go through the feed-forward network at once.
        let tokens = (0..<1100).map { Int32($0 * 29 % 96) }
        let pass = try ForwardPass(model.graph, files: model.files)
        let long = try pass.negativeLogLikelihoods(of: [.init(tokens: tokens, predictions: 0..<1099)])[0]
        let short = try pass.negativeLogLikelihoods(of: [.init(tokens: Array(tokens[..<900]), predictions: 0..<899)])[0]
        #expect(zip(long, short).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    /// In a model of one layer, a token sees what a text of the window's length would show it; rotary positions are
    /// relative.
    @Test(arguments: [1, 7, 130, 200]) func slidingWindow(_ size: Int) throws {
        var configuration = RandomModel.tinyConfiguration()
        configuration.layers.removeLast(configuration.layerCount - 1)
        let model = try RandomModel(configuration)
        var graph = model.graph
        graph.configuration.eachLayer { $0.slidingWindow = size }
        let tokens = (0..<300).map { Int32($0 * 29 % 96) }
        let windowed = try ForwardPass(graph, files: model.files).logits(of: [tokens])[0]
        for last in [0, 6, 131, 299] {
            let part = Array(tokens[max(0, last + 1 - size)...last])
            let alone = try ForwardPass(model.graph, files: model.files).logits(of: [part])[0].last!
            #expect(zip(windowed[last], alone).allSatisfy { abs($0 - $1) < 1e-4 }, "\(last)")
        }
        // In some layers only.
        graph.configuration.layers[0].slidingWindow = nil
        let full = try ForwardPass(graph, files: model.files).logits(of: [tokens])
        #expect(try full == ForwardPass(model.graph, files: model.files).logits(of: [tokens]))
    }

    @Test func textsDoNotSeeEachOther() throws {
        let texts = texts(5, length: 40)
        let together = try likelihoods(PassOptions(), texts)
        for (text, expected) in zip(texts, together) {
            let alone = try likelihoods(PassOptions(), [text])[0]
            #expect(zip(alone, expected).allSatisfy { abs($0 - $1) < 1e-4 })
        }
    }

    @Test func laterTokensChangeNothing() throws {
        let tokens = (0..<200).map { Int32($0 % 96) }
        let pass = try ForwardPass(model.graph, files: model.files)
        let logits = try pass.logits(of: [tokens, Array(tokens[..<130])])
        #expect(distance([Array(logits[0][..<130])], [logits[1]]) < 1e-4)
    }

    @Test func likelihoodsAreThoseOfTheLogits() throws {
        let texts = texts(3, length: 30)
        let logits = try ForwardPass(model.graph, files: model.files).logits(of: texts.map(\.tokens))
        for (text, (rows, values)) in zip(texts, zip(logits, try likelihoods(PassOptions(), texts))) {
            for position in text.predictions {
                let row = rows[position].map { Double($0) }
                let direct = log(row.reduce(0) { $0 + exp($1) }) - row[Int(text.tokens[position + 1])]
                #expect(abs(direct - values[position]) < 1e-5)
            }
        }
    }

    @Test func vocabularyTilesAreOneSum() throws {
        // More rows than a tile and than a piece of one, and no multiple of either.
        var configuration = RandomModel.tinyConfiguration()
        configuration.vocabularySize = 16384 + 1500
        let model = try RandomModel(configuration, isTied: true)
        let tokens: [Int32] = [0, 17883, 16384, 16383, 1023, 1024, 17408, 5]
        let pass = try ForwardPass(model.graph, files: model.files)
        let values = try pass.negativeLogLikelihoods(of: [.init(tokens: tokens, predictions: 0..<7)])[0]
        let logits = try pass.logits(of: [tokens])[0]
        for position in 0..<7 {
            let row = logits[position].map { Double($0) }
            let direct = log(row.reduce(0) { $0 + exp($1) }) - row[Int(tokens[position + 1])]
            #expect(abs(direct - values[position]) < 1e-5)
        }
    }

    @Test func onlyAskedPositions() throws {
        let whole = texts(9, length: 200)
        let asked = whole.map { ForwardPass.Text(tokens: $0.tokens, predictions: 100..<150) }
        let all = try likelihoods(PassOptions(), whole)
        let some = try likelihoods(PassOptions(workers: 2, maximumMemory: 0), asked)
        for (all, some) in zip(all, some) {
            #expect(some.count == 50 && zip(all[100..<150], some).allSatisfy { abs($0 - $1) < 1e-4 })
        }
    }

    @Test(arguments: ["silu", "gelu", "gelu_pytorch_tanh", "relu"])
    func activation(_ name: String) throws {
        let gate = stride(from: Float(-12), through: 12, by: 0.0625).map { $0 }
        var result = gate
        let up = [Float](repeating: 1.5, count: gate.count)
        result.withUnsafeMutableBufferPointer { buffer in
            up.withUnsafeBufferPointer {
                try! Activation(named: name).apply(buffer.baseAddress!, times: $0.baseAddress!, $0.count)
            }
        }
        for (x, y) in zip(gate.map { Double($0) }, result) {
            let expected =
                switch name {
                case "silu": x / (1 + exp(-x))
                case "gelu": x / 2 * (1 + erf(x / 2.0.squareRoot()))
                case "relu": max(x, 0)
                default: x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
                }
            #expect(abs(Double(y) - 1.5 * expected) < 1e-6 * max(1, abs(expected)))
        }
    }

    @Test func progressEndsAtOne() throws {
        let seen = Mutex<[Recast.Progress]>([])
        let options = PassOptions(workers: 2, progress: { value in seen.withLock { $0.append(value) } })
        _ = try likelihoods(options, texts(12, length: 250))
        let values = seen.withLock { $0 }
        #expect(zip(values, values.dropFirst()).allSatisfy { $0.fraction <= $1.fraction })
        #expect(abs(values.last!.fraction - 1) < 1e-9)
        #expect(values.contains { $0.phase == .layer(1, of: 2) })
    }

    @Test(arguments: [1, 2]) func cancellation(_ workers: Int) throws {
        let count = Mutex(0)
        let options = PassOptions(
            workers: workers,
            isCancelled: {
                count.withLock {
                    $0 += 1; return $0 > 4
                }
            })
        let error = #expect(throws: RecastError.self) { try likelihoods(options, texts(12, length: 250)) }
        #expect(error?.code == .interrupted)
    }
}

/// Each reason for which a model or a text is refused.
@Suite struct RefusalTests {
    private func refusal(
        _ tokens: [Int32] = [1, 2, 3], _ change: (inout Graph) -> Void
    ) throws -> RecastError? {
        let model = try RandomModel(RandomModel.tinyConfiguration())
        var graph = model.graph
        change(&graph)
        do throws(RecastError) {
            _ = try ForwardPass(graph, files: model.files).logits(of: [tokens])
            return nil
        } catch {
            return error
        }
    }

    @Test func missingTensor() throws {
        let error = try refusal { $0[Slot(.key, layer: 1)] = nil }
        #expect(error == RecastError(.malformedInput, "the model lacks layers.1.key.weight"))
    }

    @Test func wrongShape() throws {
        let error = try refusal { $0[Slot(.key, layer: 1)] = .zeros(.f32, [32, 32]) }
        #expect(error?.message == "layers.1.key.weight has the shape [32, 32] instead of [16, 32]")
    }

    @Test func undecodableNumbers() throws {
        let error = try refusal { $0[Slot(.gate, layer: 0)] = .zeros(.i32, [48, 32]) }
        #expect(error?.code == .unsupported && error!.message.contains("I32"))
    }

    @Test func experts() throws {
        let error = try refusal { $0[Slot(.gate, layer: 0, expert: 3)] = .zeros(.f32, [48, 32]) }
        #expect(error?.code == .unsupported && error!.message.contains("experts"))
    }

    @Test func biasOfANorm() throws {
        let error = try refusal { $0[Slot(.outputNorm, layer: nil, .bias)] = .zeros(.f32, [32]) }
        #expect(error?.code == .unsupported)
    }

    @Test func unknownActivation() throws {
        let error = try refusal { $0.configuration.activation = "mish" }
        #expect(error == .unsupported("cannot compute the activation mish"))
    }

    @Test func unknownRope() throws {
        let error = try refusal { $0.configuration.rope.scaling = .other("yarn") }
        #expect(error == .unsupported("cannot compute rotary embeddings of the type yarn"))
    }

    @Test(arguments: [-1, 96]) func tokenOutsideTheVocabulary(_ token: Int32) throws {
        let error = try refusal([0, token]) { _ in }
        #expect(error?.code == .usage && error!.message.contains("\(token)"))
    }
}
