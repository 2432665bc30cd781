// Folders whose files are no model that is read, by their names.
extension UnreadKinds {
    /// What a folder is that has no weights which are read.
    ///
    /// - Returns: nil for what has no known kind.
    /// - Throws: `inputOutput` where a file cannot be read.
    static func refusal(of folder: Folder, _ names: [String]) throws(RecastError) -> RecastError? {
        let found =
            kind(of: folder, names) ?? HubCache.refusal(of: folder, names) ?? Downloads.failure(in: folder, names)
        if let found { return found }
        let own = names.filter { !ChosenWeights.isNoModel($0) }
        if let name = own.first(where: { UnreadFormat.named($0) != nil }), let format = UnreadFormat.named(name) {
            // What a site sent instead of the file has its name, too.
            if !folder.isDirectory(name), let failure = try failureOfDownload(name, folder) { return failure }
            return format.refusal(folder.path, holding: name)
        }
        for name in own.prefix(examinedCount)
        where !ownNames.contains(where: name.hasSuffix) && !folder.isDirectory(name) {
            if let refusal = try self.refusal(of: folder.source(of: name)) { return refusal }
        }
        if names.contains(where: ChosenWeights.isNoModel) { return optimizerStates(folder.path) }
        return nil
    }

    /// What a folder is by its names alone, and by those in its folders.
    static func kind(of folder: Folder, _ names: [String]) -> RecastError? {
        adapter(folder, names) ?? shards(folder, names) ?? trainersFolder(folder, names) ?? otherPrograms(folder, names)
    }

    private static let examinedCount = 64
    /// Files of texts that belong to models.
    private static let ownNames = [".json", ".md", ".txt", ".py", ".jinja", ".model", ".yaml", ".gitattributes"]

    private static func failureOfDownload(_ name: String, _ folder: Folder) throws(RecastError) -> RecastError? {
        let source = try folder.source(of: name)
        guard source.byteCount > 0 else { return nil }
        let bytes = try source.bytes(0..<min(source.byteCount, 512))
        return Downloads.failure(of: bytes, byteCount: source.byteCount, source.name)
    }

    private static func unsupported(_ text: String, _ folder: Folder) -> RecastError {
        RecastError(.unsupported, text, trail: [folder.path])
    }

    // MARK: Adapters

    static let adapterConfiguration = "adapter_config.json"

    private static func adapter(_ folder: Folder, _ names: [String]) -> RecastError? {
        let files = ["adapter_model.", "adapters."]
        guard names.contains(adapterConfiguration) || names.contains(where: { files.contains(where: $0.hasPrefix) })
        else {
            return nil
        }
        return adapterRefusal(of: folder)
    }

    /// What an adapter's own configuration says of it.
    static func adapterRefusal(of folder: Folder) -> RecastError {
        let path = folder.path(of: adapterConfiguration)
        let object = (try? folder.contents(of: adapterConfiguration, limit: 1 << 22))
            .flatMap { try? JSON(parsing: $0, file: path).object }
        let kind = object?["peft_type"]?.string ?? "LoRA or its like"
        if object?["peft_type"] == nil, object?["fine_tune_type"] != nil || object?["lora_layers"] != nil {
            return unsupported(
                "is an adapter of MLX, which changes another model: merge it into that first (mlx_lm.fuse --model MODEL "
                    + "--adapter-path \(folder.path) --save-path MERGED), and name the result", folder)
        }
        if kind.contains("PROMPT") || kind.contains("PREFIX") || kind.contains("P_TUNING") {
            return unsupported(
                "is an adapter of PEFT (\(kind)), which puts learned tokens before texts and has no weights to merge: name the "
                    + "model that it is for\(object?["base_model_name_or_path"]?.string.map { ", \($0)" } ?? "")",
                folder)
        }
        let base = object?["base_model_name_or_path"]?.string.map { ", \($0)" } ?? ""
        return unsupported(
            "is an adapter of PEFT (\(kind)), which changes another model\(base): merge it into that first (PEFT's "
                + "merge_and_unload and save_pretrained), and name the result", folder)
    }

    // MARK: Shards of training

