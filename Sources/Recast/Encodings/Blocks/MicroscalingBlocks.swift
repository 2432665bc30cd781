internal import CKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The codes of E2M1 as GGUF uses them: twice the value, against half the scale, and no negative zero.
private enum Doubled {
    // swift-format-ignore
    static let levels: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

    /// The first of the codes nearest to a value.
    static func nearest(_ value: Float, step: Float) -> UInt8 {
        var best = 0
        var least = abs(levels[0] * step - value)
        for code in 1..<16 {
            let error = abs(levels[code] * step - value)
            if error < least { (best, least) = (code, error) }
        }
        return UInt8(best)
    }

    /// Codes of `count` elements, the second half of them in the upper nibbles.
    static func encode(_ x: UnsafePointer<Float>, step: Float, into out: UnsafeMutableRawPointer, count: Int) {
        for i in 0..<count / 2 {
            let pair = nearest(x[i], step: step) | nearest(x[count / 2 + i], step: step) << 4
            out.storeBytes(of: pair, toByteOffset: i, as: UInt8.self)
        }
    }

    static func decode(_ bytes: UnsafeRawPointer, step: Float, into out: UnsafeMutablePointer<Float>, count: Int) {
        for i in 0..<count / 2 {
            let pair = bytes.load(fromByteOffset: i, as: UInt8.self)
            out[i] = levels[Int(pair & 15)] * step
            out[count / 2 + i] = levels[Int(pair >> 4)] * step
        }
    }
}

/// Blocks of 32 codes of E2M1 with a power of two: u8 e, then 16 bytes whose low nibbles hold elements 0..<16 and whose
/// high nibbles hold the rest; x = 2^(e − 127)·value (gguf.md §b.2, §b.3).
///
/// As in the reference, 255 is a power like any other when read. Written it is never: where the reference's exponent, which
/// wraps around for blocks below 2^-125, comes to 255, it calls its own file invalid; here such a block gets exponent 0.
enum MXFP4: BlockEncoding {
    static let blockSize = 32
    static let blockByteCount = 17
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_mxfp4 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_mxfp4 }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = source + block * blockSize
            let out = destination + block * blockByteCount
            let exponent = exponent(for: abs(Float.farthest(of: x, count: blockSize)))
            out.storeBytes(of: exponent, as: UInt8.self)
            Doubled.encode(x, step: step(exponent), into: out + 1, count: blockSize)
        }
    }

    /// The logarithm is rounded to float32 before it is floored, which takes what lies just below a power of two up to it.
    private static func exponent(for magnitude: Float) -> UInt8 {
        guard magnitude > 0, magnitude.isFinite else { return 0 }
        let exponent = UInt8(truncatingIfNeeded: Int(Float(log2(Double(magnitude))).rounded(.down)) + 125)
        return exponent == 255 ? 0 : exponent
    }

    private static func step(_ exponent: UInt8) -> Float {
        Float(sign: .plus, exponent: Int(exponent) - 128, significand: 1)
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let step = step(bytes.load(as: UInt8.self))
            Doubled.decode(bytes + 1, step: step, into: destination + block * blockSize, count: blockSize)
        }
    }
}

/// Blocks of 64 codes of E2M1 in four groups, each with a scale: four bytes of E4M3 without a sign, then 8 bytes a group,
/// whose low nibbles hold its first eight elements; x = scale·value (gguf.md §b.2, §b.3).
///
/// As in the reference, the scale's NaN, 127, is zero when read, and its sign is ignored. The tensor's own scale, which
/// some files keep beside it, is not applied here.
enum NVFP4: BlockEncoding {
    static let blockSize = 64
    static let blockByteCount = 36
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_nvfp4 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_nvfp4 }

    private static let groupSize = 16
    private static let largestScale: UInt8 = 0x7E

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let out = destination + block * blockByteCount
            for group in 0..<4 {
                let x = source + block * blockSize + group * groupSize
                let scale = scale(for: abs(Float.farthest(of: x, count: groupSize)) / 6)
                out.storeBytes(of: scale, toByteOffset: group, as: UInt8.self)
                Doubled.encode(x, step: step(scale), into: out + 4 + 8 * group, count: groupSize)
            }
        }
    }

    /// Rounded with ties upwards; from 256 on the largest, 448.
    private static func scale(for value: Float) -> UInt8 {
        if value >= 256 { return largestScale }
        if value < 0x1p-6 { return UInt8(min(7, value * 512 + 0.5)) }
        let mantissa = Int((value.significand - 1) * 8 + 0.5)
        let scale = (Int(value.exponent) + 7) << 3 + mantissa
        return scale < 0x78 ? UInt8(scale) : largestScale
    }

    private static func step(_ scale: UInt8) -> Float {
        let magnitude = scale & 0x7F
        return scale == 0x7F ? 0 : E4M3.format.value(of: magnitude) / 2
    }

    static let showsLostBlocks = false

    /// A group beyond six times the largest scale is cut off, without a trace in the block.
    static func lostBlockCount(of source: UnsafePointer<Float>, blocks: UnsafeRawPointer, count: Int) -> Int {
        var lost = 0
        for block in 0..<count / blockSize {
            let isLost = (0..<4).contains { group in
                guard blocks.load(fromByteOffset: block * blockByteCount + group, as: UInt8.self) == largestScale else {
                    return false
                }
                let x = source + block * blockSize + group * groupSize
                return abs(Float.farthest(of: x, count: groupSize)) > 6 * 448
            }
            lost += isLost ? 1 : 0
        }
        return lost
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            for group in 0..<4 {
                Doubled.decode(
                    bytes + 4 + 8 * group, step: step(bytes.load(fromByteOffset: group, as: UInt8.self)),
                    into: destination + block * blockSize + group * groupSize, count: groupSize)
            }
        }
    }
}
