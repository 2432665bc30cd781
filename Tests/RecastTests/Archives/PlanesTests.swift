import TestSupport
import Testing

@testable import Recast

struct PlanesTests {
    private func split(_ bytes: [UInt8], width: Int) -> [[UInt8]] {
        let count = bytes.count / width
        var planes = [UInt8](repeating: 0, count: count * width)
        planes.withUnsafeMutableBufferPointer { planes in
            let pointers = (0..<width).map { planes.baseAddress! + $0 * count }
            bytes.withUnsafeBytes { Planes(width: width).split($0.baseAddress!, count: count, into: pointers) }
        }
        return (0..<width).map { Array(planes[$0 * count..<($0 + 1) * count]) }
    }

    /// The elements of `planes`, at an address that is no multiple of anything.
    private func merged(_ planes: [[UInt8]]) -> [UInt8] {
        let (width, count) = (planes.count, planes[0].count)
        var flat = planes.flatMap(\.self)
        var out = [UInt8](repeating: 0xAA, count: count * width + 2)
        flat.withUnsafeMutableBufferPointer { flat in
            let pointers = (0..<width).map { flat.baseAddress! + $0 * count }
            out.withUnsafeMutableBytes {
                Planes(width: width).merge(pointers, count: count, into: $0.baseAddress! + 1)
            }
        }
        #expect(out.first == 0xAA && out.last == 0xAA)
        return Array(out.dropFirst().dropLast())
    }

    @Test(arguments: [1, 2, 4, 8], [1, 2, 15, 64, 1001])
    func mergingUndoesSplitting(width: Int, count: Int) {
        let bytes = Weights.noise(count * width, seed: UInt64(width * count))
        #expect(merged(split(bytes, width: width)) == bytes)
    }

    /// The first plane of a float is its exponent, by IEEE's own definition.
    @Test func exponents() {
        let numbers = Weights.numbers(300) + [0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude]
        let single = split(
            numbers.flatMap { number in (0..<4).map { UInt8(truncatingIfNeeded: number.bitPattern >> (8 * $0)) } },
            width: 4)
        #expect(single[0] == numbers.map { UInt8($0.exponentBitPattern) })
        #expect(single[3].map { $0 & 1 } == numbers.map { $0.sign == .minus ? 1 : 0 })
        let brain = split(
            numbers.flatMap { number in (2..<4).map { UInt8(truncatingIfNeeded: number.bitPattern >> (8 * $0)) } },
            width: 2)
        #expect(brain[0] == single[0])
        #expect(
            brain[1] == numbers.map { UInt8($0.significandBitPattern >> 16) << 1 | ($0.sign == .minus ? 1 : 0) })
    }

    // swift-format-ignore
    @Test(arguments: [
        (DType.bf16, 2), (.f16, 2), (.f32, 4), (.f64, 8), (.c64, 4), (.f8e4m3, 1), (.i8, 1), (.i32, 1), (.bool, 1),
        (.q4_0, 1), (.f4, 1),
    ])
    func widths(dtype: DType, width: Int) {
        #expect(Planes(of: dtype).width == width)
    }
}

struct CompressibilityTests {
    private let directory = TemporaryDirectory()

    private func mask(_ bytes: [UInt8], _ dtype: DType) throws -> UInt8 {
        let path = directory.write("x", [1, 2, 3] + bytes)
        let piece = Archiving.Piece(
            file: 0, bytes: 3..<3 + bytes.count, entry: "x", planes: Planes(of: dtype), profile: .numbers)
        return try Compressibility(of: piece, in: FileSource(path: path)).mask
    }

    @Test func planes() throws {
        #expect(try mask(Weights.bf16(50_000), .bf16) == 0b01)
        #expect(try mask(Weights.f32(50_000), .f32) == 0b0001)
        #expect(try mask(Weights.f16(50_000), .f16) == 0b01)
        // A float32 that was a bfloat16: but for the exponent, one plane is full of bits and two are empty.
        let widened = Weights.numbers(50_000).map { $0.bitPattern & 0xFFFF_0000 }
        var bytes: [UInt8] = []
        for bits in widened { bytes.put(bits) }
        #expect(try mask(bytes, .f32) & 0b0101 == 0b0101)
    }

    @Test(arguments: [DType.bf16, .f32, .f64, .q4_0, .f8e4m3])
    func noise(dtype: DType) throws {
        #expect(try mask(Weights.noise(400_000), dtype) == 0)
        #expect(
            try mask([UInt8](repeating: 7, count: 400_000), dtype)
                == UInt8(truncatingIfNeeded: (1 << Planes(of: dtype).width) - 1))
        #expect(try mask([], dtype) == 0)
    }

    @Test func entropy() {
        func bits(_ bytes: [UInt8]) -> Double { Compressibility.bitsPerByte(bytes[...]) }
        #expect(bits((0...255).map { $0 }) == 8)
        #expect(bits([1, 2, 1, 2]) == 1)
        #expect(bits([5, 5, 5]) == 0)
        #expect(bits([]) == 0)
        // A third of one and two thirds of another: log2(3) − 2/3.
        #expect(abs(bits([1, 2, 2]) - 0.918295834054489514) < 1e-14)
    }
}

struct SeekTableTests {
    private let table = SeekTable(frames: [(300, 4096), (2, 1)])

    /// Two frames, spelled out after the format's specification.
    @Test func bytes() {
        #expect(
            table.bytes == [
                0x5E, 0x2A, 0x4D, 0x18, 25, 0, 0, 0, 0x2C, 1, 0, 0, 0, 0x10, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
                0,
                0xB1, 0xEA, 0x92, 0x8F,
            ])
        #expect(table.bytes.count == SeekTable.byteCount(frameCount: 2))
        #expect(table.bytes.withUnsafeBytes { SeekTable($0, frameCount: 2) } == table)
    }

    @Test func otherBytes() {
        for place in [0, 3, 4, 24, 28, 29, 32] {
            var bytes = table.bytes
            bytes[place] ^= 1
            #expect(bytes.withUnsafeBytes { SeekTable($0, frameCount: 2) } == nil, "\(place)")
        }
        for count in [0, 1, 3] { #expect(table.bytes.withUnsafeBytes { SeekTable($0, frameCount: count) } == nil) }
    }
}
