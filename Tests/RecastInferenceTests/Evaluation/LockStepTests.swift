import Recast
import TestSupport
import Testing

@testable import RecastInference

/// Layers and weights of two models, compared while both are run.
@Suite struct LockStepTests {
    /// Several blocks, several texts in a block, and one that the feed-forward network sees in parts.
    private static let channels = ObserverTests.texts.enumerated().map { Channel(name: "\($0)", tokens: $1) }
    private static let options = PerplexityOptions(context: 1100)

    private func graph(experts: Bool = false) throws -> (graph: Graph, files: FilePool) {
        if experts {
            let model = try ReferenceCheckpoint(Fixtures.golden("families/qwen2_moe"))
            return (model.graph, model.files)
        }
        var configuration = RandomModel.tinyConfiguration()
        configuration.contextLength = 2048
        let model = try RandomModel(configuration)
        return (model.graph, model.files)
    }

    private func divergence(
        _ reference: Graph, _ candidate: Graph, _ files: FilePool, workers: Int = 1, memory: Int = 4 << 30,
        channels: [Channel] = channels
    ) throws -> Divergence {
        let options = PassOptions(workers: workers, maximumMemory: memory)
        return try ForwardPass(candidate, files: files, options: options).divergence(
            from: ForwardPass(reference, files: files, options: options), on: channels, Self.options,
            DivergenceOptions(comparesLinears: true))
    }

