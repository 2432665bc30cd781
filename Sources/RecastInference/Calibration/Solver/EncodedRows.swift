import Recast

/// Rows of a weight whose codes are chosen.
struct EncodedRows {
    enum Content {
        case tile(Tile)
        /// Blocks of codewords.
        case blocks(DType, [UInt8])
    }

    var content: Content
    var rows: Int
    var columns: Int

    /// What their encoding must know of the whole weight.
    var reduced: Reduced?

    init(_ tile: Tile, _ reduced: Reduced?) {
        (content, rows, columns, self.reduced) = (.tile(tile), tile.rows, tile.columns, reduced)
    }

    init(blocks bytes: [UInt8], of dtype: DType, rows: Int, columns: Int) {
        (content, self.rows, self.columns) = (.blocks(dtype, bytes), rows, columns)
    }

    /// The numbers that the codes stand for: `[rows, columns]`.
    func decode(into out: UnsafeMutableBufferPointer<Float>) {
        switch content {
        case .tile(let tile): tile.decode(into: out)
        case .blocks(let dtype, let bytes):
            bytes.withUnsafeBytes { dtype.decodeBlocks($0, into: out) }
        }
    }
}

/// What a weight is rounded to.
enum WeightTarget {
    case grid(WeightGrid)
    /// Blocks whose elements are codewords of several numbers.
    case codebook(DType, columns: Int)

    /// - Returns: nil for encodings whose codes cannot be chosen here, and where blocks do not fill the rows.
    init?(_ encoding: Encoding, columns: Int) {
        if let grid = WeightGrid(encoding, columns: columns) {
            self = .grid(grid)
        } else if case .plain(let dtype) = encoding, dtype.codebookBlock != nil, dtype.isEncodable,
            columns.isMultiple(of: dtype.blockElements)
        {
            self = .codebook(dtype, columns: columns)
        } else {
            return nil
        }
    }

    var grid: WeightGrid? { if case .grid(let grid) = self { grid } else { nil } }

    var encoding: Encoding {
        switch self {
        case .grid(let grid): grid.encoding
        case .codebook(let dtype, _): .plain(dtype)
        }
    }

    var columns: Int {
        switch self {
        case .grid(let grid): grid.columns
        case .codebook(_, let columns): columns
        }
    }

    /// Columns that share a scale.
    var groupWidth: Int {
        switch self {
        case .grid(let grid): grid.groupWidth
        case .codebook(let dtype, _): dtype.codebookBlock!.groupSize
        }
    }

    /// In which columns are rounded.
    var order: ColumnOrder {
        switch self {
        case .grid(let grid): ColumnOrder(unitWidth: grid.unitWidth, keepsColumns: false)
        case .codebook(let dtype, _): ColumnOrder(unitWidth: dtype.blockElements, keepsColumns: true)
        }
    }

    /// What must be known of the whole weight before its codes are chosen; nil for nothing.
    func reduced(_ numbers: UnsafeBufferPointer<Float>) -> Reduced? {
        guard case .packed(let packed) = encoding, packed.reduction != nil else { return nil }
        return packed.reduce(numbers)
    }

    /// Codes and scales of some rows as a search finds them, block by block; errors in a column weigh what it says.
    ///
    /// - Parameters:
    ///   - numbers: `[rows, columns]` of whole units.
    ///   - weights: of each of the columns; nil weighs all alike.
    ///   - reduced: what must be known of the whole weight; by default that of these rows.
    func search(
        _ numbers: UnsafeBufferPointer<Float>, rows: Int, columns: Int, weights: [Float]?,
        method: QuantizationMethod = .search, reduced: Reduced? = nil
    ) throws(RecastError) -> EncodedRows {
        switch self {
        case .grid(let grid):
            return EncodedRows(
                try grid.search(
                    numbers, rows: rows, columns: columns, weights: weights, method: method, reduced: reduced),
                reduced)
        case .codebook(let dtype, _):
            let bytes = try dtype.blocks(of: numbers, columns: columns, weights: weights)
            return EncodedRows(blocks: bytes, of: dtype, rows: rows, columns: columns)
        }
    }
}

/// How columns may be ordered.
struct ColumnOrder: Hashable {
    /// Columns that stay together, as their scales are found together.
    var unitWidth: Int
    /// Whether those of a unit stay in their order.
    var keepsColumns: Bool
}

extension DType {
    /// Rows of numbers in blocks of this type.
    func blocks(
        of numbers: UnsafeBufferPointer<Float>, columns: Int, weights: [Float]?
    ) throws(RecastError) -> [UInt8] {
        var tally = Tally()
        var bytes = [UInt8](repeating: 0, count: byteCount(ofBlocks: numbers.count))
        try bytes.withMutableBytes { (buffer) throws(RecastError) in
            guard let weights else {
                return try encode(numbers, columns: columns, into: buffer, tally: &tally)
            }
            let outcome = weights.withUnsafeBufferPointer { weights in
                Result { () throws(RecastError) in
                    try encode(
                        numbers, columns: columns, importance: weights.baseAddress, into: buffer, tally: &tally)
                }
            }
            try outcome.get()
        }
        return bytes
    }
}
