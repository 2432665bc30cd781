internal import CKernels

/// Blocks of 256 levels 0...3 in 16 groups, each with a multiple of the block's scale and one of its minimum: 16 bytes
/// of multiples, the minimum's in the high nibble, 64 of levels, f16 d, f16 dmin;
/// x = (d·multiple)·level − dmin·multiple (gguf.md §b.1, §b.2; search §b.5, §b.7).
enum Q2_K: BlockEncoding {
    static let blockSize = 256
    static let blockByteCount = 84
    static let scaleOffsets = [80, 82]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q2_k }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q2_k }

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
        let variance = Weights.sumOfSquares(x, count: blockSize) / Float(blockSize)
        let groups = stride(from: 0, to: blockSize, by: 16)
        let weights = groups.map { group in
            if let importance {
                Weights.important(x + group, importance + group, variance: variance, count: 16)
            } else {
                Weights.magnitudes(x + group, count: 16)
            }
        }
        let search =
            importance == nil
            ? AffineSearch(highest: 3, first: -0.5, step: 0.1, last: 15, countsMagnitudes: true)
            : AffineSearch(highest: 3)
        var fits = zip(groups, weights).map { search.fit(x + $0, weights: $1) }
        let (scales, minima) = (fits.map(\.scale), fits.map { -$0.minimum })
        let scale: Multiples
        let minimum: Multiples
        if importance != nil {
            let sums = weights.map(Weights.sum)
            scale = Multiples(searching: scales, weights: sums, highest: 15)
            minimum = Multiples(searching: minima, weights: sums, highest: 15)
        } else {
            scale = Multiples(rounding: scales, highest: 15)
            minimum = Multiples(rounding: minima, highest: 15)
        }

        var bytes = [UInt8](repeating: 0, count: blockByteCount)
        for group in 0..<16 {
            let packed = scale.multiples[group] | (minimum.multiples[group] << 4).wrapped
            bytes[group] = UInt8(packed)
            fits[group].place(
                x + 16 * group, scale: scale.unit * Float(packed & 15), minimum: minimum.unit * Float(packed >> 4),
                highest: 3)
        }
        PairsOfBits.pack(fits.flatMap(\.levels), into: &bytes, at: 16)
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: scale.half, toByteOffset: 80, as: UInt16.self)
            $0.storeBytes(of: minimum.half, toByteOffset: 82, as: UInt16.self)
        }
        return bytes
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(fromByteOffset: 80, as: UInt16.self))
            let minimum = HalfFloat.value(of: bytes.loadUnaligned(fromByteOffset: 82, as: UInt16.self))
            for element in 0..<blockSize {
                let multiples = bytes.load(fromByteOffset: element / 16, as: UInt8.self)
                let level = PairsOfBits.level(of: element, in: bytes + 16)
                destination[block * blockSize + element] =
                    scale * Float(multiples & 15) * Float(level) - minimum * Float(multiples >> 4)
            }
        }
    }
}
