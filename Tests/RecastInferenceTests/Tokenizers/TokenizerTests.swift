import Recast
import TestSupport
import Testing

@testable import RecastInference

@Suite struct TokenizerTests {
    private typealias Added = Vocabulary.AddedToken

    private static func added(_ content: String, isSpecial: Bool = false, _ change: (inout Added) -> Void = { _ in })
        -> Added
    {
        var token = Added(id: 0, content: content, isSpecial: isSpecial)
        change(&token)
        return token
    }

    private static func ids(_ text: String) -> [Int32] { text.utf8.map { Int32($0) } }

    @Test func mergesByRankLeftmostFirst() throws {
        // aaa: the left pair merges; abc: "bc" ranks before "ab".
        let tokenizer = try Tokenizer(
            TokenizerFixtures.vocabulary(merges: [("a", "a"), ("b", "c"), ("a", "b"), ("aa", "aa")]))
        #expect(try tokenizer.encode("aaa") == [256, 97])
        #expect(try tokenizer.encode("abc") == [97, 257])
        #expect(try tokenizer.encode("abab") == [258, 258])
        #expect(try tokenizer.encode("aaaaa") == [259, 97])
        #expect(try tokenizer.encode("") == [])
    }

    /// As `tokenizers` and llama.cpp have it: no id at all, unless the model has a token for what it does not know.
    @Test func bytesWithoutAToken() throws {
        var vocabulary = TokenizerFixtures.vocabulary(merges: [])
        vocabulary.tokens[0x1D] = "<unk>"
        vocabulary.special.unknown = 0x1D
        #expect(try Tokenizer(vocabulary).encode("a\u{1D}b") == [97, 98])
        vocabulary.spellsUnknown = true
        #expect(try Tokenizer(vocabulary).encode("a\u{1D}b") == [97, 0x1D, 98])
    }

