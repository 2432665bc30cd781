/// A model as whole tensors under Megatron's names, with the way ranks share each.
///
/// Source: Specs/megatron.md §2.1, §3.2 and §3.3.
struct MegatronLowering {
    private(set) var tensors: [Tensor] = []
    /// Rows of the embedding and the head, with those that only fill up.
    let vocabularyRows: Int

    struct Tensor {
        /// Under a name of the local spelling, with the layer counted from the beginning of the model.
        var named: NamedTensor
        /// The type to write it in.
        var dtype: DType
        var split: MegatronSplit

        var name: String { named.name }
        var tensor: LazyTensor { named.tensor }
        var role: Role { named.slots[0].role }
        var layer: Int? { named.slots[0].layer }
        var expert: Int? { named.slots[0].expert }
    }

    /// What each rank's rows of the vocabulary are a multiple of (`make_vocab_size_divisible_by`).
    let vocabularyDivisor: Int
    /// Whose modules are to load it.
    let spelling: MegatronTarget.Spelling
    /// Megatron's default.
    static let usualDivisor = 128
    static let divisors = 1...1 << 20

    /// - Parameters:
    ///   - vocabularyDivisor: one of `divisors`.
    ///   - spelling: whose modules are to load it.
    ///   - dtype: the type to write a part of the graph in.
    /// - Throws: `unsupported` for what Megatron has no place for.
    init(
        _ graph: Graph, tensorParallelSize: Int, vocabularyDivisor: Int, spelling: MegatronTarget.Spelling,
        dtype: (Graph.Entry) -> DType
    ) throws(RecastError) {
        let configuration = graph.configuration
        self.vocabularyDivisor = vocabularyDivisor
        self.spelling = spelling
        let grain = vocabularyDivisor * tensorParallelSize
        vocabularyRows = (configuration.vocabularySize + grain - 1) / grain * grain
        let table = MegatronTable.table(of: configuration)
        let lowered = try Lowering(table: table, target: "Megatron").lower(graph, order: .ofGraph) { entries in
            // Numbers are converted on their way, but for those that must be of one type to lie in one tensor.
            let stored = Set(entries.map(\.tensor.dtype))
            let isPlain = stored.count == 1 && !entries[0].tensor.isQuantized
            return isPlain
                ? entries.map(\.tensor) : entries.map { $0.tensor.converted(to: Self.common(entries, dtype)) }
        }
        for named in lowered {
            let slot = named.slots[0]
            var tensor = named.tensor
            if slot.role == .tokenEmbedding || slot.role == .outputHead, tensor.rowCount < vocabularyRows {
                let rows = vocabularyRows - tensor.rowCount
                tensor = .concatenatedRows([tensor, .zeros(tensor.dtype, [rows, tensor.columnCount])])
            }
            let match = MappingTable.Match(
                row: table.row(of: slot)!, layer: slot.layer, expert: slot.expert, part: slot.part)
            let entries = named.slots.map { Graph.Entry(slot: $0, tensor: graph[$0]!) }
            tensors.append(
                Tensor(
                    named: NamedTensor(named.name, tensor, slots: named.slots), dtype: Self.common(entries, dtype),
                    split: MegatronTable.split(of: match, spelling)))
        }
    }

    /// The type of what is fused.
    private static func common(_ entries: [Graph.Entry], _ dtype: (Graph.Entry) -> DType) -> DType {
        let types = Set(entries.map(dtype))
        return types.count == 1 ? types.first! : .f32
    }
}
