internal import CKernels

/// Blocks of 256 levels −4...3 in 16 groups, each with a signed multiple of the block's scale: 32 bytes of high bits,
/// 64 of low ones, 12 of multiples of six bits, f16 d; x = (d·multiple)·level (gguf.md §b.1, §b.2; search §b.7).
enum Q3_K: BlockEncoding {
    static let blockSize = 256
    static let blockByteCount = 110
    static let scaleOffsets = [108]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q3_k }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q3_k }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let bytes = encoded(
                source + block * blockSize, importance: importance.map { $0 + block * blockSize % columns })
            (destination + block * blockByteCount).copyMemory(from: bytes, byteCount: blockByteCount)
        }
    }

    private static func encoded(_ x: UnsafePointer<Float>, importance: UnsafePointer<Float>?) -> [UInt8] {
        var fits: [Fit]
        let half: UInt16
        // Counted from −32.
        let multiples: [Int]
        if let importance {
            let variance = 2 * Weights.sumOfSquares(x, count: blockSize) / Float(blockSize)
            let weights = stride(from: 0, to: blockSize, by: 16).map {
                Weights.important(x + $0, importance + $0, variance: variance, count: 16)
            }
            fits = (0..<16).map { ScaleSearch(highest: 4).fit(x + 16 * $0, weights: weights[$0]) }
            let fit = ScaleSearch(highest: 32).fit(fits.map(\.scale), weights: weights.map(Weights.sum))
            (half, multiples) = (HalfFloat.bits(of: fit.scale), fit.levels)
        } else {
            fits = (0..<16).map { LevelSearch.signed(x + 16 * $0, count: 16, highest: 4) }
            let farthest = Float.farthest(of: fits.map(\.scale), count: 16)
            let inverse = -32 / farthest
            half = HalfFloat.bits(of: farthest == 0 ? 0 : 1 / inverse)
            multiples = fits.map { farthest == 0 ? 0 : (inverse * $0.scale).nearestInteger.clamped(-32, 31) + 32 }
        }

        var bytes = [UInt8](repeating: 0, count: blockByteCount)
        for group in 0..<16 {
            let scale = HalfFloat.value(of: half) * Float(multiples[group] - 32)
            fits[group].place(x + 16 * group, scale: scale, lowest: -4, highest: 3)
            bytes[96 + group % 8] |= UInt8((multiples[group] & 15) << (group / 8 * 4))
            bytes[104 + group % 4] |= UInt8((multiples[group] >> 4) << (group / 4 * 2))
        }
        let levels = fits.flatMap(\.levels)
        for element in 0..<blockSize { bytes[element % 32] |= UInt8((levels[element] >> 2) << (element / 32)) }
        PairsOfBits.pack(levels, into: &bytes, at: 32)
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: half, toByteOffset: 108, as: UInt16.self) }
        return bytes
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(fromByteOffset: 108, as: UInt16.self))
            func byte(_ offset: Int) -> Int { Int(bytes.load(fromByteOffset: offset, as: UInt8.self)) }
            for element in 0..<blockSize {
                let group = element / 16
                let multiple =
                    byte(96 + group % 8) >> (group / 8 * 4) & 15 | (byte(104 + group % 4) >> (group / 4 * 2) & 3) << 4
                let high = byte(element % 32) >> (element / 32) & 1
                let level = PairsOfBits.level(of: element, in: bytes + 32) | high << 2
                destination[block * blockSize + element] = scale * Float(multiple - 32) * Float(level - 4)
            }
        }
    }
}
