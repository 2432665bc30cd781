import Recast
import TestSupport
import Testing

@testable import RecastInference

@Suite struct HessianTests {
    @Test(arguments: [1, 31, 256, 300, 513]) func momentsAreThoseOfTheDefinition(_ columns: Int) throws {
        let inputs = CorrelatedInputs(rows: 37, columns: columns)
        let hessian = try inputs.hessian()
        #expect(hessian.count == 37)
        var worst = 0.0
        for i in stride(from: 0, to: columns, by: 7) {
            for j in 0..<columns {
                let products = (0..<37).map {
                    Double(inputs.numbers[$0 * columns + i]) * Double(inputs.numbers[$0 * columns + j])
                }
                let scale = products.reduce(0) { $0 + abs($1) } + 1e-9
                worst = max(
                    worst, abs(products.reduce(0, +) - Double(hessian.values.base[i * columns + j])) / scale)
            }
        }
        #expect(worst < 1e-5)
    }

    @Test func bitsDoNotDependOnWorkers() throws {
        let inputs = CorrelatedInputs(rows: 100, columns: 600)
        let alone = try inputs.hessian(workers: 1)
        let together = try inputs.hessian(workers: 5)
        #expect((0..<600 * 600).allSatisfy { alone.values.base[$0] == together.values.base[$0] })
    }

    /// `P M Pᵀ = U D Uᵀ`, and M is the mean of the moments with the damping on its diagonal.
    @Test func factorsMultiplyToTheMatrix() throws {
        let n = 96
        let hessian = try CorrelatedInputs(rows: 300, columns: n).hessian()
        var random = SeededGenerator(seed: 3)
        let order = Array(0..<n).shuffled(using: &random)
        let factor = try HessianFactor(hessian, damping: 0.01, order: order)
        let mean = (0..<n).reduce(0.0) { $0 + Double(hessian.values.base[$1 * (n + 1)]) } / 300 / Double(n)
        var worst = 0.0
        for i in 0..<n {
            for j in 0..<n {
                let (row, column) = (order[i], order[j])
                let expected =
                    Double(hessian.values.base[row * n + column]) / 300 + (row == column ? 0.01 * mean : 0)
                #expect(abs(Double(factor.matrix.base[row * n + column]) - expected) <= 1e-5 * mean)
                var sum = 0.0
                for k in max(i, j)..<n {
                    let left = k == i ? 1 : Double(factor.upper.base[i * n + k])
                    let right = k == j ? 1 : Double(factor.upper.base[j * n + k])
                    sum += left * Double(factor.diagonal[k]) * right
                }
                worst = max(worst, abs(sum - expected))
            }
        }
        #expect(worst < 1e-4 * mean)
    }

    @Test func dampingGrowsWhereItMust() throws {
        // Of fewer tokens than columns, and less than that on the diagonal: indefinite.
        let n = 64
        let hessian = try CorrelatedInputs(rows: 8, columns: n).hessian()
        for i in 0..<n { hessian.values.base[i * (n + 1)] *= 0.9 }
        let factor = try HessianFactor(hessian, damping: 1e-6, order: Array(0..<n))
        #expect(factor.damping > 1e-6)
        #expect(factor.remarks(asked: 1e-6).contains { $0.contains("positive definite only with a damping") })
    }

    @Test func whatIsNotFiniteIsRefused() throws {
        let inputs = CorrelatedInputs(rows: 8, columns: 32)
        let hessian = try inputs.hessian()
        hessian.values.base[5 * 33] = .nan
        #expect(throws: RecastError.self) { _ = try HessianFactor(hessian, damping: 0.01, order: Array(0..<32)) }
    }

    @Test func columnsOfNothingAreCounted() throws {
        var numbers = CorrelatedInputs(rows: 80, columns: 32).numbers
        for row in 0..<80 { numbers[row * 32 + 7] = 0 }
        let hessian = Hessian(columns: 32)
        try hessian.add(numbers, rows: 80, by: Workers(count: 1))
        hessian.complete()
        let factor = try HessianFactor(hessian, damping: 0.01, unitWidth: 32)
        #expect(factor.deadCount == 1 && factor.order.last == 7)
        #expect(factor.remarks(asked: 0.01) == ["1 columns are multiplied with nothing but zeros"])
    }

    @Test func ordersKeepUnitsTogether() {
        let squares: [Float] = [1, 9, 2, 2, 0, 3, 8, 8]
        #expect(HessianFactor.order(squares, unitWidth: 2) == [1, 0, 6, 7, 5, 4, 2, 3])
        #expect(HessianFactor.order(squares, unitWidth: 8) == [1, 6, 7, 5, 2, 3, 0, 4])
    }
}
