/// The tensors of all ranks put together, under the names of whole models.
///
/// Source: Specs/megatron.md §3.
struct MegatronMerging {
    /// Under names of the local spelling, with the layers of the whole model.
    private(set) var tensors: [NamedTensor] = []
    /// What several ranks have and must have alike.
    private(set) var replicas: [Replicas] = []
    private(set) var layerCount = 0
    /// What of it was read by the specification alone, as no checkpoint of Megatron's own has ever shown it.
    private(set) var unverified: [String] = []
    /// Whether feed-forward has a gate, whose rows then lie above those of up: its first matrix has twice the rows that the second
    /// has columns.
    private(set) var gatesFeedForward = true
    /// The rows of the projections that only some modules share among ranks.
    private var latentRows: [Role: Int] = [:]

    /// A tensor that several ranks have each for themselves.
    struct Replicas {
        var name: String
        var tensors: [(rank: String, tensor: LazyTensor)]
    }

    /// A virtual stage of one rank.
    private struct Chunk {
        var rank: String
        var tensors: [MegatronNames.Numbered: LazyTensor]
        /// In the order of the file.
        var order: [MegatronNames.Numbered]
        var layerCount: Int
        /// The experts of each layer that has some.
        var expertCount = 0
    }

    /// - Throws: `malformedInput` where ranks do not fit together.
    init(_ files: MegatronFiles) throws(RecastError) {
        switch files.parts {
        case .ranks(let ranks): try self.init(ranks, files)
        case .whole(let stacks): try self.init(stacks, path: files.path)
        }
    }

    /// Whole tensors, of which only the names are to be settled.
    private init(_ stacks: [MegatronFiles.StackedTensor], path: String) throws(RecastError) {
        var layers: Set<Int> = []
        var names: Set<ByteString> = []
        for stack in try Self.joined(stacks, path: path) {
            for (stored, tensor) in zip(MegatronNames.names(of: stack.name, counts: stack.counts), stack.tensors) {
                let canonical = MegatronNames.canonical(stored)
                let name = canonical.name(firstLayer: 0)
                guard names.insert(ByteString(name)).inserted else {
                    throw .malformed(path, "\(stack.name): \(name) is there under two names")
                }
                if let layer = canonical.layer { layers.insert(layer) }
                tensors.append(NamedTensor(name, tensor))
            }
        }
        layerCount = (layers.max() ?? -1) + 1
        gatesFeedForward = Self.gatesFeedForward(tensors.lazy.map { ($0.name, $0.tensor) })
        addUnverifiedParts()
    }

    private mutating func addUnverifiedParts() {
        if hasLatentAttention { unverified.append("multi-head latent attention") }
        if tensors.contains(where: { $0.name.contains(".mlp.shared_experts.") }) { unverified.append("shared experts") }
    }

    /// - Parameter tensors: of ranks or of whole models, under names of the local spelling.
    private static func gatesFeedForward(_ tensors: some Sequence<(String, LazyTensor)>) -> Bool {
        var (rows, columns): (Int?, Int?)
        for (name, tensor) in tensors {
            if rows == nil, name.hasSuffix(".mlp.linear_fc1.weight") { rows = tensor.rowCount }
            if columns == nil, name.hasSuffix(".mlp.linear_fc2.weight") { columns = tensor.columnCount }
            if let rows, let columns { return rows != columns }
        }
        return true
    }

    private var table: MappingTable { gatesFeedForward ? MegatronTable.gated : MegatronTable.ungated }

    /// With `singleton_local_shards`, gate and up are stored apart, as `…weight_w` and `…weight_v`.
    ///
    /// Source: Specs/megatron.md §5.4.
    private static func joined(
        _ stacks: [MegatronFiles.StackedTensor], path: String
    ) throws(RecastError) -> [MegatronFiles.StackedTensor] {
        var ups: [String: MegatronFiles.StackedTensor] = [:]
        for stack in stacks where stack.name.hasSuffix("_v") { ups[String(stack.name.dropLast(2))] = stack }
        var joined: [MegatronFiles.StackedTensor] = []
        for stack in stacks where !stack.name.hasSuffix("_v") {
            guard stack.name.hasSuffix("_w") else {
                joined.append(stack)
                continue
            }
            let name = String(stack.name.dropLast(2))
            guard let up = ups.removeValue(forKey: name), up.counts == stack.counts,
                zip(up.tensors, stack.tensors).allSatisfy({ $0.shape == $1.shape && $0.dtype == $1.dtype })
            else { throw .malformed(path, "\(name)_w is there without a \(name)_v of its shape") }
            joined.append(
                MegatronFiles.StackedTensor(
                    name: name, counts: stack.counts,
                    tensors: zip(stack.tensors, up.tensors).map { .concatenatedRows([$0, $1]) }))
        }
        // For the caller to refuse.
        return joined + ups.values.sorted { $0.name < $1.name }
    }