    @Test func ofAModelWithItself() throws {
        let (graph, files) = try graph()
        let result = try divergence(graph, graph, files)
        #expect(result.layers.map(\.layer) == [0, 1])
        #expect(result.layers.allSatisfy { abs($0.cosine - 1) < 1e-12 && $0.relativeError == 0 })
        let roles: [Role] = [.query, .key, .value, .attentionOutput, .gate, .up, .down]
        #expect(
            Set(result.linears.map(\.slot)) == Set((0..<2).flatMap { layer in roles.map { Slot($0, layer: layer) } }))
        let tokens = ObserverTests.tokenCount
        #expect(result.linears.allSatisfy { $0.relativeError == 0 && $0.tokens == tokens })
    }

    /// A weight that is half as large gives half as much: its error is a half, its direction the same, and all that comes before
    /// it is as it was.
    @Test func whereAWeightIsHalfAsLarge() throws {
        let (graph, files) = try graph()
        var changed = graph
        let slot = Slot(.down, layer: 1)
        changed[slot] = graph[slot]!.scaled(by: 0.5)
        let result = try divergence(graph, changed, files)
        #expect(result.layers[0].relativeError == 0)
        #expect(result.layers[1].relativeError > 0.01 && result.layers[1].cosine < 0.9999)
        for linear in result.linears where linear.slot != slot { #expect(linear.relativeError == 0, "\(linear.slot)") }
        let found = try #require(result.linears.first { $0.slot == slot })
        #expect(abs(found.relativeError - 0.5) < 1e-6 && abs(found.cosine - 1) < 1e-6)
    }

    /// Against the definition, from what an observer is shown of the layer after.
    @Test func hiddenStatesBehindALayer() throws {
        let (graph, files) = try graph()
        let other = try RandomModel(graph.configuration, seed: 9)
        let candidate = try ForwardPass(other.graph, files: other.files)
        let result = try candidate.divergence(
            from: ForwardPass(graph, files: files), on: Self.channels, Self.options)
        func states(_ graph: Graph, _ files: FilePool) throws -> [Float] {
            let run = try ForwardPass.Run(
                ForwardPass(graph, files: files),
                ObserverTests.texts.map { ForwardPass.Text(tokens: $0, predictions: 0..<0) }, nil)
            let walk = try ForwardPass.Walk(run)
            try walk.advance()
            var values: [Float] = []
            var staging: FloatBuffer?
            try walk.hidden.withRows(0..<ObserverTests.tokenCount, .read, staging: &staging) { rows in
                values = Array(UnsafeBufferPointer(start: rows, count: ObserverTests.tokenCount * 32))
            }
            return values
        }
        let (x, y) = (try states(graph, files), try states(other.graph, other.files))
        var (cosines, distance, square) = (0.0, 0.0, 0.0)
        for row in 0..<ObserverTests.tokenCount {
            let a = x[row * 32..<row * 32 + 32].map(Double.init), b = y[row * 32..<row * 32 + 32].map(Double.init)
            func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
            cosines += dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
            distance += zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            square += dot(a, a)
        }
        #expect(abs(result.layers[0].cosine - cosines / Double(ObserverTests.tokenCount)) < 1e-9)
        #expect(abs(result.layers[0].relativeError - (distance / square).squareRoot()) < 1e-9)
    }

    @Test func sameForAnyMachineAndAsWithoutLayers() throws {
        let (graph, files) = try graph()
        var changed = graph
        changed[Slot(.query, layer: 0)] = graph[Slot(.query, layer: 0)]!.scaled(by: 0.9)
        let expected = try divergence(graph, changed, files)
        #expect(try divergence(graph, changed, files, workers: 2) == expected)
        #expect(try divergence(graph, changed, files, workers: 2, memory: 0) == expected)
        let without = try ForwardPass(changed, files: files).divergence(
            from: ForwardPass(graph, files: files), on: Self.channels, Self.options)
        #expect(without.total == expected.total && without.layers == expected.layers && without.linears.isEmpty)
    }

    /// Tokens go through other experts where the router is another one; those that go through the same are compared.
    @Test(.enabled(if: Fixtures.hasGolden)) func expertsAreComparedOnTheTokensOfBoth() throws {
        let (graph, files) = try graph(experts: true)
        let vocabulary = graph.configuration.vocabularySize
        let channels = [Channel(name: "a", tokens: (0..<120).map { Int32($0 * 13 % vocabulary) })]
        let same = try divergence(graph, graph, files, channels: channels)
        let experts = same.linears.filter { $0.slot.expert != nil && $0.slot.role == .down }
        #expect(!experts.isEmpty && experts.allSatisfy { $0.relativeError == 0 })
        let layers = Set(experts.map(\.slot.layer)).count
        let used = graph.configuration.experts!.usedCount
        #expect(experts.reduce(0) { $0 + $1.tokens } == 120 * used * layers)
        var changed = graph
        let layer = experts[0].slot.layer!
        changed[Slot(.router, layer: layer)] = graph[Slot(.router, layer: layer)]!.scaled(by: -1)
        let other = try divergence(graph, changed, files, channels: channels)
        let routed = other.linears.filter { $0.slot.expert != nil && $0.slot.role == .down && $0.slot.layer == layer }
        #expect(routed.reduce(0) { $0 + $1.tokens } < 120 * used)
        #expect(routed.allSatisfy { $0.relativeError < 1e-5 })
    }

    @Test func otherSizesAreNotCompared() throws {
        let (graph, files) = try graph()
        var configuration = graph.configuration
        configuration.layers = Array(configuration.layers.prefix(1))
        var short = graph
        short.configuration = configuration
        for role in Role.allCases where role.isPerLayer { short[Slot(role, layer: 1)] = nil }
        let result = try divergence(graph, short, files)
        #expect(result.layers.isEmpty && result.linears.isEmpty && result.total.divergence.mean > 0)
    }

    @Test func similarities() {
        var similarity = Similarity()
        similarity.add([0, 0, 3, 4], [0, 0, 6, 8], rows: 2, columns: 2)
        #expect(similarity.rows == 2 && similarity.cosine == 1 && similarity.relativeError == 0.5)
        similarity.add([1, 0], [0, 1], rows: 1, columns: 2)
        #expect(abs(similarity.cosine - 2.0 / 3) < 1e-15)
        #expect(Similarity.cosine(0, 0, 1) == 0)
        #expect(abs(Similarity.cosine(1e300, 1e300, 1e300) - 1) < 1e-12)
    }

    @Test func histograms() {
        let bins = Divergence.histogram([0, 1e-9, 1e-8, 2e-8, 1, 5, 1000])
        #expect(bins.reduce(0) { $0 + $1.count } == 7)
        #expect(bins[0].count == 3 && bins[0].upperBound == 1e-8)
        #expect(bins.first { $0.upperBound == 1 }?.count == 1)
        #expect(bins.last?.count == 1 && bins.last?.upperBound == 100)
    }
}

extension LazyTensor {
    fileprivate func scaled(by factor: Double) -> LazyTensor { .linearCombination([(self, factor)]) }
}
