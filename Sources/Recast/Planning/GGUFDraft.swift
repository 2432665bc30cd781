/// A GGUF file but for the places in it: what it will say, and what its tensors will be.
struct GGUFDraft {
    /// Sources, notes, warnings and evidence so far; no outputs.
    var plan: Plan
    var metadata: GGUFMetadata
    var tensors: [TypedTensor]
    /// The model as the architecture states it; nil where a file is written again.
    var graph: Graph?
    var alignment = 32
    /// How many tensors go into each file of a set, where that is given.
    var shardCounts: [Int]?
}

extension Planning {
    /// What a GGUF file of the checkpoint would be, whether or not all of it can be written.
    func ggufDraft() throws(RecastError) -> GGUFDraft {
        if let packing = options.packing {
            throw .unsupported(
                "GGUF targets cannot hold the encoding \(packing.name); a directory for a destination can")
        }
        if options.encoding != nil, options.dtype != nil {
            throw .usage("--dtype and --encoding are two ways to say the same; use one")
        }
        if options.encoding == nil, !options.quantization.isDefault {
            throw .usage("an importance file, overrides and the like are for quantization: --encoding says to what")
        }
        let content = checkpoint.content
        if let set = content.gguf { return try ggufDraft(of: set) }
        return try ggufDraft(of: try model(), named: content.name, content.huggingFace)
    }

    /// The draft with every byte in its place.
    ///
    /// - Throws: `unsupported` for types that cannot be read or written, `usage` where an importance file is needed.
    func plan(_ draft: GGUFDraft, destination: String) throws(RecastError) -> Plan {
        var problems = Problems(encoding: options.encoding?.name)
        for tensor in draft.tensors { problems.check(tensor.named, as: tensor.dtype) }
        try problems.end()
        try checkImportance(of: draft.tensors)
        var plan = draft.plan
        plan.format = "GGUF"
        plan.layout = "\(draft.metadata["general.architecture"]?.string ?? "unknown") architecture"
        try GGUFLayout(metadata: draft.metadata, tensors: draft.tensors, alignment: draft.alignment)
            .lay(
                out: Path.name(destination), maximumShardSize: options.maximumShardSize,
                shardCounts: draft.shardCounts, into: &plan)
        return plan
    }

    /// Coarse types are garbage without an importance.
    private func checkImportance(of tensors: [TypedTensor]) throws(RecastError) {
        guard let fileType = options.encoding, !options.isCalibrated else { return }
        let blind = tensors.filter {
            $0.importance == nil && $0.dtype != $0.tensor.dtype
                && GGUFTypePolicy.needsImportance($0.dtype, for: $0.named, in: fileType)
        }
        guard let first = blind.first else { return }
        let names = blind.map(\.name).abridged
        if let importance = options.quantization.importance {
            throw RecastError(
                .malformedInput,
                "has no entry for \(names), which \(fileType.name) stores so coarsely that it needs one",
                trail: [importance.path])
        }
        throw .usage(
            "\(fileType.name) needs an importance file (--importance FILE): \(first.dtype) is too coarse without one for "
                + names)
    }
}

extension [String] {
    /// A few of many names: `a, b, c and 12 more`.
    var abridged: String {
        count > 4 ? prefix(3).joined(separator: ", ") + " and \(count - 3) more" : joined(separator: ", ")
    }
}
