import Foundation
import Recast
import Synchronization
import TestSupport
import Testing

@testable import RecastInference

/// The pass stage by stage, as an observer has it, against the ordinary one.
@Suite struct ObserverTests {
    /// Several blocks, several texts in a block, and one that the feed-forward network sees in parts.
    static let texts = [300, 5, 280, 40, 1100].enumerated().map { number, length in
        (0..<length).map { Int32(($0 * 31 + number * 17) % 64) }
    }
    static let tokenCount = texts.reduce(0) { $0 + $1.count }

    static let machines = [
        PassOptions(workers: 1), PassOptions(workers: 2), PassOptions(workers: 1, maximumMemory: 0),
        PassOptions(workers: 2, maximumMemory: 0),
        // Hidden states in memory, and what is kept between stages in files, but for what is small.
        PassOptions(workers: 2, maximumMemory: tokenCount * 32 * 4 + (1 << 16)),
    ]

    /// `-ln p` of each token but the first, for each text.
    private func outcome(
        _ graph: Graph, _ files: FilePool, _ options: PassOptions = PassOptions(), _ observer: (any PassObserver)? = nil
    ) throws -> [[Double]] {
        let texts = Self.texts.map { ForwardPass.Text(tokens: $0, predictions: 0..<$0.count - 1) }
        return try ForwardPass(graph, files: files, options: options)
            .negativeLogLikelihoods(of: texts, observer: observer)
    }

    /// Sites whose inputs are not the same. Never shown are the millions of numbers themselves.
    private func differing(_ a: [Slot: [Float]], _ b: [Slot: [Float]]) -> [String] {
        Set(a.keys).union(b.keys).filter { a[$0] != b[$0] }.map(\.description).sorted()
    }

    /// Numbers that no change of layout and no loss of a row would leave as they are.
    private static func changed(_ weight: [Float]) -> [Float] {
        weight.enumerated().map { $1 * (0.75 + 0.125 * Float($0 % 5)) }
    }

    @Test func severalBlocksAndParts() {
        let blocks = ForwardPass.blocks(of: Self.texts.map { .init(tokens: $0, predictions: 0..<0) })
        #expect(blocks.count == 3 && blocks.map(\.texts.count) == [2, 2, 1])
        #expect(LayerBuffers.parts(of: blocks[2].rows.count).count == 2)
    }

    /// Those of the golden data, and of what they do not have: a parallel residual, biases of experts and sinks, no gate, norms of the
    /// embedding, an indexer of their own or of the layer before, experts with norms of their own, keys and values of other layers,
    /// embeddings of each layer, recurrent layers of each kind.
    private static let families =
        ReferenceTests.families + ["cohere2", "gpt_oss", "arcee", "gpt_neox", "bloom", "glm_moe_dsa-shared"]
        + ["gemma4_text", "gemma4_moe", "gemma4_text-small", "llama4_text", "apertus"]
        + ["qwen3_next", "lfm2", "jamba", "nemotron_h", "falcon_h1"]

    private static func path(of family: String) -> String {
        Fixtures.smallFamilies.contains(family) ? Fixtures.smallFamily(family) : Fixtures.golden("families/" + family)
    }

    @Test(.enabled(if: Fixtures.hasGolden), arguments: Self.families)
    func sameBitsWhereNothingIsReplaced(_ family: String) throws {
        let model = try ReferenceCheckpoint(Self.path(of: family))
        let expected = try outcome(model.graph, model.files)
        var inputs: [Slot: [Float]] = [:]
        for (number, options) in Self.machines.enumerated() {
            let observer = RecordingObserver()
            let isSame = try outcome(model.graph, model.files, options, observer) == expected
            #expect(isSame, "machine \(number)")
            if inputs.isEmpty { inputs = observer.inputs }
            #expect(differing(observer.inputs, inputs) == [], "machine \(number)")
        }
        // Fewer cuts.
        for isObserved in [
            { $0.role == .down }, { $0.role == .attentionOutput }, { $0.expert ?? 0 == 1 }, { _ in false },
        ]
            as [(Slot) -> Bool]
        {
            let observer = RecordingObserver(observes: isObserved)
            let isSame = try outcome(model.graph, model.files, Self.machines[3], observer) == expected
            #expect(isSame)
            #expect(differing(observer.inputs, inputs.filter { isObserved($0.key) }) == [])
        }
    }

    @Test(.enabled(if: Fixtures.hasGolden), arguments: Self.families)
    func everySiteSeesEveryTokenOnce(_ family: String) throws {
        let model = try ReferenceCheckpoint(Self.path(of: family))
        let observer = RecordingObserver()
        _ = try outcome(model.graph, model.files, PassOptions(), observer)
        let sites = model.graph.sites
        #expect(observer.replaced.count == sites.count && Set(observer.replaced) == Set(sites))
        for site in sites where site.expert == nil {
            #expect(observer.rowCounts[site] == Self.tokenCount, "\(site)")
        }
        guard let experts = model.graph.configuration.experts else { return }
        let layers = Set(sites.filter { $0.expert != nil }.map { $0.layer! })
        #expect(!layers.isEmpty)
        for layer in layers {
            let counts = [Role.gate, .up, .down].map { role in
                (0..<experts.count).map { observer.rowCounts[Slot(role, layer: layer, expert: $0)] ?? 0 }
            }
            #expect(counts[0] == counts[1] && counts[0] == counts[2])
            #expect(counts[0].reduce(0, +) == Self.tokenCount * experts.usedCount)
        }
    }