    @Test func everyTextComesBack() throws {
        let tokenizer = try Tokenizer(
            TokenizerFixtures.vocabulary(merges: [("t", "h"), (" ", "th")]))
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<150 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...60, using: &generator) {
                let limit = [0x80, 0x800, 0x10000, 0x110000].randomElement(using: &generator)!
                if let scalar = Unicode.Scalar(UInt32.random(in: 0..<UInt32(limit), using: &generator)) {
                    text.append(scalar)
                }
            }
            let ids = try tokenizer.encode(String(text))
            #expect(tokenizer.decode(ids).utf8.elementsEqual(String(text).utf8))
            #expect(tokenizer.decodedBytes(ids) == Array(String(text).utf8))
        }
    }

    @Test func longPiecesMergeAsShortOnesDo() throws {
        // The two ways of merging, by scan and by queue, on the same random letters.
        var merges = MergeTable(capacity: 40)
        var generator = SeededGenerator(seed: 11)
        for rank in 0..<40 {
            merges.insert(
                .random(in: 0..<12, using: &generator), .random(in: 0..<12, using: &generator), rank: rank,
                result: .random(in: 0..<12, using: &generator))
        }
        for _ in 0..<200 {
            let symbols = (0..<Int.random(in: 2...90, using: &generator)).map { _ in
                Int32.random(in: 0..<12, using: &generator)
            }
            var (scanned, queued) = (symbols, symbols)
            let scannedCount = scanned.withUnsafeMutableBufferPointer { merges.merge($0) }
            let queuedCount = queued.withUnsafeMutableBufferPointer { merges.mergeQueued($0) }
            #expect(scanned[..<scannedCount] == queued[..<queuedCount])
        }
    }

    @Test(arguments: [" ", "a", "\n", "!", "字"])
    func longRunsEnd(unit: String) throws {
        let merges = [(" ", " "), ("  ", "  "), ("a", "a"), ("aa", "aa"), ("!", "!"), ("\n", "\n")]
        let text = String(repeating: unit, count: (1 << 20) / unit.utf8.count)
        let tokenizer = try Tokenizer(TokenizerFixtures.vocabulary(merges: merges, preTokenizer: .llama3))
        let ids = try tokenizer.encode(text + "x")
        #expect(tokenizer.decode(ids) == text + "x")
    }

    @Test func canonicallyEquivalentTokensAreDifferent() throws {
        let (composed, decomposed) = ("\u{E9}", "e\u{301}")
        let tokenizer = try Tokenizer(
            TokenizerFixtures.vocabulary(added: [Self.added(composed), Self.added(decomposed)]))
        #expect(try tokenizer.encode(composed) == [256])
        #expect(try tokenizer.encode(decomposed) == [257])
        #expect(Array(tokenizer.decode([256, 257]).unicodeScalars) == ["\u{E9}", "e", "\u{301}"])
    }

    @Test func wholePieceIsTakenWithoutMerges() throws {
        var vocabulary = TokenizerFixtures.vocabulary(merges: [("a", "b")])
        vocabulary.tokens += ["abc", "<s>"]
        vocabulary.kinds += [.normal, .control]
        vocabulary.addedTokens = [Added(id: 258, content: "<s>", isSpecial: true)]
        #expect(try Tokenizer(vocabulary).encode("abc") == [256, 99])
        vocabulary.ignoresMerges = true
        vocabulary.preTokenizer = PreTokenizer(steps: [])
        #expect(try Tokenizer(vocabulary).encode("abc") == [257])
        #expect(try Tokenizer(vocabulary).encode("<s>", parsingSpecial: false) == Self.ids("<s>"))
    }

    @Test func specialTokens() throws {
        var vocabulary = TokenizerFixtures.vocabulary(added: [Self.added("<s>", isSpecial: true), Self.added("<u>")])
        vocabulary.special.bos = 256
        vocabulary.special.eos = 256
        vocabulary.addsBOS = true
        let tokenizer = try Tokenizer(vocabulary)
        #expect(try tokenizer.encode("a<s><u>") == [97, 256, 257])
        #expect(try tokenizer.encode("<s><u>", parsingSpecial: false) == Self.ids("<s>") + [257])
        #expect(try tokenizer.encode("a", addingSpecial: true) == [256, 97])
        #expect(try tokenizer.encode("", addingSpecial: true) == [256])
        vocabulary.addsEOS = true
        #expect(try Tokenizer(vocabulary).encode("a", addingSpecial: true) == [256, 97, 256])
        #expect(
            tokenizer.isSpecial(256) && !tokenizer.isSpecial(257) && !tokenizer.isSpecial(-1)
                && !tokenizer.isSpecial(999))
        #expect(tokenizer.decode([97, 256, 257, -1, 999]) == "a<s><u>")
        #expect(tokenizer.decode([97, 256, 257], skippingSpecial: true) == "a<u>")
        #expect(tokenizer.decode([0xE2, 0x82]) == "\u{FFFD}" && tokenizer.decodedBytes([0xE2, 0x82]) == [0xE2, 0x82])
    }

    @Test func addedTokensMatchLongestAtTheEarliestPlace() throws {
        let tokenizer = try Tokenizer(
            TokenizerFixtures.vocabulary(added: [
                Self.added("ab"), Self.added("abcd"), Self.added("bcdef"), Self.added("b"),
            ]))
        #expect(try tokenizer.encode("abcdef") == [257] + Self.ids("ef"))
        #expect(try tokenizer.encode("abcx") == [256] + Self.ids("cx"))
        #expect(try tokenizer.encode("xbcdab") == [120, 259] + Self.ids("cd") + [256])
    }

    @Test func addedTokensTakeSpacesAlong() throws {
        let tokenizer = try Tokenizer(
            TokenizerFixtures.vocabulary(added: [
                Self.added("<l>") { $0.stripsLeft = true }, Self.added("<r>") { $0.stripsRight = true },
            ]))
        #expect(try tokenizer.encode("a \u{3000}\n<l> b") == [97, 256] + Self.ids(" b"))
        #expect(try tokenizer.encode("a <r> \u{A0}b") == Self.ids("a ") + [257, 98])
        #expect(try tokenizer.encode(" <r> <l> ") == [32, 257, 256, 32])
    }

    @Test func addedTokensWithinSpacesTakenAlong() throws {
        // As tokenizers 0.23 has it: found again, unless what is left of the match is nothing.
        for (stripsLeft, expected) in [(false, [256, 257, 257, 97]), (true, [256, 97])] as [(Bool, [Int32])] {
            let tokenizer = try Tokenizer(
                TokenizerFixtures.vocabulary(added: [
                    Self.added("<r>") { $0.stripsRight = true },
                    Self.added("\n") { ($0.stripsRight, $0.stripsLeft) = (true, stripsLeft) },
                ]))
            #expect(try tokenizer.encode("<r> \n\na") == expected)
        }
    }

    /// Found by an automaton: the same as looking at each place.
    @Test func addedTokensOfFewLetters() throws {
        var random = SeededGenerator(seed: 23)
        for _ in 0..<200 {
            let strings = (0..<Int.random(in: 1...12, using: &random)).map { _ in
                (0..<Int.random(in: 0...6, using: &random)).map { _ in ["a", "b", "é"].randomElement(using: &random)! }
                    .joined()
            }
            let text = (0..<40).map { _ in ["a", "b", "é", "c"].randomElement(using: &random)! }.joined()
            let finder = StringFinder(strings)
            let bytes = Array(text.utf8)
            let found = bytes.withUnsafeBufferPointer { finder.matches(in: $0) }
            let expected = bytes.indices.reversed().compactMap { start in
                let fitting = strings.filter { !$0.isEmpty && bytes[start...].starts(with: $0.utf8) }
                return fitting.max { $0.utf8.count < $1.utf8.count }.map { (start, $0) }
            }
            #expect(found.map(\.start) == expected.map(\.0))
            #expect(found.map { strings[Int($0.value)] } == expected.map(\.1))
        }
    }

    /// In time that grows with the text: the square would take minutes.
    @Test func addedTokensInLongRunsEnd() throws {
        let almost = String(repeating: "a", count: Vocabulary.longestPiece - 1)
        let tokenizer = try Tokenizer(
            TokenizerFixtures.vocabulary(added: [
                Self.added(almost + "b"), Self.added("b" + almost), Self.added("\n") { $0.stripsRight = true },
            ]))
        #expect(try tokenizer.encode(String(repeating: "a", count: 2 << 20)).count == 2 << 20)
        #expect(try tokenizer.encode("xb" + almost) == [120, 257])
        #expect(try tokenizer.encode("x" + String(repeating: "\n", count: 1 << 20)).count == 1 + 1 << 20)
    }

    @Test func addedTokensAtWordBoundaries() throws {
        let tokenizer = try Tokenizer(
            TokenizerFixtures.vocabulary(added: [Self.added("cat") { $0.isSingleWord = true }]))
        #expect(try tokenizer.encode("cat") == [256])
        #expect(try tokenizer.encode("-cat.") == [45, 256, 46])
        for text in ["cats", "1cat", "cat_", "éacat", "cat\u{301}"] {
            #expect(try tokenizer.encode(text) == Self.ids(text))
        }
    }

    @Test func addedTokensAroundNormalisation() throws {
        var vocabulary = TokenizerFixtures.vocabulary(added: [
            Self.added("e\u{301}!") { $0.isNormalized = true }, Self.added("a\u{308}"),
        ])
        vocabulary.normalizer = .nfc
        let tokenizer = try Tokenizer(vocabulary)
        #expect(try tokenizer.encode("é!") == [256])
        #expect(try tokenizer.encode("e\u{301}!") == [256])
        #expect(try tokenizer.encode("a\u{308}") == [257])
        #expect(try tokenizer.encode("\u{E4}") == Self.ids("\u{E4}"))
        #expect(try tokenizer.encode("o\u{308}") == Self.ids("\u{F6}"))
        #expect(try tokenizer.encode("\u{2126}\u{1100}\u{1161}") == Self.ids("\u{3A9}\u{AC00}"))
    }

    @Test func prefixSpace() throws {
        var vocabulary = TokenizerFixtures.vocabulary(added: [Self.added("<u>")])
        vocabulary.addsPrefixSpace = true
        let tokenizer = try Tokenizer(vocabulary)
        #expect(try tokenizer.encode("a<u>b c") == Self.ids(" a") + [256] + Self.ids(" b c"))
        #expect(try tokenizer.encode(" a") == Self.ids(" a"))
        #expect(try tokenizer.encode("") == [])
    }

    struct Rejection: Sendable {
        var message: String
        var change: @Sendable (inout Vocabulary) -> Void

        init(_ message: String, _ change: @escaping @Sendable (inout Vocabulary) -> Void) {
            self.message = message
            self.change = change
        }
    }

    @Test(arguments: [
        Rejection("not a finite score for each") { $0.model = .sentencePieceBPE },
        Rejection("not a finite score for each") { $0.model = .unigram },
        Rejection("kinds") { $0.kinds.removeLast() },
        Rejection("added token") { $0.addedTokens = [.init(id: 256, content: "x", isSpecial: false)] },
        Rejection("added token") { $0.addedTokens = [.init(id: -1, content: "x", isSpecial: false)] },
        Rejection("longer than 4096 bytes") {
            $0.addedTokens = [.init(id: 7, content: String(repeating: "a", count: 4097), isSpecial: false)]
        },
        Rejection("BOS") { $0.special.bos = 256 },
        Rejection("unknown") { $0.special.unknown = -1 },
        Rejection("there is no token \"ab\"") { $0.merges = [.init("a", "b")] },
        Rejection("there is no token \"xy\"") { $0.merges = [.init("xy", "b")] },
        Rejection("(((") { $0.preTokenizer = PreTokenizer(pattern: "(((") },
    ])
    func rejected(_ rejection: Rejection) {
        var vocabulary = TokenizerFixtures.vocabulary()
        rejection.change(&vocabulary)
        let error = #expect(throws: RecastError.self) { try Tokenizer(vocabulary) }
        #expect(error?.message.contains(rejection.message) == true, "\(error?.message ?? "")")
    }
}
