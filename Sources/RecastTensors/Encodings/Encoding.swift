/// How a canonical weight is stored: as which parts, and how many of its rows belong together.
///
/// An encoding says nothing about how the numbers are chosen; that is a method's business.
package enum Encoding: Sendable, Hashable, Codable {
    /// One tensor of this type: a scalar type, or a GGUF block type.
    case plain(DType)
    /// Codes, scales and more, in tensors of their own.
    case packed(PackedEncoding)

    /// Whether it says of each column which group it has.
    package var hasActOrder: Bool { if case .packed(let packed) = self { packed.hasActOrder } else { false } }

    /// One stored tensor of an encoded weight.
    package struct Part: Sendable, Hashable, Codable {
        /// What replaces `.weight` at the end of the weight's name.
        package var suffix: String
        package var dtype: DType
        package var shape: [Int]
    }

    /// The stored tensors of a weight of this shape, in the order in which it is encoded; nil where the shape does not
    /// fill whole blocks.
    package func parts(of shape: [Int]) -> [Part]? {
        switch self {
        case .plain(let dtype):
            let columns = shape.count > 1 || dtype.blockElements > 1 ? shape.last ?? 1 : 1
            guard columns.isMultiple(of: dtype.blockElements) else { return nil }
            return [Part(suffix: ".weight", dtype: dtype, shape: shape)]
        case .packed(let packed):
            guard shape.count == 2, packed.obstacle(rows: shape[0], columns: shape[1]) == nil else { return nil }
            return packed.layouts(rows: shape[0], columns: shape[1]).map {
                Part(suffix: $0.suffix, dtype: $0.dtype, shape: $0.shape)
            }
        }
    }

    /// Rows that can be encoded on their own.
    package var rowGrain: Int {
        switch self {
        case .plain: 1
        case .packed(let packed): packed.rowGrain
        }
    }

    /// The type of the numbers, where there is just one part.
    package var dtype: DType? {
        switch self {
        case .plain(let dtype): dtype
        case .packed: nil
        }
    }

    /// As it is shown: `Q4_K`, `gptq int4 g128`.
    package var name: String {
        switch self {
        case .plain(let dtype): dtype.name
        case .packed(let packed): packed.name
        }
    }

    /// Whether it has fewer values than the numbers it is made from.
    package var isQuantized: Bool {
        switch self {
        case .plain(let dtype): dtype.isQuantized
        case .packed: true
        }
    }
}
