internal import CKernels

/// Blocks of 32 signed bytes with one scale: f16 d, then the levels −127...127; x = q·d (gguf.md §b.1, §b.3).
enum Q8_0: BlockEncoding {
    static let blockSize = 32
    static let blockByteCount = 34
    static let scaleOffsets = [0]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q8_0 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q8_0 }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = source + block * blockSize
            let out = destination + block * blockByteCount
            let scale = abs(Float.farthest(of: x, count: blockSize)) / 127
            let inverse = scale == 0 ? 0 : 1 / scale
            out.storeBytes(of: HalfFloat.bits(of: scale), as: UInt16.self)
            for i in 0..<blockSize {
                let level = (x[i] * inverse).rounded(.toNearestOrAwayFromZero)
                // The inverse of a subnormal scale may be infinite: that makes level 0.
                out.storeBytes(of: level.isFinite ? Int8(level) : 0, toByteOffset: 2 + i, as: Int8.self)
            }
        }
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(as: UInt16.self))
            for i in 0..<blockSize {
                let level = bytes.load(fromByteOffset: 2 + i, as: Int8.self)
                destination[block * blockSize + i] = Float(level) * scale
            }
        }
    }
}
