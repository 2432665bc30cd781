import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

@Suite struct CRC32Tests {
    private static let bytes = Samples.Stream(seed: 9).prefix(1 << 20).map { UInt8(truncatingIfNeeded: $0) }
    private static let kernels = [nil] + CRC32.Kernel.available

    private func checksum(_ bytes: some Collection<UInt8>, with kernel: CRC32.Kernel? = .best) -> UInt32 {
        var checksum = CRC32()
        Array(bytes).withUnsafeBytes { checksum.update($0, with: kernel) }
        return checksum.value
    }

    /// zlib.crc32 of Python over the beginning of the stream.
    // swift-format-ignore
    @Test(arguments: [
        (0,    0x0000_0000), (1,    0xB8B2_CF7F), (9,    0xB8FB_E8B4), (63,    0x9CFF_D3BF), (64,      0x999A_C419),
        (65,   0xECF5_0292), (127,  0x51EE_96BC), (128,  0x5F5B_0CEE), (511,   0x2538_BF0A), (512,     0x4E2E_D19B),
        (513,  0xC896_1521), (1000, 0x2FAD_A402), (4096, 0xE091_B060), (65537, 0xA234_C511), (1 << 20, 0xA9F6_E36E),
    ] as [(Int, UInt32)])
    func knownChecksums(count: Int, expected: UInt32) {
        for kernel in Self.kernels { #expect(checksum(Self.bytes.prefix(count), with: kernel) == expected) }
    }

    @Test func checkValues() {
        for kernel in Self.kernels {
            #expect(checksum("123456789".utf8, with: kernel) == 0xCBF4_3926)
            #expect(checksum([UInt8](repeating: 0, count: 100_000), with: kernel) == 0xD411_957D)
            #expect(checksum([UInt8](repeating: 0xFF, count: 100_000), with: kernel) == 0x68C6_CEC4)
        }
    }

    /// Every length up to several rounds of the widest kernel, from every alignment.
    @Test func lengthsAndAddresses() {
        Self.bytes.withUnsafeBytes { bytes in
            for count in 0..<1100 {
                let stretch = UnsafeRawBufferPointer(rebasing: bytes[count % 64..<count % 64 + count])
                var expected = CRC32()
                expected.update(stretch, with: nil)
                for kernel in CRC32.Kernel.available {
                    var actual = CRC32()
                    actual.update(stretch, with: kernel)
                    #expect(actual == expected, "\(count)")
                }
            }
        }
    }

    /// In pieces as at once, and the checksum of a concatenation from those of its parts.
    @Test func splits() {
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<300 {
            let count = Int.random(in: 0...5000, using: &generator)
            let split = Int.random(in: 0...count, using: &generator)
            let start = Int.random(in: 0..<100_000, using: &generator)
            let (first, second) = (Self.bytes[start..<start + split], Self.bytes[start + split..<start + count])
            let whole = checksum(first + second)
            #expect(CRC32.combined(checksum(first), checksum(second), secondByteCount: second.count) == whole)
            var pieces = CRC32()
            for piece in [first, second] { piece.withUnsafeBytes { pieces.update($0) } }
            #expect(pieces.value == whole)
        }
    }

    /// Long stretches, which zeros stand for: adding n zeros twice is adding 2n.
    @Test func combiningIsAssociative() {
        let (a, b, c) = (0x1234_5678, 0x9ABC_DEF0, 0x0F1E_2D3C) as (UInt32, UInt32, UInt32)
        for (m, n) in [(0, 0), (1, 0), (0, 7), (3, 5), (1 << 33, 12345), ((1 << 40) + 3, (1 << 41) + 9)] {
            let left = CRC32.combined(CRC32.combined(a, b, secondByteCount: m), c, secondByteCount: n)
            let right = CRC32.combined(a, CRC32.combined(b, c, secondByteCount: n), secondByteCount: m + n)
            #expect(left == right)
        }
        #expect(CRC32.combined(0, b, secondByteCount: 99) == b)
    }
}
