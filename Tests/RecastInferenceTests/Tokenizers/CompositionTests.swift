import Foundation
import Testing

@testable import RecastInference

@Suite struct CompositionTests {
    @Test func rangesTakenAsComposedAre() throws {
        let inert = try NSRegularExpression(pattern: #"[^\p{NFC_Quick_Check=Yes}]|\P{Canonical_Combining_Class=0}"#)
        for range in Composition.inertRanges {
            let text = String(String.UnicodeScalarView(range.compactMap(Unicode.Scalar.init)))
            let match = inert.firstMatch(in: text, range: NSRange(location: 0, length: text.utf16.count))
            #expect(match == nil, "U+\(String(range.lowerBound, radix: 16))")
        }
    }

    @Test func inertTextIsTakenAsItIs() {
        for (text, isInert) in [
            ("", true), ("naïve", true), ("你好，世界 Ёлка 한국", true), ("e\u{301}", false), ("\u{2126}", false),
        ] {
            var text = text
            #expect(text.withUTF8 { Composition.isInert($0) } == isInert)
        }
    }

    // Expected by Python's unicodedata.
    @Test(arguments: [
        ("e\u{301}\u{323}", "\u{1EB9}\u{301}"), ("\u{2126}", "\u{3A9}"), ("\u{958}", "\u{915}\u{93C}"),
        ("\u{1100}\u{1161}\u{11A8}\u{11A8}", "\u{AC01}\u{11A8}"), ("\u{AC00}\u{11A8}", "\u{AC01}"),
        ("\u{AC01}\u{11A8}", "\u{AC01}\u{11A8}"), ("\u{1100}\u{1175}\u{11A7}\u{CF18}", "\u{AE30}\u{11A7}\u{CF18}"),
        ("a\u{345}\u{301}\u{323}\u{315}b", "\u{1EA1}\u{301}\u{315}\u{345}b"),
        ("\u{308}\u{F81}x", "\u{F71}\u{F80}\u{308}x"), ("a\u{F73}\u{340}", "\u{E0}\u{F71}\u{F72}"),
    ])
    func composition(text: String, expected: String) {
        #expect(Array(composed(text).unicodeScalars) == Array(expected.unicodeScalars))
    }

    /// Marks are sorted in one go: by exchanging neighbours it would take minutes.
    @Test func manyMarks() {
        let count = 300_000
        let text = "e" + String(repeating: "\u{301}\u{323}", count: count)
        let expected =
            "\u{1EB9}" + String(repeating: "\u{323}", count: count - 1) + String(repeating: "\u{301}", count: count)
        #expect(composed(text).utf8.elementsEqual(expected.utf8))
    }
}
