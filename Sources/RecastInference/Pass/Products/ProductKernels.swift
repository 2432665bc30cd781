internal import CKernels
import Recast

/// The C loops that multiply weights as they are stored.
struct ProductKernels: @unchecked Sendable {
    let blocks: UnsafePointer<ck_products>?
    let bfloat16: UnsafePointer<ck_bf16_products>?

    /// The fastest ones this machine has. Without instructions for them, float32 is faster.
    static let best = ProductKernels(levels: 1..<CK_PRODUCT_LEVEL_COUNT)

    /// Those that every machine has, which are there to be compared with.
    static let portable = ProductKernels(levels: 0..<1)

    /// The best of some levels.
    init(levels: Range<Int32>) {
        blocks = levels.reversed().lazy.compactMap { ck_products_at($0) }.first
        bfloat16 = levels.reversed().lazy.compactMap { ck_bf16_products_at($0) }.first
    }
}
