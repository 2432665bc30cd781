internal import CKernels

/// Blocks of 256 levels 0...15; see `KQuantAffineBlock`.
enum Q4_K: KQuantAffineBlock {
    static let hasFifthBit = false
    static let search = AffineSearch(highest: 15, first: -1, step: 0.1, last: 20)
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q4_k }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q4_k }
}

/// Blocks of 256 levels 0...31; see `KQuantAffineBlock`.
enum Q5_K: KQuantAffineBlock {
    static let hasFifthBit = true
    static let search = AffineSearch(highest: 31, first: -0.5, step: 0.1, last: 15)
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_q5_k }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q5_k }
}

/// Blocks of 256 levels in eight groups, each with a multiple of the block's scale and one of its minimum: f16 d,
/// f16 dmin, 12 bytes of multiples of six bits, 32 of fifth bits, if there are any, and 128 of nibbles;
/// x = (d·multiple)·level − dmin·multiple (gguf.md §b.1, §b.2; search §b.5, §b.7).
protocol KQuantAffineBlock: BlockEncoding {
    static var hasFifthBit: Bool { get }
    /// Where nothing is known about the importance of columns.
    static var search: AffineSearch { get }
}

extension KQuantAffineBlock {
    static var blockSize: Int { 256 }
    static var blockByteCount: Int { hasFifthBit ? 176 : 144 }
    static var scaleOffsets: [Int] { [0, 2] }

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
        let groups = stride(from: 0, to: blockSize, by: 32)
        let variance = 2 * Weights.sumOfSquares(x, count: blockSize) / Float(blockSize)
        let weights = groups.map { group in
            if let importance {
                return Weights.important(x + group, importance + group, variance: variance, count: 32)
            }
            let mean = (Weights.sumOfSquares(x + group, count: 32) / 32).squareRoot()
            return Weights.magnitudes(x + group, count: 32).map { mean + $0 }
        }
        let search = importance == nil ? search : AffineSearch(highest: search.highest)
        var fits = zip(groups, weights).map { search.fit(x + $0, weights: $1) }
        let multiples = multiples(for: fits, weights: importance == nil ? nil : weights)

        var bytes = [UInt8](repeating: 0, count: blockByteCount)
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: multiples.scale.half, as: UInt16.self)
            $0.storeBytes(of: multiples.minimum.half, toByteOffset: 2, as: UInt16.self)
        }
        for group in 0..<8 {
            let (scale, minimum) = (
                UInt8(multiples.scale.multiples[group]), UInt8(multiples.minimum.multiples[group])
            )
            if group < 4 {
                bytes[4 + group] = scale
                bytes[8 + group] = minimum
            } else {
                bytes[8 + group] = scale & 15 | minimum << 4
                bytes[group] |= (scale & 0x30) << 2
                bytes[4 + group] |= (minimum & 0x30) << 2
            }
        }
        for group in 0..<8 {
            let packed = bytes.withUnsafeBytes { stored(group, in: $0.baseAddress! + 4) }
            fits[group].place(
                x + 32 * group, scale: multiples.scale.unit * Float(packed.scale),
                minimum: multiples.minimum.unit * Float(packed.minimum), highest: search.highest)
        }
        for (element, level) in fits.flatMap(\.levels).enumerated() {
            let place = Place(of: element)
            bytes[blockByteCount - 128 + place.byte] |= UInt8((level & 15) << place.shift)
            if hasFifthBit { bytes[16 + element % 32] |= UInt8((level >> 4) << (element / 32)) }
        }
        return bytes
    }

    private static func multiples(
        for fits: [Fit], weights: [[Float]]?
    ) -> (scale: Multiples, minimum: Multiples) {
        let (scales, minima) = (fits.map(\.scale), fits.map { -$0.minimum })
        var scale: Multiples
        var minimum: Multiples
        if let sums = weights?.map(Weights.sum) {
            scale = Multiples(searching: scales, weights: sums, highest: 63)
            minimum = Multiples(searching: minima, weights: sums, highest: 63)
            // Only Q5_K cuts off what wrapped around.
            if !hasFifthBit { return (scale, minimum) }
        } else {
            scale = Multiples(rounding: scales, highest: 63)
            minimum = Multiples(rounding: minima, highest: 63)
        }
        scale.multiples = scale.multiples.map { min(63, $0) }
        minimum.multiples = minimum.multiples.map { min(63, $0) }
        return (scale, minimum)
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(as: UInt16.self))
            let minimum = HalfFloat.value(of: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            for element in 0..<blockSize {
                let multiples = stored(element / 32, in: bytes + 4)
                let place = Place(of: element)
                let nibbles = bytes.load(fromByteOffset: blockByteCount - 128 + place.byte, as: UInt8.self)
                var level = Int(nibbles) >> place.shift & 15
                if hasFifthBit {
                    let bits = bytes.load(fromByteOffset: 16 + element % 32, as: UInt8.self)
                    level |= (Int(bits) >> (element / 32) & 1) << 4
                }
                destination[block * blockSize + element] =
                    scale * Float(multiples.scale) * Float(level) - minimum * Float(multiples.minimum)
            }
        }
    }

    /// The multiples of a group: six bits each, two of which lie apart from the others in groups 4..<8.
    private static func stored(_ group: Int, in bytes: UnsafeRawPointer) -> (scale: Int, minimum: Int) {
        func byte(_ offset: Int) -> Int { Int(bytes.load(fromByteOffset: offset, as: UInt8.self)) }
        if group < 4 { return (byte(group) & 63, byte(group + 4) & 63) }
        return (
            byte(group + 4) & 15 | (byte(group - 4) & 0xC0) >> 2, byte(group + 4) >> 4 | (byte(group) & 0xC0) >> 2
        )
    }
}

/// Where the nibble of an element lies: two groups share 32 bytes.
private struct Place {
    let byte, shift: Int

    init(of element: Int) {
        byte = element / 64 * 32 + element % 32
        shift = element / 32 % 2 * 4
    }
}
