extension MegatronDraft {
    /// Modules for which Megatron asks for a placeholder when it loads. Source: Specs/megatron.md §5.6.
    private static let attentionModules = [
        "self_attention.linear_qkv", "self_attention.linear_proj", "self_attention.core_attention",
    ]
    private static let latentModules = [
        "self_attention.linear_kv_down_proj", "self_attention.linear_kv_up_proj", "self_attention.linear_proj",
        "self_attention.core_attention",
    ]
    private static let latentQueryModules = ["self_attention.linear_q_down_proj", "self_attention.linear_q_up_proj"]
    private static let wholeQueryModules = ["self_attention.linear_q_proj"]
    private static let sharedModules = ["mlp.shared_experts.linear_fc1", "mlp.shared_experts.linear_fc2"]
    private static let feedForwardModules = ["mlp.linear_fc1", "mlp.linear_fc2"]
    private static let expertModules = ["mlp.experts.experts.linear_fc1", "mlp.experts.experts.linear_fc2"]
    /// As `torch.save` calls what it writes to no named file.
    private static let archiveFolder = "archive"
    /// A file of pieces has about this size where no other is asked for.
    private static let usualFileSize = 5 << 30

    /// Whole tensors, one piece for each layer, so that Megatron can load them into any layout.
    ///
    /// Source: Specs/megatron.md §5.
    func layDistributed(maximumFileSize: Int?, into plan: inout Plan) throws(RecastError) {
        var transfers = transfers
        var description = DistributedDescription()
        var files = PieceFiles(folder: folder, first: plan.outputs.count, limit: maximumFileSize ?? Self.usualFileSize)
        let layerCount = layout.counts.reduce(0, +)

        // Where layers are of several kinds, each has names of its own.
        let isUniform = configuration.experts == nil || !configuration.hasDenseLayers
        for (index, tensor) in lowering.tensors.enumerated() {
            let place = Place(of: tensor, configuration, isUniform: isUniform, layerCount: layerCount)
            var archive = TorchArchiveLayout(folder: Self.archiveFolder)
            archive.finish(try archive.add(tensor.dtype, place.counts.map { _ in 1 } + tensor.tensor.shape))
            let piece = files.add(archive.zip)
            transfers[index].targets = [
                Transfer.Target(
                    output: piece.output, offset: piece.offset + archive.offsets[0], batches: 0..<1,
                    rows: 0..<tensor.tensor.rowCount, columns: 0..<tensor.tensor.columnCount)
            ]
            try description.add(
                name(of: tensor, isUniform: isUniform), tensor.dtype,
                shape: place.counts + tensor.tensor.shape,
                offsets: place.numbers + tensor.tensor.shape.map { _ in 0 },
                sizes: place.counts.map { _ in 1 } + tensor.tensor.shape, piece)
        }
        for layer in 0..<layerCount {
            for module in placeholders(ofLayer: layer, isUniform: isUniform, layerCount: layerCount) {
                description.add(object: module, files.add(Self.archive(of: .list([.none]))))
            }
        }
        // What all ranks have in common: in an entry, where core looks for it from 0.19 on, and in the file of before.
        let common = PickledValue.dictionary(
            state + [
                (
                    "content_metadata",
                    .dictionary([("singleton_local_shards", .bool(false)), ("chained_optim_avoid_prefix", .bool(true))])
                )
            ])
        description.add(object: MegatronFiles.commonState, files.add(Self.archive(of: .list([common]))))
        plan.outputs += files.outputs
        plan.transfers += transfers

        func add(_ name: String, _ bytes: [UInt8]) {
            plan.outputs.append(OutputFile(name: Path.join(folder, name), bytes: bytes))
        }
        add(DistributedCheckpoint.descriptionName, description.pickle.bytes)
        var file = OutputFile(name: Path.join(folder, MegatronFiles.commonFile), byteCount: 0)
        file.add(Self.archive(of: common, folder: "common"), at: 0)
        plan.outputs.append(file)
        let marker: JSON = [
            "sharded_backend": "torch_dist", "sharded_backend_version": 1, "common_backend": "torch",
            "common_backend_version": 1,
        ]
        add(MegatronFolder.marker, marker.serialized())
    }

