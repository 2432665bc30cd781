/// What a Hugging Face target in the checkpoint's own layout has besides the graph.
struct Carried {
    /// What the text model is inside of.
    var wrapped: WrappedModel?
    /// Experts of a layer in one tensor, as what the text model is inside of has them.
    var fused: FusedExperts?
    /// Layers for predicting further tokens.
    var further = FurtherLayers()

    init() {}

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
