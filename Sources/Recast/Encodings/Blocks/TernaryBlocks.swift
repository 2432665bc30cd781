internal import CKernels

/// Blocks of 256 levels −1, 0, 1 with one scale, five to a byte: 32 bytes for elements 0..<160, the next lying 32 apart, 16
/// for the next 80, and 4 bytes of four for the last 16; then f16 d; x = level·d (gguf.md §b.2, §b.3).
enum TQ1_0: BlockEncoding {
    static let blockSize = 256
    static let blockByteCount = 54
    static let scaleOffsets = [52]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_tq1_0 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_tq1_0 }

    /// Where the trits lie: the first byte and element, the number of bytes, and the trits in each.
    // swift-format-ignore
    private static let runs = [
        (byte:  0, element:   0, width: 32, depth: 5),
        (byte: 32, element: 160, width: 16, depth: 5),
        (byte: 48, element: 240, width:  4, depth: 4),
    ]

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = source + block * blockSize
            let out = destination + block * blockByteCount
            let scale = Trit.scale(of: x)
            for run in runs {
                for byte in 0..<run.width {
                    // A fraction of 3^5, so that multiplying by three brings up one trit after the other.
                    var digits = 0
                    for place in 0..<5 {
                        let element = run.element + run.width * place + byte
                        digits = digits * 3 + (place < run.depth ? Trit.level(x[element], scale: scale) + 1 : 0)
                    }
                    let fraction = UInt8((digits * 256 + 242) / 243)
                    out.storeBytes(of: fraction, toByteOffset: run.byte + byte, as: UInt8.self)
                }
            }
            out.storeBytes(of: HalfFloat.bits(of: scale), toByteOffset: 52, as: UInt16.self)
        }
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let out = destination + block * blockSize
            let scale = HalfFloat.value(of: bytes.loadUnaligned(fromByteOffset: 52, as: UInt16.self))
            for run in runs {
                for byte in 0..<run.width {
                    var fraction = bytes.load(fromByteOffset: run.byte + byte, as: UInt8.self)
                    for place in 0..<run.depth {
                        let level = Int(fraction) * 3 / 256 - 1
                        out[run.element + run.width * place + byte] = Float(level) * scale
                        fraction &*= 3
                    }
                }
            }
        }
    }
}

/// Blocks of 256 levels −1, 0, 1 with one scale, four to a byte: 32 bytes for each 128 elements, the next lying 32 apart,
/// from the lowest bits on; then f16 d; x = level·d (gguf.md §b.2, §b.3).
enum TQ2_0: BlockEncoding {
    static let blockSize = 256
    static let blockByteCount = 66
    static let scaleOffsets = [64]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_tq2_0 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_tq2_0 }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = source + block * blockSize
            let out = destination + block * blockByteCount
            let scale = Trit.scale(of: x)
            for byte in 0..<64 {
                var levels: UInt8 = 0
                for place in 0..<4 {
                    let element = byte / 32 * 128 + place * 32 + byte % 32
                    levels |= UInt8(Trit.level(x[element], scale: scale) + 1) << (2 * place)
                }
                out.storeBytes(of: levels, toByteOffset: byte, as: UInt8.self)
            }
            out.storeBytes(of: HalfFloat.bits(of: scale), toByteOffset: 64, as: UInt16.self)
        }
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(fromByteOffset: 64, as: UInt16.self))
            for element in 0..<blockSize {
                let byte = bytes.load(fromByteOffset: element / 128 * 32 + element % 32, as: UInt8.self)
                let level = Int(byte >> (element / 32 % 4 * 2) & 3) - 1
                destination[block * blockSize + element] = Float(level) * scale
            }
        }
    }
}

/// The rounding that both have in common.
private enum Trit {
    static func scale(of block: UnsafePointer<Float>) -> Float { abs(Float.farthest(of: block, count: 256)) }

    /// The inverse of a subnormal scale may be infinite: that makes level 0.
    static func level(_ value: Float, scale: Float) -> Int {
        let level = value * (scale == 0 ? 0 : 1 / scale)
        return level.isFinite ? Int(level.rounded(.toNearestOrAwayFromZero)) : 0
    }
}
