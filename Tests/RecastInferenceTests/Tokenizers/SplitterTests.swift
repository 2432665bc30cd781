import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

@Suite struct SplitterTests {
    // swift-format-ignore
    static let patterns = [
        PreTokenizer.gpt2Pattern, PreTokenizer.llama3Pattern, PreTokenizer.qwen2Pattern,
        #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#,
        #"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
        #"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
    ]

    static let adversarialText = """
        It's 'RE 'Ll we'Ve I'M 'd'D 's'S'\u{17F} he'\u{17F}ay 'l 'v 'r ' 're' ''s can't CAN'T o'clock 'x's\r\n
        \t\tif (x >= 10)  {\r\n\r\n   return 3.14159e-10;   }\r\r\n \n \n\n  \u{85} \u{A0}\u{A0}word \u{3000}\u{3000}字
        \u{2028}x\u{2029} y\u{202F}z \u{200B}a\u{FEFF}b \u{180E}c \u{1680}d \u{B}e\u{C}f \u{1C}g\u{1F}h 1234567 12 ٣٤٥٦٧ ⅧⅨ ½¾ ²³
        你好，世界！我想在apple工作1314151天～ ひらがなカタカナー한국어 текст на русском Ёё e\u{301}a\u{308}\u{323} \u{301}\u{301}x
        កាន់តែពិសេសអាចខលចេញ हिन्दी ไทย עִבְרִית العربية 🚀 (normal) 😶\u{200D}🌫\u{FE0F} 👩\u{200D}👩\u{200D}👧 🏳\u{FE0F}\u{200D}🌈 🇩🇪 𝒜𝓁𝓅 𠀀𠀁 𝟘𝟙𝟚𝟛
        ''''''```````\"\"\"\"......!!!!!!??????------=======   \n   !!\n\n\n  !!\r\nx _a __b__ $5 #x @y\u{0}\u{1}\u{7F} ſ K
        \t \t\t  end                                  \n                \t\t\t
        """

    // swift-format-ignore
    static let alphabet = [
        "'", "'", "s", "S", "\u{17F}", "t", "r", "e", "E", "v", "m", "l", "L", "d", "x", "é", "я", "字", "ा", "\u{301}", "1", "2", "٣", "½",
        " ", " ", " ", "\t", "\n", "\n", "\r", "\r\n", "\u{A0}", "\u{85}", "\u{B}", "\u{3000}", "\u{2028}", "\u{200B}", "!", "_", "-", "😁", "\u{0}",
        "𠀀", "𝟘", "ˮ", "ª", "K",
    ]

    static func pieces(_ text: String, _ preTokenizer: PreTokenizer) throws -> [String] {
        let splitter = try Splitter(preTokenizer)
        var text = text
        var allowance = Expression.Allowance(byteCount: text.utf8.count)
        return try text.withUTF8 { utf8 in
            if let pattern = splitter.onlyPattern {
                var ends: [Int] = []
                while (ends.last ?? 0) < utf8.count { ends.append(pattern.pieceEnd(from: ends.last ?? 0, in: utf8)) }
                #expect(try ends == splitter.pieceEnds(in: utf8, within: &allowance))
            }
            var start = 0
            return try splitter.pieceEnds(in: utf8, within: &allowance).map { end in
                defer { start = end }
                return String(decoding: utf8[start..<end], as: UTF8.self)
            }
        }
    }

    static func expectedPieces(_ text: String, pattern: String) throws -> [String] {
        let expression = try NSRegularExpression(pattern: pattern)
        let string = NSString(string: text)
        return expression.matches(in: text, range: NSRange(location: 0, length: string.length))
            .map { string.substring(with: $0.range) }
    }

    @Test(arguments: patterns)
    func piecesAreThoseOfTheExpression(pattern: String) throws {
        try #require(PatternSplitter(pattern: pattern) != nil)
        let text = Self.adversarialText
        #expect(try Self.pieces(text, PreTokenizer(pattern: pattern)) == Self.expectedPieces(text, pattern: pattern))
        var generator = SeededGenerator(seed: 17)
        for _ in 0..<400 {
            let count = Int.random(in: 1...24, using: &generator)
            let text = (0..<count).map { _ in Self.alphabet.randomElement(using: &generator)! }.joined()
            let pieces = try Self.pieces(text, PreTokenizer(pattern: pattern))
            let expected = try Self.expectedPieces(text, pattern: pattern)
            #expect(pieces.elementsEqual(expected) { $0.utf8.elementsEqual($1.utf8) }, "\(text.debugDescription)")
        }
    }

    @Test(arguments: patterns.prefix(3))
    func unknownExpressionsRunOnTheEngine(pattern: String) throws {
        // A group around the whole changes nothing but the spelling.
        let unknown = "(?:\(pattern))"
        #expect(PatternSplitter(pattern: unknown) == nil)
        let text = Self.adversarialText
        #expect(try Self.pieces(text, PreTokenizer(pattern: unknown)) == Self.expectedPieces(text, pattern: pattern))
    }

