internal import CKernels

/// Blocks of 32 levels 0...15 around 8 with one scale: f16 d, then 16 bytes whose low nibbles hold elements 0..<16 and
/// whose high nibbles hold the rest; x = (q − 8)·d (gguf.md §b.1, §b.3).
enum Q4_0: BlockEncoding {
    static let blockSize = 32
    static let blockByteCount = 18
    static let scaleOffsets = [0]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q4_0 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q4_0 }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = source + block * blockSize
            let out = destination + block * blockByteCount
            let scale = Float.farthest(of: x, count: blockSize) / -8
            let inverse = scale == 0 ? 0 : 1 / scale
            out.storeBytes(of: HalfFloat.bits(of: scale), as: UInt16.self)
            for i in 0..<16 {
                out.storeBytes(
                    of: level(x[i] * inverse) | level(x[i + 16] * inverse) << 4, toByteOffset: 2 + i, as: UInt8.self)
            }
        }
    }

    /// Truncated, and cut off at the top only. The inverse of a subnormal scale may be infinite: that makes level 0.
    private static func level(_ scaled: Float) -> UInt8 {
        let shifted = scaled + 8.5
        return shifted.isFinite ? UInt8(min(15, Int(shifted))) : 0
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let out = destination + block * blockSize
            let scale = HalfFloat.value(of: bytes.loadUnaligned(as: UInt16.self))
            for i in 0..<16 {
                let pair = bytes.load(fromByteOffset: 2 + i, as: UInt8.self)
                out[i] = Float(Int(pair & 15) - 8) * scale
                out[i + 16] = Float(Int(pair >> 4) - 8) * scale
            }
        }
    }
}
