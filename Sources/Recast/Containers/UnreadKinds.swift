/// Files that are met in the place of weights and are none, or are of a format that is not read: each is called by its name.
enum UnreadKinds {
    /// What a file is, by its first bytes.
    ///
    /// - Returns: nil for what may be weights.
    static func refusal(of source: any ByteSource) throws(RecastError) -> RecastError? {
        let count = min(source.byteCount, 512)
        if count == 0 {
            return RecastError(.malformedInput, "is empty: the download is not complete", trail: [source.name])
        }
        let bytes = try source.bytes(0..<count)
        if begins(bytes, with: "version https://git-lfs.github.com/spec/") {
            return RecastError(
                .inputMissing,
                "is a pointer of Git LFS (\(source.byteCount) bytes), the file itself was not fetched: git lfs pull",
                trail: [source.name])
        }
        if begins(bytes, with: "<!DOCTYPE") || begins(bytes, with: "<html") || begins(bytes, with: "<HTML") {
            return RecastError(
                .malformedInput, "is a page of HTML: what was downloaded is the site's answer, and not the file",
                trail: [source.name])
        }
        for (magic, title) in table where bytes.count >= magic.count && Array(bytes[..<magic.count]) == magic {
            return RecastError(.unsupported, "is \(title), which is not read", trail: [source.name])
        }
        return nil
    }

    private static func begins(_ bytes: [UInt8], with text: String) -> Bool {
        bytes.count >= text.utf8.count && bytes[..<text.utf8.count].elementsEqual(text.utf8)
    }

    // swift-format-ignore
    private static let table: [(magic: [UInt8], title: String)] = [
        // A pickle of the long integer 0x1950a86a20f9469cfc6c.
        ([0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19],
                                       "torch.save's format before PyTorch 1.6"),
        ([0x80, 0x02],                 "a pickle"),
        ([0x80, 0x03],                 "a pickle"),
        ([0x80, 0x04],                 "a pickle"),
        ([0x89] + Array("HDF\r\n".utf8), "HDF5 (Keras or TensorFlow)"),
        (Array("lmgg".utf8),           "GGML, which was before GGUF"),
        (Array("fmgg".utf8),           "GGMF, which was before GGUF"),
        (Array("tjgg".utf8),           "GGJT, which was before GGUF"),
        (Array("algg".utf8),           "GGLA, an adapter of before GGUF"),
        ([0x93] + Array("NUMPY".utf8), "an array of NumPy"),
        ([0x1F, 0x8B],                 "compressed by gzip"),
    ]
}

extension UnreadKinds {
    /// What a folder is whose files are no model, by their names.
    ///
    /// - Returns: nil for what has no known kind.
    static func refusal(of folder: Folder, _ names: [String]) -> RecastError? {
        func unsupported(_ text: String) -> RecastError { RecastError(.unsupported, text, trail: [folder.path]) }
        if names.contains(where: { $0.hasPrefix("adapter_model.") }) || names.contains("adapter_config.json") {
            return unsupported(
                "is an adapter (LoRA or its like: \(names.first { $0.hasPrefix("adapter_") }!)), which changes another model: merge it "
                    + "into that first (PEFT's merge_and_unload), and name the result")
        }
        if let shard = names.filter({ $0.hasPrefix("model_world_size_") }).min() {
            return unsupported(
                "holds shards of FSDP, one for each rank (\(shard)): merge them first (verl's model merger), and name the result"
            )
        }
        if names.contains(where: { $0.hasSuffix(".distcp") }) || names.contains(".metadata") {
            return unsupported(
                "is a distributed checkpoint of PyTorch, and not Megatron's: convert it first (python -m "
                    + "torch.distributed.checkpoint.format_utils dcp_to_torch), and name the result")
        }
        let isZero = { (name: String) in name.contains("zero_pp_rank") || name.contains("optim_states") }
        if names.contains("zero_to_fp32.py") || names.contains(where: isZero) {
            return unsupported(
                "holds shards of DeepSpeed's ZeRO: put them together first (python zero_to_fp32.py), and name the result"
            )
        }
        if names.contains("snapshots"), names.contains("refs") || names.contains("blobs") {
            let path = Path.join(folder.path, "snapshots")
            return RecastError(
                .usage, "is the hub's cache of a model: name a folder in \(path)", trail: [folder.path])
        }
        if names.contains("context"), names.contains("weights"), folder.isDirectory("weights") {
            return RecastError(
                .usage, "is a checkpoint of NeMo 2: name the folder \(Path.join(folder.path, "weights"))",
                trail: [folder.path])
        }
        if let partial = names.first(where: {
            $0.hasSuffix(".incomplete") || $0.hasSuffix(".aria2") || $0.hasSuffix(".part")
        }) {
            return RecastError(
                .malformedInput, "holds \(partial): the download is not complete", trail: [folder.path])
        }
        let kinds: [(ending: String, title: String)] = [
            (".nemo", "an archive of NeMo"), (".msgpack", "weights of Flax"), (".h5", "weights of TensorFlow"),
            (".onnx", "a model of ONNX"), (".exl2", "weights of ExLlamaV2"), (".tflite", "a model of TensorFlow Lite"),
            (".mlmodel", "a model of Core ML"), (".engine", "an engine of TensorRT"),
        ]
        for (ending, title) in kinds {
            if let name = names.first(where: { $0.hasSuffix(ending) }) {
                return unsupported(
                    "holds \(title) (\(name)), which are not read: safetensors, PyTorch, GGUF and Megatron are")
            }
        }
        if names.contains(where: { $0 == "optimizer.pt" || $0 == "scheduler.pt" || $0 == "training_args.bin" }) {
            return RecastError(
                .inputMissing,
                "holds a trainer's states (optimizer.pt and its like) and no weights: name the folder of a "
                    + "checkpoint that has some", trail: [folder.path])
        }
        return nil
    }
}
