extension MegatronFiles {
    /// Whose names the modules have; nil for those of before Megatron's core.
    ///
    /// Whole tensors have Transformer Engine's names whoever saves them, so that only the args tell.
    var spelling: MegatronTarget.Spelling? {
        if case .whole = parts {
            return arguments?.string("transformer_impl") == "local" ? .local : .transformerEngine
        }
        if tensors.contains(where: { MegatronNames.isTransformerEngine($0.name) }) { return .transformerEngine }
        return tensors.contains { MegatronNames.isOfCore($0.name) } ? .local : nil
    }
}
