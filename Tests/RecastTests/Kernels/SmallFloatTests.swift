import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

@Suite struct SmallFloatTests {
    static let written: [any WritableSmallFloat.Type] = [E4M3.self, E5M2.self]

    /// All 256 patterns: SHA-256 of what torch 2.15 makes of them, with NaN as 7FC00000.
    // swift-format-ignore
    @Test(arguments: [
        (E4M3.self,     "422eccfaa21e72a6"),
        (E5M2.self,     "229a94c5f728edf2"),
        (E4M3FNUZ.self, "ac4866f772a7c080"),
        (E5M2FNUZ.self, "aac12d2730bf26ca"),
        (E8M0.self,     "2fb2732a95604377"),
    ] as [(any SmallFloat.Type, String)])
    func everyPattern(type: any SmallFloat.Type, expected: String) {
        let patterns = Array(0...UInt8.max)
        func digest(_ elements: [Float]) -> String {
            let bits = elements.map { $0.isNaN ? 0x7FC0_0000 : $0.bitPattern }
            return String(SHA256.hex(bits.withUnsafeBytes { Array($0) }).prefix(16))
        }
        #expect(digest(patterns.map { type.value(of: $0) }) == expected)
        for kernels in Kernels.available {
            var elements = [Float](repeating: 0, count: 256)
            type.decode(patterns, into: &elements, count: 256, with: kernels)
            #expect(digest(elements) == expected, "\(kernels.instructionSet)")
        }
    }

    /// The values of the OCP MX specification's table for E2M1.
    @Test func fourBits() {
        let values: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]
        let bytes = (0...UInt8.max).map { $0 }
        let expected = bytes.flatMap { [values[Int($0 & 15)], values[Int($0 >> 4)]] }
        #expect(E2M1.decoded(bytes, count: 512, with: nil) == expected.bytes)
        for kernels in Kernels.available { #expect(E2M1.decoded(bytes, count: 512, with: kernels) == expected.bytes) }
    }

    /// Every number comes back as it was, NaN as the one with all bits set.
    @Test(arguments: written) func everyPatternSurvives(type: any WritableSmallFloat.Type) {
        let patterns = Array(0...UInt8.max)
        let elements = patterns.map { type.value(of: $0) }
        let expected = zip(patterns, elements).map { $1.isNaN ? $0 | 0x7F : $0 }
        #expect(type.encodedPortably(elements) == expected)
        for kernels in Kernels.available { #expect(type.encoded(elements, with: kernels) == expected) }
    }

    /// At, below and above every midpoint, the nearest of all numbers, and of two the even one.
    @Test(arguments: written) func everyTie(type: any WritableSmallFloat.Type) {
        let finite = (0...UInt8(0x7F)).filter { type.value(of: $0).isFinite }
        for (low, high) in zip(finite, finite.dropFirst()) {
            let midpoint = (type.value(of: low) + type.value(of: high)) / 2
            let even = low % 2 == 0 ? low : high
            let elements = [midpoint, midpoint.nextDown, midpoint.nextUp, -midpoint, -midpoint.nextDown]
            let expected = [even, low, high, even | 0x80, low | 0x80]
            #expect(type.encodedPortably(elements) == expected)
            for kernels in Kernels.available { #expect(type.encoded(elements, with: kernels) == expected) }
        }
    }

    /// What torch 2.15 makes of a million random patterns, infinities and NaN among them, and of as many numbers.
    // swift-format-ignore
    @Test(arguments: [
        (E4M3.self, "61ebfa2bd1c6a639", "bb33dae5a3276cdf"),
        (E5M2.self, "6887c2218371cb97", "2058fc55380a7929"),
    ] as [(any WritableSmallFloat.Type, String, String)])
    func randomNumbers(type: any WritableSmallFloat.Type, patterns: String, numbers: String) {
        var stream = Samples.Stream(seed: 5)
        let anything = (0..<1 << 20).map { _ in Float(bitPattern: stream.bits()) }
        stream = Samples.Stream(seed: 5)
        let ordinary = (0..<1 << 20).map { _ in
            let numerator = Float(Int(stream.next()!) - 8_388_608)
            return numerator * Float(sign: .plus, exponent: -Int(stream.next()! % 30) - 10, significand: 1)
        }
        for (elements, expected) in [(anything, patterns), (ordinary, numbers)] {
            let encoded = type.encodedPortably(elements)
            #expect(SHA256.hex(encoded).hasPrefix(expected))
            for kernels in Kernels.available { #expect(type.encoded(elements, with: kernels) == encoded) }
        }
    }

    @Test(arguments: written) func patternsMatchDefinition(type: any WritableSmallFloat.Type) {
        let expected = type.encodedPortably(Samples.patterns)
        var overflows = 0
        var losses = 0
        let largest = (0...UInt8(0x7F)).map { type.value(of: $0) }.filter(\.isFinite).max()!
        // Half a step beyond the largest; the tie goes to the even one, which only E4M3 has.
        let limit = type == E4M3.self ? Float(464).nextUp : 61440
        for (element, byte) in zip(Samples.patterns, expected) {
            let stored = type.value(of: byte)
            if element.isNaN { continue }
            if abs(element) >= limit, element.isFinite || largest == 448 { overflows += 1 }
            if stored != element { losses += 1 }
        }
        for kernels in Kernels.available {
            #expect(type.encoded(Samples.patterns, with: kernels) == expected, "\(kernels.instructionSet)")
            let patterns = Samples.patterns
            #expect(type.overflowCount(patterns, count: patterns.count, with: kernels) == overflows)
            #expect(type.inexactCount(patterns, count: patterns.count, with: kernels) == losses)
        }
    }

    /// Too large, rounded, and neither; infinity is too large for E4M3, and E5M2 has it.
    @Test(arguments: [(DType.f8e4m3, Float(465), Float(464), 2), (.f8e5m2, 61440, 61439, 1)])
    func tallies(dtype: DType, beyond: Float, within: Float, overflowCount: Int) throws {
        let elements: [Float] = [1, -0.0, within, -beyond, .infinity, .nan, 0.3]
        var bytes = [UInt8](repeating: 0, count: elements.count)
        var tally = Tally()
        try elements.withUnsafeBufferPointer { source in
            try bytes.withUnsafeMutableBytes { try dtype.encode(source, columns: 7, into: $0, tally: &tally) }
        }
        #expect(tally.overflowCount == overflowCount)
        #expect(tally.roundedCount == 2 + overflowCount)
        #expect(tally.nonfiniteCount == 0)
        #expect(tally.lostBlockCount == 0)
    }
}
