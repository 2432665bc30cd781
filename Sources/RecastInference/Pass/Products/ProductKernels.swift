internal import CKernels
import Recast

/// The C loops that multiply weights as they are stored.
struct ProductKernels: @unchecked Sendable {
    let blocks: UnsafePointer<ck_products>?
    let bfloat16: UnsafePointer<ck_bf16_products>?

    /// The fastest ones this machine has. Without instructions for them, float32 is faster.
    static let best = ProductKernels(levels: 1..<CK_PRODUCT_LEVEL_COUNT)

    /// The best of some levels.
    init(levels: Range<Int32>) {
        blocks = levels.reversed().lazy.compactMap { ck_products_at($0) }.first
        bfloat16 = levels.reversed().lazy.compactMap { ck_bf16_products_at($0) }.first
    }

    /// What to say of them in a benchmark.
    static var description: String {
        let names = [
            best.blocks.map { String(cString: $0.pointee.instruction_set) },
            best.bfloat16.map { String(cString: $0.pointee.instruction_set) },
        ]
        return names.compactMap(\.self).joined(separator: ", ")
    }
}
