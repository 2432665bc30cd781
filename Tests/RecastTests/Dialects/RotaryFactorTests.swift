import Testing

@testable import Recast

/// GGUF keeps only the factors of a llama3 scaling; the scaling is found again from them.
struct RotaryFactorTests {
    @Test(
        arguments: [(8192, 4.0, 8.0), (8192, 4, 32), (5000, 4, 16), (32, 4, 8), (1 << 17, 4, 4), (8192, 7.5, 8)],
        [(64, 5e5), (128, 5e5), (16, 1e4), (256, 1e6)])
    func found(scaling: (original: Int, high: Double, factor: Double), shape: (dimensions: Int, theta: Double)) throws {
        let rope = Rope(
            theta: shape.theta, dimensions: shape.dimensions,
            scaling: .llama3(
                factor: scaling.factor, lowFrequencyFactor: 1, highFrequencyFactor: scaling.high,
                originalContext: scaling.original))
        let factors = try #require(rope.ggufFactors)
        // Unless some frequencies are left alone and some fully scaled, the factors do not tell.
        guard factors.contains(1), factors.contains(Float(scaling.factor)) else { return }
        let plain = Rope(theta: shape.theta, dimensions: shape.dimensions)
        guard case .llama3 = plain.recognized(factors) else {
            // A context that is no power of two, and that no pair lies near, is lost.
            #expect(factors.allSatisfy { $0 == 1 || $0 == Float(scaling.factor) })
            return
        }
        let found = Rope(theta: shape.theta, dimensions: shape.dimensions, scaling: plain.recognized(factors))
        for (a, b) in zip(try #require(found.frequencyFactors), factors) { #expect(abs(a / Double(b) - 1) < 1e-5) }
    }

    @Test func exactly() throws {
        let scaling = Rope.Scaling.llama3(
            factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
        let rope = Rope(theta: 500_000, dimensions: 64, scaling: scaling)
        #expect(Rope(theta: 500_000, dimensions: 64).recognized(try #require(rope.ggufFactors)) == scaling)
    }

    @Test func others() {
        let factors: [Float] = [1, 2, 3, 1e30]
        #expect(Rope(theta: 1e4, dimensions: 8).recognized(factors) == .factors(factors.map(Double.init)))
    }
}
