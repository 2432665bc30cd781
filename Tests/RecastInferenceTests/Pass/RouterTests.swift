import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

struct RouterTests {
    /// `Lfm2MoeTopKRouter` of transformers adds 1e-6 to the sum that it divides by, and others next to nothing: that matters where
    /// the scores of the experts that are picked are small.
    @Test(arguments: [0, 1e-6]) func smallWeightsAreDividedByTheirSum(epsilon: Double) {
        var routing = Routing(score: .sigmoid)
        routing.sumEpsilon = epsilon
        let router = Router(
            experts: ExpertConfiguration(
                count: 3, usedCount: 2, feedForwardSize: 1, normalizesWeights: true, routing: routing))
        var logits: [Float] = [-13, -20, -14]
        let scores = logits.map { 1 / (1 + exp(-Double($0))) }
        let choices = router.choices(&logits, bias: nil).sorted { $0.expert < $1.expert }
        #expect(choices.map(\.expert) == [0, 2])
        for choice in choices {
            let expected = scores[choice.expert] / (scores[0] + scores[2] + epsilon)
            #expect(abs(Double(choice.weight) / expected - 1) < 1e-5)
        }
    }
}
