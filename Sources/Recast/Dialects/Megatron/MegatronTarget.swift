/// What kind of Megatron checkpoint is wanted.
public struct MegatronTarget: Sendable, Hashable {
    public var format: Format
    public var sizes = MegatronFiles.ParallelSizes()
    /// How many layers each stage has, virtual stage by virtual stage; nil for as many in each.
    public var stageLayers: [Int]?
    public var spelling = Spelling.transformerEngine

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
}
