internal import CKernels

/// Blocks of 256 levels −32...31 in 16 groups, each with a multiple of the block's scale: 128 bytes of low nibbles,
/// 64 of upper bit pairs, 16 signed multiples, f16 d; x = (d·multiple)·level (gguf.md §b.1, §b.2; search §b.4, §b.7).
enum Q6_K: BlockEncoding {
    static let blockSize = 256
    static let blockByteCount = 210
    static let scaleOffsets = [208]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q6_k }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q6_k }

    /// Below this a group counts as zeros.
    private static let smallest: Float = 1e-15

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            encodeBlock(source + block * blockSize, into: destination + block * blockByteCount)
        }
    }

    private static func encodeBlock(_ x: UnsafePointer<Float>, into out: UnsafeMutableRawPointer) {
        out.initializeMemory(as: UInt8.self, repeating: 0, count: blockByteCount)
        var groups = (0..<16).map { fitted(x + 16 * $0) }
        let greatest = Float.farthest(of: groups.map(\.scale), count: 16)
        if abs(greatest) < smallest { return }

        let factor = -128 / greatest
        let half = HalfFloat.bits(of: 1 / factor)
        out.storeBytes(of: half, toByteOffset: 208, as: UInt16.self)
        for group in 0..<16 {
            let multiple = Int8(truncatingIfNeeded: min(127, (factor * groups[group].scale).nearestInteger))
            out.storeBytes(of: multiple, toByteOffset: 192 + group, as: Int8.self)
            let scale = HalfFloat.value(of: half) * Float(multiple)
            if scale == 0 { continue }
            for i in 0..<16 { groups[group].levels[i] = level(x[16 * group + i] / scale) + 32 }
        }
        let bytes = out.assumingMemoryBound(to: UInt8.self)
        for element in 0..<blockSize {
            let place = Place(of: element)
            let level = UInt8(groups[element / 16].levels[element % 16])
            bytes[place.low] |= (level & 15) << place.lowShift
            bytes[place.high] |= (level >> 4) << place.highShift
        }
    }

    /// The scale of a group of 16 weighted by x², and its levels 0...63: the best of 19 grids.
    private static func fitted(_ x: UnsafePointer<Float>) -> (scale: Float, levels: [Int]) {
        let farthest = Float.farthest(of: x, count: 16)
        if abs(farthest) < smallest { return (0, [Int](repeating: 0, count: 16)) }

        func sums(_ inverse: Float) -> (products: Float, squares: Float) {
            var products: Float = 0
            var squares: Float = 0
            for i in 0..<16 {
                let weight = x[i] * x[i]
                let level = Float(level(inverse * x[i]))
                products += weight * x[i] * level
                squares += weight * level * level
            }
            return (products, squares)
        }

        var inverse = -32 / farthest
        var (products, squares) = sums(inverse)
        var scale = squares == 0 ? 0 : products / squares
        var best = scale * products
        for step in -9...9 where step != 0 {
            let candidate = -(32 + 0.1 * Float(step)) / farthest
            (products, squares) = sums(candidate)
            if squares > 0 && products * products > best * squares {
                inverse = candidate
                scale = products / squares
                best = scale * products
            }
        }
        return (scale, (0..<16).map { level(inverse * x[$0]) + 32 })
    }

    private static func level(_ scaled: Float) -> Int { max(-32, min(31, scaled.nearestInteger)) }

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
