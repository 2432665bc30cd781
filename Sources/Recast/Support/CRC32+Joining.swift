extension CRC32 {
    /// The checksum of two stretches, one after the other, from the checksums of each.
    ///
    /// A checksum is a polynomial over GF(2), lowest power first, modulo the CRC's own; appending n bits multiplies it by xⁿ.
    static func joined(_ first: UInt32, _ second: UInt32, secondByteCount: Int) -> UInt32 {
        product(first, power(8 * secondByteCount)) ^ second
    }

    private static let one: UInt32 = 0x8000_0000

    /// x to some power, by squaring.
    private static func power(_ exponent: Int) -> UInt32 {
        var (power, square, left) = (one, one >> 1, exponent)
        while left > 0 {
            if left & 1 == 1 { power = product(power, square) }
            square = product(square, square)
            left >>= 1
        }
        return power
    }

    private static func product(_ a: UInt32, _ b: UInt32) -> UInt32 {
        var (sum, term): (UInt32, UInt32) = (0, b)
        for bit in (0..<32).reversed() {
            if a >> UInt32(bit) & 1 == 1 { sum ^= term }
            term = term >> 1 ^ (term & 1 == 1 ? 0xEDB8_8320 : 0)
        }
        return sum
    }
}
