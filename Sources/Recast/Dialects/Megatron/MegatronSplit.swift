/// How tensor-parallel ranks share a tensor.
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
}
