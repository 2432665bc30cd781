/// What kind of Megatron checkpoint is wanted.
public struct MegatronTarget: Sendable, Hashable {
    public var format: Format
    package var sizes = MegatronFiles.ParallelSizes()
    /// How many layers each stage has, virtual stage by virtual stage; nil for as many in each.
    public var stageLayers: [Int]?
    /// Nil for that of the source, or Transformer Engine's where it is no checkpoint of Megatron's core.
    public var spelling: Spelling?

    /// By Megatron's names.
    public enum Format: String, Sendable, Hashable {
        /// A file for each model-parallel rank.
        case ranks = "torch"
        /// Whole tensors, which any layout can load.
        case distributed = "torch_dist"
    }

    /// How modules are called.
    public enum Spelling: String, Sendable, Hashable, CaseIterable {
        /// As Transformer Engine's, which have the norm before them inside.
        case transformerEngine = "te"
        /// As Megatron core's own.
        case local
    }

    public init(_ format: Format) { self.format = format }

    /// `tp 2, pp 2, `; nothing for whole tensors.
    func layoutText(hasExperts: Bool) -> String {
        guard format == .ranks else { return "" }
        var counts = [("tp", sizes.tensor), ("pp", sizes.pipeline)]
        if sizes.virtualPipeline > 1 { counts.append(("vpp", sizes.virtualPipeline)) }
        if hasExperts { counts += [("ep", sizes.expert), ("etp", sizes.expertTensor)] }
        return counts.map { "\($0.0) \($0.1), " }.joined()
    }
}
