extension MegatronDraft {
    /// Modules of a layer for which Megatron asks for a placeholder when it loads. Source: Specs/megatron.md §5.6.
    private static let placeholders = [
        "self_attention.linear_qkv", "self_attention.linear_proj", "self_attention.core_attention", "mlp.linear_fc1",
        "mlp.linear_fc2",
    ]
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

        for (index, tensor) in lowering.tensors.enumerated() {
            let shape = tensor.tensor.shape
            let name = tensor.layer == nil ? tensor.name : MegatronNames.withoutLayer(tensor.name)
            var archive = TorchArchiveLayout(folder: Self.archiveFolder)
            let hasLayer = tensor.layer != nil
            archive.finish(try archive.add(tensor.tensor.dtype, (hasLayer ? [1] : []) + shape))
            let place = files.add(archive.zip)
            transfers[index].targets = [
                Transfer.Target(
                    output: place.output, offset: place.offset + archive.offsets[0], batches: 0..<1,
                    rows: 0..<tensor.tensor.rowCount, columns: 0..<tensor.tensor.columnCount)
            ]
            try description.add(
                MegatronNames.spelled(name, .transformerEngine), tensor.tensor.dtype,
                shape: (hasLayer ? [layerCount] : []) + shape,
                offsets: (tensor.layer.map { [$0] } ?? []) + shape.map { _ in 0 },
                sizes: (hasLayer ? [1] : []) + shape, place)
        }
        for layer in 0..<layerCount {
            for module in Self.placeholders {
                let place = files.add(Self.archive(of: .list([.none])))
                description.add(
                    object: "decoder.layers.\(module)._extra_state/shard_\(layer)_\(layerCount)", place)
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
