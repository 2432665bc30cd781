import Foundation
import Testing

@testable import RecastInference

@Suite struct ExponentialTests {
    @Test func withinTwoUnits() {
        var worst = 0.0
        for step in 0...200_000 {
            let x = Float(-87.3 + 175.6 * Double(step) / 200_000)
            let expected = exp(Double(x))
            let result = exponential(x)
            worst = max(worst, abs(Double(result) - expected) / Double(Float(expected).ulp))
        }
        #expect(worst <= 2)
    }

    @Test func extremes() {
        #expect(exponential(0) == 1)
        #expect(exponential(-.infinity) < 2e-38 && exponential(-.infinity) > 0)
        #expect(exponential(.infinity) > 2e38 && exponential(.infinity).isFinite)
        #expect(exponential(.nan).isNaN)
    }

    @Test(arguments: [1, 15, 16, 17, 1000]) func reductions(_ count: Int) {
        let x = (0..<count).map { Float(($0 * 37) % 101) - 50 }
        #expect(Reduction.maximum(x, count) == x.max())
        #expect(Reduction.sum(x, count) == x.reduce(0) { $0 + Double($1) })
        #expect(Reduction.sumOfSquares(x, count) == x.reduce(0) { $0 + Double($1) * Double($1) })
        // Small integers, which bfloat16 holds, as their sums do in float32.
        let halves = x.map { UInt16($0.bitPattern >> 16) }
        #expect(Reduction.dot(bfloat16: halves, x, count) == x.reduce(0) { $0 + $1 * $1 })
    }

    @Test func softmaxOfPartOfARow() {
        var row: [Float] = [1, 2, 3, 1000, 1000]
        Softmax.normalize(&row, 0..<3, width: 5)
        let sum = exp(1.0) + exp(2) + exp(3)
        for index in 0..<3 { #expect(abs(Double(row[index]) - exp(Double(index + 1)) / sum) < 1e-6) }
        #expect(row[3...] == [0, 0])
    }

    @Test func sumInPieces() {
        let x = (0..<100).map { Float($0 * $0 % 97) - 60 }
        var sum = RunningLogSumExp()
        for piece in [0..<1, 1..<40, 40..<41, 41..<100] {
            var part = Array(x[piece])
            sum.add(&part, part.count)
        }
        let direct = log(x.reduce(0) { $0 + exp(Double($1)) })
        #expect(abs(sum.negativeLogLikelihood(of: x[7]) - (direct - Double(x[7]))) < 1e-6)
    }

    @Test func nanIsNotLost() {
        var sum = RunningLogSumExp()
        var part: [Float] = [1, .nan, 2]
        sum.add(&part, 3)
        #expect(sum.negativeLogLikelihood(of: 1).isNaN)
    }
}
