import Foundation
import Recast

// The only file of the tokenizers that needs Foundation: for expressions nobody has written by hand yet, and for
// composing text that is not composed already.

/// Text cut by a regular expression: matches are pieces, and so is what lies between them.
struct ExpressionSplitter: Sendable {
    private let expression: NSRegularExpression

    init(pattern: String) throws(RecastError) {
        do {
            expression = try NSRegularExpression(pattern: Self.withUnicodeSpaces(pattern))
        } catch {
            throw .unsupported("the pre-tokenizer's expression cannot be used: \(pattern)")
        }
    }

    /// The expression with white space as the engine of `tokenizers` has it: this one leaves U+000B and U+0085 out of `\s`.
    private static func withUnicodeSpaces(_ pattern: String) -> String {
        var text = String.UnicodeScalarView()
        var isEscaped = false
        for scalar in pattern.unicodeScalars {
            if isEscaped, scalar == "s" || scalar == "S" {
                text.removeLast()
                text.append(contentsOf: (scalar == "s" ? #"\p{White_Space}"# : #"\P{White_Space}"#).unicodeScalars)
            } else {
                text.append(scalar)
            }
            isEscaped = scalar == "\\" && !isEscaped
        }
        return String(text)
    }

    /// The offsets where pieces end, given where those of the step before end.
    ///
    /// Throws where the engine gives up: its memory for backtracking has a limit, which a million spaces can reach.
    func pieceEnds(in text: UnsafeBufferPointer<UInt8>, within ends: [Int]) throws(RecastError) -> [Int] {
        let string = String(decoding: text, as: UTF8.self)
        var cuts = Cuts(text: text)
        var utf16Start = 0
        for end in ends {
            let utf16End = utf16Start + Cuts.utf16Length(of: text.part(cuts.last..<end))
            // The default options keep look-ahead and anchors inside the range.
            var hasFailed = false
            expression.enumerateMatches(
                in: string, options: .reportCompletion,
                range: NSRange(location: utf16Start, length: utf16End - utf16Start)
            ) { match, flags, _ in
                if flags.contains(.internalError) { hasFailed = true }
                guard let range = match?.range, range.length > 0 else { return }
                cuts.cut(atUTF16: range.location)
                cuts.cut(atUTF16: range.location + range.length)
            }
            if hasFailed {
                throw .unsupported(
                    "the pre-tokenizer's expression needs too much memory for a run of text: \(expression.pattern)")
            }
            cuts.cut(atUTF16: utf16End)
            utf16Start = utf16End
        }
        return cuts.ends
    }

    /// Offsets in UTF-16 turned into offsets in UTF-8 on one walk through the text.
    private struct Cuts {
        let text: UnsafeBufferPointer<UInt8>
        var ends: [Int] = []
        private var utf16 = 0
        private(set) var last = 0

        init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

        mutating func cut(atUTF16 offset: Int) {
            let start = last
            while utf16 < offset, last < text.count {
                utf16 += text[last] >= 0xF0 ? 2 : 1
                last = text.scalar(at: last).next
            }
            if last > start { ends.append(last) }
        }

        static func utf16Length(of text: UnsafeBufferPointer<UInt8>) -> Int {
            text.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : $1 >= 0xF0 ? 2 : 1) }
        }
    }
}

/// Normal form C as far as Foundation gets it right: ``composed(_:)`` puts the rest right.
func foundationComposed(_ text: String) -> String { text.precomposedStringWithCanonicalMapping }
