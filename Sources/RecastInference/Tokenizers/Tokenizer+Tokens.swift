import Recast

extension Tokenizer {
    /// The bytes each token stands for, and which tokens are added ones.
    static func tokenBytes(of vocabulary: Vocabulary) -> (TokenBytes, isAdded: [Bool]) {
        let count = vocabulary.tokens.count
        var plainTexts: [Int: String] = [:]
        var isAdded = [Bool](repeating: false, count: count)
        for token in vocabulary.addedTokens {
            plainTexts[token.id] = token.content
            isAdded[token.id] = true
        }
        var tokens = TokenBytes(capacity: count)
        var isSpelled = [Bool](repeating: false, count: count)
        var spelling: [UInt8] = []
        for (id, text) in vocabulary.tokens.enumerated() {
            let plainText = isAdded[id] ? plainTexts[id] : nil
            tokens.append { bytes in
                if plainText == nil, ByteLevelAlphabet.appendBytes(spelledBy: text, to: &bytes) {
                    isSpelled[id] = true
                } else {
                    bytes.append(contentsOf: (plainText ?? text).utf8)
                }
            }
            if isAdded[id] {
                spelling.removeAll(keepingCapacity: true)
                isSpelled[id] =
                    ByteLevelAlphabet.appendBytes(spelledBy: text, to: &spelling) && spelling.elementsEqual(tokens[id])
            }
        }
        // Only what is spelled in the alphabet can come out of merges; where an added token has the bytes of a token of
        // the model, the latter is meant.
        for id in 0..<count where isSpelled[id] && !isAdded[id] { tokens.index(id) }
        for id in 0..<count where isSpelled[id] && isAdded[id] { tokens.index(id) }
        return (tokens, isAdded)
    }

    /// The bytes each token of a model of SentencePiece stands for, with spaces as spaces.
    static func pieceBytes(of vocabulary: Vocabulary) -> TokenBytes {
        var tokens = TokenBytes(capacity: vocabulary.tokens.count)
        var contents: [Int: String] = [:]
        for token in vocabulary.addedTokens { contents[token.id] = token.content }
        for (id, token) in vocabulary.tokens.enumerated() {
            tokens.append { bytes in
                if vocabulary.kinds[id] == .byte, let byte = Vocabulary.byte(spelledBy: token) {
                    bytes.append(byte)
                } else {
                    var text = contents[id] ?? token
                    text.withUTF8 { SpacePreparation.append($0, to: &bytes) }
                }
            }
        }
        for id in tokens.indices where vocabulary.isMerged(id) { tokens.index(id) }
        // Merges may be made into whatever they name; scores are of the model's own pieces.
        if !vocabulary.merges.isEmpty {
            for id in tokens.indices where vocabulary.kinds[id] == .control || vocabulary.kinds[id] == .unknown {
                tokens.index(id)
            }
        }
        return tokens
    }
}
