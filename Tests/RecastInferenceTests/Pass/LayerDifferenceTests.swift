import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

/// Models whose layers differ: what is remembered of a text, and where a pass may begin.
@Suite struct LayerDifferenceTests {
    static let names = Fixtures.smallFamilies.filter {
        $0.hasPrefix("gemma4") || $0.hasPrefix("llama4") || $0 == "apertus"
    }

    private static func tokens(_ count: Int, _ step: Int, _ first: Int) -> [Int32] {
        (0..<count).map { Int32(($0 * step + first) % 60 + 3) }
    }

    private static func next(_ pass: ForwardPass, _ tokens: [Int32]) throws -> Int32 {
        let row = try pass.logits(of: [tokens])[0].last!
        return Int32(row.firstIndex(of: row.max()!)!)
    }

    /// Several texts together, in pieces, copied, and one after the other.
    @Test(arguments: names) func generation(_ name: String) throws {
        let model = try ReferenceCheckpoint(Fixtures.smallFamily(name))
        let pass = try ForwardPass(model.graph, files: model.files)
        let long = Self.tokens(20, 7, 3)
        let prompts: [[Int32]] = [long, Array(long.prefix(12)) + [5], [9, 8, 7]]
        let generator = try Generator(model.graph, files: model.files, options: PassOptions(workers: 2))
        let settings = Generator.Settings(maximumTokens: 8, stopTokens: [])
        let together = try generator.generate(afterEach: prompts, settings, seeds: [0, 0, 0])
        let begun = try generator.generate(afterEach: Array(prompts.prefix(2)), settings, seeds: [0, 0])
        for (index, prompt) in prompts.enumerated() {
            var tokens = prompt
            for token in try generator.generate(after: prompt, settings).tokens {
                #expect(try Self.next(pass, tokens) == token)
                tokens.append(token)
            }
            #expect(together[index].tokens == Array(tokens.dropFirst(prompt.count)))
            if index < 2 { #expect(begun[index].tokens == together[index].tokens) }
        }
        let beams = try generator.beamSearch(after: prompts[1], settings, beams: 3)
        let sequence = prompts[1] + beams[0].continuation.tokens
        let likelihoods = try pass.negativeLogLikelihoods(of: [
            .init(tokens: sequence, predictions: prompts[1].count - 1..<sequence.count - 1)
        ])
        #expect(abs(beams[0].score * 8 + likelihoods[0].reduce(0, +)) < 1e-3)
    }

    /// From any layer on, with what was kept of the layers before.
    @Test(arguments: names) func beginningAtALayer(_ name: String) throws {
        let model = try ReferenceCheckpoint(Fixtures.smallFamily(name))
        let texts = [5, 10, 15].map { ForwardPass.Text(tokens: Self.tokens(30, 11, $0), predictions: 0..<29) }
        for memory in [1 << 30, 0] {
            let pass = try ForwardPass(
                model.graph, files: model.files, options: PassOptions(workers: 2, maximumMemory: memory))
            func outcome(_ keeper: (any LayerKeeper)?) throws -> [Double] {
                let run = try ForwardPass.Run(pass, texts, nil, keeper: keeper)
                let targets = texts.flatMap { text in text.predictions.map { Int(text.tokens[$0 + 1]) } }
                return try run.likelihoods(of: targets, hidden: try run.finalHiddenStates())
            }
            let states = try LayerStates(directory: NSTemporaryDirectory())
            let expected = try outcome(states)
            for layer in 0...model.graph.configuration.layerCount {
                #expect(try outcome(states.keeper(before: layer)) == expected, "layer \(layer)")
            }
        }
    }

    /// As weights are multiplied where activations are rounded.
    @Test(arguments: names) func roundedActivations(_ name: String) throws {
        let model = try ReferenceCheckpoint(Fixtures.smallFamily(name))
        let texts = [ForwardPass.Text(tokens: Self.tokens(40, 13, 0), predictions: 0..<39)]
        let exact = try ForwardPass(model.graph, files: model.files).negativeLogLikelihoods(of: texts)
        let options = PassOptions(workers: 2, precision: .fast)
        let fast = try ForwardPass(model.graph, files: model.files, options: options).negativeLogLikelihoods(of: texts)
        for (a, b) in zip(exact.joined(), fast.joined()) { #expect(abs(a - b) < 0.5) }
        let generator = try Generator(model.graph, files: model.files, options: options)
        #expect(try generator.generate(after: [3, 4], .init(maximumTokens: 4, stopTokens: [])).tokens.count == 4)
    }
}
