internal import CKernels

/// Blocks of 32 levels, places in a table, with one scale: f16 d, then 16 bytes whose low nibbles hold elements 0..<16
/// and whose high nibbles hold the rest; x = d·value (gguf.md §b.1, §b.2; search §b.7).
enum IQ4_NL: BlockEncoding {
    static let blockSize = 32
    static let blockByteCount = 18
    static let scaleOffsets = [0]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_iq4_nl }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq4_nl }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = source + block * blockSize
            let out = destination + block * blockByteCount
            let scale = NonlinearTable.scale(
                x, weights: NonlinearTable.weights(x, importance.map { $0 + block * blockSize % columns }, count: 32))
            out.storeBytes(of: HalfFloat.bits(of: scale), as: UInt16.self)
            NonlinearTable.store(x, scale: scale, in: out + 2)
        }
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let scale = HalfFloat.value(of: bytes.loadUnaligned(as: UInt16.self))
            NonlinearTable.load(bytes + 2, scale: scale, into: destination + block * blockSize)
        }
    }
}

/// Blocks of eight groups like those of `IQ4_NL`, each with a signed multiple of the block's scale: f16 d, 16 bits of
/// upper pairs of the multiples, four bytes of lower nibbles, then the groups; x = (d·multiple)·value.
enum IQ4_XS: BlockEncoding {
    static let blockSize = 256
    static let blockByteCount = 136
    static let scaleOffsets = [0]
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { \.encode_iq4_xs }
    static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq4_xs }

    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?
    ) {
        for block in 0..<rows * columns / blockSize {
            let x = source + block * blockSize
            let out = destination + block * blockByteCount
            let weights = NonlinearTable.weights(
                x, importance.map { $0 + block * blockSize % columns }, count: blockSize)
            let scales = (0..<8).map {
                NonlinearTable.scale(x + 32 * $0, weights: Array(weights[32 * $0..<32 * $0 + 32]))
            }
            let unit = -Float.farthest(of: scales, count: 8) / 32
            let inverse = unit == 0 ? 0 : 1 / unit
            let multiples = scales.map { (inverse * $0).nearestInteger.clamped(-32, 31) }
            var upper: UInt16 = 0
            var lower: UInt32 = 0
            for (group, multiple) in multiples.enumerated() {
                upper |= UInt16((multiple + 32) >> 4) << UInt16(2 * group)
                lower |= UInt32((multiple + 32) & 15) << UInt32(4 * group)
                NonlinearTable.store(x + 32 * group, scale: unit * Float(multiple), in: out + 8 + 16 * group)
            }
            out.storeBytes(of: HalfFloat.bits(of: unit), as: UInt16.self)
            out.storeBytes(of: upper, toByteOffset: 2, as: UInt16.self)
            out.storeBytes(of: lower, toByteOffset: 4, as: UInt32.self)
        }
    }

    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            let bytes = source + block * blockByteCount
            let unit = HalfFloat.value(of: bytes.loadUnaligned(as: UInt16.self))
            let upper = bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
            let lower = bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            for group in 0..<8 {
                let multiple = Int(lower >> UInt32(4 * group) & 15) | Int(upper >> UInt16(2 * group) & 3) << 4
                NonlinearTable.load(
                    bytes + 8 + 16 * group, scale: unit * Float(multiple - 32),
                    into: destination + block * blockSize + 32 * group)
            }
        }
    }
}

/// The values that levels of the IQ4 types stand for, finer around zero.
private enum NonlinearTable {
    static let values: [Float] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]

    /// The place of the value nearest to x, the upper of two; the last one for NaN.
    static func place(of x: Float) -> Int {
        (0..<15).count { !(x - values[$0] < values[$0 + 1] - x) }
    }

    static func weights(_ x: UnsafePointer<Float>, _ importance: UnsafePointer<Float>?, count: Int) -> [Float] {
        guard let importance else { return Weights.squares(x, count: count) }
        let variance = Weights.sumOfSquares(x, count: count) * (2 / Float(count))
        return Weights.important(x, importance, variance: variance, count: count)
    }

    /// The best scale of 16 for a group.
    static func scale(_ x: UnsafePointer<Float>, weights: [Float]) -> Float {
        let farthest = Float.farthest(of: x, count: weights.count)
        if abs(farthest) < ScaleSearch.smallest { return 0 }

        func sums(_ inverse: Float) -> (products: Float, squares: Float) {
            var products: Float = 0
            var squares: Float = 0
            for i in weights.indices {
                let value = values[place(of: inverse * x[i])]
                products += weights[i] * value * x[i]
                squares += weights[i] * value * value
            }
            return (products, squares)
        }

        let start = sums(1 / (-farthest / values[0]))
        var scale = start.squares > 0 ? start.products / start.squares : 0
        var merit = scale * start.products
        for step in -7...7 {
            let (products, squares) = sums((Float(step) + values[0]) / farthest)
            if squares > 0 && products * products > merit * squares {
                scale = products / squares
                merit = scale * products
            }
        }
        return scale
    }

    static func store(_ x: UnsafePointer<Float>, scale: Float, in out: UnsafeMutableRawPointer) {
        let inverse = scale == 0 ? 0 : 1 / scale
        for i in 0..<16 {
            let pair = place(of: x[i] * inverse) | place(of: x[i + 16] * inverse) << 4
            out.storeBytes(of: UInt8(pair), toByteOffset: i, as: UInt8.self)
        }
    }

    static func load(_ bytes: UnsafeRawPointer, scale: Float, into destination: UnsafeMutablePointer<Float>) {
        for i in 0..<16 {
            let pair = bytes.load(fromByteOffset: i, as: UInt8.self)
            destination[i] = scale * values[Int(pair & 15)]
            destination[i + 16] = scale * values[Int(pair >> 4)]
        }
    }
}
