import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// The block types that only round, whatever an element weighs.
@Suite struct RoundedBlockTests {
    static let types: [any BlockEncoding.Type] = [
        TQ1_0.self, TQ2_0.self, Q1_0.self, Q2_0.self, MXFP4.self, NVFP4.self,
    ]

    /// What llama.cpp's own quantizers make of the two inputs, with and without importance (gguf.md §b.9).
    // swift-format-ignore
    @Test(arguments: [
        (TQ1_0.self, "cddd4f8d57c892f7", "476ae36352a2d899"),
        (TQ2_0.self, "69ecf11731f05c20", "4e6d19ab54fc510d"),
        (MXFP4.self, "88847e3ec4eaf0e0", "d1ce5a77316dbe72"),
        (NVFP4.self, "7334a3a8816db209", "e29d391789b621e3"),
        (Q1_0.self,  "489b4cd11a633061", "48fd1c00fc338ed5"),
        (Q2_0.self,  "fc18aa49a884b96c", "4ae03e066ca5f883"),
    ] as [(any BlockEncoding.Type, String, String)])
    func goldenDigests(encoding: any BlockEncoding.Type, x: String, y: String) {
        let importance = (0..<1024).map { Float($0 % 7) }
        for kernels in Kernels.available {
            #expect(digest(encoding.encoded(Samples.goldenX, with: kernels)) == x, "\(kernels.instructionSet)")
            #expect(digest(encoding.encoded(Samples.goldenY, with: kernels)) == y, "\(kernels.instructionSet)")
            var weighted = [UInt8](repeating: 0, count: encoding.byteCount(of: Samples.goldenCount))
            encoding.encode(
                Samples.goldenX, into: &weighted, rows: 8, columns: 1024, importance: importance, with: kernels)
            #expect(digest(weighted) == x, "\(kernels.instructionSet)")
        }
        #expect(digest(encoding.encodedPortably(Samples.goldenX)) == x)
        #expect(digest(encoding.encodedPortably(Samples.goldenY)) == y)
    }

    /// Families that matter where a scale is a small float: what lies beside powers of two and midpoints of levels.
    static let families: [(name: String, elements: [Float])] = {
        var stream = Samples.Stream(seed: 13)
        /// A power of two, or what lies `distance` floats below it.
        func power(_ exponent: Int, minus distance: Int = 0) -> Float {
            let power = Float(sign: .plus, exponent: exponent, significand: 1).bitPattern
            return Float(bitPattern: power - min(power, UInt32(distance)))
        }
        /// Blocks of 64 in which every group of 16 begins with the greatest element.
        func blocks(_ count: Int, _ greatest: (Int) -> Float) -> [Float] {
            (0..<64 * count).map { i in
                i % 16 == 0 ? greatest(i / 64) : greatest(i / 64) * Float(Int(stream.next()! % 33) - 16) / 16
            }
        }
        // The distances at which the rounded logarithm may cross the power of two.
        let distances = [0, 1, 2, 3, 5, 6, 11, 12, 22, 23, 44, 45]
        return [
            ("powers of two", blocks(276 * 4) { power($0 / 4 - 149, minus: $0 % 4) }),
            ("beside powers of two", blocks(252 * 12) { power($0 / 12 - 124, minus: distances[$0 % 12]) }),
            ("largest", blocks(64) { Float(bitPattern: Float.greatestFiniteMagnitude.bitPattern - UInt32($0)) }),
            ("largest scales", blocks(64) { 1500 + 20 * Float($0) }),
            ("ties of scales", blocks(1024) { 6 * power($0 / 16 - 40) * (16 + Float($0 % 16)) / 16 }),
            ("smallest scales", blocks(64) { 6 * 0x1p-13 * Float($0) }),
        ]
    }()

    /// What the reference makes of random bytes: SHA-256 of the floats that gguf 0.19 (`gguf.quants.dequantize`) gives for
    /// blocks of this stream, with bit 14 of the scale cleared at `scale`; for Q1_0 and Q2_0, ggml 0.25.3.
    // swift-format-ignore
    @Test(arguments: [
        (TQ1_0.self,     53, "18277d311110a721"),
        (TQ2_0.self,     65, "ffe549c7fbf450fb"),
        (MXFP4.self,    nil, "5c1a4f0e2355a61a"),
        (NVFP4.self,    nil, "09a3002f07885a8d"),
        (Q1_0.self,       1, "ccce67cd1813c61e"),
        (Q2_0.self,       1, "72df2c9a0b480f1e"),
        (IQ1_S.self,      1, "93e79608c9ae3ca4"),
        (IQ1_M.self,     55, "ac434c1e001456ea"),
        (IQ2_XXS.self,    1, "432f852954a6a130"),
        (IQ2_XS.self,     1, "b1ed77d37e8ff4d8"),
        (IQ2_S.self,      1, "01b8d8ad79e08c5b"),
        (IQ3_XXS.self,    1, "bd1f631e35dd8149"),
        (IQ3_S.self,      1, "d72abbebc6740842"),
    ] as [(any BlockDecoding.Type, Int?, String)])
    func decodedRandomBytes(encoding: any BlockDecoding.Type, scale: Int?, expected: String) {
        let blockCount = 1024
        var bytes = Samples.Stream(seed: 11).prefix(blockCount * encoding.blockByteCount)
            .map { UInt8(truncatingIfNeeded: $0 >> 8) }
        if let scale {
            for block in 0..<blockCount { bytes[block * encoding.blockByteCount + scale] &= 0xBF }
        }
        let count = blockCount * encoding.blockSize
        let decoded = encoding.decoded(bytes, count: count, with: nil)
        #expect(digest(decoded) == expected)
        for kernels in Kernels.available {
            #expect(encoding.decoded(bytes, count: count, with: kernels) == decoded, "\(kernels.instructionSet)")
        }
    }

