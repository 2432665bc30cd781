/// A tensor that has not been read: its type, its shape, and a recipe for any window of it.
///
/// Seen by rows, the last dimension is a row's columns and the one before it counts rows; all others are the batch. A
/// vector is a matrix of one column, so that whatever moves the rows of a weight moves the elements of its bias too.
package struct LazyTensor: Sendable, Hashable, Codable {
    package let dtype: DType
    package let shape: [Int]
    package let recipe: Recipe

    /// How the bytes of a tensor come about: they are there, or bytes of other tensors are moved, or numbers are computed
    /// from theirs. What is asked of a tensor is folded over these five cases (LazyTensor+Folds); what there is to know of
    /// each way to move or to compute is stated in `Arrangement` and in `Computation`.
    package indirect enum Recipe: Sendable, Hashable, Codable {
        /// Bytes of a file: rows one after the other from `offset`.
        case stored(FileID, offset: Int)
        /// A few bytes known to the plan itself.
        case literal([UInt8])
        case zeros
        case arranged(Arrangement, [LazyTensor])
        case computed(Computation, [LazyTensor])
    }

    package init(dtype: DType, shape: [Int], recipe: Recipe) {
        self.dtype = dtype
        self.shape = shape
        self.recipe = recipe
    }
}

// MARK: Dimensions

extension LazyTensor {
    /// A vector of a sub-byte or block type cannot be cut into single elements and is one row.
    private var isRow: Bool { shape.count == 1 && dtype.blockElements > 1 }

    package var elementCount: Int { shape.reduce(1, *) }
    package var batchCount: Int { shape.count > 2 ? shape.dropLast(2).reduce(1, *) : 1 }
    package var columnCount: Int { shape.count > 1 ? shape[shape.count - 1] : isRow ? shape[0] : 1 }
    package var rowCount: Int { shape.count > 1 ? shape[shape.count - 2] : isRow ? 1 : shape.first ?? 1 }
    package var rowByteCount: Int { dtype.byteCount(ofBlocks: columnCount) }
    package var byteCount: Int { batchCount * rowCount * rowByteCount }

    /// One whole matrix.
    package func window(batch: Int = 0) -> Window {
        Window(batch: batch, rows: 0..<rowCount, columns: 0..<columnCount)
    }

    /// The tensor cut into windows of whole rows.
    package func windows(of elementCount: Int) -> [Window] {
        // A tensor without elements may have any number of matrices, or of rows, of none.
        if self.elementCount == 0 { return [] }
        let rows = max(1, elementCount / max(1, columnCount))
        return (0..<batchCount).flatMap { batch in
            stride(from: 0, to: rowCount, by: rows).map { first in
                Window(batch: batch, rows: first..<min(first + rows, rowCount), columns: 0..<columnCount)
            }
        }
    }

    package func byteCount(of window: Window) -> Int { window.rows.count * rowByteCount(of: window) }

    package func rowByteCount(of window: Window) -> Int { dtype.byteCount(ofBlocks: window.columns.count) }
}

// MARK: Making

extension LazyTensor {
    /// A tensor at `offset` of a file. The caller has checked that it lies inside and fills whole blocks.
    package static func stored(_ dtype: DType, _ shape: [Int], in file: FileID, at offset: Int) -> LazyTensor {
        LazyTensor(dtype: dtype, shape: shape, recipe: .stored(file, offset: offset))
    }

    package static func zeros(_ dtype: DType, _ shape: [Int]) -> LazyTensor {
        LazyTensor(dtype: dtype, shape: shape, recipe: .zeros)
    }

    /// A small tensor whose bytes are part of the plan.
    package static func literal(_ dtype: DType, _ shape: [Int], _ bytes: [UInt8]) -> LazyTensor {
        let tensor = LazyTensor(dtype: dtype, shape: shape, recipe: .literal(bytes))
        precondition(tensor.byteCount == bytes.count)
        return tensor
    }

    /// A vector of numbers that are part of the plan.
    package static func vector(_ values: [Float]) -> LazyTensor {
        var bytes: [UInt8] = []
        for value in values { bytes.append(littleEndian: value.bitPattern) }
        return literal(.f32, [values.count], bytes)
    }
}
