/// What a Hugging Face target in the checkpoint's own layout has besides the graph.
struct Carried {
    /// What the text model is inside of.
    private(set) var wrapped: WrappedModel?
    /// Layers for predicting further tokens.
    private(set) var further = Model.FurtherLayers()

    init() {}

    /// - Throws: `usage` where layers are to be kept that the target has no place for, `unsupported` where a wrapper cannot be.
    init(_ model: Model, _ options: ConversionOptions, plan: inout Plan) throws(RecastError) {
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

    static let nothingToKeep = "--mtp keep changes nothing: the checkpoint has no layers for predicting further tokens"

    func storedName(_ own: String) -> String { wrapped?.storedName(own) ?? own }

    /// What is copied beside the graph, under the names it has in the target, and whether it is as it is.
    var tensors: [(tensor: NamedTensor, isTower: Bool)] {
        (wrapped?.towers ?? []).map { ($0, true) }
            + further.tensors.map { (NamedTensor(storedName($0.name), $0.tensor), false) }
    }

    /// The modules that all of it is in.
    var roots: [String] {
        let layers = further.tensors.map { tensor in
            let parts = storedName(tensor.name).split(separator: ".")
            let place = parts.firstIndex(of: "layers") ?? 0
            return parts.prefix(place + 2).joined(separator: ".")
        }
        return (wrapped?.roots ?? []) + layers.unique
    }
}
