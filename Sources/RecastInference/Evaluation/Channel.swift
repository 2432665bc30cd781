/// Texts under one name: results are given for each channel and in total.
public struct Channel: Sendable, Hashable {
    /// A text by itself, as tokens: no other goes on where it ends.
    public struct Document: Sendable, Hashable {
        /// Without any beginning-of-text token, unless `isWhole`.
        public var tokens: [Int32]
        /// The places of tokens that alone are scored, in order and apart; nil for all.
        public var answers: [Range<Int>]?
        /// Whether nothing is put before it: its own first token is the first that a model sees.
        public var isWhole: Bool

        public init(tokens: [Int32], answers: [Range<Int>]? = nil, isWhole: Bool = false) {
            self.tokens = tokens
            self.answers = answers
            self.isWhole = isWhole
        }
    }

    public var name: String
    public var documents: [Document]

    public init(name: String, documents: [Document]) {
        self.name = name
        self.documents = documents
    }

    /// - Parameter tokens: of the only document, without any beginning-of-text token.
    public init(name: String, tokens: [Int32]) {
        self.init(name: name, documents: [Document(tokens: tokens)])
    }

    /// Of all documents, one after the other.
    public var tokens: [Int32] { documents.count == 1 ? documents[0].tokens : documents.flatMap(\.tokens) }

    /// How many documents are too short for any of their tokens to be scored.
    package func unscoredCount(_ options: PerplexityOptions) -> Int {
        documents.count { options.windows(of: $0).isEmpty }
    }
}
