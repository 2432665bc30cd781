import TestSupport

/// Bytes of tensors, good and bad to compress.
enum Weights {
    /// Numbers around zero, most of them small, as the weights of a trained model are.
    static func numbers(_ count: Int, seed: UInt64 = 1) -> [Float] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            let sum = (0..<6).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &random) }
            return sum * 0.014
        }
    }

    static func f32(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers(count, seed: seed) { bytes.put(number.bitPattern) }
        return bytes
    }

    static func bf16(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers(count, seed: seed) { bytes.put(UInt16(number.bitPattern >> 16)) }
        return bytes
    }

    /// Good enough for a test: the upper bits of a float32, with the exponent that float16 has.
    static func f16(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in numbers(count, seed: seed) {
            let bits = number.bitPattern
            let exponent = max(0, Int(bits >> 23 & 255) - 112)
            bytes.put(UInt16(bits >> 16 & 0x8000) | UInt16(exponent << 10) | UInt16(bits >> 13 & 0x3FF))
        }
        return bytes
    }

    static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
}
