import TestSupport
import Testing

@testable import Recast
@testable import RecastInference

/// Latent attention that sees the tokens an indexer picks; what transformers computes of it, `SmallFamilyPassTests` has.
@Suite struct TokenPickerTests {
    private static let names = ["deepseek_v32", "glm_moe_dsa", "glm_moe_dsa-shared"]
    private static let texts = [40, 12, 5, 33].enumerated().map { number, length in
        (0..<length).map { Int32(($0 * 31 + $0 * $0 * 7 + number * 17) % 61) + 3 }
    }

    private func model(_ name: String, picking count: Int? = nil) throws -> (graph: Graph, files: FilePool) {
        let checkpoint = try ReferenceCheckpoint(Fixtures.smallFamily(name))
        var graph = checkpoint.graph
        if let count { graph.configuration.eachLayer { $0.latentAttention?.indexer?.pickedCount = count } }
        return (graph, checkpoint.files)
    }

    /// Without the indexer it is a DeepSeek V3; up to as many tokens as are picked they are the same, bit for bit.
    @Test(arguments: names) func allAreSeen(name: String) throws {
        let (graph, files) = try model(name, picking: 33)
        var plain = graph
        plain.configuration.eachLayer {
            $0.latentAttention?.indexer = nil
            $0.sharesIndexer = false
        }
        plain.remove { [.indexerQuery, .indexerKey, .indexerKeyNorm, .indexerWeights].contains($0.slot.role) }
        let found = try ForwardPass(graph, files: files).logits(of: Self.texts)
        let expected = try ForwardPass(plain, files: files).logits(of: Self.texts)
        #expect(Array(found[1...]) == Array(expected[1...]))
        #expect(Array(found[0][..<33]) == Array(expected[0][..<33]))
        #expect(distance([Array(found[0][33...])], [Array(expected[0][33...])]) > 1e-3)
    }

    /// One token after the other, several texts together, and in pieces.
    @Test(arguments: names) func generation(name: String) throws {
        let (graph, files) = try model(name)
        let logits = try ForwardPass(graph, files: files).logits(of: Self.texts)
        let weights = try EncodedWeights(graph, files: files, options: PassOptions())
        let configuration = graph.configuration
        for rows in [1, 3, 64] {
            let reader = try TextReader(
                configuration, weights, capacities: Self.texts.map(\.count), rows: rows, texts: 1)
            for (text, expected) in zip(Self.texts, logits) {
                let state = TextState(configuration, capacity: text.count)
                try reader.append(text[...], to: state)
                #expect(distance([[Array(try reader.logits(state))]], [[expected.last!]]) < 1e-5)
            }
        }
        let generator = try Generator(graph, files: files)
        let settings = Generator.Settings(maximumTokens: 8, stopTokens: [])
        let prompts = Self.texts + [Array(Self.texts[0][..<20])]
        let together = try generator.generate(afterEach: prompts, settings, seeds: prompts.map { _ in 0 })
        for (index, prompt) in prompts.enumerated() {
            #expect(try generator.generate(after: prompt, settings) == together[index])
        }
    }

    /// A pass that goes on behind a layer whose picks the next one shares.
    @Test(arguments: [1, 2]) func kept(layer: Int) throws {
        let (graph, files) = try model("glm_moe_dsa-shared")
        let pass = try ForwardPass(graph, files: files)
        let texts = Self.texts.map { ForwardPass.Text(tokens: $0, predictions: $0.indices) }
        let directory = TemporaryDirectory()
        let states = try LayerStates(directory: directory.path)
        func logits(_ keeper: any LayerKeeper) throws -> [Float] {
            let run = try ForwardPass.Run(pass, texts, nil, keeper: keeper)
            let rows = try run.logits(hidden: try run.finalHiddenStates())
            return Array(UnsafeBufferPointer(start: rows.base, count: rows.count))
        }
        let expected = try logits(states)
        #expect(try logits(states.keeper(before: layer)) == expected)
    }

    /// The best scores, by hand in double precision; of equal ones the earlier.
    @Test func best() throws {
        let indexer = TokenIndexer(headCount: 3, headDimension: 4, pickedCount: 6, turnsNeighbours: false)
        var configuration = try model("deepseek_v32").graph.configuration
        configuration.eachLayer { $0.latentAttention?.indexer = indexer }
        var random = SeededGenerator(seed: 5)
        let (past, count) = (9, 40)
        let queries = (0..<count * 12).map { _ in Float.random(in: -1...1, using: &random) }
        let keys = (0..<(past + count) * 4).map { _ in Float.random(in: -1...1, using: &random) }
        let picker = TokenPicker(indexer: indexer)
        for hasWeights in [true, false] {
            let weights = (0..<count * 3).map { _ in hasWeights ? Float.random(in: -1...1, using: &random) : 0 }
            let memory = try #require(PickedTokens(configuration, rows: count, length: past + count))
            let picked = memory.rows(from: 0)
            let scores = FloatBuffer(count: picker.scoreCount(keys: past + count))
            picker.pick(
                .init(queries: queries, weights: weights, count: count, keys: keys, past: past), into: picked,
                scores: scores.base)
            for row in 0..<count {
                let sums = (0..<past + row + 1).map { key in
                    (0..<3).reduce(0.0) { sum, head in
                        let product = (0..<4).reduce(0.0) {
                            $0 + Double(queries[row * 12 + head * 4 + $1]) * Double(keys[key * 4 + $1])
                        }
                        return sum + Double(weights[row * 3 + head]) * max(product, 0)
                    }
                }
                let best = sums.indices.sorted { sums[$0] != sums[$1] ? sums[$0] > sums[$1] : $0 < $1 }.prefix(6)
                #expect((0..<past + count).filter { picked.contains($0, of: row) } == best.sorted())
            }
            withExtendedLifetime((memory, scores)) {}
        }
    }

    @Test func refused() throws {
        var (graph, files) = try model("glm_moe_dsa-shared")
        graph.configuration.layers[0].sharesIndexer = true
        #expect(throws: RecastError.self) { try ForwardPass(graph, files: files) }
        (graph, files) = try model("deepseek_v32")
        graph.remove { $0.slot.role == .indexerWeights && $0.slot.layer == 1 }
        let error = #expect(throws: RecastError.self) { try ForwardPass(graph, files: files) }
        #expect(error?.message == "the model lacks layers.1.indexerWeights.weight")
    }
}
