/// A tensor that has not been read: its type, its shape, and a recipe for any window of it.
///
/// Seen by rows, the last dimension is a row's columns and the one before it counts rows; all others are the batch. A
/// vector is a matrix of one column, so that whatever moves the rows of a weight moves the elements of its bias too.
public struct LazyTensor: Sendable, Hashable, Codable {
    public let dtype: DType
    public let shape: [Int]
    let recipe: Recipe

    /// How the bytes of a tensor come about. Two interpreters only: `read` and `runs`.
    indirect enum Recipe: Sendable, Hashable, Codable {
        /// Bytes of a file: rows one after the other from `offset`.
        case stored(FileID, offset: Int)
        /// A few bytes known to the plan itself.
        case literal([UInt8])
        case zeros
        /// The part of a larger tensor that begins at these coordinates.
        case window(LazyTensor, batch: Int, row: Int, column: Int)
        /// One above the other.
        case concatenatedRows([LazyTensor])
        /// Left to right.
        case concatenatedColumns([LazyTensor])
        /// Matrices, one for each step of a new leading dimension.
        case stackedMatrices([LazyTensor])
        case gathered(LazyTensor, RowOrder)
        /// The same elements in the same order under another shape.
        case reshaped(LazyTensor)
        /// Rows and columns exchanged within each matrix.
        case transposed(LazyTensor)
        /// The numbers of a weight stored in several parts.
        case decoded(Encoding, [LazyTensor])
        /// Numbers computed from numbers, and rounded once to `dtype`; where an importance is given, it weights the
        /// columns: float32 of shape `[1, columns]`, or `[batch, columns]` for a row per matrix.
        case converted(LazyTensor, [Arithmetic], importance: LazyTensor?)
        /// Float32 numbers minus the mean of their column, in a single matrix.
        case centered(LazyTensor)
        /// The product of a float32 matrix and a float32 vector, with another vector added.
        case product(LazyTensor, LazyTensor, plus: LazyTensor?)
    }

    init(dtype: DType, shape: [Int], recipe: Recipe) {
        self.dtype = dtype
        self.shape = shape
        self.recipe = recipe
    }
}

/// A rectangle of one matrix of a tensor. Columns begin and end at block borders.
public struct Window: Sendable, Hashable, Codable {
    public var batch: Int
    public var rows: Range<Int>
    public var columns: Range<Int>

    public init(batch: Int = 0, rows: Range<Int>, columns: Range<Int>) {
        self.batch = batch
        self.rows = rows
        self.columns = columns
    }
}

// MARK: Dimensions

extension LazyTensor {
    /// A vector of a sub-byte or block type cannot be cut into single elements and is one row.
    private var isRow: Bool { shape.count == 1 && dtype.blockElements > 1 }

    public var elementCount: Int { shape.reduce(1, *) }
    public var batchCount: Int { shape.count > 2 ? shape.dropLast(2).reduce(1, *) : 1 }
    public var columnCount: Int { shape.count > 1 ? shape[shape.count - 1] : isRow ? shape[0] : 1 }
    public var rowCount: Int { shape.count > 1 ? shape[shape.count - 2] : isRow ? 1 : shape.first ?? 1 }
    public var rowByteCount: Int { dtype.byteCount(ofBlocks: columnCount) }
    public var byteCount: Int { batchCount * rowCount * rowByteCount }

    /// One whole matrix.
    public func window(batch: Int = 0) -> Window {
        Window(batch: batch, rows: 0..<rowCount, columns: 0..<columnCount)
    }

    public func byteCount(of window: Window) -> Int { window.rows.count * rowByteCount(of: window) }

    func rowByteCount(of window: Window) -> Int { dtype.byteCount(ofBlocks: window.columns.count) }
}

// MARK: Making

extension LazyTensor {
    /// A tensor at `offset` of a file. The caller has checked that it lies inside and fills whole blocks.
    public static func stored(_ dtype: DType, _ shape: [Int], in file: FileID, at offset: Int) -> LazyTensor {
        LazyTensor(dtype: dtype, shape: shape, recipe: .stored(file, offset: offset))
    }

