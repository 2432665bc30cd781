/// How the tensors of one or several roles lie in one stored tensor. Every layout can be read in both directions, and
/// `fuse(split(x)) == x`.
public enum Layout: Sendable, Hashable {
    /// The role's own tensor, as it is.
    case direct
    /// The rows of the roles one after the other (Baichuan's `W_pack`, a fused gate and up).
    case stacked
    /// One role whose rotary pairs are neighbours instead of halves of a head.
    case rotaryNeighbours

    /// The roles' tensors in a stored one. `shapes` are those the configuration demands, whose rows the caller has
    /// checked against the stored tensor.
    func split(_ stored: LazyTensor, shapes: [[Int]], _ configuration: ModelConfiguration) -> [LazyTensor] {
        switch self {
        case .direct: return [stored]
        case .stacked:
            var first = 0
            return shapes.map { shape in
                defer { first += shape[0] }
                return stored.rows(first..<first + shape[0])
            }
        case .rotaryNeighbours: return [stored.gathered(neighbours(in: stored, configuration).inverse)]
        }
    }

    /// The stored tensor made of the roles' tensors.
    func fuse(_ parts: [LazyTensor], _ configuration: ModelConfiguration) -> LazyTensor {
        switch self {
        case .direct: parts[0]
        case .stacked: .stacked(parts)
        case .rotaryNeighbours: parts[0].gathered(neighbours(in: parts[0], configuration))
        }
    }

    private func neighbours(in tensor: LazyTensor, _ configuration: ModelConfiguration) -> RowOrder {
        .rotaryNeighbours(
            heads: tensor.rowCount / configuration.headDimension, headDimension: configuration.headDimension)
    }
}
