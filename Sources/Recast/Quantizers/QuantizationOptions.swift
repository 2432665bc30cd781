/// How a GGUF file is quantized, beyond its file type.
public struct QuantizationOptions: Sendable {
    /// What an error in each column of each weight matters.
    public var importance: Importance?
    /// Whether every weight gets the file type's own type.
    public var isPure = false
    /// Types for tensors by name; the first that is found decides.
    package var overrides: [TypeOverride] = []
    /// Types for tensors that no override names.
    package var recipe: Recipe?
    /// The type of the head, `output.weight`.
    public var outputType: DType?
    /// The type of the embedding, `token_embd.weight`.
    public var embeddingType: DType?
    /// Whether the files of a split GGUF source are kept apart, and tensors in their order.
    public var keepsSplit = false

    public init() {}

    /// In the order in which they are looked at.
    var allOverrides: [TypeOverride] { overrides + (recipe?.overrides ?? []) }

    /// What was asked for, as the command names it.
    var given: [String] {
        let options: [(name: String, isGiven: Bool)] = [
            ("--importance", importance != nil), ("--pure", isPure), ("--override", !overrides.isEmpty),
            ("--recipe", recipe != nil),
            ("--output-encoding", outputType != nil), ("--embedding-encoding", embeddingType != nil),
            ("--keep-split", keepsSplit),
        ]
        return options.filter(\.isGiven).map(\.name)
    }

    /// Whether nothing was asked for.
    var isDefault: Bool { given.isEmpty }
}
