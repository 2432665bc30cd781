import Recast

/// Finds added tokens in text: at the earliest place where one matches, the longest that does.
struct AddedTokenMatcher: Sendable {
    enum Segment: Equatable {
        case text(Range<Int>)
        case token(Int32)
    }

    private let tokens: [Vocabulary.AddedToken]
    /// A trie: node and byte to node.
    private var children = PairTable()
    /// The token that ends at a node, as an index; -1 for none.
    private var ends: [Int] = [-1]
    /// Whether a token starts with a byte: most bytes of most texts need no more than this.
    private var isFirst = [Bool](repeating: false, count: 256)

    init(_ tokens: [Vocabulary.AddedToken]) {
        self.tokens = tokens
        for (index, token) in tokens.enumerated() where !token.content.isEmpty {
            var node = 0
            for byte in token.content.utf8 {
                let key = UInt64(node) << 8 | UInt64(byte)
                let child = children[key]
                if child != PairTable.missing {
                    node = Int(child)
                } else {
                    children[key] = UInt64(ends.count)
                    node = ends.count
                    ends.append(-1)
                }
            }
            if ends[node] < 0 { ends[node] = index }
            isFirst[Int(token.content.utf8.first!)] = true
        }
    }

    /// Cuts text into added tokens and what is between them.
    ///
    /// As in `tokenizers`, a match that does not count (a special token that is not asked for, one within a word) is
    /// passed over as a whole: nothing is matched inside it. And as there, a match within the spaces that the one before
    /// took along counts again, unless it takes spaces from the left itself.
    func forEachSegment(
        of text: UnsafeBufferPointer<UInt8>, parsingSpecial: Bool, _ body: (Segment) -> Void
    ) {
        var done = 0
        var offset = 0
        while ends.count > 1, offset < text.count {
            guard isFirst[Int(text[offset])], let (token, matchEnd) = match(at: offset, in: text) else {
                offset += 1
                continue
            }
            var (start, end) = (offset, matchEnd)
            offset = matchEnd
            if token.isSpecial, !parsingSpecial { continue }
            if token.isSingleWord, Self.isInsideWord(start..<end, of: text) { continue }
            if token.stripsLeft {
                while start > done, case let (value, before) = text.scalar(before: start), Self.isSpace(value) {
                    start = before
                }
                start = max(start, done)
            }
            if token.stripsRight {
                while end < text.count, case let (value, after) = text.scalar(at: end), Self.isSpace(value) {
                    end = after
                }
            }
            if start >= end { continue }
            if start > done { body(.text(done..<start)) }
            body(.token(Int32(truncatingIfNeeded: token.id)))
            done = end
        }
        if done < text.count { body(.text(done..<text.count)) }
    }

    private func match(
        at start: Int, in text: UnsafeBufferPointer<UInt8>
    ) -> (token: Vocabulary.AddedToken, end: Int)? {
        var node = 0
        var offset = start
        var longest: (index: Int, end: Int)?
        while offset < text.count {
            let child = children[UInt64(node) << 8 | UInt64(text[offset])]
            if child == PairTable.missing { break }
            node = Int(child)
            offset += 1
            if ends[node] >= 0 { longest = (ends[node], offset) }
        }
        return longest.map { (tokens[$0.index], $0.end) }
    }

    private static func isSpace(_ value: UInt32) -> Bool { ScalarClasses.shared[value].contains(.space) }

    private static func isInsideWord(_ range: Range<Int>, of text: UnsafeBufferPointer<UInt8>) -> Bool {
        (range.lowerBound > 0 && isWord(text.scalar(before: range.lowerBound).value))
            || (range.upperBound < text.count && isWord(text.scalar(at: range.upperBound).value))
    }

    /// `\w` (Unicode Technical Standard 18, annex C).
    private static func isWord(_ value: UInt32) -> Bool {
        guard let properties = Unicode.Scalar(value)?.properties else { return false }
        if properties.isAlphabetic || properties.isJoinControl { return true }
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
        default: return false
        }
    }
}
