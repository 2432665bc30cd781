/// A text by itself, as tokens: results are given for each and in total.
public struct Channel: Sendable, Hashable {
    public var name: String
    /// Without any beginning-of-text token.
    public var tokens: [Int32]

    public init(name: String, tokens: [Int32]) {
        self.name = name
        self.tokens = tokens
    }
}
