import Testing

@testable import RecastInference

struct SamplerTests {
    /// Logits that cannot be compared give no token, whatever the temperature.
    @Test(arguments: [[Float.nan, .nan], [.infinity, .infinity], [-.infinity, -.infinity]], [0, 1.0])
    func noNumbers(logits: [Float], temperature: Double) {
        var sampler = Sampler(Generator.Settings(temperature: temperature))
        #expect(logits.withUnsafeBufferPointer { sampler.token(from: $0) } == nil)
    }

    @Test func someNumbers() {
        var sampler = Sampler(Generator.Settings(temperature: 1, topK: 1))
        let logits: [Float] = [.nan, -.infinity, 2, 1]
        #expect(logits.withUnsafeBufferPointer { sampler.token(from: $0) } == 2)
    }
}
