/// What the descriptions of tensors in a file, or in the files of one checkpoint, may ask for: as much as the file's own
/// size accounts for, so that a few bytes cannot stand for memory, or for output, without end.
package struct StorageBudget: Sendable, Hashable {
    /// Pieces that tensors which are not laid out in rows may consist of.
    private var pieceCount = 1 << 16
    /// Bytes of tensors, each counted as often as it is there.
    private var byteCount = 1 << 24

    /// Bytes that are there for a piece: a piece takes a few times as much in memory.
    private static let bytesForPiece = 64
    /// How often every byte may be in a tensor. Weights that are tied are there twice.
    private static let repetitions = 16

    package init(byteCount: Int = 0) { grow(by: byteCount) }

    /// More of the checkpoint has been found.
    package mutating func grow(by byteCount: Int) {
        pieceCount = pieceCount.adding(checked: byteCount / Self.bytesForPiece) ?? .max
        let repeated = byteCount.multiplied(checked: Self.repetitions) ?? .max
        self.byteCount = self.byteCount.adding(checked: repeated) ?? .max
    }

    /// False where there are not so many left.
    package mutating func takePieces(_ count: Int) -> Bool {
        guard count <= pieceCount else { return false }
        pieceCount -= count
        return true
    }

    /// - Throws: `unsupported` where the bytes are used up.
    mutating func takeBytes(_ count: Int, name: @autoclosure () -> String) throws(RecastError) {
        guard count <= byteCount else {
            throw RecastError(
                .unsupported,
                "its tensors share their bytes so often that they are more than \(Self.repetitions) times the file",
                trail: [name()])
        }
        byteCount -= count
    }
}

extension LazyTensor {
    /// Elements of a storage, as torch describes them: where the first is, and how far the next is in each dimension.
    ///
    /// - Parameters:
    ///   - offset: of the first element, in elements.
    ///   - start: where the storage begins in the file.
    ///   - byteCount: of the storage.
    ///   - name: of the storage, for messages.
    ///   - budget: what is left to the file, of which this takes its part.
    /// - Throws: `malformedInput` where an element lies outside the storage, `unsupported` for a layout of very many pieces,
    ///   and for tensors of much more bytes than there are.
    package static func strided(
        _ dtype: DType, _ shape: [Int], _ strides: [Int], offset: Int, in file: FileID, at start: Int, byteCount: Int,
        name: @autoclosure () -> String, budget: inout StorageBudget
    ) throws(RecastError) -> LazyTensor {
        guard let count = shape.product(), let size = count.multiplied(checked: dtype.blockBytes) else {
            throw .malformed(name(), "a tensor of shape \(shape)")
        }
        if count == 0 { return .zeros(dtype, shape) }
        var last: Int? = offset
        for (size, stride) in zip(shape, strides) {
            last = stride.multiplied(checked: size - 1).flatMap { step in last?.adding(checked: step) }
        }
        guard let end = last?.adding(checked: 1)?.multiplied(checked: dtype.blockBytes), end <= byteCount else {
            throw .malformed(
                name(),
                "a tensor of shape \(shape) with strides \(strides) from element \(offset) on lies outside its "
                    + "\(byteCount) bytes")
        }
        let storage = Storage(dtype: dtype, file: file, start: start)
        // Dimensions of one say nothing about the layout.
        let kept = shape.indices.filter { shape[$0] > 1 }
        guard let tensor = storage.tensor(kept.map { shape[$0] }, kept.map { strides[$0] }, offset, &budget) else {
            throw RecastError(
                .unsupported, "a tensor of shape \(shape) with strides \(strides) is scattered over its storage",
                trail: [name()])
        }
        try budget.takeBytes(size, name: name())
        return tensor.reshaped(shape)
    }
}

/// Numbers of one type in a row.
///
/// What makes a tensor of several pieces takes them from the budget before it makes any, and is nil where there are none.
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

    func tensor(_ shape: [Int], _ strides: [Int], _ offset: Int, _ budget: inout StorageBudget) -> LazyTensor? {
        if isContiguous(shape, strides) { return stored(shape, offset) }
        switch shape.count {
        case 1: return vector(shape[0], strides[0], offset, &budget)
        case 2: return matrix(shape, strides, offset, &budget)
        default:
            let (inner, steps) = (Array(shape.dropFirst()), Array(strides.dropFirst()))
            let parts = pieces(shape[0], &budget) { index, budget in
                tensor(inner, steps, offset + index * strides[0], &budget).map { part in
                    part.reshaped([shape[1], part.elementCount / shape[1]])
                }
            }
            return parts.map { LazyTensor.stackedMatrices($0).reshaped(shape) }
        }
    }

    private func matrix(
        _ shape: [Int], _ strides: [Int], _ offset: Int, _ budget: inout StorageBudget
    ) -> LazyTensor? {
        if strides[1] == 1, strides[0] >= shape[1] { return rows(shape, strides[0], offset) }
        if strides[0] == 1, strides[1] >= shape[0] {
            return rows([shape[1], shape[0]], strides[1], offset).transposed()
        }
        let parts = pieces(shape[0], &budget) { index, budget in
            vector(shape[1], strides[1], offset + index * strides[0], &budget).map { $0.reshaped([1, shape[1]]) }
        }
        return parts.map { .concatenatedRows($0) }
    }

    /// A matrix whose rows are apart by `stride` elements.
    private func rows(_ shape: [Int], _ stride: Int, _ offset: Int) -> LazyTensor {
        if stride == shape[1] { return stored(shape, offset) }
        // The last row may end where the storage does.
        let all = stored([shape[0] - 1, stride], offset).columns(0..<shape[1])
        return .concatenatedRows([all, stored([1, shape[1]], offset + (shape[0] - 1) * stride)])
    }

    private func vector(_ count: Int, _ stride: Int, _ offset: Int, _ budget: inout StorageBudget) -> LazyTensor? {
        if stride > 0 { return rows([count, 1], stride, offset).reshaped([count]) }
        return pieces(count, &budget) { _, _ in stored([1], offset) }.map { .concatenatedRows($0) }
    }

    private func pieces(
        _ count: Int, _ budget: inout StorageBudget, _ make: (Int, inout StorageBudget) -> LazyTensor?
    ) -> [LazyTensor]? {
        guard budget.takePieces(count) else { return nil }
        var pieces: [LazyTensor] = []
        for index in 0..<count {
            guard let piece = make(index, &budget) else { return nil }
            pieces.append(piece)
        }
        return pieces
    }
}
