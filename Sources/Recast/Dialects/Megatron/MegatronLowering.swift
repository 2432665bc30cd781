/// A model as whole tensors under Megatron's names, with the way ranks share each.
///
/// Source: Specs/megatron.md §2.1, §3.2 and §3.3.
struct MegatronLowering {
    private(set) var tensors: [Tensor] = []
    /// Rows of the embedding and the head, with those that only fill up.
    let vocabularyRows: Int

    struct Tensor {
        /// Of the local spelling, with the layer counted from the beginning of the model.
        var name: String
        var tensor: LazyTensor
        /// The type to write it in.
        var dtype: DType
        var role: Role
        var layer: Int?
        var expert: Int?
        var split: MegatronSplit
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
        for entry in graph.entries {
            let slot = entry.slot
            guard let row = table.row(of: slot), row.parts.contains(slot.part) else {
                throw .unsupported("Megatron has no \(slot)")
            }
            // A row of several roles is written where its first one stands.
            guard slot.role == row.roles[0] else {
                guard graph[Slot(row.roles[0], layer: slot.layer, expert: slot.expert, slot.part)] != nil else {
                    throw .unsupported("Megatron has no \(slot) without a \(row.roles[0].rawValue)")
                }
                continue
            }
            let entries = row.roles.compactMap { role in
                let slot = Slot(role, layer: slot.layer, expert: slot.expert, slot.part)
                return graph[slot].map { Graph.Entry(slot: slot, tensor: $0) }
            }
            guard entries.count == row.roles.count else {
                throw .unsupported(
                    "Megatron has \(row.roles.map(\.rawValue).joined(separator: ", ")) fused, and needs all of them: "
                        + "\(slot)")
            }
            let types = Set(entries.map(dtype))
            let common = types.count == 1 ? types.first! : .f32
            // Numbers are converted on their way, but for those that must be of one type to lie in one tensor.
            let stored = Set(entries.map(\.tensor.dtype))
            let isPlain = stored.count == 1 && !entries[0].tensor.isQuantized
            let parts = isPlain ? entries.map(\.tensor) : entries.map { $0.tensor.converted(to: common) }
            var tensor = row.fuse(parts, configuration)
            if slot.role == .tokenEmbedding || slot.role == .outputHead, tensor.rowCount < vocabularyRows {
                let rows = vocabularyRows - tensor.rowCount
                tensor = .concatenatedRows([tensor, .zeros(tensor.dtype, [rows, tensor.columnCount])])
            }
            let match = MappingTable.Match(row: row, layer: slot.layer, expert: slot.expert, part: slot.part)
            tensors.append(
                Tensor(
                    name: row.name(layer: slot.layer, expert: slot.expert, slot.part), tensor: tensor, dtype: common,
                    role: slot.role,
                    layer: slot.layer, expert: slot.expert, split: MegatronTable.split(of: match, spelling)))
        }
    }
}
