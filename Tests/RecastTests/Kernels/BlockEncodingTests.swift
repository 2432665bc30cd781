import TestSupport
import Testing

@testable import Recast

private let quantizers: [any BlockEncoding.Type] = [Q4_0.self, Q8_0.self, Q6_K.self]

@Suite struct BlockEncodingTests {
    @Test func digest() {
        #expect(SHA256.hex("abc".utf8) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(digest(Samples.goldenX.bytes) == "1b85ba671319d98a")
        #expect(digest(Samples.goldenY.bytes) == "c5ce0de0710c7f33")
    }

    /// What llama.cpp's own quantizers make of the two inputs (gguf.md §b.9).
    // swift-format-ignore
    static let golden: [(encoding: any BlockEncoding.Type, x: String, y: String)] = [
        (HalfFloat.self,  "26d407e3657de775", "57827579c98fe02f"),
        (BrainFloat.self, "6d3ec7e19f4d5184", "ac5b30cf658a911d"),
        (Q4_0.self,       "cf9d7d91056a2434", "83889e15d5aa8f5c"),
        (Q8_0.self,       "27f2072cd36d72bc", "181013170ff2be62"),
        (Q6_K.self,       "ce7b739b43facc36", "55cc8799a153f1d0"),
    ]

    @Test(arguments: golden) func goldenDigests(encoding: any BlockEncoding.Type, x: String, y: String) {
        for kernels in Kernels.available {
            #expect(digest(encoding.encoded(Samples.goldenX, with: kernels)) == x, "\(kernels.instructionSet)")
            #expect(digest(encoding.encoded(Samples.goldenY, with: kernels)) == y, "\(kernels.instructionSet)")
        }
        #expect(digest(encoding.encodedPortably(Samples.goldenX)) == x)
        #expect(digest(encoding.encodedPortably(Samples.goldenY)) == y)
    }

    @Test(arguments: quantizers) func encodingMatchesDefinition(encoding: any BlockEncoding.Type) {
        for (family, elements) in Samples.families {
            let expected = encoding.encodedPortably(elements)
            for kernels in Kernels.available {
                let actual = encoding.encoded(elements, with: kernels)
                #expect(actual == expected, "\(encoding) of \(family) with \(kernels.instructionSet)")
            }
        }
    }

    /// Any bytes, as long as the scale is finite: what a NaN carries along is not defined.
    @Test(arguments: zip(quantizers, [0, 0, 208])) func decodingMatchesDefinition(
        encoding: any BlockEncoding.Type, scaleOffset: Int
    ) {
        var stream = Samples.Stream(seed: 11)
        var bytes = (0..<64 * encoding.blockByteCount).map { _ in UInt8(truncatingIfNeeded: stream.next()! >> 8) }
        for upper in stride(from: scaleOffset + 1, to: bytes.count, by: encoding.blockByteCount)
        where bytes[upper] & 0x7C == 0x7C {
            bytes[upper] ^= 0x40
        }
        let count = 64 * encoding.blockSize
        let expected = encoding.decoded(bytes, count: count, with: nil)
        for kernels in Kernels.available {
            let actual = encoding.decoded(bytes, count: count, with: kernels)
            #expect(actual == expected, "\(encoding) with \(kernels.instructionSet)")
        }
    }

    /// Decoding what was encoded stays within the step of the grid.
    @Test(arguments: zip(quantizers, [0.13, 0.005, 0.04] as [Float])) func decodingInvertsEncoding(
        encoding: any BlockEncoding.Type, tolerance: Float
    ) {
        let elements = Samples.families[0].elements
        let farthest = elements.map(abs).max()!
        var decoded = [Float](repeating: 0, count: elements.count)
        encoding.decode(encoding.encoded(elements, with: .best), into: &decoded, count: elements.count)
        for (x, y) in zip(elements, decoded) { #expect(abs(x - y) <= tolerance * farthest) }
    }

    /// From and to any address, and nothing beyond the last block.
    @Test(arguments: quantizers) func unalignedAddresses(encoding: any BlockEncoding.Type) {
        let elements = Array(Samples.goldenX.prefix(Samples.familyCount))
        for kernels in Kernels.available {
            for count in stride(from: 0, through: elements.count, by: encoding.blockSize) {
                let expected = encoding.encoded(Array(elements.prefix(count)), with: kernels)
                let size = encoding.byteCount(of: count)
                let shifted: [UInt8] = elements.withUnsafeBytes { [0] + $0 }
                var actual = [UInt8](repeating: 0xA5, count: 1 + size + 1)
                shifted.withUnsafeBytes { source in
                    actual.withUnsafeMutableBytes { destination in
                        encoding.encode(
                            (source.baseAddress! + 1).assumingMemoryBound(to: Float.self),
                            into: destination.baseAddress! + 1, rows: 1, columns: count, importance: nil, with: kernels)
                    }
                }
                #expect(actual == [0xA5] + expected + [0xA5], "\(encoding), \(count) with \(kernels.instructionSet)")
            }
        }
    }

    private func digest(_ bytes: [UInt8]) -> String { String(SHA256.hex(bytes).prefix(16)) }
}

extension BlockEncoding {
    static func encoded(_ elements: [Float], with kernels: Kernels) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xA5, count: byteCount(of: elements.count))
        encode(elements, into: &bytes, rows: 1, columns: elements.count, importance: nil, with: kernels)
        return bytes
    }

    static func encodedPortably(_ elements: [Float]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xA5, count: byteCount(of: elements.count))
        encodePortable(elements, into: &bytes, rows: 1, columns: elements.count, importance: nil)
        return bytes
    }
}

extension [Float] {
    var bytes: [UInt8] { withUnsafeBytes { Array<UInt8>($0) } }
}
