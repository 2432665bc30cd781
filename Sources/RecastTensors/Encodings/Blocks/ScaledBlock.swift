package import CKernels

/// Blocks of numbers that share scales. A kernel finds the scales, and what each number is in terms of them, and writes both.
package protocol ScaledBlock: BlockEncoding {
    /// The kernel that writes blocks.
    static var encoder: KeyPath<ck_kernels, ck_encoder> { get }

    /// Whether numbers of a block that could not hold them are not finite when they are read.
    static var showsLostBlocks: Bool { get }
    /// How many of the blocks that `count` elements became could not hold them: by default, those with a scale that is
    /// not finite.
    static func lostBlockCount(of source: UnsafePointer<Float>, blocks: UnsafeRawPointer, count: Int) -> Int
}

extension ScaledBlock {
    package static var showsLostBlocks: Bool { true }

    package static func encode(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutableRawPointer, rows: Int, columns: Int,
        importance: UnsafePointer<Float>?, with kernels: Kernels
    ) {
        precondition(columns % blockSize == 0)
        kernels.table.pointee[keyPath: encoder](source, destination, rows, columns, importance)
    }
}
