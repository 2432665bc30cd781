import Recast

/// Finds added tokens in text: at the earliest place where one matches, the longest that does.
struct AddedTokenMatcher: Sendable {
    enum Segment: Equatable {
        case text(Range<Int>)
        case token(Int32)
    }

    private let tokens: [Vocabulary.AddedToken]
    /// Finds their places in `tokens`.
    private let finder: StringFinder

    /// Whether U+0020 is white space; in text that is prepared for SentencePiece it stands for a sign that is none.
    private let stripsSpaces: Bool

    init(_ tokens: [Vocabulary.AddedToken], strippingSpaces: Bool = true) {
        self.tokens = tokens
        stripsSpaces = strippingSpaces
        finder = StringFinder(tokens.lazy.map(\.content))
    }

    /// Cuts text into added tokens and what is between them.
    ///
    /// As in `tokenizers`, a match that does not count (a special token that is not asked for, one within a word) is
    /// passed over as a whole: nothing is matched inside it. And as there, a match within the spaces that the one before
    /// took along counts again, unless it takes spaces from the left itself.
    ///
    /// - Parameter counts: whether a token, special or not, may be at a place; asked before anything is told of the place.
    func forEachSegment(
        of text: UnsafeBufferPointer<UInt8>, parsingSpecial: Bool,
        where counts: (_ place: Range<Int>, _ isSpecial: Bool) -> Bool = { _, _ in true },
        _ body: (Segment) -> Void
    ) {
        var done = 0
        var offset = 0
        var spaces = 0..<0
        for match in finder.matches(in: text).reversed() where match.start >= offset {
            let token = tokens[Int(match.value)]
            var (start, end) = (match.start, match.start + token.content.utf8.count)
            offset = end
            if token.isSpecial, !parsingSpecial { continue }
            if !counts(start..<end, token.isSpecial) { continue }
            if token.isSingleWord, Self.isInsideWord(start..<end, of: text) { continue }
            if token.stripsLeft {
                while start > done, case let (value, before) = text.scalar(before: start), isSpace(value) {
                    start = before
                }
                start = max(start, done)
            }
            if token.stripsRight {
                // Matches within the same spaces end where the first of them did.
                if !spaces.contains(end) { spaces = end..<spaceEnd(from: end, in: text) }
                end = spaces.upperBound
            }
            if start >= end { continue }
            if start > done { body(.text(done..<start)) }
            body(.token(Int32(truncatingIfNeeded: token.id)))
            done = end
        }
        if done < text.count { body(.text(done..<text.count)) }
    }

    private func spaceEnd(from start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        var end = start
        while end < text.count, case let (value, after) = text.scalar(at: end), isSpace(value) { end = after }
        return end
    }

    private func isSpace(_ value: UInt32) -> Bool {
        ScalarClasses.shared[value].contains(.space) && (stripsSpaces || value != 0x20)
    }

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
