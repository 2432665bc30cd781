package import CKernels

/// How the seven bits of a magnitude, or fewer, are divided; the highest exponent is like any other.
struct SmallFormat {
    let mantissaBits: Int
    let bias: Int

    func value(of bits: UInt8) -> Float {
        let exponent = Int(bits) >> mantissaBits
        let mantissa = Int(bits) - exponent << mantissaBits
        // Numbers without an exponent have that of the smallest that has one, and no leading one.
        let steps = exponent == 0 ? mantissa : mantissa + 1 << mantissaBits
        return Float(sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits, significand: Float(steps))
    }

    /// The bits of the number nearest to a finite magnitude, ties to even, if there were enough of them.
    func rounded(_ magnitude: Float) -> Int {
        let exponent = max(magnitude.isNormal ? Int(magnitude.exponent) : -126, 1 - bias)
        // A mantissa that rounds up to a power of two carries into the exponent.
        let steps = Float(sign: .plus, exponent: mantissaBits - exponent, significand: magnitude)
        return (exponent + bias - 1) << mantissaBits + Int(steps.rounded(.toNearestOrEven))
    }
}

/// A float of one byte.
protocol SmallFloat: FloatDecoding where Bits == UInt8 {}

extension SmallFloat {
    static func signed(_ magnitude: Float, _ byte: UInt8) -> Float {
        byte & 0x80 == 0 ? magnitude : -magnitude
    }
}

/// A float of one byte that is also written.
protocol WritableSmallFloat: SmallFloat, FloatCast {
    static var overflows: KeyPath<ck_kernels, ck_tally> { get }
}

extension WritableSmallFloat {
    static func overflowCount(_ source: UnsafePointer<Float>, count: Int, with kernels: Kernels = .best) -> Int {
        kernels.table.pointee[keyPath: overflows](source, count)
    }
}

/// F8_E4M3: bias 7, up to 448; no infinity, and NaN where all bits are set.
///
/// What rounds to more than 448, and infinity, becomes 448: as torch does from 2.12 on (before, it became NaN).
package enum E4M3: WritableSmallFloat {
    static let format = SmallFormat(mantissaBits: 3, bias: 7)
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.f32_from_e4m3 }
    static var cast: KeyPath<ck_kernels, ck_conversion> { \.e4m3_from_f32 }
    static var overflows: KeyPath<ck_kernels, ck_tally> { \.overflowing_e4m3 }
    static var losses: KeyPath<ck_kernels, ck_tally> { \.inexact_e4m3 }

    static func value(of byte: UInt8) -> Float {
        signed(byte & 0x7F == 0x7F ? .nan : format.value(of: byte & 0x7F), byte)
    }

    static func bits(of value: Float) -> UInt8 {
        let sign: UInt8 = value.sign == .minus ? 0x80 : 0
        if value.isNaN { return sign | 0x7F }
        return sign | (value.isInfinite ? 0x7E : UInt8(min(0x7E, format.rounded(abs(value)))))
    }
}

/// F8_E5M2: bias 15, up to 57344; infinity and NaN like the upper byte of a float16.
enum E5M2: WritableSmallFloat {
    static let format = SmallFormat(mantissaBits: 2, bias: 15)
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.f32_from_e5m2 }
    static var cast: KeyPath<ck_kernels, ck_conversion> { \.e5m2_from_f32 }
    static var overflows: KeyPath<ck_kernels, ck_tally> { \.overflowing_e5m2 }
    static var losses: KeyPath<ck_kernels, ck_tally> { \.inexact_e5m2 }

    static func value(of byte: UInt8) -> Float {
        let magnitude = byte & 0x7F
        if magnitude >= 0x7C { return signed(magnitude == 0x7C ? .infinity : .nan, byte) }
        return signed(format.value(of: magnitude), byte)
    }

    static func bits(of value: Float) -> UInt8 {
        let sign: UInt8 = value.sign == .minus ? 0x80 : 0
        if value.isNaN { return sign | 0x7F }
        return sign | (value.isInfinite ? 0x7C : UInt8(min(0x7C, format.rounded(abs(value)))))
    }
}

/// F8_E4M3FNUZ: bias 8, up to 240; no infinity and no negative zero, whose bits are the one NaN.
enum E4M3FNUZ: SmallFloat {
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.f32_from_e4m3fnuz }

    static func value(of byte: UInt8) -> Float {
        byte == 0x80 ? .nan : signed(SmallFormat(mantissaBits: 3, bias: 8).value(of: byte & 0x7F), byte)
    }
}

/// F8_E5M2FNUZ: bias 16, up to 57344; no infinity and no negative zero, whose bits are the one NaN.
enum E5M2FNUZ: SmallFloat {
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.f32_from_e5m2fnuz }

    static func value(of byte: UInt8) -> Float {
        byte == 0x80 ? .nan : signed(SmallFormat(mantissaBits: 2, bias: 16).value(of: byte & 0x7F), byte)
    }
}

/// F8_E8M0, the scale of MX blocks: the powers of two 2^(e − 127), and NaN for 255.
package enum E8M0: SmallFloat {
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.f32_from_e8m0 }

    package static func value(of byte: UInt8) -> Float {
        byte == 0xFF ? .nan : Float(sign: .plus, exponent: Int(byte) - 127, significand: 1)
    }

    /// Of a power of two; 0, which it has not, becomes the smallest.
    static func bits(of scale: Float) -> UInt8 {
        guard scale.isFinite, scale > 0 else { return scale == 0 ? 0 : 255 }
        return UInt8(max(0, min(254, Int(scale.exponent) + 127)))
    }
}

/// F4, which is E2M1: 0, ½, 1, 1½, 2, 3, 4, 6 and a sign, two to a byte, the first in the low bits.
enum E2M1: BlockDecoding {
    package static let blockSize = 2
    package static let blockByteCount = 1
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.f32_from_e2m1 }

    static func value(of code: UInt8) -> Float {
        let magnitude = SmallFormat(mantissaBits: 1, bias: 1).value(of: code & 7)
        return code & 8 == 0 ? magnitude : -magnitude
    }

    package static func decodeBlock(_ block: UnsafeRawPointer, into numbers: UnsafeMutablePointer<Float>) {
        let pair = block.load(as: UInt8.self)
        (numbers[0], numbers[1]) = (value(of: pair & 15), value(of: pair >> 4))
    }
}
