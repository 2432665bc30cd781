import CKernels
import Testing

@testable import RecastInference

/// The C loops of forward passes beside the same in Swift: on every instruction set the same bits.
@Suite struct FunctionKernelsTests {
    private static let levels = (Int32(0)..<3).filter { ck_kernels_at($0) != nil }
    private static let counts = Array(0...40) + [1000, 1029]

    private func numbers(_ count: Int, _ seed: UInt64) -> [Float] {
        var state = seed
        return (0..<count).map { index in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let value = Float(Int64(bitPattern: state) >> 40) * 0x1p-19
            return [40: Float.nan, 41: .infinity, 42: -.infinity, 43: -0, 44: 1e-42, 45: 200][index] ?? value
        }
    }

    private func expectSame(_ a: [Float], _ b: [Float]) {
        #expect(zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN } && a.count == b.count)
    }

    @Test(arguments: levels)
    func gates(_ level: Int32) {
        let kernels = ck_kernels_at(level)!.pointee
        let root = Float((2 / Double.pi).squareRoot())
        for count in Self.counts {
            let (gate, up) = (numbers(count, 1), numbers(count, 2).map { $0.isFinite ? $0 : 1 })
            var silu = gate
            kernels.gate_by_silu(&silu, up, count)
            expectSame(silu, zip(gate, up).map { $0 / (1 + exponential(-$0)) * $1 })
            var gelu = gate
            kernels.gate_by_gelu_tanh(&gelu, up, count)
            expectSame(
                gelu,
                zip(gate, up).map { x, up in
                    let y = root * (x + 0.044_715 * x * x * x)
                    return x / (1 + exponential(-2 * y)) * up
                })
        }
    }

    @Test(arguments: levels)
    func sumsOfExponentials(_ level: Int32) {
        let kernels = ck_kernels_at(level)!.pointee
        for count in Self.counts {
            let x = numbers(count, 3).map { $0.isFinite ? $0 : 0 }
            var own = x
            let sum = kernels.exponentials(&own, count, 2.5)
            let expected = x.map { exponential($0 - 2.5) }
            expectSame(own, expected)
            // Sixteen sums, what is left over going to the first.
            var sums = [Double](repeating: 0, count: 16)
            for (index, value) in expected.enumerated() {
                sums[index < count / 16 * 16 ? index % 16 : 0] += Double(value)
            }
            #expect(sum == sums.reduce(0, +))
        }
    }

    @Test(arguments: levels)
    func maximum(_ level: Int32) {
        let kernels = ck_kernels_at(level)!.pointee
        for count in Self.counts {
            let x = numbers(count, 4)
            let expected = x.filter { !$0.isNaN }.max() ?? -.infinity
            #expect(kernels.maximum(x, count) == expected)
        }
    }
}
