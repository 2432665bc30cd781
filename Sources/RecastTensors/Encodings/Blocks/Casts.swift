package import CKernels

/// IEEE float32, as it is stored.
package enum SingleFloat {
    /// How many of `count` elements are infinite or not a number.
    package static func nonfiniteCount(_ source: UnsafePointer<Float>, count: Int, with kernels: Kernels = .best) -> Int
    {
        kernels.table.pointee.nonfinite(source, count)
    }
}

/// Floats that lie one after the other.
protocol FloatDecoding: BlockDecoding {
    associatedtype Bits: FixedWidthInteger & UnsignedInteger
    static func value(of bits: Bits) -> Float
}

extension FloatDecoding {
    package static var blockSize: Int { 1 }
    package static var blockByteCount: Int { MemoryLayout<Bits>.size }

    package static func decodeBlock(_ block: UnsafeRawPointer, into numbers: UnsafeMutablePointer<Float>) {
        numbers[0] = value(of: block.loadUnaligned(as: Bits.self))
    }
}

/// Floats that numbers are rounded to, each on its own.
protocol FloatCast: FloatDecoding, BlockEncoding {
    static func bits(of value: Float) -> Bits
    /// The kernel that rounds.
    static var cast: KeyPath<ck_kernels, ck_conversion> { get }
    /// The kernel that counts what does not come back the same, NaN aside.
    static var losses: KeyPath<ck_kernels, ck_tally> { get }

    /// How many of `count` elements are finite, but infinite once encoded; or beyond the largest where nothing is infinite.
    static func overflowCount(_ source: UnsafePointer<Float>, count: Int, with kernels: Kernels) -> Int
}

extension FloatCast {
    package static func encode(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?, with kernels: Kernels
    ) {
        kernels.table.pointee[keyPath: cast](source, destination, rows * columns)
    }

    /// By the definition.
    static func encodePortable(_ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, count: Int) {
        for i in 0..<count {
            destination.storeBytes(of: bits(of: source[i]), toByteOffset: i * blockByteCount, as: Bits.self)
        }
    }

    /// How many of `count` elements, NaN aside, do not come back the same.
    static func inexactCount(_ source: UnsafePointer<Float>, count: Int, with kernels: Kernels = .best) -> Int {
        kernels.table.pointee[keyPath: losses](source, count)
    }
}

/// IEEE float16, kept as its bits: Swift's `Float16` is a library call per element on x86-64.
///
/// Rounds to nearest even and keeps subnormals; overflow is infinite, and a NaN is sign|0x7E00 (gguf.md §b, `h`).
package enum HalfFloat: FloatCast {
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.f32_from_f16 }
    static var cast: KeyPath<ck_kernels, ck_conversion> { \.f16_from_f32 }
    static var losses: KeyPath<ck_kernels, ck_tally> { \.inexact_f16 }

    /// Casts bfloat16, by way of float32.
    package static func encode(
        brain source: UnsafeRawPointer, into destination: UnsafeMutableRawPointer, count: Int,
        with kernels: Kernels = .best
    ) {
        kernels.table.pointee.f16_from_bf16(source, destination, count)
    }

    static func overflowCount(_ source: UnsafePointer<Float>, count: Int, with kernels: Kernels = .best) -> Int {
        kernels.table.pointee.overflowing_f16(source, count)
    }

    /// The nearest number of this type.
    package static func rounded(_ value: Float) -> Float { Self.value(of: bits(of: value)) }

    package static func bits(of value: Float) -> UInt16 {
        let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
        let magnitude = value.magnitude
        if magnitude.isNaN { return sign | 0x7E00 }
        if magnitude >= 65520 { return sign | 0x7C00 }
        // In units of the last place, which are those of 2^-14 for everything below it. A mantissa that rounds up to
        // a power of two carries into the exponent.
        let exponent = max(magnitude.isNormal ? Int(magnitude.exponent) : -126, -14)
        let units = Float(sign: .plus, exponent: 10 - exponent, significand: magnitude).rounded(.toNearestOrEven)
        return sign | (UInt16(exponent + 14) << 10 + UInt16(units))
    }

    package static func value(of bits: UInt16) -> Float {
        let exponent = Int(bits >> 10 & 31)
        let mantissa = UInt32(bits & 1023)
        let sign: FloatingPointSign = bits & 0x8000 == 0 ? .plus : .minus
        switch (exponent, mantissa) {
        case (31, 0): return sign == .plus ? .infinity : -.infinity
        case (31, _): return Float(bitPattern: UInt32(bits & 0x8000) << 16 | 0x7FC0_0000 | mantissa << 13)
        case (0, _): return Float(sign: sign, exponent: -24, significand: Float(mantissa))
        default: return Float(sign: sign, exponent: exponent - 25, significand: Float(mantissa + 1024))
        }
    }
}

/// bfloat16: the upper half of a float32, rounded to nearest even; a NaN stays one (gguf.md §b.1, BF16).
package enum BrainFloat: FloatCast {
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.f32_from_bf16 }
    static var cast: KeyPath<ck_kernels, ck_conversion> { \.bf16_from_f32 }
    static var losses: KeyPath<ck_kernels, ck_tally> { \.inexact_bf16 }

    static func overflowCount(_ source: UnsafePointer<Float>, count: Int, with kernels: Kernels = .best) -> Int {
        // From half way between the largest bfloat16 and what would come after it, up to infinity.
        let limits: Range<UInt32> = 0x7F7F_8000..<0x7F80_0000
        var overflows = 0
        for i in 0..<count { overflows &+= limits.contains(source[i].bitPattern & 0x7FFF_FFFF) ? 1 : 0 }
        return overflows
    }

    package static func bits(of value: Float) -> UInt16 {
        let upper = UInt16(truncatingIfNeeded: value.bitPattern >> 16)
        if value.isNaN { return upper | 64 }
        let lower = value.bitPattern & 0xFFFF
        let up = lower > 0x8000 || lower == 0x8000 && upper & 1 == 1
        return up ? upper + 1 : upper
    }

    package static func value(of bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
}
