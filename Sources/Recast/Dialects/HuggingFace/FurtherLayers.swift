/// Layers behind the last one, which predict tokens after the next one (multi-token prediction).
struct FurtherLayers: Sendable {
    /// As the configuration has it.
    var count = 0
    /// What the graph does not have of them.
    var tensors: [NamedTensor] = []
    /// Whether the graph has, behind the model's own layers, what they share with these.
    var areInGraph = false
    /// What is said where they are left out.
    var note: String?
}