    public static func zeros(_ dtype: DType, _ shape: [Int]) -> LazyTensor {
        LazyTensor(dtype: dtype, shape: shape, recipe: .zeros)
    }

    /// A small tensor whose bytes are part of the plan.
    public static func literal(_ dtype: DType, _ shape: [Int], _ bytes: [UInt8]) -> LazyTensor {
        let tensor = LazyTensor(dtype: dtype, shape: shape, recipe: .literal(bytes))
        precondition(tensor.byteCount == bytes.count)
        return tensor
    }

    /// A vector of numbers that are part of the plan.
    public static func vector(_ values: [Float]) -> LazyTensor {
        var bytes: [UInt8] = []
        for value in values { bytes.append(littleEndian: value.bitPattern) }
        return literal(.f32, [values.count], bytes)
    }

    /// Some of the rows of each matrix.
    public func rows(_ range: Range<Int>) -> LazyTensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= rowCount)
        guard range != 0..<rowCount else { return self }
        var shape = shape
        shape[max(0, shape.count - 2)] = range.count
        return LazyTensor(
            dtype: dtype, shape: shape, recipe: .window(self, batch: 0, row: range.lowerBound, column: 0))
    }

    /// Some of the columns of each matrix, between block borders.
    public func columns(_ range: Range<Int>) -> LazyTensor {
        precondition(shape.count > 1 && range.lowerBound >= 0 && range.upperBound <= columnCount)
        precondition(range.lowerBound % dtype.blockElements == 0 && range.count % dtype.blockElements == 0)
        guard range != 0..<columnCount else { return self }
        return LazyTensor(
            dtype: dtype, shape: shape.dropLast() + [range.count],
            recipe: .window(self, batch: 0, row: 0, column: range.lowerBound))
    }

    /// One matrix of a batch.
    public func matrix(_ index: Int) -> LazyTensor {
        precondition(shape.count > 2 && index >= 0 && index < batchCount)
        return LazyTensor(
            dtype: dtype, shape: Array(shape.suffix(2)), recipe: .window(self, batch: index, row: 0, column: 0))
    }

    /// The rows of each tensor after those of the one before.
    public static func concatenatedRows(_ parts: [LazyTensor]) -> LazyTensor {
        let first = parts[0]
        if parts.count == 1 { return first }
        precondition(parts.allSatisfy { $0.dtype == first.dtype && $0.columnCount == first.columnCount })
        precondition(parts.allSatisfy { $0.shape.count == first.shape.count && $0.shape.count < 3 })
        var shape = first.shape
        shape[0] = parts.reduce(0) { $0 + $1.rowCount }
        return LazyTensor(dtype: first.dtype, shape: shape, recipe: .concatenatedRows(parts))
    }

    /// The columns of each matrix to the right of those of the one before.
    public static func concatenatedColumns(_ parts: [LazyTensor]) -> LazyTensor {
        let first = parts[0]
        if parts.count == 1 { return first }
        precondition(parts.allSatisfy { $0.dtype == first.dtype && $0.shape.count == 2 })
        precondition(parts.allSatisfy { $0.rowCount == first.rowCount })
        let columns = parts.reduce(0) { $0 + $1.columnCount }
        return LazyTensor(dtype: first.dtype, shape: [first.rowCount, columns], recipe: .concatenatedColumns(parts))
    }

    /// Matrices of one shape under a new leading dimension.
    public static func stackedMatrices(_ parts: [LazyTensor]) -> LazyTensor {
        let first = parts[0]
        precondition(parts.allSatisfy { $0.dtype == first.dtype && $0.shape == first.shape && $0.shape.count == 2 })
        return LazyTensor(dtype: first.dtype, shape: [parts.count] + first.shape, recipe: .stackedMatrices(parts))
    }

    /// The rows of each matrix in another order.
    public func gathered(_ order: RowOrder) -> LazyTensor {
        precondition(order.rowCount == rowCount)
        if order.isIdentity { return self }
        if case .gathered(let base, let inner) = recipe, inner == order.inverse { return base }
        return LazyTensor(dtype: dtype, shape: shape, recipe: .gathered(self, order))
    }

    /// The same elements under another shape, whose rows are whole blocks too; numbers that are to be cut elsewhere are
    /// converted to a scalar type first.
    public func reshaped(_ shape: [Int]) -> LazyTensor {
        precondition(shape.reduce(1, *) == elementCount)
        if shape == self.shape { return self }
        if case .reshaped(let base) = recipe { return base.reshaped(shape) }
        let result = LazyTensor(dtype: dtype, shape: shape, recipe: .reshaped(self))
        precondition(result.columnCount.isMultiple(of: dtype.blockElements), "a row of the new shape cuts a block")
        return result
    }

    /// Rows and columns exchanged; scalar types of whole bytes only.
    public func transposed() -> LazyTensor {
        precondition(dtype.blockElements == 1 && shape.count > 1)
        if case .transposed(let base) = recipe { return base }
        let shape = shape.dropLast(2) + [columnCount, rowCount]
        return LazyTensor(dtype: dtype, shape: Array(shape), recipe: .transposed(self))
    }

    /// The product with a vector, taken in float64, and another vector added: `[rows]` in float32.
    public func product(with vector: LazyTensor, plus bias: LazyTensor?) -> LazyTensor {
        precondition(shape.count == 2 && vector.shape == [columnCount] && bias.map { $0.shape == [rowCount] } ?? true)
        return LazyTensor(
            dtype: .f32, shape: [rowCount],
            recipe: .product(converted(to: .f32), vector.converted(to: .f32), plus: bias?.converted(to: .f32)))
    }

    /// The numbers in float32 without the mean of their column, which is taken in float64.
    public func centered() -> LazyTensor {
        precondition(batchCount == 1)
        return LazyTensor(dtype: .f32, shape: shape, recipe: .centered(converted(to: .f32)))
    }

    /// The numbers under another type, rounded once where it cannot hold them.
    ///
    /// - Parameter importance: what an error in each column weighs, where the type is chosen by a search: float32, one
    ///   row, or one for each matrix.
    public func converted(
        to dtype: DType, _ arithmetic: [Arithmetic] = [], importance: LazyTensor? = nil
    ) -> LazyTensor {
        if dtype == self.dtype, arithmetic.isEmpty { return self }
        if let importance {
            precondition(
                importance.dtype == .f32 && importance.shape.count == 2 && importance.columnCount == columnCount)
            precondition(importance.rowCount == 1 || importance.rowCount == batchCount)
        }
        // A vector is rows of one number each, or one row of blocks: rows and columns are others under the other type.
        if shape.count == 1, (self.dtype.blockElements > 1) != (dtype.blockElements > 1) {
            return reshaped([1, shape[0]]).converted(to: dtype, arithmetic, importance: importance).reshaped(shape)
        }
        return LazyTensor(
            dtype: dtype, shape: shape, recipe: .converted(self, arithmetic, importance: importance))
    }
}

extension LazyTensor {
    /// Whether this stands for zeros without reading anything.
    public var isKnownZero: Bool { recipe == .zeros }

    /// The file that its first bytes are in; nil where they are in none.
    var firstFile: FileID? {
        switch recipe {
        case .stored(let file, _): file
        case .literal, .zeros: nil
        case .window(let base, _, _, _), .gathered(let base, _), .reshaped(let base), .transposed(let base),
            .converted(let base, _, _), .centered(let base):
            base.firstFile
        case .product(let matrix, _, _): matrix.firstFile
        case .concatenatedRows(let parts), .concatenatedColumns(let parts), .stackedMatrices(let parts),
            .decoded(_, let parts):
            parts.lazy.compactMap(\.firstFile).first
        }
    }
}
