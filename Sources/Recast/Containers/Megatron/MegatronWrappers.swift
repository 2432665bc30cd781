/// Names of modules and dictionaries that programs put around those of a Megatron model's tensors: DDP's and Float16Module's
/// `module.`, NeMo's `model.`, the `model0.` of virtual stages, Lightning's `state_dict.`.
enum MegatronWrappers {
    /// A name without any of them, however many there are.
    static func stripped(_ name: String) -> String {
        var rest = Substring(name)
        while let dot = rest.firstIndex(of: "."), isWrapper(rest[..<dot]) { rest = rest[rest.index(after: dot)...] }
        return String(rest)
    }

    private static func isWrapper(_ component: Substring) -> Bool {
        if component == "module" || component == "state_dict" { return true }
        guard component.hasPrefix("model") else { return false }
        let digits = component.dropFirst("model".count)
        return digits.utf8.count <= 4 && digits.utf8.allSatisfy { (48...57).contains($0) }
    }
}