    /// The axes that count tensors which are stored as one.
    private struct Place {
        var counts: [Int] = []
        var numbers: [Int] = []

        init(
            of tensor: MegatronLowering.Tensor, _ configuration: ModelConfiguration, isUniform: Bool, layerCount: Int
        ) {
            if isUniform, let layer = tensor.layer {
                counts.append(layerCount)
                numbers.append(layer)
            }
            if let expert = tensor.expert {
                counts.append(configuration.experts?.count ?? 1)
                numbers.append(expert)
            }
        }
    }

    private func name(of tensor: MegatronLowering.Tensor, isUniform: Bool) -> String {
        guard let layer = tensor.layer else { return tensor.name }
        var name = MegatronNames.withoutExpert(tensor.name)
        if isUniform { name = MegatronNames.withoutLayer(name) }
        if configuration.latentAttention != nil {
            return MegatronNames.spelled(
                name, lowering.spelling, hasExperts: configuration.hasExperts(inLayer: layer), isLatent: true)
        }
        // But for latent attention, Megatron's own modules are saved under the names of Transformer Engine's, without the
        // norm before experts, which those leave a module of its own.
        let keepsNorm = lowering.spelling == .transformerEngine && configuration.hasExperts(inLayer: layer)
        return MegatronNames.spelled(name, .transformerEngine, hasExperts: keepsNorm)
    }

    private func placeholders(ofLayer layer: Int, isUniform: Bool, layerCount: Int) -> [String] {
        let beginning = isUniform ? "decoder.layers." : "decoder.layers.\(layer)."
        let (number, count) = isUniform ? (layer, layerCount) : (0, 1)
        let experts = configuration.hasExperts(inLayer: layer) ? configuration.experts?.count ?? 0 : 0
        let attention =
            configuration.latentAttention.map { latent in
                Self.latentModules + (latent.queryRank == nil ? Self.wholeQueryModules : Self.latentQueryModules)
            } ?? Self.attentionModules
        let sharing = experts > 0 && configuration.experts?.shared != nil ? Self.sharedModules : []
        let modules = attention + (experts == 0 ? Self.feedForwardModules : sharing)
        let ofExperts = Self.expertModules.flatMap { module in
            (0..<experts).map { expert in
                isUniform
                    ? "\(beginning)\(module)._extra_state/shard_\(number).\(expert)_\(count).\(experts)"
                    : "\(beginning)\(module)._extra_state/shard_\(expert)_\(experts)"
            }
        }
        return modules.map { "\(beginning)\($0)._extra_state/shard_\(number)_\(count)" } + ofExperts
    }

    private static func archive(of value: PickledValue, folder: String = archiveFolder) -> ZipLayout {
        var archive = TorchArchiveLayout(folder: folder)
        archive.finish(value)
        return archive.zip
    }
}

/// Files that hold pieces one after the other.
private struct PieceFiles {
    let folder: String
    /// The index of the first file among the outputs of the plan.
    let first: Int
    let limit: Int
    private(set) var outputs: [OutputFile] = []

    init(folder: String, first: Int, limit: Int) {
        self.folder = folder
        self.first = first
        self.limit = limit
    }

    mutating func add(_ zip: ZipLayout) -> DistributedDescription.Place {
        if outputs.isEmpty || outputs[outputs.count - 1].byteCount + zip.byteCount > limit {
            outputs.append(OutputFile(name: Path.join(folder, "__0_\(outputs.count).distcp"), byteCount: 0))
        }
        let index = outputs.count - 1
        let offset = outputs[index].byteCount
        outputs[index].add(zip, at: offset)
        return DistributedDescription.Place(
            output: first + index, file: Path.name(outputs[index].name), offset: offset, byteCount: zip.byteCount)
    }
}
