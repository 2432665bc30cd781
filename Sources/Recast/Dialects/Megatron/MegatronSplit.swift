/// How tensor-parallel ranks share a tensor. `merge(shard(x)) == x`.
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
        case .rows: return .stacked(ranks)
        case .columns: return .beside(ranks)
        case .halves:
            let half = ranks[0].rowCount / 2
            return .stacked(ranks.map { $0.rows(0..<half) } + ranks.map { $0.rows(half..<2 * half) })
        }
    }

    /// What rank `rank` of `count` has of a whole tensor that can be shared so.
    func shard(_ tensor: LazyTensor, rank: Int, of count: Int) -> LazyTensor {
        switch self {
        case .replicated: return tensor
        case .rows:
            let rows = tensor.rowCount / count
            return tensor.rows(rank * rows..<(rank + 1) * rows)
        case .columns:
            let columns = tensor.columnCount / count
            return tensor.columns(rank * columns..<(rank + 1) * columns)
        case .halves:
            let half = tensor.rowCount / 2
            let rows = half / count
            return .stacked([
                tensor.rows(rank * rows..<(rank + 1) * rows),
                tensor.rows(half + rank * rows..<half + (rank + 1) * rows),
            ])
        }
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
