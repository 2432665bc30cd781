/// How tensor-parallel ranks share a tensor. What ranks are given by `boxes`, `merge` puts together again.
///
/// Source: Specs/megatron.md §3.1.
enum MegatronSplit: Sendable, Hashable {
    /// Each rank has the next rows.
    case rows
    /// Each rank has the next rows of the upper half, and below them those of the lower half (gate and up).
    case halves
    /// Each rank has the next columns.
    case columns
    /// Each rank has all of it.
    case replicated

    /// The whole tensor from those of the ranks, which have one shape.
    func merge(_ ranks: [LazyTensor]) -> LazyTensor {
        switch self {
        case .replicated: return ranks[0]
        case .rows: return .concatenatedRows(ranks)
        case .columns: return .concatenatedColumns(ranks)
        case .halves:
            let half = ranks[0].rowCount / 2
            return .concatenatedRows(ranks.map { $0.rows(0..<half) } + ranks.map { $0.rows(half..<2 * half) })
        }
    }

    /// Some rows and columns of a tensor.
    struct Box: Sendable, Hashable {
        var rows: Range<Int>
        var columns: Range<Int>
    }

    /// What rank `rank` of `count` has of a tensor that can be shared so, from top to bottom.
    func boxes(of tensor: LazyTensor, rank: Int, count: Int) -> [Box] {
        let (height, width) = (tensor.rowCount, tensor.columnCount)
        func share(of size: Int, from first: Int = 0) -> Range<Int> {
            first + rank * (size / count)..<first + (rank + 1) * (size / count)
        }
        switch self {
        case .replicated: return [Box(rows: 0..<height, columns: 0..<width)]
        case .rows: return [Box(rows: share(of: height), columns: 0..<width)]
        case .columns: return [Box(rows: 0..<height, columns: share(of: width))]
        case .halves:
            return [0, height / 2].map { Box(rows: share(of: height / 2, from: $0), columns: 0..<width) }
        }
    }

    /// The shape of each rank's part.
    func shape(of tensor: LazyTensor, count: Int) -> [Int] {
        var shape = tensor.shape
        switch self {
        case .replicated: break
        case .rows, .halves: shape[0] /= count
        case .columns: shape[shape.count - 1] /= count
        }
        return shape
    }

    /// Why a tensor cannot be shared among so many; nil if it can.
    func obstacle(_ tensor: LazyTensor, count: Int) -> String? {
        switch self {
        case .replicated: nil
        case .rows:
            tensor.rowCount.isMultiple(of: count) ? nil : "its \(tensor.rowCount) rows are not a multiple of \(count)"
        case .columns:
            tensor.columnCount.isMultiple(of: count)
                ? nil : "its \(tensor.columnCount) columns are not a multiple of \(count)"
        case .halves:
            tensor.rowCount.isMultiple(of: 2 * count)
                ? nil : "the halves of its \(tensor.rowCount) rows are not a multiple of \(count)"
        }
    }
}
