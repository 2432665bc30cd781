internal import CKernels

/// Blocks of 32 levels around the middle one with one scale: f16 d, then levels; x = (q − 8)·d.
enum Q4_0: LegacyBlock {
    static let (hasFifthBit, hasMinimum) = (false, false)
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q4_0 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q4_0 }
}

/// Blocks of 32 levels with a scale and a minimum: f16 d, f16 m, then levels; x = q·d + m.
enum Q4_1: LegacyBlock {
    static let (hasFifthBit, hasMinimum) = (false, true)
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q4_1 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q4_1 }
}

/// Blocks of 32 levels around the middle one with one scale: f16 d, then levels; x = (q − 16)·d.
enum Q5_0: LegacyBlock {
    static let (hasFifthBit, hasMinimum) = (true, false)
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q5_0 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q5_0 }
}

/// Blocks of 32 levels with a scale and a minimum: f16 d, f16 m, then levels; x = q·d + m.
enum Q5_1: LegacyBlock {
    static let (hasFifthBit, hasMinimum) = (true, true)
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q5_1 }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q5_1 }
}

/// Blocks of 32 levels of four or five bits (gguf.md §b.1, §b.3; with an importance §b.7).
///
/// The fifth bits, if there are any, come first, that of element 0 lowest; then 16 bytes whose low nibbles hold
/// elements 0..<16 and whose high nibbles hold the rest.
protocol LegacyBlock: BlockEncoding {
    static var hasFifthBit: Bool { get }
    static var hasMinimum: Bool { get }
}

extension LegacyBlock {
    static var blockSize: Int { 32 }
    static var blockByteCount: Int { levelOffset + (hasFifthBit ? 20 : 16) }
    static var scaleOffsets: [Int] { hasMinimum ? [0, 2] : [0] }

    private static var levelOffset: Int { hasMinimum ? 4 : 2 }
    private static var highest: Int { hasFifthBit ? 31 : 15 }
    /// The level of zero.
    private static var middle: Int { hasFifthBit ? 16 : 8 }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for row in 0..<rows {
            let elements = source + row * columns
            let variance = Weights.sumOfSquares(elements, count: columns) / Float(columns)
            for block in 0..<columns / blockSize {
                let x = elements + block * blockSize
                let fit =
                    if let importance {
                        searched(
                            x,
                            Weights.important(x, importance + block * blockSize, variance: variance, count: blockSize))
                    } else if hasMinimum {
                        ranged(x)
                    } else {
                        centred(x)
                    }
                store(fit, in: destination + (row * columns / blockSize + block) * blockByteCount)
            }
        }
    }

    private static func searched(_ x: UnsafePointer<Float>, _ weights: [Float]) -> Fit {
        hasMinimum
            ? AffineSearch(highest: highest).fit(x, weights: weights)
            : ScaleSearch(highest: middle).fit(x, weights: weights)
    }

    /// The farthest element has the level 0.
    private static func centred(_ x: UnsafePointer<Float>) -> Fit {
        let scale = Float.farthest(of: x, count: blockSize) / Float(-middle)
        let inverse = scale == 0 ? 0 : 1 / scale
        return Fit(scale: scale, levels: (0..<blockSize).map { level(x[$0] * inverse + (Float(middle) + 0.5)) })
    }

    /// The least element has the level 0, the greatest the highest.
    private static func ranged(_ x: UnsafePointer<Float>) -> Fit {
        var least = Float.greatestFiniteMagnitude
        var greatest = -Float.greatestFiniteMagnitude
        for i in 0..<blockSize {
            if x[i] < least { least = x[i] }
            if x[i] > greatest { greatest = x[i] }
        }
        let scale = (greatest - least) / Float(highest)
        let inverse = scale == 0 ? 0 : 1 / scale
        return Fit(
            scale: scale, minimum: least, levels: (0..<blockSize).map { level((x[$0] - least) * inverse + 0.5) })
    }

    /// Truncated, and cut off at the top. The inverse of a subnormal scale may be infinite: that makes level 0.
    private static func level(_ shifted: Float) -> Int { shifted.isFinite ? Int(shifted).clamped(0, highest) : 0 }

    private static func store(_ fit: Fit, in out: UnsafeMutableRawPointer) {
        out.storeBytes(of: HalfFloat.bits(of: fit.scale), as: UInt16.self)
        if hasMinimum { out.storeBytes(of: HalfFloat.bits(of: fit.minimum), toByteOffset: 2, as: UInt16.self) }
        var offset = levelOffset
        if hasFifthBit {
            let bits = fit.levels.enumerated().reduce(0 as UInt32) { $0 | UInt32($1.element >> 4) << UInt32($1.offset) }
            out.storeBytes(of: bits, toByteOffset: offset, as: UInt32.self)
            offset += 4
        }
        for i in 0..<16 {
            let pair = fit.levels[i] & 15 | (fit.levels[i + 16] & 15) << 4
            out.storeBytes(of: UInt8(pair), toByteOffset: offset + i, as: UInt8.self)
        }
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(as: UInt16.self))
            let minimum = HalfFloat.value(of: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            let fifth = bytes.loadUnaligned(fromByteOffset: levelOffset, as: UInt32.self)
            for i in 0..<blockSize {
                let pair = bytes.load(fromByteOffset: blockByteCount - 16 + i % 16, as: UInt8.self)
                var level = Int(pair >> (i / 16 * 4) & 15)
                if hasFifthBit { level |= Int(fifth >> UInt32(i) & 1) << 4 }
                destination[block * blockSize + i] =
                    hasMinimum ? Float(level) * scale + minimum : Float(level - middle) * scale
            }
        }
    }
}
