/// Tokens by rank, which is all that tiktoken needs to join bytes: of all neighbours that make a token, those that make the
/// one of lowest rank.
struct RankedTokens {
    /// Where they come from, for messages.
    let file: String
    /// The bytes of each, by rank.
    private(set) var tokens: [[UInt8]] = []
    private var ranks: [[UInt8]: Int] = [:]

    init(file: String) { self.file = file }

    /// Gives a token the next rank.
    ///
    /// - Throws: `malformedInput` where an earlier one has the same bytes.
    mutating func append(_ token: [UInt8]) throws(RecastError) {
        if let first = ranks.updateValue(tokens.count, forKey: token) {
            throw .malformed(file, "the tokens \(first) and \(tokens.count) have the same bytes")
        }
        tokens.append(token)
    }

    /// - Throws: `malformedInput` where a byte has no token: tiktoken has nothing to begin with then.
    func checkBytes() throws(RecastError) {
        for byte in UInt8.min...UInt8.max where ranks[[byte]] == nil {
            throw .malformed(
                file, "no token stands for the byte 0x\(String(byte, radix: 16)): the file is damaged or cut")
        }
    }

    /// The vocabulary, without added tokens and special ids.
    ///
    /// Each token is made of the two parts that tiktoken has left when it is about to make it of its bytes alone. Around it
    /// there may be other text, but as long as the token's bounds are not joined across, the same happens within them:
    /// these merges, by rank, give what tiktoken gives.
    ///
    /// - Parameter special: tokens that have the ids before those of rank 0.
    func vocabulary(
        after special: [String] = [], preTokenizer: PreTokenizer
    ) throws(RecastError) -> Vocabulary {
        let spelled = tokens.map { Vocabulary.byteLevelSpelling($0) }
        var vocabulary = Vocabulary(
            model: .byteLevelBPE, tokens: special + spelled,
            kinds: [Vocabulary.Kind](repeating: .normal, count: special.count + spelled.count),
            preTokenizer: preTokenizer)
        var joining = RankedJoining(tokens)
        for (rank, token) in tokens.enumerated() where token.count > 1 {
            guard token.count <= Vocabulary.longestPiece else { throw .malformed(file, Vocabulary.tooLong(rank)) }
            guard let middle = joining.middle(of: token) else {
                // Nothing makes it, but tiktoken takes a whole piece of text that is a token as it stands.
                vocabulary.ignoresMerges = true
                continue
            }
            vocabulary.merges.append(
                .init(
                    Vocabulary.byteLevelSpelling(token[..<middle]), Vocabulary.byteLevelSpelling(token[middle...])))
        }
        return vocabulary
    }
}
