/// Names that programs put around those of a model's tensors: taken off by rule, and said once.
enum WrappedNames {
    /// Modules that wrap others wherever they stand.
    private static let modules: Set<String> = [
        "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module", "_flat_param_wrapper",
    ]
    /// What may stand before all names.
    private static let prefixes = ["module.", "base_model.model."]

    /// - Returns: the tensors under their own names, and what was taken off.
    /// - Throws: `unsupported` for tensors that are not those of a model; `malformedInput` where two names become one.
    static func unwrapped(
        _ tensors: [NamedTensor], file: String
    ) throws(RecastError) -> (tensors: [NamedTensor], removed: [String]) {
        try UnreadTensors.check(tensors.map(\.name), file: file)
        var removed: [String] = []
        var names = tensors.map { tensor in
            tensor.name.split(separator: ".", omittingEmptySubsequences: false).filter { component in
                guard modules.contains(String(component)) else { return true }
                if !removed.contains("\(component).") { removed.append("\(component).") }
                return false
            }.joined(separator: ".")
        }
        func drop(_ prefix: String) {
            names = names.map { String($0.dropFirst(prefix.count)) }
            removed.append(prefix)
        }
        while !names.isEmpty,
            let prefix = prefixes.first(where: { prefix in names.allSatisfy { $0.hasPrefix(prefix) } })
        {
            drop(prefix)
        }
        if names.allSatisfy({ $0.hasPrefix("model.") }), names.contains(where: { $0.hasPrefix("model.model.") }) {
            drop("model.")
        }
        guard !removed.isEmpty else { return (tensors, []) }
        var seen = Set<ByteString>()
        if let twice = names.first(where: { !seen.insert(ByteString($0)).inserted }) {
            throw .malformed(file, "without \(removed.joined(separator: " and ")) two tensors are called \(twice)")
        }
        return (zip(tensors, names).map { NamedTensor($1, $0.tensor) }, removed)
    }
}
