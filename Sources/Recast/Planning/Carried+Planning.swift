extension Carried {
    /// - Throws: `usage` where layers are to be kept that the target has no place for, `unsupported` where a wrapper cannot be.
    init(_ model: Model, _ options: ConversionOptions, plan: inout Plan) throws(RecastError) {
        self.init()
        // A family that is named is that of a text model.
        let isOwn = options.target == .huggingFace(family: nil)
        if isOwn, let own = model.wrapped {
            let keepsCodes = options.packing == nil && options.dtype == nil
            try own.checkCanBeKept(whole: keepsCodes)
            wrapped = own
            plan.notes = plan.notes.map { $0 == own.note ? own.keptNote : $0 }
        }
        guard options.furtherLayers == .keep else { return }
        guard model.furtherLayers.count > 0 else {
            plan.warnings.append(Self.nothingToKeep)
            return
        }
        guard isOwn else {
            throw .usage(
                "--mtp keep: only the model's own layout and GGUF have a place for layers that predict further tokens")
        }
        further = model.furtherLayers
        plan.notes.removeAll { $0 == further.note }
    }
}
