// What `torch.save` was given that is no model's dictionary of plain tensors.
extension TorchArchive {
    private static let save = "save it again with torch.save(model.state_dict(), FILE), where its program runs"

    /// What a file holds in place of a dictionary.
    func refusalOfRoot() -> RecastError {
        guard let name = pickle.typeName(pickle.root), pickle.object(pickle.root) != nil else {
            return RecastError(.malformedInput, "holds no dictionary of tensors", trail: [fileName])
        }
        return RecastError(
            .unsupported, "holds an object of the class \(name), which would have to be run: \(Self.save)",
            trail: [fileName])
    }

    /// What a dictionary is by its keys and by the kinds of its values.
    ///
    /// - Returns: nil for what may be a model.
    func refusal(of items: [(Pickle.Value, Pickle.Value)]) -> RecastError? {
        let keys = Set(items.compactMap { pickle.string($0.0).map(ByteString.init) })
        if keys.contains(ByteString("param_groups")), keys.contains(ByteString("state")) {
            return UnreadKinds.optimizerStates(fileName)
        }
        for (_, value) in items {
            if let name = distributedClass(of: value) {
                return RecastError(
                    .unsupported,
                    "holds a part of each tensor (\(name)), that of one rank of FSDP: merge the ranks first (verl: python -m "
                        + "verl.model_merger; accelerate merge-weights; or save with FULL_STATE_DICT), and name the result",
                    trail: [fileName])
            }
            if pickle.value(value, "W_q") != nil {
                return RecastError(
                    .unsupported,
                    "holds weights of HQQ, which are not read: name the checkpoint that they were made from, or another quantization "
                        + "of it (GPTQ, AWQ, GGUF)", trail: [fileName])
            }
        }
        return nil
    }

    /// The class of a tensor of which a rank has only a part.
    private func distributedClass(of value: Pickle.Value) -> String? {
        guard let object = pickle.object(value) else { return nil }
        var names = [pickle.typeName(object.type)]
        // A subclass: how it is rebuilt, its class, and the arguments.
        if names[0] == "torch._tensor._rebuild_from_type_v2", let arguments = pickle.tuple(object.arguments),
            arguments.count > 1
        {
            names.append(pickle.typeName(arguments[1]))
        }
        return names.compactMap { $0 }.first { $0.hasSuffix(".DTensor") || $0.hasSuffix(".ShardedTensor") }
    }
}
