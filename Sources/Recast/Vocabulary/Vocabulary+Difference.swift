extension Vocabulary {
    /// The first token that is another one than the same of `other`, as a sentence; nil where all tokens are the same.
    package func firstDifference(from other: Vocabulary, names: (own: String, other: String)) -> String? {
        func token(_ vocabulary: Vocabulary, _ id: Int) -> String {
            vocabulary.tokens.indices.contains(id) ? "\"\(vocabulary.tokens[id])\"" : "none"
        }
        let count = max(tokens.count, other.tokens.count)
        let place = (0..<count).first { id in
            guard tokens.indices.contains(id), other.tokens.indices.contains(id) else { return true }
            // Canonically equivalent strings are other tokens.
            return !tokens[id].utf8.elementsEqual(other.tokens[id].utf8)
        }
        return place.map {
            "token \($0) is \(token(self, $0)) in \(names.own) and \(token(other, $0)) in \(names.other)"
        }
    }
}
