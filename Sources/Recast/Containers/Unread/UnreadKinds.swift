/// Files that are met in the place of weights and are none, or are of a format that is not read: each is called by its name,
/// with what helps.
enum UnreadKinds {
    /// What a file is, by its first bytes and its name.
    ///
    /// - Returns: nil for what may be weights.
    /// - Throws: `inputOutput` where it cannot be read.
    static func refusal(of source: any ByteSource) throws(RecastError) -> RecastError? {
        let name = source.name
        if source.byteCount == 0 { return Downloads.failure("is empty", name) }
        let bytes = try source.bytes(0..<min(source.byteCount, 512))
        if let failure = Downloads.failure(of: bytes, byteCount: source.byteCount, name) { return failure }
        if bytes.starts(with: "PK\u{3}\u{4}".utf8), let refusal = try zipRefusal(of: source) { return refusal }
        // What the bytes say counts more than the name; of a packed tar both say something.
        let byName = UnreadFormat.named(Path.name(name))
        if let format = UnreadFormat.of(bytes) {
            return (byName?.title.contains("archive") == true ? byName! : format).refusal(name)
        }
        if let format = byName { return format.refusal(name) }
        if let refusal = text(bytes, name) { return refusal }
        return try numbers(bytes, source)
    }

    /// Formats of text.
    private static func text(_ bytes: [UInt8], _ name: String) -> RecastError? {
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasPrefix("<?xml") || text.hasPrefix("<net "), text.contains("<net ") else { return nil }
        return RecastError(.unsupported, "is a model of OpenVINO, which is not read: \(original)", trail: [name])
    }

    /// Formats that begin with numbers, which could be anything: their next bytes must fit, too.
    private static func numbers(_ bytes: [UInt8], _ source: any ByteSource) throws(RecastError) -> RecastError? {
        func word(_ offset: Int) -> Int? {
            guard bytes.count >= offset + 4 else { return nil }
            return bytes.withUnsafeBytes { Int($0.integer(at: offset, as: UInt32.self)) }
        }
        // CTranslate2: a version, and the length and the text of the model's kind with a NUL.
        if let version = word(0), (1...16).contains(version), bytes.count > 8 {
            let count = Int(bytes[4]) + Int(bytes[5]) << 8
            let kind = bytes.dropFirst(6).prefix(max(0, count - 1))
            if (5...64).contains(count), kind.allSatisfy(isLetter), kind.suffix(4).elementsEqual("Spec".utf8) {
                return RecastError(
                    .unsupported, "is a model of CTranslate2, which is not read: \(original)", trail: [source.name])
            }
        }
        // Importance files of before GGUF: how many entries, and the length and the text of the first one's name.
        if let count = word(0), (1...1 << 20).contains(count), let length = word(4), (5...128).contains(length) {
            let name = bytes.dropFirst(8).prefix(length)
            if name.starts(with: "blk.".utf8) || name.starts(with: "output".utf8), name.count == length {
                return RecastError(
                    .unsupported, "is an importance matrix, and no model: quantize --importance takes it",
                    trail: [source.name])
            }
        }
        return nil
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || (48...57).contains(byte)
    }

    static let original = "name the checkpoint that it was made from"
}

// MARK: By name alone

extension UnreadKinds {
    /// A file whose name says that it is a part of something, before anything of it is read.
    ///
    /// - Returns: nil for other names.
    static func refusal(named name: String, in folder: Folder) -> RecastError? {
        let path = folder.path(of: name)
        if Downloads.isPartial(name) {
            return Downloads.failure("is a part of a file", path)
        }
        if folder.contains(name + Downloads.control) {
            return Downloads.failure("has \(name + Downloads.control) beside it", path)
        }
        if name.hasPrefix("model_world_size_") || name.hasPrefix("optim_world_size_") {
            return verlShards(of: folder, path, "is a shard of FSDP, of one rank")
        }
        if name.hasPrefix("pytorch_model_fsdp_"), name.contains("_rank") { return localShards(path) }
        if name.contains("zero_pp_rank_") { return zeroShards(path, "is a shard of DeepSpeed's ZeRO") }
        if name.hasSuffix(".distcp") || name == DistributedCheckpoint.descriptionName {
            return RecastError(
                .usage, "is a file of a distributed checkpoint: name its folder, \(folder.path)", trail: [path])
        }
        if isOptimizerName(name) { return optimizerStates(path) }
        return nil
    }

    static func isOptimizerName(_ name: String) -> Bool {
        ["optimizer.", "optimizer_", "optim_", "distrib_optim."].contains(where: name.hasPrefix)
            || name.contains("optim_states")
    }

    static func optimizerStates(_ path: String) -> RecastError {
        RecastError(
            .unsupported,
            "holds the states of an optimizer and no weights of a model: name the folder that has those (model.safetensors or "
                + "its like)", trail: [path])
    }

    static func verlShards(of folder: Folder, _ path: String, _ what: String) -> RecastError {
        let names = (try? folder.names(in: MegatronFolder.companions)) ?? []
        if names.contains(where: ChosenWeights.isOfWeights) {
            return RecastError(
                .unsupported,
                "\(what), and the whole model lies in \(folder.path(of: MegatronFolder.companions)): name that",
                trail: [path])
        }
        return RecastError(
            .unsupported,
            "\(what), which are not read: merge them first (python -m verl.model_merger merge --backend fsdp --local_dir "
                + "\(folder.path) --target_dir MERGED), and name the result", trail: [path])
    }

    static func localShards(_ path: String) -> RecastError {
        RecastError(
            .unsupported,
            "is a shard of FSDP, of one rank (LOCAL_STATE_DICT), which no program merges: load it where it was saved, and save "
                + "it with FULL_STATE_DICT", trail: [path])
    }

    static func zeroShards(_ path: String, _ what: String) -> RecastError {
        RecastError(
            .unsupported,
            "\(what), which are not read: put them together first (python zero_to_fp32.py . MERGED, in the folder that has "
                + "that program and global_step…), and name the result", trail: [path])
    }
}
