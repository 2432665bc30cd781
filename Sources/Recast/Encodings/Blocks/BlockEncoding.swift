internal import CKernels

/// A way to read blocks of numbers, little-endian, as float32.
///
/// Counts are of elements and a multiple of `blockSize`. Source and destination do not overlap.
protocol BlockDecoding: SendableMetatype {
    /// Elements in a block.
    static var blockSize: Int { get }
    /// Bytes in a block.
    static var blockByteCount: Int { get }
    /// The kernel that reads blocks.
    static var decoder: KeyPath<ck_kernels, ck_conversion> { get }

    /// The definition, element by element; what the kernel is held against.
    static func decodePortable(_ source: UnsafeRawPointer, into destination: UnsafeMutablePointer<Float>, count: Int)
}

/// A way to store blocks of float32 numbers in bytes.
///
/// Encoding expects finite numbers, except for the casts, which are exact about the others too;
/// `SingleFloat.nonfiniteCount` finds them.
protocol BlockEncoding: BlockDecoding {
    /// Where in a block its scales lie, halves.
    static var scaleOffsets: [Int] { get }
    /// The kernel that writes blocks; nil where the definition is as fast.
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { get }

    /// Writes rows of whole blocks.
    static func encode(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?, with kernels: Kernels)

    /// The definition, element by element; what the kernel is held against.
    ///
    /// - Parameter importance: what an error in each column weighs, if it is known; types that only round ignore it.
    static func encodePortable(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?)

    /// Whether numbers of a block that could not hold them are not finite when they are read.
    static var showsLostBlocks: Bool { get }

    /// How many of the blocks that `count` elements became could not hold them: by default, those with a scale that is
    /// not finite.
    static func lostBlockCount(of source: UnsafePointer<Float>, blocks: UnsafeRawPointer, count: Int) -> Int
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

    /// The bytes of `count` elements.
    static func byteCount(of count: Int) -> Int { count / blockSize * blockByteCount }
}

extension BlockEncoding {
    static var scaleOffsets: [Int] { [] }
    static var encoder: KeyPath<ck_kernels, ck_encoder>? { nil }
    static var showsLostBlocks: Bool { true }

    static func encode(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?, with kernels: Kernels
    ) {
        precondition(columns % blockSize == 0)
        if let encoder {
            kernels.table.pointee[keyPath: encoder](source, destination, rows, columns, importance)
        } else {
            encodePortable(source, into: destination, rows: rows, columns: columns, importance: importance)
        }
    }

    static func lostBlockCount(of source: UnsafePointer<Float>, blocks: UnsafeRawPointer, count: Int) -> Int {
        // Asked for once: a block takes a few instructions.
        let (offsets, byteCount, blockCount) = (scaleOffsets, blockByteCount, count / blockSize)
        guard !offsets.isEmpty else { return 0 }
        return offsets.withUnsafeBufferPointer { offsets in
            var lost = 0
            var block = blocks
            for _ in 0..<blockCount {
                var isLost = 0
                for offset in offsets {
                    let exponent = block.loadUnaligned(fromByteOffset: offset, as: UInt16.self) & 0x7C00
                    isLost |= exponent == 0x7C00 ? 1 : 0
                }
                lost &+= isLost
                block += byteCount
            }
            return lost
        }
    }
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
