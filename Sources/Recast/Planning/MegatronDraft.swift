/// A checkpoint of Megatron whose tensors and layout are settled, before it is laid into files.
struct MegatronDraft {
    let configuration: ModelConfiguration
    let lowering: MegatronLowering
    let layout: MegatronLayout
    let target: MegatronTarget
    /// Of the iteration.
    let folder: String
    let iteration: Int
    let arguments: PickledValue

    /// The version that orders queries, keys and values by groups. Source: Specs/megatron.md §3.2.
    private static let version = 3.0

    /// What each rank's file, and the common state, hold besides the model.
    var state: [(String, PickledValue)] {
        [("args", arguments), ("checkpoint_version", .float(Self.version)), ("iteration", .int(iteration))]
    }

    /// The tensors as transfers without targets yet.
    var transfers: [Transfer] {
        lowering.tensors.map { tensor in
            var transfer = Transfer(
                name: tensor.name, source: tensor.tensor, encoding: .plain(tensor.dtype), targets: [])
            transfer.slots = tensor.named.slots
            return transfer
        }
    }
}

// MARK: A file for each rank

extension MegatronDraft {
    private static let fileName = "model_optim_rng.pt"

    /// A tensor of a rank's file: which one, under which name, and how the ranks share it.
    private struct Member {
        var tensor: Int
        var name: String
    }

    /// Source: Specs/megatron.md §1.2 and §1.3.
    func lay(into plan: inout Plan) throws(RecastError) {
        var transfers = transfers
        let tensors = lowering.tensors
        for tensor in tensors {
            if let obstacle = tensor.split.obstacle(tensor.tensor, count: rankCount(of: tensor)) {
                throw .unsupported("\(tensor.name) cannot be shared among \(rankCount(of: tensor)) ranks: \(obstacle)")
            }
        }
        for stage in 0..<layout.sizes.pipeline {
            for (rank, expert) in layout.places {
                let chunks = (0..<layout.sizes.virtualPipeline).map { members(stage: stage, chunk: $0, expert: expert) }
                let name = Path.join(
                    Path.join(folder, layout.folder(tensor: rank, pipeline: stage, expert: expert)), Self.fileName)
                var archive = TorchArchiveLayout(folder: "model_optim_rng")
                var models: [(String, PickledValue)] = []
                for (index, chunk) in chunks.enumerated() {
                    var entries: [(String, PickledValue)] = []
                    for member in chunk {
                        let tensor = tensors[member.tensor]
                        let shape = tensor.split.shape(of: tensor.tensor, count: rankCount(of: tensor))
                        entries.append((member.name, try archive.add(tensor.dtype, shape)))
                    }
                    models.append((chunks.count > 1 ? "model\(index)" : "model", .dictionary(entries)))
                }
                archive.finish(.dictionary(state + models))
                var output = OutputFile(name: name, byteCount: 0)
                output.add(archive.zip, at: 0)
                for (member, offset) in zip(chunks.joined(), archive.offsets) {
                    var offset = offset
                    let tensor = tensors[member.tensor]
                    let count = rankCount(of: tensor)
                    for box in tensor.split.boxes(of: tensor.tensor, rank: rank % count, count: count) {
                        transfers[member.tensor].targets.append(
                            Transfer.Target(
                                output: plan.outputs.count, offset: offset, batches: 0..<1, rows: box.rows,
                                columns: box.columns))
                        offset += box.rows.count * box.columns.count * tensor.dtype.blockBytes
                    }
                }
                plan.outputs.append(output)
            }
        }
        plan.transfers += transfers
    }

    /// How many ranks share a tensor.
    private func rankCount(of tensor: MegatronLowering.Tensor) -> Int {
        tensor.expert == nil ? layout.sizes.tensor : layout.sizes.expertTensor
    }

    /// The tensors of a virtual stage, and of the experts of a rank, under the names they have there.
    private func members(stage: Int, chunk: Int, expert rank: Int) -> [Member] {
        let layers = layout.layers[chunk][stage]
        let isFirst = stage == 0 && chunk == 0
        let isLast = stage == layout.sizes.pipeline - 1 && chunk == layout.sizes.virtualPipeline - 1
        var members: [Member] = []
        for (index, tensor) in lowering.tensors.enumerated() {
            let isHere =
                switch tensor.role {
                case .tokenEmbedding, .positionEmbedding: isFirst
                case .outputNorm, .outputHead: isLast
                default: tensor.layer.map(layers.contains) ?? false
                }
            guard isHere else { continue }
            var name = tensor.name
            if let layer = tensor.layer { name = MegatronNames.renumbered(name, layer: layer - layers.lowerBound) }
            if let expert = tensor.expert {
                guard expert / expertsPerRank == rank else { continue }
                name = MegatronNames.withExpert(expert % expertsPerRank, name)
            }
            let hasExperts = tensor.layer.map(configuration.hasExperts) ?? false
            members.append(
                Member(
                    tensor: index,
                    name: MegatronNames.spelled(
                        name, lowering.spelling, hasExperts: hasExperts, isLatent: configuration.latentAttention != nil)
                ))
        }
        // A head that is the embedding is stored again on the last stage, where the embedding itself is not.
        if isLast, !isFirst, !lowering.tensors.contains(where: { $0.role == .outputHead }),
            let embedding = lowering.tensors.firstIndex(where: { $0.role == .tokenEmbedding })
        {
            members.append(Member(tensor: embedding, name: MegatronTable.headName))
        }
        return members
    }

    private var expertsPerRank: Int { max(1, (configuration.experts?.count ?? 1) / layout.sizes.expert) }
}
