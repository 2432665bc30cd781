/// How a canonical weight is stored: as which parts, and how many of its rows and columns belong together.
///
/// An encoding says nothing about how the numbers are chosen; that is a method's business.
public enum Encoding: Sendable, Hashable, Codable {
    /// One tensor of this type: a scalar type, or a GGUF block type.
    case plain(DType)

    /// One stored tensor of an encoded weight.
    public struct Part: Sendable, Hashable, Codable {
        /// What is appended to the weight's name in place of `.weight`; empty for the weight itself.
        public var suffix: String
        public var dtype: DType
        public var shape: [Int]
    }

    /// The smallest rectangle that can be encoded on its own.
    public struct Grain: Sendable, Hashable, Codable {
        public var rows: Int
        public var columns: Int
    }

    /// The stored tensors of a weight of this shape, in the order in which `encode` fills them; nil where the shape does
    /// not fill whole blocks.
    public func parts(of shape: [Int]) -> [Part]? {
        switch self {
        case .plain(let dtype):
            let columns = shape.count > 1 || dtype.blockElements > 1 ? shape.last ?? 1 : 1
            guard columns.isMultiple(of: dtype.blockElements) else { return nil }
            return [Part(suffix: "", dtype: dtype, shape: shape)]
        }
    }

    public var grain: Grain {
        switch self {
        case .plain(let dtype): Grain(rows: 1, columns: dtype.blockElements)
        }
    }

    /// The type of every part's numbers, where there is just one part.
    public var dtype: DType? {
        switch self {
        case .plain(let dtype): dtype
        }
    }
}
