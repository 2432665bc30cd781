internal import CKernels

/// The C hot loops, compiled for one instruction set; whichever it is, the bytes that come out are the same.
package struct Kernels: @unchecked Sendable {
    let table: UnsafePointer<ck_kernels>

    /// The fastest ones this machine can run.
    package static let best = Kernels(table: ck_kernels_best())

    /// All that this machine can run, slowest first.
    static let available = (0..<CK_LEVEL_COUNT).compactMap { ck_kernels_at($0).map(Kernels.init) }

    /// "avx512", "avx2", "neon" or "portable".
    var instructionSet: String { String(cString: table.pointee.instruction_set) }
}
