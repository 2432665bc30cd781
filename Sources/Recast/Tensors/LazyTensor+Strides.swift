extension LazyTensor {
    /// Pieces that a tensor which is not laid out in rows may consist of.
    private static let maximumPieceCount = 1 << 16

    /// Elements of a storage, as torch describes them: where the first is, and how far the next is in each dimension.
    ///
    /// - Parameters:
    ///   - offset: of the first element, in elements.
    ///   - start: where the storage begins in the file.
    ///   - byteCount: of the storage.
    ///   - name: of the storage, for messages.
    /// - Throws: `malformedInput` where an element lies outside the storage, `unsupported` for a layout of very many pieces.
    static func strided(
        _ dtype: DType, _ shape: [Int], _ strides: [Int], offset: Int, in file: FileID, at start: Int, byteCount: Int,
        name: String
    ) throws(RecastError) -> LazyTensor {
        guard let count = shape.product(), count.multiplied(checked: dtype.blockBytes) != nil else {
            throw .malformed(name, "a tensor of shape \(shape)")
        }
        if count == 0 { return .zeros(dtype, shape) }
        var last: Int? = offset
        for (size, stride) in zip(shape, strides) {
            last = stride.multiplied(checked: size - 1).flatMap { step in last?.adding(checked: step) }
        }
        guard let end = last?.adding(checked: 1)?.multiplied(checked: dtype.blockBytes), end <= byteCount else {
            throw .malformed(
                name,
                "a tensor of shape \(shape) with strides \(strides) from element \(offset) on lies outside its "
                    + "\(byteCount) bytes")
        }
        let storage = Storage(dtype: dtype, file: file, start: start)
        // Dimensions of one say nothing about the layout.
        let kept = shape.indices.filter { shape[$0] > 1 }
        let pieces = storage.pieceCount(kept.map { shape[$0] }, kept.map { strides[$0] })
        guard let pieces, pieces <= maximumPieceCount else {
            throw RecastError(
                .unsupported, "a tensor of shape \(shape) with strides \(strides) is scattered over its storage",
                trail: [name])
        }
        return storage.tensor(kept.map { shape[$0] }, kept.map { strides[$0] }, offset).reshaped(shape)
    }
}

/// Numbers of one type in a row.
private struct Storage {
    let dtype: DType
    let file: FileID
    let start: Int

    /// Whether elements follow each other in the order of the tensor.
    private func isContiguous(_ shape: [Int], _ strides: [Int]) -> Bool {
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() {
            guard stride == expected else { return false }
            expected *= size
        }
        return true
    }

    private func stored(_ shape: [Int], _ offset: Int) -> LazyTensor {
        .stored(dtype, shape, in: file, at: start + offset * dtype.blockBytes)
    }

    /// How many runs a layout has that is neither in rows nor in columns; nil for more than can be counted.
    func pieceCount(_ shape: [Int], _ strides: [Int]) -> Int? {
        if isContiguous(shape, strides) { return 1 }
        let inner = min(2, shape.count)
        let outer = shape.dropLast(inner).map { $0 }.product()
        let (rows, columns) = (Array(shape.suffix(inner)), Array(strides.suffix(inner)))
        if inner == 2, columns[1] == 1 && columns[0] >= rows[1] || columns[0] == 1 && columns[1] >= rows[0] {
            return outer
        }
        if inner == 1, columns[0] > 0 { return 1 }
        return rows.first.flatMap { outer?.multiplied(checked: $0) }
    }

    func tensor(_ shape: [Int], _ strides: [Int], _ offset: Int) -> LazyTensor {
        if isContiguous(shape, strides) { return stored(shape, offset) }
        switch shape.count {
        case 1: return vector(shape[0], strides[0], offset)
        case 2: return matrix(shape, strides, offset)
        default:
            let parts = (0..<shape[0]).map {
                tensor(Array(shape.dropFirst()), Array(strides.dropFirst()), offset + $0 * strides[0])
            }
            let matrices = parts.map { $0.reshaped([shape[1], $0.elementCount / shape[1]]) }
            return LazyTensor.batched(matrices).reshaped(shape)
        }
    }

    private func matrix(_ shape: [Int], _ strides: [Int], _ offset: Int) -> LazyTensor {
        if strides[1] == 1, strides[0] >= shape[1] {
            // The last row may end where the storage does.
            let all = stored([shape[0] - 1, strides[0]], offset).columns(0..<shape[1])
            return .stacked([all, stored([1, shape[1]], offset + (shape[0] - 1) * strides[0])])
        }
        if strides[0] == 1, strides[1] >= shape[0] {
            let turned =
                strides[1] == shape[0]
                ? stored(shape.reversed(), offset) : matrix(shape.reversed(), strides.reversed(), offset)
            return turned.transposed()
        }
        return .stacked(
            (0..<shape[0]).map { vector(shape[1], strides[1], offset + $0 * strides[0]).reshaped([1, shape[1]]) })
    }

    private func vector(_ count: Int, _ stride: Int, _ offset: Int) -> LazyTensor {
        if stride == 0 { return .stacked((0..<count).map { _ in stored([1], offset) }) }
        return matrix([count, 1], [stride, 1], offset).reshaped([count])
    }
}
