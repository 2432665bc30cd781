/// Which rows of a query or key head are rotary pairs, where a stored tensor has them.
package enum RotaryLayout: Sendable, Hashable {
    /// `j` and `j + r/2` of the first `r` rows, as the graph has them.
    case halfSplit
    /// `2j` and `2j + 1` of the first `r` rows.
    case interleaved
    /// `j` and `j + D/2` of all `D` rows, so that with partial rotary the other rows lie behind each half.
    case halfSplitOfWholeHead

    /// Whether the heads of a model have pairs to be stored so: without positions they may be of an odd size.
    func fits(_ configuration: ModelConfiguration) -> Bool {
        switch self {
        case .halfSplit: true
        case .interleaved: configuration.rope.dimensions.isMultiple(of: 2)
        case .halfSplitOfWholeHead:
            // Where the whole head turns nothing is moved.
            configuration.headDimension / 2 <= configuration.rope.dimensions / 2
                || configuration.rope.dimensions.isMultiple(of: 2) && configuration.headDimension.isMultiple(of: 2)
        }
    }

    /// Rows of heads as the graph has them, from those that are stored.
    func canonical(_ stored: LazyTensor, _ configuration: ModelConfiguration) -> LazyTensor {
        switch self {
        case .halfSplit: stored
        case .interleaved: stored.gathered(interleaved(of: stored, configuration).inverse)
        case .halfSplitOfWholeHead: Self.rearranged(stored, configuration, fromStored: true)
        }
    }

    /// The opposite of `canonical`.
    func stored(_ canonical: LazyTensor, _ configuration: ModelConfiguration) -> LazyTensor {
        switch self {
        case .halfSplit: canonical
        case .interleaved: canonical.gathered(interleaved(of: canonical, configuration))
        case .halfSplitOfWholeHead: Self.rearranged(canonical, configuration, fromStored: false)
        }
    }

    private func interleaved(of tensor: LazyTensor, _ configuration: ModelConfiguration) -> RowOrder {
        let dimension = configuration.headDimension
        return .rotaryInterleaved(
            heads: tensor.rowCount / dimension, headDimension: dimension, rotaryDimension: configuration.rope.dimensions
        )
    }

    /// A head of the graph is `[a b c d]`: the halves of the rotary rows, and the halves of the others. Stored, it is
    /// `[a c b d]`.
    private static func rearranged(
        _ tensor: LazyTensor, _ configuration: ModelConfiguration, fromStored: Bool
    ) -> LazyTensor {
        let (dimension, rotary) = (configuration.headDimension, configuration.rope.dimensions / 2)
        let others = dimension / 2 - rotary
        guard others > 0 else { return tensor }
        let sizes = fromStored ? [rotary, others, rotary, others] : [rotary, rotary, others, others]
        let starts = sizes.indices.map { sizes[..<$0].reduce(0, +) }
        return .concatenatedRows(
            stride(from: 0, to: tensor.rowCount, by: dimension).flatMap { head in
                [0, 2, 1, 3].map { tensor.rows(head + starts[$0]..<head + starts[$0] + sizes[$0]) }
            })
    }
}
