/// What older Megatrons stored in another way, as those of today store it.
///
/// Source: Specs/megatron.md §2.2 and §3.2. No checkpoint of such age is at hand: this is by the specification alone.
struct LegacyCheckpointVersion {
    private let file: String
    /// `checkpoint_version`; queries, keys and values lie by groups from 2 on.
    private let version: Double
    private let arguments: MegatronArguments

    init(_ rank: MegatronRank) {
        file = rank.file
        version = rank.version
        arguments = rank.arguments
    }

    /// The tensors of a virtual stage in the order and under the names of today.
    ///
    /// - Throws: `malformedInput` where they do not have the shapes that args make them have.
    func modern(_ tensors: [NamedTensor]) throws(RecastError) -> [NamedTensor] {
        var modern: [NamedTensor] = []
        for tensor in tensors {
            if let stem = Self.stem(tensor.name, of: "mlp.experts.weight1") {
                modern += try experts(tensor, "\(stem)mlp.experts.linear_fc1", isFirst: true)
            } else if let stem = Self.stem(tensor.name, of: "mlp.experts.weight2") {
                modern += try experts(tensor, "\(stem)mlp.experts.linear_fc2", isFirst: false)
            } else if version < 2, tensor.name.contains("query_key_value.") || tensor.name.contains("linear_qkv.") {
                modern.append(NamedTensor(tensor.name, try byHeads(tensor)))
            } else {
                modern.append(tensor)
            }
        }
        return modern
    }

    private static let sizes = 1...1 << 30

    static func isGrouped(_ name: String) -> Bool {
        name.hasSuffix("mlp.experts.weight1") || name.hasSuffix("mlp.experts.weight2")
    }

    private static func stem(_ name: String, of ending: String) -> String? {
        name.hasSuffix(ending) ? String(name.dropLast(ending.count)) : nil
    }

    /// The experts of a rank, whose transposed matrices lie one after the other in a tensor of another shape.
    private func experts(
        _ tensor: NamedTensor, _ name: String, isFirst: Bool
    ) throws(RecastError) -> [NamedTensor] {
        let ranks = arguments.expertParallelSize
        // Sizes that are no model's must not overflow.
        guard let total = arguments.int("num_experts"), let hidden = arguments.int("hidden_size"),
            Self.sizes.contains(total), Self.sizes.contains(hidden), Self.sizes.contains(ranks),
            total.isMultiple(of: ranks), tensor.tensor.shape.count == 2,
            tensor.tensor.elementCount.isMultiple(of: total / ranks * hidden), tensor.tensor.elementCount > 0
        else {
            throw .malformed(file, "\(tensor.name) \(tensor.tensor.shape) is not that of the experts that args name")
        }
        let count = total / ranks
        let size = tensor.tensor.elementCount / (count * hidden)
        let stack = tensor.tensor.reshaped(isFirst ? [count, hidden, size] : [count, size, hidden])
        return (0..<count).map { NamedTensor("\(name).weight\($0)", stack.matrix($0).transposed()) }
    }

    /// Queries, keys and values head by head. Versions 0 and 1 know no groups of heads.
    private func byHeads(_ tensor: NamedTensor) throws(RecastError) -> LazyTensor {
        guard let heads = arguments.int("num_attention_heads"), let hidden = arguments.int("hidden_size"), heads > 0,
            hidden > 0
        else { throw .malformed(file, "args do not name num_attention_heads and hidden_size") }
        let dimension = arguments.int("kv_channels") ?? hidden / heads
        let rows = tensor.tensor.rowCount
        guard Self.sizes.contains(dimension), rows.isMultiple(of: 3 * dimension),
            arguments.bool("group_query_attention") != true
        else {
            throw .malformed(
                file, "\(tensor.name) has \(rows) rows, which checkpoint_version \(version) does not order")
        }
        let count = rows / (3 * dimension)
        return tensor.tensor.gathered(
            version < 1
                ? RowOrder(outer: 1, first: count, second: 3, block: dimension)
                : RowOrder(outer: count, first: 3, second: dimension))
    }
}
