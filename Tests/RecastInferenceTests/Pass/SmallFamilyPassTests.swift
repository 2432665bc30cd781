import Foundation
import Recast
import RecastInference
import TestSupport
import Testing

/// The pass of the families of `Fixtures/families` against logits that transformers computed from the same files.
@Suite struct SmallFamilyPassTests {
    @Test(arguments: Fixtures.smallFamilies) func logits(name: String) throws {
        let directory = Fixtures.smallFamily(name)
        let reference = try ReferenceLogits(directory)
        let checkpoint = try ReferenceCheckpoint(directory)
        let logits = try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens)
        #expect(distance(logits, reference.logits) < 5e-5)

        // One token after the other.
        let generator = try Generator(checkpoint.graph, files: checkpoint.files)
        for (text, rows) in zip(reference.tokens, reference.logits) {
            for count in [1, 5, text.count] {
                let next = try generator.generate(
                    after: Array(text[..<count]), Generator.Settings(maximumTokens: 1, stopTokens: [])
                ).tokens
                #expect(next[0] == Int32(rows[count - 1].indices.max { rows[count - 1][$0] < rows[count - 1][$1] }!))
            }
        }

        // The likelihoods of the full pass, whose head goes through the vocabulary in another way.
        let text = reference.tokens[0], rows = reference.logits[0]
        let expected = (1..<text.count).reduce(0.0) { sum, place in
            let row = rows[place - 1].map(Double.init)
            let largest = row.max()!
            return sum + largest + log(row.reduce(0) { $0 + exp($1 - largest) }) - row[Int(text[place])]
        }
        let score = try ForwardPass(checkpoint.graph, files: checkpoint.files).perplexity(
            of: [Channel(name: "all", tokens: text)], PerplexityOptions(context: text.count))
        #expect(abs(score.total.nll - expected) < 1e-3 * Double(text.count))
    }

    @Test(arguments: Fixtures.isLlama.sorted()) func logitsOfLlama(name: String) throws {
        let directory = TemporaryDirectory()
        let file = directory.file("llama")
        let plan = try Planning(
            Checkpoint(path: Fixtures.smallFamily(name)), ConversionOptions(target: .huggingFace(family: "llama"))
        ).plan(destination: file)
        _ = try Conversion(plan, to: file).run()
        let reference = try ReferenceLogits(Fixtures.smallFamily(name))
        let checkpoint = try ReferenceCheckpoint(file)
        let logits = try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens)
        #expect(distance(logits, reference.logits) < 5e-5)
    }

    /// What GGUF says, in float32, is the same model.
    @Test(arguments: Fixtures.inGGUF) func logitsOfGGUF(name: String) throws {
        let directory = TemporaryDirectory()
        let file = directory.file("model.gguf")
        var options = ConversionOptions(target: .gguf)
        options.dtype = .f32
        options.allowsInexact = Fixtures.inexactInGGUF.contains(name)
        let plan = try Planning(Checkpoint(path: Fixtures.smallFamily(name)), options).plan(destination: file)
        _ = try Conversion(plan, to: file).run()
        let reference = try ReferenceLogits(Fixtures.smallFamily(name))
        let checkpoint = try ReferenceCheckpoint(file)
        let logits = try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens)
        #expect(distance(logits, reference.logits) < 5e-5)
    }
}