    @Test func whatDoesNotMatchIsAPiece() throws {
        let pieces = try Self.pieces("a😁1b22\n字3", PreTokenizer(pattern: #"\d"#))
        #expect(pieces == ["a😁", "1", "b", "2", "2", "\n字", "3"])
        #expect(try Self.pieces("", PreTokenizer(pattern: "x")) == [])
        #expect(try Self.pieces("a b", PreTokenizer(steps: [])) == ["a b"])
    }

    @Test func digits() throws {
        let text = "ab12 ٣½x3"
        #expect(
            try Self.pieces(text, PreTokenizer(steps: [.digits(individual: true)]))
                == ["ab", "1", "2", " ", "٣", "½", "x", "3"])
        #expect(
            try Self.pieces(text, PreTokenizer(steps: [.digits(individual: false)])) == [
                "ab", "12", " ", "٣½", "x", "3",
            ])
    }

    @Test func stepsWorkInsideThePiecesBefore() throws {
        let steps: [PreTokenizer.Step] = [.digits(individual: true), .split(pattern: PreTokenizer.gpt2Pattern)]
        // The spaces before the digit end their piece, so they stay together.
        #expect(try Self.pieces("in  2  x", PreTokenizer(steps: steps)) == ["in", "  ", "2", " ", " x"])
        let expressions: [PreTokenizer.Step] = [
            .split(pattern: "[\r\n]"), .split(pattern: #"\s?\p{L}+"#), .split(pattern: #"\s+$"#),
            .digits(individual: true),
        ]
        #expect(
            try Self.pieces("字 ab 12  \n x\n", PreTokenizer(steps: expressions))
                == ["字", " ab", " ", "1", "2", "  ", "\n", " x", "\n"])
    }

    @Test func invalidExpressionIsNamed() {
        let error = #expect(throws: RecastError.self) { try Splitter(PreTokenizer(pattern: "(a")) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("(a") == true)
    }

    /// What `Split(Regex(pattern), "isolated")` of tokenizers 0.23.3 gives.
    @Test(arguments: [
        ("x*", "abc", ["a", "b", "c"]), ("x*", "xabcx", ["x", "a", "b", "c", "x"]),
        ("x*", "xxaxbc字d", ["xx", "a", "x", "b", "c", "字", "d"]), ("(?=b)", "abab", ["a", "ba", "b"]),
        ("$", "a\nb\n", ["a", "\nb", "\n"]), ("b|(?=c)", "abcxc", ["a", "b", "cx", "c"]),
        ("^.", "ab\ncd", ["a", "b\n", "c", "d"]), ("a|(?=x)", "axaxbxx", ["a", "x", "a", "xb", "x", "x"]),
        (#"[a-z&&[^b]]++|(?<=\d)(?=(?:\d{3})+$)"#, "abc 1234567", ["a", "b", "c", " 1", "234", "567"]),
        ("(?i)ß|k", "ssSSK\u{212A}x\u{1E9E}", ["ss", "SS", "K", "\u{212A}", "x", "\u{1E9E}"]),
    ])
    func piecesAreThoseOfTokenizers(pattern: String, text: String, expected: [String]) throws {
        #expect(try Self.pieces(text, PreTokenizer(pattern: pattern)) == expected)
    }

    /// A search that takes many steps goes on place by place: the pieces are the same.
    @Test func longSearches() throws {
        let word = String(repeating: "x", count: 12)
        let text = String(repeating: word + " ", count: 50) + word + "y" + word
        let pieces = try Self.pieces(text, PreTokenizer(pattern: "(x+x+)+y"))
        #expect(pieces == [String(repeating: word + " ", count: 50), word + "y", word])
        let spaces = String(repeating: " ", count: 1 << 20)
        #expect(
            try Self.pieces(spaces + "x", PreTokenizer(pattern: #"(?:\s)+(?!\S)|\s"#)).map(\.utf8.count) == [
                1 << 20 - 1, 1, 1,
            ])
    }

    /// One match that takes too much, many that do, and one that keeps too many choices.
    @Test(arguments: [
        ("(x+x+)+y", String(repeating: "x", count: 60), 1), ("(x+x+)+y", String(repeating: "x", count: 20) + " ", 400),
        (#"\s+(?!\S)"#, " ", 5 << 20),
    ])
    func engineThatGivesUpIsAnError(pattern: String, part: String, count: Int) throws {
        let tokenizer = try Tokenizer(TokenizerFixtures.vocabulary(preTokenizer: PreTokenizer(pattern: pattern)))
        #expect(try tokenizer.encode("ab").count == 2)
        let error = #expect(throws: RecastError.self) { try tokenizer.encode(String(repeating: part, count: count)) }
        #expect(error?.code == .unsupported && error?.message.contains("takes too") == true)
    }

    @Test func manyStepsOfAPreTokenizerAreRefused() {
        let error = #expect(throws: RecastError.self) {
            try Splitter(PreTokenizer(steps: Array(repeating: .digits(individual: true), count: 100_000)))
        }
        #expect(error?.code == .unsupported)
    }
}