    private init(_ ranks: [MegatronFiles.Place: MegatronRank], _ files: MegatronFiles) throws(RecastError) {
        latentRows = files.arguments?.latentRows ?? [:]
        if files.version < 2 {
            unverified.append("the order of queries, keys and values of checkpoint_version \(files.version)")
        }
        let names = ranks.values.lazy.flatMap { $0.chunks.joined().map(\.name) }
        if names.contains(where: LegacyCheckpointVersion.isGrouped) {
            unverified.append("grouped experts that are stored as one (weight1, weight2)")
        }
        if names.contains(where: MegatronNames.isTransformerEngine) {
            unverified.append("the names of modules of Transformer Engine")
        }
        gatesFeedForward = Self.gatesFeedForward(
            ranks.sorted { $0.key < $1.key }.lazy.flatMap { $0.value.chunks.joined() }.map {
                (MegatronNames.canonical($0.name).template, $0.tensor)
            })
        // Whatever tells the stages how many layers they have, layers are numbered by virtual stage, and within it by
        // stage.
        for chunk in 0..<files.sizes.virtualPipeline {
            for stage in 0..<files.sizes.pipeline { try add(chunk: chunk, stage: stage, of: files, ranks) }
        }
        addUnverifiedParts()
    }

    private mutating func add(
        chunk index: Int, stage: Int, of files: MegatronFiles, _ ranks: [MegatronFiles.Place: MegatronRank]
    ) throws(RecastError) {
        let places = ranks.keys.filter { $0.pipeline == stage }.sorted()
        var chunks: [(place: MegatronFiles.Place, chunk: Chunk)] = []
        for place in places { chunks.append((place, try Self.chunk(index, of: ranks[place]!))) }
        let first = chunks[0].chunk
        for (_, chunk) in chunks.dropFirst() {
            if let name = first.order.first(where: { chunk.tensors[$0] == nil }) {
                throw .malformed(
                    files.path, "\(name.name(firstLayer: 0)) is in \(first.rank), but not in \(chunk.rank)")
            }
            if let name = chunk.order.first(where: { first.tensors[$0] == nil }) {
                throw .malformed(
                    files.path, "\(name.name(firstLayer: 0)) is in \(chunk.rank), but not in \(first.rank)")
            }
        }
        // With experts, a rank may be there several times; the tensors that are not of experts are the same in each.
        let tensorRanks = (0..<files.sizes.tensor).map { rank in
            chunks.filter { $0.place.tensor == rank }.map(\.chunk)
        }
        let expertRanks = (0..<files.sizes.expert).map { expert in
            (0..<files.sizes.expertTensor).map { part in
                chunks.filter { $0.place.expert == expert && $0.place.tensor % files.sizes.expertTensor == part }
                    .map(\.chunk)
            }
        }
        for name in first.order {
            let whole = name.name(firstLayer: layerCount)
            guard let expert = MegatronNames.expert(in: whole)?.number else {
                try add(whole, tensorRanks.map { $0.map { ($0.rank, $0.tensors[name]!) } }, path: files.path)
                continue
            }
            // Experts are counted from the first of each rank.
            for (rank, parts) in expertRanks.enumerated() {
                try add(
                    MegatronNames.withExpert(rank * first.expertCount + expert, whole),
                    parts.map { $0.map { ($0.rank, $0.tensors[name]!) } }, path: files.path)
            }
        }
        layerCount += first.layerCount
    }