    /// From and to any address, and nothing beyond the last block.
    @Test(arguments: types) func unalignedAddresses(encoding: any BlockEncoding.Type) {
        let elements = Array(Samples.goldenY.prefix(Samples.familyCount))
        for kernels in Kernels.available {
            for count in stride(from: 0, through: elements.count, by: encoding.blockSize) {
                let expected = encoding.encodedPortably(Array(elements.prefix(count)))
                let shifted: [UInt8] = elements.withUnsafeBytes { [0] + $0 }
                var actual = [UInt8](repeating: 0xA5, count: 2 + expected.count)
                var back = [UInt8](repeating: 0xA5, count: 2 + 4 * count)
                shifted.withUnsafeBytes { source in
                    actual.withUnsafeMutableBytes { destination in
                        encoding.encode(
                            (source.baseAddress! + 1).assumingMemoryBound(to: Float.self),
                            into: destination.baseAddress! + 1, rows: 1, columns: count, importance: nil, with: kernels)
                        back.withUnsafeMutableBytes {
                            encoding.decode(
                                destination.baseAddress! + 1,
                                into: ($0.baseAddress! + 1).assumingMemoryBound(to: Float.self), count: count,
                                with: kernels)
                        }
                    }
                }
                #expect(actual == [0xA5] + expected + [0xA5], "\(encoding), \(count) with \(kernels.instructionSet)")
                #expect(back == [0xA5] + encoding.decoded(expected, count: count, with: nil) + [0xA5])
            }
        }
    }

    /// The exponent that ggml 0.25.3 stores for a block whose greatest element is this; where it would store 255 and call
    /// the block invalid, 0.
    // swift-format-ignore
    @Test(arguments: [
        (0x1p-5,            120), (0x1.fffffep-6,    120), (0x1.fffffcp-6,    120), (0x1.fffffap-6, 119),
        (1,                 125), (0x1.fffffep-1,    124), (0x1.fffffep0,     125), (0x1.fffffep1,  126),
        (0x1.fffffep3,      129), (0x1.fffffcp3,     128), (0x1p-125,           0), (0x1p-126,        0),
        (0x1p-127,          254), (0x1p-149,         232), (0,                  0), (0x1.fffffep127, 253),
    ] as [(Float, UInt8)])
    func exponents(greatest: Float, expected: UInt8) {
        let block = [-greatest] + [Float](repeating: 0, count: 31)
        #expect(MXFP4.encodedPortably(block)[0] == expected)
        for kernels in Kernels.available { #expect(MXFP4.encoded(block, with: kernels)[0] == expected) }
    }

    /// The scale and the first element's code that ggml 0.25.3 stores for groups whose greatest element is this.
    // swift-format-ignore
    @Test(arguments: [
        (1,     35, 7), (1536, 126, 5), (1600, 126, 6), (2688, 126, 7), (2689, 126, 7), (0x1p-10, 0, 0),
    ] as [(Float, UInt8, UInt8)])
    func groupScales(greatest: Float, scale: UInt8, code: UInt8) {
        let block = [greatest] + [Float](repeating: 0, count: 63)
        let encoded = NVFP4.encodedPortably(block)
        #expect(encoded[0] == scale)
        #expect(encoded[4] & 15 == code)
        for kernels in Kernels.available { #expect(NVFP4.encoded(block, with: kernels) == encoded) }
    }

    /// One block of the second row holds what its scale cannot reach.
    // swift-format-ignore
    @Test(arguments: [
        (DType.tq1_0, 65519, 65520), (.tq2_0, 65519, 65520), (.q2_0, 65519, 65520),
        (.q1_0, 128 * 65519, 128 * 65520), (.nvfp4, 2688, 2688.001), (.mxfp4, 3e38, .infinity),
    ] as [(DType, Float, Float)])
    func lostBlocks(dtype: DType, largest: Float, beyond: Float) throws {
        func tally(_ value: Float) throws -> Tally {
            var elements = [Float](repeating: 0, count: 2 * 512)
            elements[700] = -value
            elements[701] = beyond.isFinite ? 0 : value
            var bytes = [UInt8](repeating: 0, count: dtype.byteCount(of: elements.count)!)
            var tally = Tally()
            try elements.withUnsafeBufferPointer { source in
                try bytes.withUnsafeMutableBytes {
                    try dtype.encode(source, columns: 512, into: $0, tally: &tally)
                }
            }
            return tally
        }
        #expect(try tally(largest) == Tally())
        let lost = try tally(beyond)
        #expect(lost.lostBlockCount == (beyond.isFinite ? 1 : 0))
        #expect(lost.nonfiniteCount == (beyond.isFinite ? 0 : 2))
    }

    private func digest(_ bytes: [UInt8]) -> String { String(SHA256.hex(bytes).prefix(16)) }
}

extension BlockDecoding {
    /// The bits of the elements, by the definition if there are no kernels.
    static func decoded(_ bytes: [UInt8], count: Int, with kernels: Kernels?) -> [UInt8] {
        var elements = [Float](repeating: .nan, count: count)
        if let kernels {
            decode(bytes, into: &elements, count: count, with: kernels)
        } else {
            decodePortable(bytes, into: &elements, count: count)
        }
        return elements.bytes
    }
}
