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
