import Recast

/// The expressions of GPT-2, Llama 3 and Qwen 2 by hand: the same pieces as a regular expression engine finds, at
/// more than twenty times its speed.
///
/// Every scalar belongs to some alternative of these expressions, so a piece is where it starts and where it ends, and
/// the next one starts there.
struct PatternSplitter: Sendable {
    /// Which spellings of 's, 't, 're, 've, 'm, 'll and 'd are pieces.
    enum Contractions: Sendable { case lowercase, asciiCaseless, caseless }

    var contractions: Contractions
    /// How many numbers in a row make a piece.
    var longestNumber: Int
    /// GPT-2 lets only a space precede words, numbers and signs. The later expressions let any sign or space but a
    /// line break precede a word, let nothing precede a number, and end signs and white space after line breaks.
    var isGPT2: Bool

    private let classes = ScalarClasses.shared

    init(contractions: Contractions, longestNumber: Int, isGPT2: Bool) {
        self.contractions = contractions
        self.longestNumber = longestNumber
        self.isGPT2 = isGPT2
    }

    /// Where the piece that starts at `start` ends.
    func pieceEnd(from start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        if text[start] == UInt8(ascii: "'"), let end = contractionEnd(from: start, in: text) { return end }
        return isGPT2 ? gpt2End(from: start, in: text) : laterEnd(from: start, in: text)
    }

    private func gpt2End(from start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        let (kind, next) = scalarClass(at: start, in: text)
        guard kind.contains(.space) else { return runEnd(of: kind, from: next, in: text) }
        if text[start] == UInt8(ascii: " "), next < text.count {
            let (following, afterFollowing) = scalarClass(at: next, in: text)
            if !following.contains(.space) { return runEnd(of: following, from: afterFollowing, in: text) }
        }
        return spaceEnd(from: start, in: text)
    }

    private func laterEnd(from start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        let (kind, next) = scalarClass(at: start, in: text)
        if kind == .letter { return runEnd(of: .letter, from: next, in: text) }
        if kind == .number { return runEnd(of: .number, from: next, in: text, limit: longestNumber) }
        if !kind.contains(.newline), next < text.count {
            let (following, afterFollowing) = scalarClass(at: next, in: text)
            if following == .letter { return runEnd(of: .letter, from: afterFollowing, in: text) }
            if following == [], text[start] == UInt8(ascii: " ") {
                return newlinesEnd(from: runEnd(of: [], from: afterFollowing, in: text), in: text)
            }
        }
        if kind == [] { return newlinesEnd(from: runEnd(of: [], from: next, in: text), in: text) }
        return spaceEnd(from: start, in: text)
    }

    @inline(__always)
    private func scalarClass(at offset: Int, in text: UnsafeBufferPointer<UInt8>) -> (ScalarClass, next: Int) {
        let (value, next) = text.scalar(at: offset)
        return (classes[value], next)
    }

    /// The end of the run of one class that goes on at `start`; `limit` counts the scalar before `start` too.
    @inline(__always)
    private func runEnd(
        of kind: ScalarClass, from start: Int, in text: UnsafeBufferPointer<UInt8>, limit: Int = .max
    ) -> Int {
        var end = start
        var count = 1
        while end < text.count, count < limit {
            let (next, afterNext) = scalarClass(at: end, in: text)
            if next != kind { break }
            end = afterNext
            count &+= 1
        }
        return end
    }

    private func newlinesEnd(from start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        var end = start
        while end < text.count, text[end] == UInt8(ascii: "\r") || text[end] == UInt8(ascii: "\n") { end += 1 }
        return end
    }

    /// `\s*[\r\n]+` (not for GPT-2), then `\s+(?!\S)`, then `\s+`.
    ///
    /// The first backs off to the last line break of the run; the second takes all of a run that ends the text, and
    /// otherwise leaves the last space to what follows; the third is left with a single space.
    private func spaceEnd(from start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        var end = start
        var last = start
        var lineEnd = start
        while end < text.count {
            let (kind, next) = scalarClass(at: end, in: text)
            if !kind.contains(.space) { break }
            last = end
            end = next
            if kind.contains(.newline) { lineEnd = next }
        }
        if !isGPT2, lineEnd > start { return lineEnd }
        return end == text.count || last == start ? end : last
    }

    private func contractionEnd(from start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int? {
        guard start + 1 < text.count else { return nil }
        // U+017F, the long s, is an s once case is ignored.
        if contractions == .caseless, start + 2 < text.count, text[start + 1] == 0xC5, text[start + 2] == 0xBF {
            return start + 3
        }
        let caseBit: UInt8 = contractions == .lowercase ? 0 : 0x20
        switch text[start + 1] | caseBit {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"):
            return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return start + 2 < text.count && text[start + 2] | caseBit == UInt8(ascii: "e") ? start + 3 : nil
        case UInt8(ascii: "l"):
            return start + 2 < text.count && text[start + 2] | caseBit == UInt8(ascii: "l") ? start + 3 : nil
        default:
            return nil
        }
    }
}

extension PatternSplitter {
    /// The splitter for an expression, in one of the spellings it is known to have; nil for any other expression.
    ///
    /// The spellings are those of `tokenizer.json` files, of llama.cpp (whose classes do not fold U+017F) and of
    /// tiktoken.
    init?(pattern: String) {
        for (head, contractions) in Self.heads {
            for (tail, longestNumber, isGPT2) in Self.tails where (contractions == .lowercase) == isGPT2 {
                if pattern.utf8.elementsEqual((head + tail).utf8) {
                    self.init(contractions: contractions, longestNumber: longestNumber, isGPT2: isGPT2)
                    return
                }
            }
        }
        return nil
    }

    // swift-format-ignore
    private static let heads: [(String, Contractions)] = [
        (#"'s|'t|'re|'ve|'m|'ll|'d"#,                                            .lowercase),
        (#"(?:'s|'t|'re|'ve|'m|'ll|'d)"#,                                        .lowercase),
        (#"'(?:[sdmt]|ll|ve|re)"#,                                               .lowercase),
        (#"(?i:'s|'t|'re|'ve|'m|'ll|'d)"#,                                       .caseless),
        (#"'(?i:[sdmt]|ll|ve|re)"#,                                              .caseless),
        (#"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"#,          .asciiCaseless),
    ]

    // swift-format-ignore
    private static let tails: [(String, longestNumber: Int, isGPT2: Bool)] = [
        (#"| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,                                               .max, true),
        (#"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,           3,    false),
        (#"|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#,          3,    false),
        (#"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,                1,    false),
    ]
}
