/// How the tensors of one or several roles lie in one stored tensor. Every layout can be read in both directions, and
/// `fuse(split(x)) == x`.
package enum Layout: Sendable, Hashable {
    /// The role's own tensor, as it is.
    case direct
    /// A vector as a matrix of one row (ERNIE's correction bias).
    case oneRow
    /// A vector as a matrix of one column (llama.cpp's decay of Mamba-2).
    case oneColumn
    /// The kernels of a convolution, each with a dimension for the one channel that it sees.
    case kernels
    /// A vector as a row for each group of channels that are normalised together.
    case normGroups
    /// The rows of the roles one after the other (Baichuan's `W_pack`, a fused gate and up).
    case concatenatedRows
    /// A row of each role in turn (gpt-oss's gate and up).
    case interleavedRows
    /// The same with rows and columns exchanged (GPT-2's `Conv1D`); biases one after the other.
    case transposedRows
    /// So many parts one after the other, each with the rows of the roles in it one after the other (CodeGen's `qkv_proj`).
    case partitionedRows(Int)
    /// Query, key and value rows by group of attention: the group's query heads, its key head, its value head (Megatron's
    /// `linear_qkv`).
    case interleavedGroups
    /// Rows of each role by attention head: those of a query, then those of its gate (Qwen3-Next).
    case interleavedHeads
    /// A gated delta net's projections by key head: query, key, and the values and gates of the value heads that it serves
    /// (Qwen3-Next).
    case interleavedKeyHeads
    /// Rows of each role by key head, one for each value head that it serves.
    case interleavedKeyHeadRows

    /// The roles' tensors in a stored one. `shapes` are those the configuration demands, whose rows the caller has
    /// checked against the stored tensor.
    func split(_ stored: LazyTensor, shapes: [[Int]], _ configuration: ModelConfiguration) -> [LazyTensor] {
        switch self {
        case .direct: return [stored]
        case .oneRow, .oneColumn, .kernels, .normGroups: return [stored.reshaped(shapes[0])]
        case .concatenatedRows:
            var first = 0
            return shapes.map { shape in
                defer { first += shape[0] }
                return stored.rows(first..<first + shape[0])
            }
        case .transposedRows:
            let rows = stored.shape.count > 1 ? stored.transposed() : stored
            return Layout.concatenatedRows.split(rows, shapes: shapes, configuration)
        case .partitionedRows(let count):
            let heights = shapes.map { $0[0] / count }
            let height = heights.reduce(0, +)
            return shapes.indices.map { role in
                let first = heights[..<role].reduce(0, +)
                return .concatenatedRows(
                    (0..<count).map { part in
                        stored.rows(part * height + first..<part * height + first + heights[role])
                    })
            }
        case .interleavedRows:
            let order = Self.order(rows: shapes[0][0], roles: shapes.count)
            return Layout.concatenatedRows.split(stored.gathered(order), shapes: shapes, configuration)
        case .interleavedGroups, .interleavedHeads, .interleavedKeyHeadRows:
            return groups(configuration).split(stored)
        case .interleavedKeyHeads:
            let parts = groups(configuration).split(stored)
            return [.concatenatedRows(Array(parts[..<3])), parts[3]]
        }
    }

    /// The stored tensor made of the roles' tensors.
    func fuse(_ parts: [LazyTensor], _ configuration: ModelConfiguration) -> LazyTensor {
        switch self {
        case .direct: parts[0]
        case .oneRow, .oneColumn, .kernels, .normGroups:
            parts[0].reshaped(storedShape(parts.map(\.shape), configuration))
        case .concatenatedRows: .concatenatedRows(parts)
        case .transposedRows:
            parts[0].shape.count > 1 ? LazyTensor.concatenatedRows(parts).transposed() : .concatenatedRows(parts)
        case .partitionedRows(let count):
            .concatenatedRows(
                (0..<count).flatMap { part in
                    parts.map { rows in
                        let height = rows.rowCount / count
                        return rows.rows(part * height..<(part + 1) * height)
                    }
                })
        case .interleavedRows:
            LazyTensor.concatenatedRows(parts).gathered(Self.order(rows: parts[0].rowCount, roles: parts.count).inverse)
        case .interleavedGroups, .interleavedHeads, .interleavedKeyHeadRows: groups(configuration).fuse(parts)
        case .interleavedKeyHeads:
            groups(configuration).fuse(
                Layout.concatenatedRows.split(
                    parts[0],
                    shapes: groups(configuration).heights.prefix(3).map { [groups(configuration).count * $0] },
                    configuration) + [parts[1]])
        }
    }

    /// The shape of a stored tensor with roles of these shapes.
    func storedShape(_ shapes: [[Int]], _ configuration: ModelConfiguration) -> [Int] {
        if self == .direct { return shapes[0] }
        let rows = shapes.reduce(0) { $0 + $1[0] }
        return switch self {
        case .oneRow: [1] + shapes[0]
        case .oneColumn: shapes[0] + [1]
        // A bias is a vector here, too.
        case .kernels: shapes[0].count == 2 ? [shapes[0][0], 1, shapes[0][1]] : shapes[0]
        case .normGroups:
            [configuration.normGroupCount, shapes[0][0] / configuration.normGroupCount]
        case .transposedRows: shapes[0].dropFirst() + [rows]
        default: [rows] + shapes[0].dropFirst()
        }
    }

    /// From rows of each role in turn to all rows of one, then of the next.
    private static func order(rows: Int, roles: Int) -> RowOrder {
        RowOrder(outer: 1, first: roles, second: rows)
    }

    private func groups(_ configuration: ModelConfiguration) -> RowGroups {
        let dimension = configuration.headDimension
        let net = configuration.recurrence?.delta
        let served = net.map { $0.valueHeadCount / $0.keyHeadCount } ?? 0
        switch self {
        case .interleavedHeads: return RowGroups(count: configuration.headCount, heights: [dimension, dimension])
        case .interleavedKeyHeads:
            let (keys, values) = (net?.keyHeadDimension ?? 0, served * (net?.valueHeadDimension ?? 0))
            return RowGroups(count: net?.keyHeadCount ?? 0, heights: [keys, keys, values, values])
        case .interleavedKeyHeadRows: return RowGroups(count: net?.keyHeadCount ?? 0, heights: [served, served])
        default:
            let queries = configuration.headCount / configuration.keyValueHeadCount * dimension
            return RowGroups(count: configuration.keyValueHeadCount, heights: [queries, dimension, dimension])
        }
    }
}

/// Rows of several tensors in groups: in each some of the first, then some of the next.
private struct RowGroups {
    var count: Int
    /// Rows of each tensor in a group.
    var heights: [Int]

    func split(_ stored: LazyTensor) -> [LazyTensor] {
        let height = heights.reduce(0, +)
        return heights.indices.map { part in
            let first = heights[..<part].reduce(0, +)
            return .concatenatedRows(
                (0..<count).map { group in
                    stored.rows(group * height + first..<group * height + first + heights[part])
                })
        }
    }

    func fuse(_ parts: [LazyTensor]) -> LazyTensor {
        .concatenatedRows(
            (0..<count).flatMap { group in
                zip(parts, heights).map { part, height in part.rows(group * height..<(group + 1) * height) }
            })
    }
}

extension ModelConfiguration {
    /// How many groups of channels are normalised each by itself behind a state space.
    fileprivate var normGroupCount: Int { recurrence?.mamba2?.normGroupCount ?? 1 }
}
