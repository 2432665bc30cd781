internal import CKernels

/// Blocks of 256 levels −32...31 in 16 groups, each with a multiple of the block's scale: 128 bytes of low nibbles,
/// 64 of upper bit pairs, 16 signed multiples, f16 d; x = (d·multiple)·level (gguf.md §b.1, §b.2; search §b.4, §b.7).
enum Q6_K: BlockEncoding {
    static let blockSize = 256
    static let blockByteCount = 210
    static let scaleOffsets = [208]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q6_k }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q6_k }

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
        var bytes = [UInt8](repeating: 0, count: blockByteCount)
        var fits = stride(from: 0, to: blockSize, by: 16).map { group in
            // Here the importance counts as it is.
            let weights = importance.map { important in (group..<group + 16).map { important[$0] } }
            return ScaleSearch(highest: 32).fit(x + group, weights: weights ?? Weights.squares(x + group, count: 16))
        }
        let greatest = Float.farthest(of: fits.map(\.scale), count: 16)
        if abs(greatest) < ScaleSearch.smallest { return bytes }

        let factor = -128 / greatest
        let half = HalfFloat.bits(of: 1 / factor)
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: half, toByteOffset: 208, as: UInt16.self) }
        for group in 0..<16 {
            let multiple = Int8(truncatingIfNeeded: min(127, (factor * fits[group].scale).nearestInteger))
            bytes[192 + group] = UInt8(bitPattern: multiple)
            fits[group].place(
                x + 16 * group, scale: HalfFloat.value(of: half) * Float(multiple), lowest: -32, highest: 31)
        }
        for (element, level) in fits.flatMap(\.levels).enumerated() {
            let place = Place(of: element)
            bytes[place.low] |= UInt8(level & 15) << place.lowShift
            bytes[place.high] |= UInt8(level >> 4) << place.highShift
        }
        return bytes
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(fromByteOffset: 208, as: UInt16.self))
            for element in 0..<blockSize {
                let place = Place(of: element)
                let low = bytes.load(fromByteOffset: place.low, as: UInt8.self) >> place.lowShift & 15
                let high = bytes.load(fromByteOffset: place.high, as: UInt8.self) >> place.highShift & 3
                let multiple = bytes.load(fromByteOffset: 192 + element / 16, as: Int8.self)
                destination[block * blockSize + element] = scale * Float(multiple) * Float(Int(low | high << 4) - 32)
            }
        }
    }

    /// The bytes and shifts at which the six bits of an element lie (gguf.md §b.2).
    private struct Place {
        let low, lowShift, high, highShift: Int

        init(of element: Int) {
            let (half, quarter, column) = (element / 128, element / 32 % 4, element % 32)
            low = 64 * half + quarter % 2 * 32 + column
            lowShift = quarter / 2 * 4
            high = 128 + 32 * half + column
            highShift = quarter * 2
        }
    }
}
