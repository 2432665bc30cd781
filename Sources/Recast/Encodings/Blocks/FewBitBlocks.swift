internal import CKernels

/// Blocks of 128 signs with one scale: f16 d, the mean magnitude, then a bit for each element, 1 for those that are not
/// negative; x = ±d (gguf.md §b.1, §b.3).
enum Q1_0: BlockEncoding {
    static let blockSize = 128
    static let blockByteCount = 18
    static let scaleOffsets = [0]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q1_0 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q1_0 }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = UnsafeBufferPointer(start: source + block * blockSize, count: blockSize)
            let out = destination + block * blockByteCount
            let mean = x.reduce(0) { $0 + abs($1) } / 128
            out.storeBytes(of: HalfFloat.bits(of: mean), as: UInt16.self)
            for byte in 0..<16 {
                let bits = (0..<8).reduce(0 as UInt8) { $0 | (x[8 * byte + $1] >= 0 ? 1 << $1 : 0) }
                out.storeBytes(of: bits, toByteOffset: 2 + byte, as: UInt8.self)
            }
        }
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(as: UInt16.self))
            for i in 0..<blockSize {
                let bit = bytes.load(fromByteOffset: 2 + i / 8, as: UInt8.self) >> (i % 8) & 1
                destination[block * blockSize + i] = bit == 1 ? scale : -scale
            }
        }
    }
}

/// Blocks of 64 levels −1...2 with one scale: f16 d, the greatest magnitude, then four levels a byte, from the lowest bits
/// on; x = level·d, so that rounding never gives the 2 (gguf.md §b.1, §b.3).
enum Q2_0: BlockEncoding {
    static let blockSize = 64
    static let blockByteCount = 18
    static let scaleOffsets = [0]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q2_0 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q2_0 }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = source + block * blockSize
            let out = destination + block * blockByteCount
            let scale = abs(Float.farthest(of: x, count: blockSize))
            let inverse = scale == 0 ? 0 : 1 / scale
            out.storeBytes(of: HalfFloat.bits(of: scale), as: UInt16.self)
            for byte in 0..<16 {
                let levels = (0..<4).reduce(0 as UInt8) { $0 | level(x[4 * byte + $1] * inverse) << (2 * $1) }
                out.storeBytes(of: levels, toByteOffset: 2 + byte, as: UInt8.self)
            }
        }
    }

    /// The inverse of a subnormal scale may be infinite: that makes the lowest level.
    private static func level(_ scaled: Float) -> UInt8 {
        scaled.isFinite ? UInt8(max(0, min(3, scaled.rounded(.toNearestOrAwayFromZero) + 1))) : 0
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(as: UInt16.self))
            for i in 0..<blockSize {
                let level = bytes.load(fromByteOffset: 2 + i / 4, as: UInt8.self) >> (i % 4 * 2) & 3
                destination[block * blockSize + i] = Float(Int(level) - 1) * scale
            }
        }
    }
}
