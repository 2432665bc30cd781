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
            fused = try Self.fused(model.fusedExperts, in: own, options.packing, plan: &plan)
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

    /// How the experts of a layer stay in one tensor; nil where they do not, as codes are of single experts.
    ///
    /// - Throws: `unsupported` for codes in a wrapper whose programs know no matrices of single experts.
    private static func fused(
        _ fused: FusedExperts?, in wrapper: WrappedModel, _ packing: Packing?, plan: inout Plan
    ) throws(RecastError) -> FusedExperts? {
        guard let fused, let packing else { return fused }
        let name = wrapper.storedName(fused.firstName)
        guard wrapper.readsSingleExperts else {
            throw .unsupported(
                "\(wrapper.wrapper) has the experts of a layer in one tensor (\(name)), of which programs agree on no layout as "
                    + "\(packing.name): \(wrapper.remedy), with a matrix for each expert; GGUF has types for stacks of "
                    + "experts")
        }
        plan.notes.append("the experts of a layer, which are one tensor (\(name)), are matrices of their own as codes")
        return nil
    }
}
