/// A way to store blocks of float32 numbers in bytes, little-endian.
///
/// Counts are of elements and a multiple of `blockSize`. Source and destination do not overlap. Encoding expects finite
/// numbers, except for the casts, which are exact about the others too; `SingleFloat.nonfiniteCount` finds them.
protocol BlockEncoding: SendableMetatype {
    /// Elements in a block.
    static var blockSize: Int { get }
    /// Bytes in a block.
    static var blockByteCount: Int { get }
    /// Where in a block its scale lies, a half; nil for a type without one.
    static var scaleOffset: Int? { get }

    static func encode(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, count: Int, with kernels: Kernels)
    static func decode(
        _ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int, with kernels: Kernels)

    /// The definition, element by element; what the kernels are held against.
    static func encodePortable(_ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, count: Int)
    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int)
}

extension BlockEncoding {
    static var scaleOffset: Int? { nil }

    /// Writes `count` elements as blocks.
    static func encode(_ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, count: Int) {
        precondition(count % blockSize == 0)
        encode(source, into: destination, count: count, with: .best)
    }

    /// Reads `count` elements from blocks.
    static func decode(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        precondition(count % blockSize == 0)
        decode(source, into: destination, count: count, with: .best)
    }

    /// The bytes of `count` elements.
    static func byteCount(of count: Int) -> Int { count / blockSize * blockByteCount }
}

extension Float {
    /// The nearest integer, ties to even, for magnitudes below 2^22; defined, if useless, beyond (gguf.md §b, `nint`).
    var nearestInteger: Int { Int((self + 12_582_912).bitPattern & 0x7F_FFFF) - 0x40_0000 }

    /// The first of the elements farthest from zero, 0 if there is none (gguf.md §b, "first absmax").
    static func farthest(of elements: UnsafePointer<Float>, count: Int) -> Float {
        var farthest: Float = 0
        for i in 0..<count where abs(elements[i]) > abs(farthest) { farthest = elements[i] }
        return farthest
    }
}
