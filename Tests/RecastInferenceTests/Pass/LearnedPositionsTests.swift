import Recast
import RecastInference
import TestSupport
import Testing

/// Positions that are added to embeddings, and biases by distance, where texts grow.
struct LearnedPositionsTests {
    private func checkpoint(_ name: String) throws -> ReferenceCheckpoint {
        try ReferenceCheckpoint(Fixtures.smallFamily(name))
    }

    /// Prompts of different lengths, continued together: each token has the position that it has in its own text.
    @Test(arguments: ["gpt2", "gpt_bigcode", "opt", "opt-projected", "bloom", "falcon-alibi", "mpt", "gptj"])
    func severalPrompts(name: String) throws {
        let checkpoint = try checkpoint(name)
        let generator = try Generator(checkpoint.graph, files: checkpoint.files)
        let prompts: [[Int32]] = [[3, 9, 27], [5], [3, 9, 27, 17, 40, 8, 11], [50, 2, 2]]
        let settings = Generator.Settings(maximumTokens: 8, stopTokens: [])
        let together = try generator.generate(afterEach: prompts, settings, seeds: [0, 0, 0, 0])
        for (prompt, continuation) in zip(prompts, together) {
            #expect(try generator.generate(after: prompt, settings).tokens == continuation.tokens)
        }
    }

    /// Of several workers, and of few tokens in memory.
    @Test(arguments: ["gpt2", "bloom"]) func machines(name: String) throws {
        let checkpoint = try checkpoint(name)
        let texts = (0..<5).map { text in (0..<40 + 4 * text).map { Int32(3 + ($0 * 7 + text) % 60) } }
        let expected = try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: texts)
        let options = PassOptions(workers: 3, maximumMemory: 1 << 10)
        let found = try ForwardPass(checkpoint.graph, files: checkpoint.files, options: options).logits(of: texts)
        #expect(found == expected)
    }

    /// No text can be longer than what was learned.
    @Test func ends() throws {
        let checkpoint = try checkpoint("gpt2")
        let tokens = (0..<65).map { Int32(3 + $0 % 60) }
        let pass = try ForwardPass(checkpoint.graph, files: checkpoint.files)
        let error = #expect(throws: RecastError.self) { _ = try pass.logits(of: [tokens]) }
        #expect(error?.code == .usage)
        for part in ["a text of 65 tokens is longer than the 64 positions that the model has learned", "--context 64"] {
            #expect(error?.message.contains(part) == true)
        }
        #expect(try pass.logits(of: [Array(tokens.dropLast())])[0].count == 64)
        let generator = try Generator(checkpoint.graph, files: checkpoint.files)
        #expect(throws: RecastError.self) { _ = try generator.generate(after: tokens) }
        let settings = Generator.Settings(maximumTokens: 10, stopTokens: [])
        let continuation = try generator.generate(after: Array(tokens.prefix(60)), settings)
        #expect(continuation.reason == .contextFull)
    }
}
