import Recast
import Synchronization
import Testing

@testable import RecastInference

@Suite struct GeneratorTests {
    let model: RandomModel

    init() throws { model = try RandomModel(RandomModel.tinyConfiguration(), biases: [.query, .key, .gate], seed: 5) }

    private func generator(_ workers: Int = 1) throws -> Generator {
        try Generator(model.graph, files: model.files, options: PassOptions(workers: workers))
    }

    @Test func greedyTokensAreThoseOfTheWholePass() throws {
        var tokens: [Int32] = [3, 14, 15, 92, 65]
        let continuation = try generator().generate(after: tokens, .init(maximumTokens: 12))
        let pass = try ForwardPass(model.graph, files: model.files)
        for token in continuation.tokens {
            let row = try pass.logits(of: [tokens])[0].last!
            #expect(row.firstIndex(of: row.max()!)! == Int(token))
            tokens.append(token)
        }
        #expect(continuation.tokens.count == 12 && continuation.reason == .maximumTokens)
    }

    /// Numbers of a type that is decoded before it is multiplied with give the same text as those that are not.
    @Test func decodedTiles() throws {
        var graph = model.graph
        for entry in graph.entries { graph[entry.slot] = entry.tensor.converted(to: .f32) }
        let decoded = try Generator(graph, files: model.files, options: PassOptions(workers: 2))
        let settings = Generator.Settings(maximumTokens: 20)
        #expect(try decoded.generate(after: [8, 15], settings) == generator().generate(after: [8, 15], settings))
    }

    @Test(arguments: [DType.f16, .q8_0, .q4_0])
    func encodedWeights(_ dtype: DType) throws {
        var graph = model.graph
        for entry in graph.entries where entry.tensor.columnCount.isMultiple(of: dtype.blockElements) {
            graph[entry.slot] = entry.tensor.converted(to: dtype)
        }
        var tokens: [Int32] = [1, 2, 3]
        let generator = try Generator(graph, files: model.files)
        let pass = try ForwardPass(graph, files: model.files)
        for token in try generator.generate(after: tokens, .init(maximumTokens: 5)).tokens {
            let row = try pass.logits(of: [tokens])[0].last!
            #expect(row.firstIndex(of: row.max()!)! == Int(token))
            tokens.append(token)
        }
    }

    @Test func longPromptInParts() throws {
        var configuration = RandomModel.tinyConfiguration()
        configuration.contextLength = 2048
        let model = try RandomModel(configuration)
        let prompt = (0..<1100).map { Int32($0 * 29 % 96) }
        let generator = try Generator(model.graph, files: model.files)
        let row = try ForwardPass(model.graph, files: model.files).logits(of: [prompt])[0].last!
        let token = try generator.generate(after: prompt, .init(maximumTokens: 1)).tokens[0]
        #expect(row.firstIndex(of: row.max()!)! == Int(token))
    }

    @Test func cancellation() throws {
        let count = Mutex(0)
        let options = PassOptions(isCancelled: {
            count.withLock {
                $0 += 1; return $0 > 200
            }
        })
        let generator = try Generator(model.graph, files: model.files, options: options)
        let error = #expect(throws: RecastError.self) { try generator.generate(after: [1], .init(maximumTokens: 99)) }
        #expect(error?.code == .interrupted)
    }

    @Test func sameTextForAnyWorkers() throws {
        let settings = Generator.Settings(maximumTokens: 20, temperature: 0.8, seed: 7)
        let text = try generator(1).generate(after: [1, 2], settings)
        #expect(try generator(2).generate(after: [1, 2], settings) == text)
        #expect(try generator(1).generate(after: [1, 2], settings) == text)
        var other = settings
        other.seed = 8
        #expect(try generator(1).generate(after: [1, 2], other) != text)
    }

    @Test func drawingFromOneIsGreedy() throws {
        let greedy = try generator().generate(after: [9], .init(maximumTokens: 10))
        let one = try generator().generate(after: [9], .init(maximumTokens: 10, temperature: 2, topK: 1))
        let nucleus = try generator().generate(after: [9], .init(maximumTokens: 10, temperature: 2, topP: 1e-6))
        #expect(one == greedy && nucleus == greedy)
    }

    @Test func stops() throws {
        let free = try generator().generate(after: [5], .init(maximumTokens: 8))
        let stop = free.tokens[3]
        let until = Array(free.tokens.prefix { $0 != stop })
        let stopped = try generator().generate(after: [5], .init(maximumTokens: 8, stopTokens: [Int(stop)]))
        #expect(stopped.tokens == until && stopped.reason == .stopToken)
        var received: [Int32] = []
        let refused = try generator().generate(after: [5], .init(maximumTokens: 8)) { token in
            received.append(token)
            return received.count < 2
        }
        #expect(refused.tokens == received && received.count == 2 && refused.reason == .receiver)
        let full = try generator().generate(after: [Int32](repeating: 5, count: 250), .init(maximumTokens: 100))
        #expect(full.reason == .contextFull && full.tokens.count == 7)
    }

    @Test func refusals() throws {
        let generator = try generator()
        #expect(throws: RecastError.self) { try generator.generate(after: []) }
        #expect(throws: RecastError.self) { try generator.generate(after: [96]) }
        #expect(throws: RecastError.self) { try generator.generate(after: [Int32](repeating: 0, count: 257)) }
        #expect(throws: RecastError.self) { try generator.generate(after: [1], .init(temperature: -1)) }
        #expect(throws: RecastError.self) { try generator.generate(after: [1], .init(topK: 0)) }
    }

    @Test func randomNumbersOfTheReference() {
        // First outputs for the seed 1234567 of the generator's reference implementation.
        var random = SplitMix64(seed: 1_234_567)
        #expect(random.next() == 6_457_827_717_110_365_317)
        #expect(random.next() == 3_203_168_211_198_807_973)
    }

    @Test func drawsFollowProbabilities() {
        var sampler = Sampler(.init(temperature: 1, seed: 3))
        let logits: [Float] = [0, 0.693_147_2, .nan, 1.386_294_4]
        var counts = [0, 0, 0, 0]
        for _ in 0..<7000 { counts[Int(logits.withUnsafeBufferPointer { sampler.token(from: $0) }!)] += 1 }
        #expect(counts[2] == 0)
        #expect(abs(counts[0] - 1000) < 120 && abs(counts[1] - 2000) < 160 && abs(counts[3] - 4000) < 200)
    }
}
