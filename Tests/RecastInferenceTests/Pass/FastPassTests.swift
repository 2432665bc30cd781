import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

/// Models run with rounded activations.
@Suite struct FastPassTests {
    let model: RandomModel

    init() throws { model = try RandomModel(RandomModel.tinyConfiguration(), biases: [.query, .key, .gate], seed: 5) }

    private func graph(_ dtype: DType) -> Graph {
        var graph = model.graph
        for entry in graph.entries
        where entry.tensor.shape.count > 1 && entry.tensor.columnCount.isMultiple(of: dtype.blockElements) {
            graph[entry.slot] = entry.tensor.converted(to: dtype)
        }
        return graph
    }

    private func pass(_ graph: Graph, _ precision: Precision = .fast, workers: Int = 1, memory: Int = 1 << 30) throws
        -> ForwardPass
    {
        try ForwardPass(
            graph, files: model.files,
            options: PassOptions(workers: workers, precision: precision, maximumMemory: memory))
    }

    private var texts: [ForwardPass.Text] {
        [40, 3, 90, 17].enumerated().map { index, count in
            let tokens = (0..<count).map { Int32(($0 * 31 + index * 7) % 96) }
            return ForwardPass.Text(tokens: tokens, predictions: 0..<count - 1)
        }
    }

    @Test(arguments: [DType.bf16, .q8_0, .q4_0, .q5_1])
    func theSameForAnyNumberOfWorkers(_ dtype: DType) throws {
        let graph = graph(dtype)
        let reference = try pass(graph).negativeLogLikelihoods(of: texts)
        #expect(try pass(graph, workers: 2).negativeLogLikelihoods(of: texts) == reference)
        #expect(try pass(graph, workers: 3, memory: 0).negativeLogLikelihoods(of: texts) == reference)
        // It is another function, though a near one, where the processor can.
        let exact = try pass(graph, .exact).negativeLogLikelihoods(of: texts)
        #expect((exact == reference) == (PanelType(dtype, columns: 32) == nil))
        for (a, b) in zip(exact.joined(), reference.joined()) { #expect(abs(a - b) < 0.2) }
    }

    @Test(arguments: [DType.bf16, .q8_0, .q4_0])
    func tokensOneByOneAreThoseOfThePass(_ dtype: DType) throws {
        let graph = graph(dtype)
        let generator = try Generator(
            graph, files: model.files, options: PassOptions(workers: 2, precision: .fast))
        var tokens: [Int32] = [3, 14, 15, 92, 65]
        for token in try generator.generate(after: tokens, .init(maximumTokens: 12)).tokens {
            let row = try pass(graph).logits(of: [tokens])[0].last!
            let next = row.firstIndex(of: row.max()!)!
            // Attention of one token adds in another order: where two are as likely, either may come.
            #expect(next == Int(token) || row[next] - row[Int(token)] < 1e-3)
            tokens.append(token)
        }
    }

    /// Logits and likelihoods come from the same head.
    @Test func likelihoodsAreThoseOfTheLogits() throws {
        let graph = graph(.q8_0)
        let logits = try pass(graph).logits(of: texts.map(\.tokens))
        let values = try pass(graph).negativeLogLikelihoods(of: texts)
        for ((text, rows), own) in zip(zip(texts, logits), values) {
            for (position, value) in own.enumerated() {
                let row = rows[position].map(Double.init)
                let sum = log(row.reduce(0) { $0 + exp($1 - row.max()!) }) + row.max()!
                #expect(abs(sum - row[Int(text.tokens[position + 1])] - value) < 1e-4)
            }
        }
    }

    @Test func whatStaysExactIsTold() throws {
        #expect(
            Precision.fast.notes(on: graph(.f16)) == [
                "--fast: weights that have no products with rounded activations are multiplied in float32: 15 of F16"
            ])
        #expect(Precision.exact.notes(on: graph(.f16)).isEmpty)
        let half = try pass(graph(.f16)).negativeLogLikelihoods(of: texts)
        #expect(try pass(graph(.f16), .exact).negativeLogLikelihoods(of: texts) == half)
    }

    #if !DEBUG
        /// llama-perplexity's divergence of its Q8_0 file from its F32 file, with the second halves of chunks of 256:
        /// `golden/gguf/qwen2-tiny.quality.tsv`. Without rounding it is a third of that.
        @Test func divergenceOfLlamaCpp() throws {
            let directory = Fixtures.tinyModel
            let model = try Model(Checkpoint(path: directory))
            var graph = model.graph
            for entry in graph.entries where entry.tensor.shape.count > 1 {
                graph[entry.slot] = entry.tensor.converted(to: .q8_0)
            }
            let tokenizer = try Tokenizer(
                model.checkpoint.vocabulary(size: graph.configuration.vocabularySize)!)
            var text = try ["prose", "code", "poetry"].map { name in
                try String(decoding: FileSource.contents(of: directory + "/text/\(name).txt"), as: UTF8.self)
            }.joined()
            if text.last == "\n" { text.removeLast() }
            let files = FilePool(model.files)
            let reference = try ForwardPass(model.graph, files: files, options: PassOptions(workers: 2))
            let candidate = try ForwardPass(
                graph, files: files, options: PassOptions(workers: 2, precision: .fast))
            let result = try candidate.divergence(
                from: reference, on: [Channel(name: "all", tokens: tokenizer.encode(text))],
                PerplexityOptions(context: 256, scored: .secondHalf))
            if PanelType(.q8_0, columns: 32) != nil {
                #expect(abs(result.total.divergence.mean / 0.000143 - 1) < 0.02)
            }
        }
    #endif
}