    /// - Parameter parts: of each rank in turn, as often as it is there.
    private mutating func add(
        _ name: String, _ parts: [[(rank: String, tensor: LazyTensor)]], path: String
    ) throws(RecastError) {
        let all = parts.flatMap { $0 }
        let first = all[0].tensor
        for (rank, part) in all.dropFirst() where part.shape != first.shape || part.dtype != first.dtype {
            throw .malformed(
                path,
                "\(name) is \(first.dtype) \(first.shape) in \(all[0].rank), but \(part.dtype) \(part.shape) in \(rank)"
            )
        }
        guard let match = table.match(name) else {
            // For the caller to refuse.
            tensors.append(NamedTensor(name, first))
            return
        }
        var split = MegatronTable.split(of: match)
        // Megatron's own modules share the rows that those of Transformer Engine have alike.
        if let rows = latentRows[match.row.roles[0]], first.rowCount != rows { split = .rows }
        if split == .halves, !first.rowCount.isMultiple(of: 2) {
            throw .malformed(path, "\(name) has \(first.rowCount) rows in \(all[0].rank), which have no halves")
        }
        if split == .columns, first.shape.count != 2 {
            throw .malformed(path, "\(name) has the shape \(first.shape) in \(all[0].rank), which has no columns")
        }
        tensors.append(NamedTensor(name, split.merge(parts.map { $0[0].tensor })))
        for copies in split == .replicated ? [all] : parts where copies.count > 1 {
            replicas.append(Replicas(name: name, tensors: copies))
        }
    }

    private static func chunk(_ index: Int, of rank: MegatronRank) throws(RecastError) -> Chunk {
        var chunk = Chunk(rank: rank.name, tensors: [:], order: [], layerCount: 0)
        var layers: Set<Int> = []
        for tensor in try LegacyCheckpointVersion(rank).modern(
            rank.chunks.indices.contains(index) ? rank.chunks[index] : [])
        {
            let name = MegatronNames.canonical(tensor.name)
            guard chunk.tensors.updateValue(tensor.tensor, forKey: name) == nil else {
                throw .malformed(rank.file, "\(tensor.name) is there under two names")
            }
            chunk.order.append(name)
            if let layer = name.layer { layers.insert(layer) }
            if let expert = MegatronNames.expert(in: name.template) {
                chunk.expertCount = max(chunk.expertCount, expert.number + 1)
            }
        }
        chunk.layerCount = layers.count
        guard layers.allSatisfy({ $0 < layers.count }) else {
            let missing = (0..<layers.count).first { !layers.contains($0) }!
            throw .malformed(rank.file, "has \(layers.count) layers, but none with the number \(missing)")
        }
        return chunk
    }
}

extension MegatronMerging {
    /// Whether there is a head, be it a copy of the embedding.
    var hasHead: Bool { tensors.contains { $0.name == MegatronTable.headName } }

    /// Whether there is a QK norm.
    var normalizesHeads: Bool { !hasLatentAttention && has(".self_attention.q_layernorm.weight") }

    /// Whether keys and values are made of few numbers a token.
    var hasLatentAttention: Bool { has(".self_attention.linear_kv_up_proj.weight") }

    /// Whether the shared expert has a gate.
    var gatesSharedExpert: Bool { has(".mlp.shared_experts.gate_weight") }

    private var hasRouterBias: Bool { has(".mlp.router.expert_bias") }

    private func has(_ ending: String) -> Bool { tensors.contains { $0.name.hasSuffix(ending) } }

    /// The layers that have a router, and with it experts.
    var layersWithExperts: Set<Int> {
        Set(
            tensors.compactMap { table.match($0.name) }.filter { $0.row.roles == [.router] }.map {
                $0.layer ?? 0
            })
    }

    /// The family of Hugging Face whose layers have these biases and norms.
    var family: String {
        if hasLatentAttention { return hasRouterBias ? "deepseek_v3" : "deepseek_v2" }
        if gatesSharedExpert { return "qwen2_moe" }
        if !layersWithExperts.isEmpty { return normalizesHeads ? "qwen3_moe" : "mixtral" }
        if normalizesHeads { return "qwen3" }
        // A bias on query, key and value alone is what sets Qwen2 apart.
        return biases == [.query, .key, .value] ? "qwen2" : "llama"
    }

    /// Rows of the embedding, the padding included.
    var vocabularyRows: Int? { tensors.first { $0.name == "embedding.word_embeddings.weight" }?.tensor.rowCount }

    /// The roles whose layers have a bias in any layer.
    var biases: Set<Role> {
        tensors.reduce(into: []) { roles, tensor in
            guard let match = table.match(tensor.name), match.part == .bias else { return }
            roles.formUnion(match.row.roles)
        }
    }
}
