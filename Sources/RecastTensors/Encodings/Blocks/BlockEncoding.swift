package import CKernels

/// A way to read blocks of numbers, little-endian, as float32.
///
/// Counts are of elements and a multiple of `blockSize`. Source and destination do not overlap.
package protocol BlockDecoding: SendableMetatype {
    /// Elements in a block.
    static var blockSize: Int { get }
    /// Bytes in a block.
    static var blockByteCount: Int { get }
    /// The kernel that reads blocks.
    static var decoder: KeyPath<ck_kernels, ck_conversion> { get }

    /// The definition, of one block; what the kernel is held against.
    static func decodeBlock(_ block: UnsafeRawPointer, into numbers: UnsafeMutablePointer<Float>)
}

/// A way to store blocks of float32 numbers in bytes.
///
/// Encoding expects finite numbers, except for the casts, which are exact about the others too;
/// `SingleFloat.nonfiniteCount` finds them.
package protocol BlockEncoding: BlockDecoding {
    /// Writes rows of whole blocks.
    ///
    /// - Parameter importance: what an error in each column weighs, if it is known; types that only round ignore it.
    static func encode(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?, with kernels: Kernels)
}

extension BlockDecoding {
    /// Reads `count` elements from blocks.
    static func decode(
        _ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int,
        with kernels: Kernels = .best
    ) {
        precondition(count % blockSize == 0)
        kernels.table.pointee[keyPath: decoder](source, destination, count)
    }

    /// By the definition.
    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int) {
        for block in 0..<count / blockSize {
            decodeBlock(source + block * blockByteCount, into: destination + block * blockSize)
        }
    }

    /// The bytes of `count` elements.
    static func byteCount(of count: Int) -> Int { count / blockSize * blockByteCount }
}

extension Float {
    /// The first of the elements farthest from zero, 0 if there is none (gguf.md §b, "first absmax").
    package static func farthest(of elements: UnsafePointer<Float>, count: Int) -> Float {
        var farthest: Float = 0
        for i in 0..<count where abs(elements[i]) > abs(farthest) { farthest = elements[i] }
        return farthest
    }
}
