import Recast

/// Vocabularies made by hand.
enum TokenizerFixtures {
    /// GPT-2's name for each byte, written down anew as a check on the one under test.
    static let byteNames: [String] = {
        var other: UInt32 = 256
        return (UInt32(0)...255).map { byte in
            if (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte) {
                return String(Unicode.Scalar(byte)!)
            }
            defer { other += 1 }
            return String(Unicode.Scalar(other)!)
        }
    }()

    static func spelled(_ text: String) -> String { text.utf8.map { byteNames[Int($0)] }.joined() }

    /// A vocabulary of all bytes (byte = id), then one token per merge.
    static func vocabulary(
        merges: [(String, String)] = [], added: [Vocabulary.AddedToken] = [], preTokenizer: PreTokenizer = .gpt2
    ) -> Vocabulary {
        var vocabulary = Vocabulary(
            model: .byteLevelBPE, tokens: byteNames, kinds: Array(repeating: .normal, count: 256),
            preTokenizer: preTokenizer)
        for (left, right) in merges {
            let merge = Vocabulary.Merge(spelled(left), spelled(right))
            vocabulary.merges.append(merge)
            vocabulary.tokens.append(merge.left + merge.right)
            vocabulary.kinds.append(.normal)
        }
        for token in added {
            var token = token
            token.id = vocabulary.tokens.count
            vocabulary.addedTokens.append(token)
            vocabulary.tokens.append(token.content)
            vocabulary.kinds.append(token.isSpecial ? .control : .userDefined)
        }
        return vocabulary
    }
}
