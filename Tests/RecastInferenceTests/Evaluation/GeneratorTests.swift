import Foundation
import Recast
import Synchronization
import TestSupport
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
        other.sampling.seed = 8
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

    // MARK: Several at once

    private let prompts: [[Int32]] = [[3, 14, 15, 92, 65], [3, 14, 15, 9], [3, 14, 15, 92, 65, 35, 89], [3, 14, 7]]

    /// Together they give what each gives alone.
    @Test(arguments: [0, 0.8])
    func severalPrompts(_ temperature: Double) throws {
        let generator = try generator()
        let settings = Generator.Settings(maximumTokens: 15, temperature: temperature)
        let seeds: [UInt64] = [4, 5, 6, 7]
        let together = try generator.generate(afterEach: prompts, settings, seeds: seeds)
        for (index, prompt) in prompts.enumerated() {
            var own = settings
            own.sampling.seed = seeds[index]
            #expect(try generator.generate(after: prompt, own) == together[index])
        }
        #expect(try self.generator(2).generate(afterEach: prompts, settings, seeds: seeds) == together)
    }

    /// Texts end at different times, and those that go on are not disturbed.
    @Test func severalEnds() throws {
        let generator = try generator()
        let free = try generator.generate(afterEach: prompts, .init(maximumTokens: 12), seeds: [0, 0, 0, 0])
        let stop = Int(free[1].tokens[4])
        let stopped = try generator.generate(
            afterEach: prompts, .init(maximumTokens: 12, stopTokens: [stop]), seeds: [0, 0, 0, 0])
        for (whole, part) in zip(free, stopped) {
            #expect(part.tokens == Array(whole.tokens.prefix { Int($0) != stop }))
            #expect(part.reason == (whole.tokens.contains(Int32(stop)) ? .stopToken : .maximumTokens))
        }
        #expect(stopped[1].tokens.count < 5)
        var counts = [0, 0, 0, 0]
        let received = try generator.generate(afterEach: prompts, .init(maximumTokens: 12), seeds: [0, 0, 0, 0]) {
            index, _ in
            counts[index] += 1
            return counts[index] <= index
        }
        #expect(received.map(\.tokens.count) == [1, 2, 3, 4] && received.allSatisfy { $0.reason == .receiver })
    }

    @Test func sharedBeginnings() {
        #expect(Generator.sharedPrefix(prompts) == 2)
        #expect(Generator.sharedPrefix([[1, 2, 3], [1, 2, 3]]) == 2)
        #expect(Generator.sharedPrefix([[1], [1, 2]]) == 0 && Generator.sharedPrefix([]) == 0)
    }

    /// Latent attention, and experts, keep other things of a text.
    @Test(
        .enabled(if: Fixtures.hasGolden),
        arguments: ["deepseek_v3", "qwen2_moe", "gemma2", "baichuan1_13b", "phi3_longrope"])
    func severalPromptsOfFamilies(_ family: String) throws {
        let model = try ReferenceCheckpoint(Fixtures.golden("families/" + family))
        let generator = try Generator(model.graph, files: model.files)
        let settings = Generator.Settings(maximumTokens: 8, stopTokens: [])
        let together = try generator.generate(afterEach: prompts, settings, seeds: [0, 0, 0, 0])
        for (index, prompt) in prompts.enumerated() {
            #expect(try generator.generate(after: prompt, settings) == together[index])
        }
    }

    // MARK: Beams

    @Test func oneBeamIsGreedy() throws {
        let generator = try generator()
        let greedy = try generator.generate(after: [3, 14], .init(maximumTokens: 10, stopTokens: []))
        let beams = try generator.beamSearch(after: [3, 14], .init(maximumTokens: 10, stopTokens: []), beams: 1)
        #expect(beams.map(\.continuation) == [greedy])
    }

    /// As many beams as there are texts find the likeliest of all texts.
    @Test func manyBeamsFindTheLikeliest() throws {
        let pass = try ForwardPass(model.graph, files: model.files)
        func logProbabilities(_ tokens: [Int32]) throws -> [Double] {
            let row = try pass.logits(of: [tokens])[0].last!
            let sum = log(row.reduce(0) { $0 + exp(Double($1)) })
            return row.map { Double($0) - sum }
        }
        var best: (tokens: [Int32], score: Double) = ([], -.infinity)
        for (first, own) in try logProbabilities([3, 14]).enumerated() {
            for (second, next) in try logProbabilities([3, 14, Int32(first)]).enumerated() where own + next > best.score
            {
                best = ([Int32(first), Int32(second)], own + next)
            }
        }
        let beams = try generator().beamSearch(after: [3, 14], .init(maximumTokens: 2, stopTokens: []), beams: 96)
        #expect(beams.count == 96 && beams[0].continuation.tokens == best.tokens)
        #expect(abs(beams[0].score - best.score / 2) < 1e-5)
        #expect(zip(beams, beams.dropFirst()).allSatisfy { $0.score >= $1.score })
    }

    @Test func beamsEndAtStopTokens() throws {
        let generator = try generator()
        let free = try generator.beamSearch(after: [3, 14], .init(maximumTokens: 6, stopTokens: []), beams: 3)
        let stop = free[0].continuation.tokens[2]
        let found = try generator.beamSearch(
            after: [3, 14], .init(maximumTokens: 6, stopTokens: [Int(stop)]), beams: 3)
        #expect(found.allSatisfy { !$0.continuation.tokens.contains(stop) })
        #expect(found.contains { $0.continuation.reason == .stopToken })
        #expect(throws: RecastError.self) { try generator.beamSearch(after: [3], .init(), beams: 0) }
    }
}