    private static func shards(_ folder: Folder, _ names: [String]) -> RecastError? {
        if let shard = names.filter({ $0.hasPrefix("model_world_size_") }).min() {
            return verlShards(of: folder, folder.path, "holds shards of FSDP, one for each rank (\(shard))")
        }
        if let shard = names.first(where: { $0.hasPrefix("pytorch_model_fsdp_") && $0.contains("_rank") }) {
            return localShards(folder.path(of: shard))
        }
        let accelerate = "pytorch_model_fsdp_0"
        let isInside = folder.name == accelerate
        if names.contains(accelerate) || isInside {
            let path = isInside ? folder.path : folder.path(of: accelerate)
            return unsupported(
                "holds shards of FSDP (\(accelerate)), which are not read: merge them first (accelerate merge-weights \(path) "
                    + "MERGED), and name the result", folder)
        }
        if names.contains(where: { $0.hasSuffix(".distcp") }) || names.contains(DistributedCheckpoint.descriptionName) {
            if isOptimizerName(folder.name) { return optimizerStates(folder.path) }
            return unsupported(
                "is a distributed checkpoint of PyTorch (DCP), and not Megatron's: put it together first (python -m "
                    + "torch.distributed.checkpoint.format_utils dcp_to_torch \(folder.path) model.pt), and name model.pt beside "
                    + "the model's config.json", folder)
        }
        let isZero = { (name: String) in name.contains("zero_pp_rank") || name.contains("optim_states") }
        let isStep = { (name: String) in name.hasPrefix("global_step") }
        if names.contains("zero_to_fp32.py") || names.contains(where: isZero)
            || names.contains("latest") && names.contains(where: isStep)
        {
            return zeroShards(folder.path, "holds shards of DeepSpeed's ZeRO")
        }
        return nil
    }

    /// Folders around shards, which trainers write.
    private static func trainersFolder(_ folder: Folder, _ names: [String]) -> RecastError? {
        // Trainers of slime, OpenRLHF and torchtitan put each part into a folder.
        for name in ["model", "weights", "policy"] where names.contains(name) && folder.isDirectory(name) {
            let inner = (try? folder.names(in: name)) ?? []
            if inner.contains(DistributedCheckpoint.descriptionName) {
                return shards(folder.folder(name), inner)
            }
        }
        return nil
    }

    // MARK: Other programs

    private static func otherPrograms(_ folder: Folder, _ names: [String]) -> RecastError? {
        func has(_ all: String...) -> Bool { all.allSatisfy(names.contains) }
        if has("model_config.yaml", "model_weights") || has("model_config.yaml", "model_weights.ckpt") {
            return unsupported(
                "is an unpacked archive of NeMo 1, which is not read: NeMo's checkpoint converters (convert_…_nemo_to_hf.py) write "
                    + "safetensors; name these", folder)
        }
        if names.contains(where: {
            $0 == "_CHECKPOINT_METADATA" || $0 == "manifest.ocdbt" || $0.hasPrefix("ocdbt.process_")
        })
            || has("checkpoint") && names.contains(where: { isZarr($0, in: folder) }) || isZarr(nil, in: folder)
        {
            return jax(folder.path)
        }
        // T5X, MaxText: numbered steps, each with its parts.
        for name in names.prefix(examinedCount) where folder.isDirectory(name) {
            let inner = (try? folder.names(in: name)) ?? []
            let parts = inner.filter { ["items", "default", "params", "state"].contains($0) }
            let deeper = parts.flatMap { (try? folder.names(in: Path.join(name, $0))) ?? [] }
            if (inner + deeper).contains(where: { $0 == "manifest.ocdbt" || $0 == "_CHECKPOINT_METADATA" }) {
                return jax(folder.path)
            }
            if inner.contains("checkpoint"), inner.contains(where: { $0.hasPrefix("target.") }) {
                return jax(folder.path)
            }
        }
        if has("mlc-chat-config.json") || has("ndarray-cache.json") || has("tensor-cache.json") {
            return unsupported("is a model of MLC, which is not read: \(original)", folder)
        }
        if let xml = names.first(where: { $0.hasSuffix(".xml") && names.contains($0.dropLast(4) + ".bin") }) {
            return unsupported("holds a model of OpenVINO (\(xml)), which is not read: \(original)", folder)
        }
        if has("coremldata.bin") || has("Manifest.json", "Data") {
            return unsupported("is a model of Core ML, which is not read: \(original)", folder)
        }
        return originalLayout(folder, names)
    }

    private static func isZarr(_ name: String?, in folder: Folder) -> Bool {
        if let name { return folder.contains(Path.join(name, ".zarray")) }
        return folder.contains(".zarray")
    }

    private static func jax(_ path: String) -> RecastError {
        RecastError(
            .unsupported,
            "is a checkpoint of JAX (Orbax, T5X, MaxText), which is not read: MaxText's to_huggingface, or the exporter of the "
                + "program that wrote it, writes safetensors; name these", trail: [path])
    }

    /// Layouts in which weights lie beside another description than `config.json`.
    ///
    /// - Returns: nil where there is none that is known.
    static func originalLayout(_ folder: Folder, _ names: [String]) -> RecastError? {
        if names.contains("params.json"), let file = names.first(where: { $0.hasPrefix("consolidated.") }) {
            return unsupported(
                "is the layout in which Meta and Mistral publish (params.json, \(file)), which is not read: the same model is on the "
                    + "hub in transformers' layout, and transformers' convert_…_weights_to_hf.py writes it", folder)
        }
        if names.contains("model_index.json") {
            return unsupported(
                "is a pipeline of diffusers, which makes images or sounds, and no language model; where it has a text encoder, "
                    + "name that folder", folder)
        }
        return nil
    }
}
