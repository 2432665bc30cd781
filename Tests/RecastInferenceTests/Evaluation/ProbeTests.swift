import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

@Suite struct ProbeTests {
    private let tokens: [Int32] = [3, 14, 15, 92, 65, 35]
    private let model: RandomModel

    init() throws { model = try RandomModel(RandomModel.tinyConfiguration(), seed: 3) }

    private func pass() throws -> ForwardPass { try ForwardPass(model.graph, files: model.files) }

    /// Behind the last layer stands what the model predicts.
    @Test func theLastLayerIsTheModel() throws {
        let probe = try pass().probe(tokens, Probe.Options(positions: [5, 2], top: 96))
        let logits = try pass().logits(of: [tokens])[0]
        for (number, position) in [5, 2].enumerated() {
            let row = logits[position]
            let sum = log(row.reduce(0) { $0 + exp(Double($1)) })
            let candidates = probe.layers[1].candidates[number]
            #expect(Set(candidates.map(\.token)).count == 96)
            for candidate in candidates {
                #expect(abs(candidate.logProbability - (Double(row[Int(candidate.token)]) - sum)) < 1e-5)
            }
            #expect(zip(candidates, candidates.dropFirst()).allSatisfy { $0.logProbability >= $1.logProbability })
            #expect(abs(candidates.reduce(0) { $0 + $1.probability } - 1) < 1e-5)
        }
    }

    /// What goes into a head may be of another width than hidden states (OPT 350M).
    @Test func headsOfAnotherWidth() throws {
        let checkpoint = try ReferenceCheckpoint(Fixtures.smallFamily("opt-projected"))
        let pass = try ForwardPass(checkpoint.graph, files: checkpoint.files)
        let tokens: [Int32] = [3, 14, 15, 40, 35]
        let probe = try pass.probe(tokens, Probe.Options(positions: [4, 1], top: 3))
        let logits = try pass.logits(of: [tokens])[0]
        for (number, position) in [4, 1].enumerated() {
            let row = logits[position]
            let best = row.indices.sorted { row[$0] > row[$1] }.prefix(3).map { Int32($0) }
            #expect(probe.layers[1].candidates[number].map { Int32($0.token) } == best)
        }
    }

    /// A model that ends after its first layer says what is read off behind it.
    @Test func anEarlierLayerIsAShorterModel() throws {
        var short = model.graph
        short.configuration.layers.removeLast()
        for role in Role.allCases where role.isPerLayer { short[Slot(role, layer: 1)] = nil }
        let shorter = try ForwardPass(short, files: model.files)
        let expected = try shorter.probe(tokens, Probe.Options(positions: [4], top: 7)).layers[0]
        let found = try pass().probe(tokens, Probe.Options(positions: [4], top: 7)).layers[0]
        #expect(found.norms == expected.norms)
        // The head is multiplied with more rows at once, which may change last bits.
        for (own, other) in zip(found.candidates[0], expected.candidates[0]) {
            #expect(own.token == other.token && abs(own.logProbability - other.logProbability) < 1e-5)
        }
    }

    /// Rows are probabilities of what comes before, and combine values into what attention gives.
    @Test func attentionOfALayer() throws {
        let probe = try pass().probe(tokens, Probe.Options(positions: [], attentionLayer: 1))
        #expect(probe.attention.count == 4)
        for head in probe.attention {
            #expect(head.count == tokens.count)
            for (row, values) in head.enumerated() {
                #expect(abs(values.reduce(0, +) - 1) < 1e-6)
                #expect(values[...row].allSatisfy { $0 > 0 } && values[(row + 1)...].allSatisfy { $0 == 0 })
            }
        }
        // Whatever the blocks of queries are.
        let long = (0..<200).map { Int32($0 * 7 % 96) }
        let map = try pass().probe(long, Probe.Options(positions: [], attentionLayer: 0)).attention
        for head in map {
            #expect(head.enumerated().allSatisfy { row, values in values[(row + 1)...].allSatisfy { $0 == 0 } })
            #expect(head.allSatisfy { abs($0.reduce(0, +) - 1) < 1e-5 })
        }
        #expect(
            try pass().probe([7], Probe.Options(positions: [], attentionLayer: 0)).attention == [
                [[1]], [[1]], [[1]], [[1]],
            ])
        // The same heads for the same beginning.
        let first = try pass().probe(Array(long[..<40]), Probe.Options(positions: [], attentionLayer: 0)).attention
        for (head, whole) in zip(first, map) {
            for row in 0..<40 {
                #expect(zip(head[row], whole[row]).allSatisfy { abs($0 - $1) < 1e-6 })
            }
        }
    }

    @Test func distancesNormsAndOutliers() throws {
        let walk = try ForwardPass.Walk(
            ForwardPass.Run(pass(), [.init(tokens: tokens, predictions: 0..<0)], nil))
        let (before, after) = (FloatBuffer(count: 6 * 32), FloatBuffer(count: 6 * 32))
        try walk.copyStates(into: before.base)
        try walk.advance()
        try walk.copyStates(into: after.base)
        let layer = try pass().probe(tokens, Probe.Options(positions: [], outliers: 32)).layers[0]
        for row in 0..<6 {
            func vector(_ buffer: FloatBuffer) -> [Double] { (0..<32).map { Double(buffer.base[row * 32 + $0]) } }
            func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
            let (x, y) = (vector(before), vector(after))
            #expect(abs(layer.cosineDistances[row] - (1 - dot(x, y) / (dot(x, x) * dot(y, y)).squareRoot())) < 1e-9)
            #expect(abs(layer.norms[row] - dot(y, y).squareRoot()) < 1e-9)
        }
        let largest = (0..<32).map { channel in (0..<6).map { abs(after.base[$0 * 32 + channel]) }.max()! }
        #expect(layer.outliers.count == 32 && Set(layer.outliers.map(\.channel)).count == 32)
        let median = Double(largest.sorted()[16])
        for outlier in layer.outliers {
            #expect(abs(outlier.value) == largest[outlier.channel])
            #expect(after.base[outlier.position * 32 + outlier.channel] == outlier.value)
            #expect(abs(outlier.ratio - Double(largest[outlier.channel]) / median) < 1e-9)
        }
    }

    @Test func refusals() throws {
        let pass = try pass()
        #expect(throws: RecastError.self) { try pass.probe([], Probe.Options(positions: [])) }
        #expect(throws: RecastError.self) { try pass.probe(tokens, Probe.Options(positions: [6])) }
        #expect(throws: RecastError.self) { try pass.probe(tokens, Probe.Options(positions: [], attentionLayer: 2)) }
    }
}
