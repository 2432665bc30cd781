import Recast
import TestSupport
import Testing

struct ExpressionTests {
    private func matches(_ pattern: String, in text: String) throws -> [String] {
        var text = text
        var found: [String] = []
        try text.withUTF8 { bytes in
            var matcher = try Expression.Matcher(Expression(pattern))
            var allowance = Expression.Allowance(byteCount: bytes.count)
            try matcher.forEachMatch(in: bytes, within: &allowance) {
                found.append(String(decoding: bytes[$0], as: UTF8.self))
            }
        }
        return found
    }

    @Test func syntaxOfOniguruma() throws {
        #expect(try matches(#"\p{Han}+|\s"#, in: "a字字\u{85}b\u{B}") == ["字字", "\u{85}", "\u{B}"])
        #expect(try matches(#"[a-z&&[^b]]++|(?<=\d)(?=(?:\d{3})+$)"#, in: "abc 1234567") == ["a", "c", "", ""])
        #expect(try matches("", in: "") == [""] && matches("a", in: "").isEmpty)
        #expect(try Expression("^b").isFound(in: "a\nb") && !Expression("c").isFound(in: ""))
    }

    /// Categories are those of Unicode 16, whatever version the engine and the standard library have: alone, in sets, in sets
    /// of sets, negated in every way, and by all their names.
    @Test func categories() throws {
        // Assigned in Unicode 1, 15 and 16.
        let symbols = "+\u{1F774}\u{1F8B2}"
        #expect(try matches(#"\p{S}"#, in: "a" + symbols) == symbols.map { String($0) })
        // Of Unicode 17.
        #expect(try matches(#"\p{S}|\p{L}"#, in: "\u{20C1}\u{1F777}").isEmpty)
        #expect(try matches(#"[\p{So}a]+"#, in: "xa" + symbols) == ["a", "\u{1F774}\u{1F8B2}"])
        #expect(try matches(#"[^\s[\p{Math_Symbol}x]]+"#, in: " x\u{1F774}+y") == ["\u{1F774}", "y"])
        for pattern in [#"\P{Other_Symbol}+"#, #"\p{^so}+"#, #"[^\p{SO}]+"#, #"[\P{So}]+"#, #"[\p{^ S-o }]+"#] {
            #expect(try matches(pattern, in: "ab\u{1F8B2}c") == ["ab", "c"], "\(pattern)")
        }
        #expect(try matches(#"\\p\{L\}|\p{N}+"#, in: #"\p{L}12"#) == [#"\p{L}"#, "12"])
        #expect(try matches(#"\p{Han}\p{L}[[:alpha:]]"#, in: "字éa") == ["字éa"])
        // Members of sets that mean something between brackets.
        let categories: [(String, Unicode.GeneralCategory)] = [
            ("Pc", .connectorPunctuation), ("Pd", .dashPunctuation), ("Ps", .openPunctuation),
            ("Pe", .closePunctuation),
            ("Po", .otherPunctuation), ("Sm", .mathSymbol), ("Sk", .modifierSymbol), ("Zs", .spaceSeparator),
        ]
        let ascii = (0..<128).compactMap { Unicode.Scalar($0) }
        for (name, category) in categories {
            let expected = ascii.filter { $0.properties.generalCategory == category }.map { String($0) }
            let text = String(String.UnicodeScalarView(ascii))
            #expect(try matches("[\\p{\(name)}]", in: text) == expected, "\(name)")
        }
        let many = String(repeating: #"\p{L}"#, count: 8000)
        #expect(throws: RecastError.self) { try Expression(many) }
    }

    @Test func rejections() {
        let long = String(repeating: "a", count: Expression.longestPattern)
        for (pattern, message) in [
            ("(a", "end pattern with unmatched parenthesis"), (#"\p{Nobody}"#, "Nobody"), (long, "65536 bytes"),
            (#"(a)\1"#, #"\1 is not supported"#), (#"\Ga"#, #"\G is"#), (#"a\Kb"#, #"\K is"#),
            (#"(?<x>a)\g<x>"#, #"\g is"#), (String(repeating: "(", count: 5000), "parse depth limit over"),
        ] {
            let error = #expect(throws: RecastError.self) { try Expression(pattern) }
            #expect(error?.code == .unsupported && error?.message.contains(message) == true, "\(error?.message ?? "")")
        }
        #expect(throws: Never.self) { try Expression(#"\\1"#) }
    }

    /// Repeated groups in each other, of which every step costs as much as they are deep: some are enough for anybody.
    @Test func groupsInGroups() {
        func nested(_ depth: Int) -> String {
            String(repeating: "(", count: depth) + "x" + String(repeating: ")*", count: depth)
        }
        #expect(throws: Never.self) { try Expression(nested(5)) }
        for depth in [20, 230] {
            let error = #expect(throws: RecastError.self) { try Expression(nested(depth)) }
            #expect(error?.code == .unsupported)
        }
    }
}
