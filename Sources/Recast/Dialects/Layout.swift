/// How the tensors of one or several roles lie in one stored tensor. Every layout can be read in both directions, and
/// `fuse(split(x)) == x`.
package enum Layout: Sendable, Hashable {
    /// The role's own tensor, as it is.
    case direct
    /// A vector as a matrix of one row (ERNIE's correction bias).
    case oneRow
    /// The rows of the roles one after the other (Baichuan's `W_pack`, a fused gate and up).
    case concatenatedRows
    /// A row of each role in turn (gpt-oss's gate and up).
    case interleavedRows
    /// Query, key and value rows by group of attention: the group's query heads, its key head, its value head (Megatron's
    /// `linear_qkv`).
    case interleavedGroups

    /// The roles' tensors in a stored one. `shapes` are those the configuration demands, whose rows the caller has
    /// checked against the stored tensor.
    func split(_ stored: LazyTensor, shapes: [[Int]], _ configuration: ModelConfiguration) -> [LazyTensor] {
        switch self {
        case .direct: return [stored]
        case .oneRow: return [stored.reshaped(shapes[0])]
        case .concatenatedRows:
            var first = 0
            return shapes.map { shape in
                defer { first += shape[0] }
                return stored.rows(first..<first + shape[0])
            }
        case .interleavedRows:
            let order = Self.order(rows: shapes[0][0], roles: shapes.count)
            return Layout.concatenatedRows.split(stored.gathered(order), shapes: shapes, configuration)
        case .interleavedGroups:
            let groups = Self.groups(configuration)
            return zip(groups.firsts, groups.heights).map { first, height in
                .concatenatedRows(
                    (0..<groups.count).map { group in
                        let start = group * groups.height + first
                        return stored.rows(start..<start + height)
                    })
            }
        }
    }

    /// The stored tensor made of the roles' tensors.
    func fuse(_ parts: [LazyTensor], _ configuration: ModelConfiguration) -> LazyTensor {
        switch self {
        case .direct: parts[0]
        case .oneRow: parts[0].reshaped([1] + parts[0].shape)
        case .concatenatedRows: .concatenatedRows(parts)
        case .interleavedRows:
            LazyTensor.concatenatedRows(parts).gathered(Self.order(rows: parts[0].rowCount, roles: parts.count).inverse)
        case .interleavedGroups:
            .concatenatedRows(
                (0..<Self.groups(configuration).count).flatMap { group in
                    zip(parts, Self.groups(configuration).heights).map { part, height in
                        part.rows(group * height..<(group + 1) * height)
                    }
                })
        }
    }

    /// The shape of a stored tensor with roles of these shapes.
    func storedShape(_ shapes: [[Int]]) -> [Int] {
        if self == .direct { return shapes[0] }
        return self == .oneRow ? [1] + shapes[0] : [shapes.reduce(0) { $0 + $1[0] }] + shapes[0].dropFirst()
    }

    /// From rows of each role in turn to all rows of one, then of the next.
    private static func order(rows: Int, roles: Int) -> RowOrder {
        RowOrder(outer: 1, first: roles, second: rows)
    }

    /// The groups of attention: how many there are, the rows of one, and those of its queries, key and value.
    private static func groups(
        _ configuration: ModelConfiguration
    ) -> (count: Int, height: Int, firsts: [Int], heights: [Int]) {
        let dimension = configuration.headDimension
        let queries = configuration.headCount / configuration.keyValueHeadCount * dimension
        return (
            configuration.keyValueHeadCount, queries + 2 * dimension, [0, queries, queries + dimension],
            [queries, dimension, dimension]
        )
    }
}
