/// Which planes of a piece are worth compressing, by a look at some of its elements.
///
/// Codes for single bytes are all that noise can be shortened by, so the entropy of the bytes tells what they will gain.
struct Compressibility {
    /// The planes to compress, plane 0 being the lowest bit; none where the whole would gain too little.
    private(set) var mask: UInt8 = 0

    /// What a plane, and a piece, must lose to be worth it.
    static let leastGain = 0.03
    private static let windowCount = 8
    private static let windowElements = 4096

    /// - Throws: what reading throws.
    init(of piece: Archiving.Piece, in source: any ByteSource) throws(RecastError) {
        guard piece.profile == .numbers else {
            mask = 1
            return
        }
        let width = piece.planes.width
        let count = piece.byteCount / width
        let windows = Self.windows(of: count)
        let sampled = windows.reduce(0) { $0 + $1.count }
        guard sampled > 0 else { return }
        var elements = [UInt8](repeating: 0, count: sampled * width)
        var filled = 0
        for window in windows {
            try elements.withMutableBytes { (buffer) throws(RecastError) in
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + window.count * width])
                try source.read(into: part, at: piece.bytes.lowerBound + window.lowerBound * width)
            }
            filled += window.count * width
        }
        var planes = [UInt8](repeating: 0, count: elements.count)
        planes.withUnsafeMutableBufferPointer { planes in
            let pointers = (0..<width).map { planes.baseAddress! + $0 * sampled }
            elements.withUnsafeBytes { piece.planes.split($0.baseAddress!, count: sampled, into: pointers) }
        }
        var gain = 0.0
        for plane in 0..<width {
            let saved = 1 - Self.bitsPerByte(planes[plane * sampled..<(plane + 1) * sampled]) / 8
            guard saved >= Self.leastGain else { continue }
            mask |= 1 << UInt8(plane)
            gain += saved / Double(width)
        }
        if gain < Self.leastGain { mask = 0 }
    }

    /// All elements, or some from the beginning to the end.
    private static func windows(of count: Int) -> [Range<Int>] {
        guard count > windowCount * windowElements else { return [0..<count] }
        return (0..<windowCount).map { index in
            let start = (count - windowElements) / (windowCount - 1) * index
            return start..<start + windowElements
        }
    }

    /// The entropy of a distribution of bytes.
    static func bitsPerByte(_ bytes: ArraySlice<UInt8>) -> Double {
        var counts = [Int](repeating: 0, count: 256)
        for byte in bytes { counts[Int(byte)] += 1 }
        let total = binaryLogarithm(bytes.count)
        return counts.reduce(0) { sum, count in
            count == 0 ? sum : sum + Double(count) * (total - binaryLogarithm(count))
        } / Double(max(1, bytes.count))
    }

    /// The logarithm of a positive number to base 2, by the series of artanh: the C library's is not the same everywhere,
    /// and what is written must be.
    private static func binaryLogarithm(_ number: Int) -> Double {
        let value = Double(number)
        let ratio = (value.significand - 1) / (value.significand + 1)
        var (power, sum) = (ratio, 0.0)
        for divisor in stride(from: 1.0, through: 31, by: 2) {
            sum += power / divisor
            power *= ratio * ratio
        }
        return Double(value.exponent) + 2 * sum / 0.693147180559945309417
    }
}
