/// What a destination must be as a model when it is opened as any other checkpoint is.
struct ExpectedModel: Sendable, Hashable, Codable {
    var configuration: ModelConfiguration
    /// Whether the destination says itself which family it is of.
    var statesFamily = true
    /// Whether the embedding is the output head, too.
    var isTied: Bool
    /// How many tokens a tokenizer in the file itself has; nil where there is none.
    var tokenCount: Int?
}
