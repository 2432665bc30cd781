/// Multiples of a block's scale, or minimum, that stand for those of its groups; the block's is stored as a half.
struct Multiples {
    var half: UInt16
    /// Bytes.
    var multiples: [Int]

    var unit: Float { HalfFloat.value(of: half) }

    /// The greatest number becomes `highest`; none are positive where there is no scale (gguf.md §b.7).
    init(rounding numbers: [Float], highest: Int) {
        var greatest: Float = 0
        for number in numbers where number > greatest { greatest = number }
        let inverse = greatest > 0 ? Float(highest) / greatest : 0
        half = HalfFloat.bits(of: greatest / Float(highest))
        multiples = numbers.map { (inverse * $0).nearestInteger.wrapped }
    }

    /// By search, for groups that weigh differently.
    init(searching numbers: [Float], weights: [Float], highest: Int) {
        let fit = LevelSearch.multiples(numbers, weights: weights, highest: highest)
        half = HalfFloat.bits(of: fit.scale)
        multiples = fit.levels
    }
}

/// Where two bits of each of 256 elements lie in 64 bytes: in a half of 32 bytes, four elements that are 32 apart share
/// one (gguf.md §b.2).
enum PairsOfBits {
    static func pack(_ levels: [Int], into bytes: inout [UInt8], at offset: Int) {
        for element in 0..<256 {
            bytes[offset + byte(of: element)] |= UInt8(levels[element] & 3) << UInt8(shift(of: element))
        }
    }

    static func level(of element: Int, in bytes: UnsafeRawPointer) -> Int {
        Int(bytes.load(fromByteOffset: byte(of: element), as: UInt8.self)) >> shift(of: element) & 3
    }

    private static func byte(of element: Int) -> Int { element / 128 * 32 + element % 32 }
    private static func shift(of element: Int) -> Int { element / 32 % 4 * 2 }
}
