extension LazyTensor {
    /// Some of the rows of each matrix.
    package func rows(_ range: Range<Int>) -> LazyTensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= rowCount)
        guard range != 0..<rowCount else { return self }
        var shape = shape
        shape[max(0, shape.count - 2)] = range.count
        return LazyTensor(
            dtype: dtype, shape: shape, recipe: .arranged(.window(batch: 0, row: range.lowerBound, column: 0), [self]))
    }

    /// Some of the columns of each matrix, between block borders.
    package func columns(_ range: Range<Int>) -> LazyTensor {
        precondition(shape.count > 1 && range.lowerBound >= 0 && range.upperBound <= columnCount)
        precondition(range.lowerBound % dtype.blockElements == 0 && range.count % dtype.blockElements == 0)
        guard range != 0..<columnCount else { return self }
        return LazyTensor(
            dtype: dtype, shape: shape.dropLast() + [range.count],
            recipe: .arranged(.window(batch: 0, row: 0, column: range.lowerBound), [self]))
    }

    /// One matrix of a batch.
    package func matrix(_ index: Int) -> LazyTensor {
        precondition(shape.count > 2 && index >= 0 && index < batchCount)
        if case .arranged(.concatenated(.matrices), let children) = recipe, children.count == batchCount {
            return children[index]
        }
        return LazyTensor(
            dtype: dtype, shape: Array(shape.suffix(2)),
            recipe: .arranged(.window(batch: index, row: 0, column: 0), [self]))
    }

    /// The rows of each tensor after those of the one before.
    package static func concatenatedRows(_ parts: [LazyTensor]) -> LazyTensor {
        let first = parts[0]
        if parts.count == 1 { return first }
        precondition(parts.allSatisfy { $0.dtype == first.dtype && $0.columnCount == first.columnCount })
        precondition(parts.allSatisfy { $0.shape.count == first.shape.count && $0.shape.count < 3 })
        var shape = first.shape
        shape[0] = parts.reduce(0) { $0 + $1.rowCount }
        return LazyTensor(dtype: first.dtype, shape: shape, recipe: .arranged(.concatenated(.rows), parts))
    }

    /// The columns of each matrix to the right of those of the one before.
    package static func concatenatedColumns(_ parts: [LazyTensor]) -> LazyTensor {
        let first = parts[0]
        if parts.count == 1 { return first }
        precondition(parts.allSatisfy { $0.dtype == first.dtype && $0.shape.count == 2 })
        precondition(parts.allSatisfy { $0.rowCount == first.rowCount })
        let columns = parts.reduce(0) { $0 + $1.columnCount }
        return LazyTensor(
            dtype: first.dtype, shape: [first.rowCount, columns], recipe: .arranged(.concatenated(.columns), parts))
    }

    /// Matrices of one shape under a new leading dimension.
    package static func stackedMatrices(_ parts: [LazyTensor]) -> LazyTensor {
        let first = parts[0]
        precondition(parts.allSatisfy { $0.dtype == first.dtype && $0.shape == first.shape && $0.shape.count == 2 })
        return LazyTensor(
            dtype: first.dtype, shape: [parts.count] + first.shape, recipe: .arranged(.concatenated(.matrices), parts))
    }

    /// The rows of each matrix in another order.
    package func gathered(_ order: RowOrder) -> LazyTensor {
        precondition(order.rowCount == rowCount)
        if order.isIdentity { return self }
        if case .arranged(.gathered(order.inverse), let children) = recipe { return children[0] }
        return LazyTensor(dtype: dtype, shape: shape, recipe: .arranged(.gathered(order), [self]))
    }

    /// The same elements under another shape, whose rows are whole blocks too; numbers that are to be cut elsewhere are
    /// converted to a scalar type first.
    package func reshaped(_ shape: [Int]) -> LazyTensor {
        precondition(shape.reduce(1, *) == elementCount)
        if shape == self.shape { return self }
        if case .arranged(.reshaped, let children) = recipe { return children[0].reshaped(shape) }
        let result = LazyTensor(dtype: dtype, shape: shape, recipe: .arranged(.reshaped, [self]))
        precondition(result.columnCount.isMultiple(of: dtype.blockElements), "a row of the new shape cuts a block")
        return result
    }

    /// The same bytes under another type.
    ///
    /// - Returns: nil where they are not there as they are, or do not fill elements.
    package func reinterpreted(as dtype: DType) -> LazyTensor? {
        guard self.dtype.blockElements == 1, dtype.blockElements == 1, byteCount.isMultiple(of: dtype.blockBytes) else {
            return nil
        }
        let shape = dtype.blockBytes == self.dtype.blockBytes ? shape : [byteCount / dtype.blockBytes]
        switch recipe {
        case .stored, .literal, .zeros: return LazyTensor(dtype: dtype, shape: shape, recipe: recipe)
        case .arranged(.reshaped, let children): return children[0].reinterpreted(as: dtype)?.reshaped(shape)
        default: return nil
        }
    }

    /// Rows and columns exchanged; scalar types of whole bytes only.
    package func transposed() -> LazyTensor {
        precondition(dtype.blockElements == 1 && shape.count > 1)
        if case .arranged(.transposed, let children) = recipe { return children[0] }
        let shape = shape.dropLast(2) + [columnCount, rowCount]
        return LazyTensor(dtype: dtype, shape: Array(shape), recipe: .arranged(.transposed, [self]))
    }
}
