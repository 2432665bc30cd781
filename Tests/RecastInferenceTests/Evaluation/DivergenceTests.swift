import Foundation
import Recast
import Testing

@testable import RecastInference

@Suite struct DivergenceTests {
    private func tokens(_ count: Int) -> [Int32] { (0..<count).map { Int32($0 * 7 % 96) } }

    private func pass(_ seed: UInt64, workers: Int = 1) throws -> ForwardPass {
        let model = try RandomModel(RandomModel.tinyConfiguration(), seed: seed)
        return try ForwardPass(model.graph, files: model.files, options: PassOptions(workers: workers))
    }

    @Test func ofAModelFromItselfIsNothing() throws {
        let channels = [Channel(name: "a", tokens: tokens(100))]
        let result = try pass(1).divergence(from: pass(1), on: channels, PerplexityOptions(context: 16))
        let total = result.total
        #expect(total.divergence.mean == 0 && total.divergence.maximum == 0)
        #expect(total.sameTop == 1 && total.ratio == 1 && total.rootMeanSquareDeltaP == 0)
        #expect(total.reference == total.candidate)
        // And the likelihoods are those of the perplexity.
        let perplexity = try pass(1).perplexity(of: channels, PerplexityOptions(context: 16))
        #expect(abs(total.reference.nll - perplexity.total.nll) < 1e-9)
        #expect(total.scored == perplexity.total.scored)
    }

    /// Against the definition, from all logits of both models.
    @Test(arguments: [1, 3]) func isThatOfTheDefinition(_ workers: Int) throws {
        let (reference, candidate) = (try pass(1), try pass(2, workers: workers))
        let text = tokens(40)
        let channels = [Channel(name: "a", tokens: text), Channel(name: "b", tokens: Array(text[..<11]))]
        let result = try candidate.divergence(from: reference, on: channels, PerplexityOptions(context: 16))

        func logProbabilities(_ pass: ForwardPass, _ tokens: [Int32]) throws -> [[Double]] {
            try pass.logits(of: [tokens])[0].map { row in
                let sum = row.reduce(0) { $0 + exp(Double($1)) }
                return row.map { Double($0) - log(sum) }
            }
        }
        var values: [[Double]] = []
        var tops: [Bool] = []
        var deltas: [Double] = []
        for channel in channels {
            var own: [Double] = []
            for first in stride(from: 0, to: channel.tokens.count, by: 16) {
                let window = Array(channel.tokens[first..<min(first + 16, channel.tokens.count)])
                let (p, q) = (try logProbabilities(reference, window), try logProbabilities(candidate, window))
                for position in 0..<window.count - 1 {
                    own.append(zip(p[position], q[position]).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) })
                    func top(_ row: [Double]) -> Int { row.indices.max { row[$0] < row[$1] }! }
                    tops.append(top(p[position]) == top(q[position]))
                    let target = Int(window[position + 1])
                    deltas.append(exp(q[position][target]) - exp(p[position][target]))
                }
            }
            values.append(own)
        }
        for (score, own) in zip(result.channels, values) {
            #expect(score.scored == own.count)
            #expect(abs(score.divergence.mean - own.reduce(0, +) / Double(own.count)) < 1e-5)
            #expect(abs(score.divergence.maximum - own.max()!) < 1e-4)
        }
        let all = values.flatMap { $0 }
        #expect(result.total.scored == all.count)
        #expect(abs(result.total.divergence.mean - all.reduce(0, +) / Double(all.count)) < 1e-5)
        #expect(abs(result.total.sameTop - Double(tops.count { $0 }) / Double(tops.count)) < 1e-12)
        let square = deltas.reduce(0) { $0 + $1 * $1 } / Double(deltas.count)
        #expect(abs(result.total.rootMeanSquareDeltaP - square.squareRoot()) < 1e-6)
        let decoded = try JSONDecoder().decode(Divergence.self, from: JSONEncoder().encode(result))
        #expect(decoded == result)
    }

    @Test func distributions() {
        let distribution = Divergence.Distribution([4, 1, 2, 3, 10])
        #expect(distribution.mean == 4 && distribution.median == 3 && distribution.maximum == 10)
        #expect(abs(distribution.p90 - 7.6) < 1e-12)
        #expect(abs(distribution.error! - (50.0 / 4 / 5).squareRoot()) < 1e-12)
        #expect(Divergence.Distribution([2]).error == nil && Divergence.Distribution([2]).p999 == 2)
    }

    @Test func vocabulariesMustBeTheSame() throws {
        var configuration = RandomModel.tinyConfiguration()
        configuration.vocabularySize = 80
        let other = try RandomModel(configuration)
        let candidate = try ForwardPass(other.graph, files: other.files)
        #expect(throws: RecastError.self) {
            try candidate.divergence(from: pass(1), on: [Channel(name: "a", tokens: [1, 2, 3, 4])])
        }
    }
}