    /// A pass with replaced weights, and what is seen meanwhile, are those of a model that has always had them.
    @Test(.enabled(if: Fixtures.hasGolden), arguments: Self.families)
    func replacedWeightsAreThoseOfTheModel(_ family: String) throws {
        let model = try ReferenceCheckpoint(Self.path(of: family))
        let graph = try model.graph.replacing(model.graph.sites, files: model.files, by: Self.changed)
        let expected = try outcome(graph, model.files)
        let hasChanged = try outcome(model.graph, model.files) != expected
        #expect(hasChanged)
        let shown = RecordingObserver()
        _ = try outcome(graph, model.files, PassOptions(), shown)
        for (number, options) in Self.machines.enumerated() {
            let observer = RecordingObserver(replacement: Self.changed)
            let isSame = try outcome(model.graph, model.files, options, observer) == expected
            #expect(isSame, "machine \(number)")
            #expect(differing(observer.inputs, shown.inputs) == [], "machine \(number)")
        }
    }

    /// Each kind of weight by itself.
    @Test(.enabled(if: Fixtures.hasGolden), arguments: ["deepseek_v3", "qwen2_moe", "qwen2_untied", "gemma2"])
    func oneReplacedWeight(_ family: String) throws {
        let model = try ReferenceCheckpoint(Self.path(of: family))
        let unchanged = try outcome(model.graph, model.files)
        let last = model.graph.configuration.layerCount - 1
        for site in model.graph.sites where site.layer == last && site.expert ?? 0 < 2 {
            let graph = try model.graph.replacing([site], files: model.files, by: Self.changed)
            let expected = try outcome(graph, model.files)
            let hasChanged = expected != unchanged
            #expect(hasChanged, "\(site)")
            let observer = RecordingObserver(observes: { $0 == site }, replacement: Self.changed)
            let isSame = try outcome(model.graph, model.files, PassOptions(workers: 2), observer) == expected
            #expect(isSame, "\(site)")
        }
    }

    /// The sum of `x · xᵀ` over all tokens in the first layer, from embeddings and norm.
    @Test func inputsOfTheFirstLayer() throws {
        let model = try RandomModel(RandomModel.tinyConfiguration(), biases: [.query])
        let observer = RecordingObserver()
        _ = try outcome(model.graph, model.files, PassOptions(workers: 2), observer)

        let size = model.graph.configuration.hiddenSize
        var reader = Reader(files: model.files)
        let embedding = try model.graph[.tokenEmbedding]!.floats(&reader).map { Double($0) }
        let norm = try model.graph[Slot(.attentionNorm, layer: 0)]!.floats(&reader).map { Double($0) }
        var expected = [Double](repeating: 0, count: size * size)
        for token in Self.texts.joined() {
            let row = embedding[Int(token) * size..<(Int(token) + 1) * size]
            let scale = 1 / (row.reduce(0) { $0 + $1 * $1 } / Double(size) + 1e-5).squareRoot()
            let x = zip(row, norm).map { $0 * scale * $1 }
            for i in 0..<size { for j in 0..<size { expected[i * size + j] += x[i] * x[j] } }
        }
        for role in [Role.query, .key, .value] {
            let inputs = observer.inputs[Slot(role, layer: 0)]!.map { Double($0) }
            #expect(inputs.count == Self.tokenCount * size)
            var sums = [Double](repeating: 0, count: size * size)
            for first in stride(from: 0, to: inputs.count, by: size) {
                for i in 0..<size { for j in 0..<size { sums[i * size + j] += inputs[first + i] * inputs[first + j] } }
            }
            let trace = (0..<size).reduce(0) { $0 + expected[$1 * size + $1] }
            #expect(zip(sums, expected).allSatisfy { abs($0 - $1) < 1e-6 * trace }, "\(role)")
        }
    }

    @Test func progressEndsAtOne() throws {
        let model = try RandomModel(RandomModel.tinyConfiguration())
        let seen = Mutex<[Recast.Progress]>([])
        let options = PassOptions(workers: 2, progress: { value in seen.withLock { $0.append(value) } })
        _ = try outcome(model.graph, model.files, options, RecordingObserver())
        let values = seen.withLock { $0 }
        #expect(zip(values, values.dropFirst()).allSatisfy { $0.done <= $1.done })
        #expect(values.last!.done == values.last!.total)
    }

    @Test func cancellation() throws {
        let model = try RandomModel(RandomModel.tinyConfiguration())
        let observer = RecordingObserver()
        let asked = Mutex(0)
        let options = PassOptions(
            workers: 2,
            isCancelled: {
                asked.withLock {
                    $0 += 1
                    return $0 > 30
                }
            })
        let error = #expect(throws: RecastError.self) { try outcome(model.graph, model.files, options, observer) }
        #expect(error?.code == .interrupted)
        #expect(!observer.replaced.isEmpty && observer.replaced.count < model.graph.sites.count)
    }

    @Test func errorsOfTheObserver() throws {
        final class Failing: PassObserver {
            func observe(
                _ input: UnsafeBufferPointer<Float>, rows: Int, columns: Int, of sites: [Slot]
            ) throws(RecastError) {}

            func replace(
                _ weight: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int, of site: Slot
            ) throws(RecastError) {
                if site.role == .up { throw .usage("not \(site)") }
            }
        }
        let model = try RandomModel(RandomModel.tinyConfiguration())
        let error = #expect(throws: RecastError.self) {
            try outcome(model.graph, model.files, PassOptions(), Failing())
        }
        #expect(error?.message == "not layers.0.up.weight")
    }
}
