import Testing

@testable import Recast
@testable import RecastTensors

private let casts: [any BlockEncoding.Type] = [HalfFloat.self, BrainFloat.self]
private let everyPattern = (0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }

@Suite struct CastTests {
    @Test(arguments: zip(casts, [{ $0 & 0x8000 | 0x7E00 }, { $0 | 64 }] as [@Sendable (UInt16) -> UInt16]))
    func everyPatternSurvives(cast: any BlockEncoding.Type, quieted: @Sendable (UInt16) -> UInt16) {
        let expected = cast.decoded(everyPattern, count: 65536, with: nil)
        for kernels in Kernels.available {
            #expect(cast.decoded(everyPattern, count: 65536, with: kernels) == expected)

            var elements = [Float](repeating: 0, count: 65536)
            cast.decode(everyPattern, into: &elements, count: 65536, with: kernels)
            let again = cast.encoded(elements, with: kernels)
            for pattern in 0...UInt16.max {
                let encoded = UInt16(again[2 * Int(pattern)]) | UInt16(again[2 * Int(pattern) + 1]) << 8
                let survives = encoded == (elements[Int(pattern)].isNaN ? quieted(pattern) : pattern)
                if !survives { Issue.record("\(cast) \(pattern) became \(encoded) with \(kernels.instructionSet)") }
            }
        }
    }

    @Test(arguments: casts) func roundingMatchesDefinition(cast: any BlockEncoding.Type) {
        let expected = cast.encodedPortably(Samples.patterns)
        for kernels in Kernels.available {
            #expect(cast.encoded(Samples.patterns, with: kernels) == expected, "\(cast) \(kernels.instructionSet)")
        }
    }

    // swift-format-ignore
    @Test(arguments: [
        (65504,            0x7BFF), (65519.996,        0x7BFF), (65520,             0x7C00), (-65520,         0xFC00),
        (0x1p-14,          0x0400), (0x1.FF8p-15,      0x03FF), (0x1p-24,           0x0001), (0x1p-25,        0x0000),
        (0x1.000002p-25,   0x0001), (0x1.8p-24,        0x0002), (1,                 0x3C00), (0x1.002p0,      0x3C00),
        (0x1.006p0,        0x3C02), (0x1.FFEp0,        0x4000), (-0.0,              0x8000), (.infinity,      0x7C00),
        (.nan,             0x7E00), (-.nan,            0xFE00), (.signalingNaN,     0x7E00), (0x1p-149,       0x0000),
    ] as [(Float, UInt16)])
    func knownHalves(value: Float, bits: UInt16) {
        #expect(HalfFloat.bits(of: value) == bits)
        for kernels in Kernels.available {
            #expect(HalfFloat.encoded([value], with: kernels) == [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)])
        }
    }

    @Test func brainToHalf() {
        let expected = (0...UInt16.max).map { HalfFloat.bits(of: BrainFloat.value(of: $0)) }
        for kernels in Kernels.available {
            var halves = [UInt16](repeating: 0, count: 65536)
            HalfFloat.encode(brain: everyPattern, into: &halves, count: 65536, with: kernels)
            #expect(halves == expected, "\(kernels.instructionSet)")
        }
    }

    @Test func tallies() {
        let patterns = Samples.patterns
        var nonfinite = 0
        var overflowing = 0
        var inexactHalves = 0
        var inexactBrains = 0
        for value in patterns {
            let half = HalfFloat.value(of: HalfFloat.bits(of: value))
            let brain = BrainFloat.value(of: BrainFloat.bits(of: value))
            if !value.isFinite { nonfinite += 1 }
            if value.isFinite && half.isInfinite { overflowing += 1 }
            if half != value && !value.isNaN { inexactHalves += 1 }
            if brain != value && !value.isNaN { inexactBrains += 1 }
        }
        for kernels in Kernels.available {
            #expect(SingleFloat.nonfiniteCount(patterns, count: patterns.count, with: kernels) == nonfinite)
            #expect(HalfFloat.overflowCount(patterns, count: patterns.count, with: kernels) == overflowing)
            #expect(HalfFloat.inexactCount(patterns, count: patterns.count, with: kernels) == inexactHalves)
            #expect(BrainFloat.inexactCount(patterns, count: patterns.count, with: kernels) == inexactBrains)
        }
    }

    /// Every length up to several vectors, from and to odd addresses, with nothing written beyond the end.
    @Test(arguments: casts) func tails(cast: any BlockEncoding.Type) {
        let elements = Array(Samples.patterns.suffix(131))
        let encoded = cast.encodedPortably(elements)
        let decoded = cast.decoded(encoded, count: elements.count, with: nil)
        let source: [UInt8] = [0] + elements.bytes
        let halves: [UInt8] = [0] + encoded
        for kernels in Kernels.available {
            for count in 0...elements.count {
                var narrow = [UInt8](repeating: 0xA5, count: 2 + 2 * count)
                var wide = [UInt8](repeating: 0xA5, count: 2 + 4 * count)
                source.withUnsafeBytes { source in
                    narrow.withUnsafeMutableBytes { destination in
                        cast.encode(
                            (source.baseAddress! + 1).assumingMemoryBound(to: Float.self),
                            into: destination.baseAddress! + 1, rows: 1, columns: count, importance: nil, with: kernels)
                    }
                }
                halves.withUnsafeBytes { source in
                    wide.withUnsafeMutableBytes { destination in
                        cast.decode(
                            source.baseAddress! + 1,
                            into: (destination.baseAddress! + 1).assumingMemoryBound(to: Float.self), count: count,
                            with: kernels)
                    }
                }
                #expect(narrow == [0xA5] + encoded.prefix(2 * count) + [0xA5])
                #expect(wide == [0xA5] + decoded.prefix(4 * count) + [0xA5])
            }
        }
    }
}
