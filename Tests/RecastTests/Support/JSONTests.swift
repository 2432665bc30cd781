import Recast
import TestSupport
import Testing

struct JSONTests {
    private func parsed(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8), file: "a.json") }

    // MARK: Valid

    static let valid: [(String, JSON)] = [
        ("null", .null), ("true", true), (" false ", false), ("\t\r\n[ ]\n", []), ("{ }", [:]),
        ("0", 0), ("-0", .number(number("-0"))), ("12", 12), ("-7", -7), ("1.50", .number(number("1.50"))),
        ("1e5", .number(number("1e5"))), ("1E+05", .number(number("1E+05"))), ("0.0e-0", .number(number("0.0e-0"))),
        ("123456789012345678901234567890", .number(number("123456789012345678901234567890"))),
        ("1e999", .number(number("1e999"))),
        (#""""#, ""), (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{C}\n\r\t"), (#""\u0041\u00e9\u20AC""#, "Aé€"),
        (#""\uD83D\uDE00""#, "😀"), (#""\u0000""#, "\0"), ("\"é€😀\u{7F}\u{2028}\"", "é€😀\u{7F}\u{2028}"),
        (#""\uFFFF""#, "\u{FFFF}"), ("[1,[2,{\"a\":[]}]]", [1, [2, ["a": []]]]), (#"{"":0," ":1}"#, ["": 0, " ": 1]),
    ]

    private static func number(_ text: String) -> JSON.Number {
        try! JSON(parsing: Array("[\(text)]".utf8), file: "").array![0].number!
    }

    @Test(arguments: valid.indices)
    func accepts(_ index: Int) throws {
        let (text, value) = Self.valid[index]
        #expect(try parsed(text) == value)
    }

    @Test func keepsOrderAndSpelling() throws {
        let text = #"{"z":1e-06,"a":-0.0,"m":{"2":1E400,"1":100000000000000000000}}"#
        #expect(try parsed(text).text() == text)
    }

    /// Two spellings of the same letter are two keys.
    @Test func keysAreBytes() throws {
        let value = try parsed("{\"e\u{301}\":1,\"\u{E9}\":2}")
        #expect(value["e\u{301}"] == 1)
        #expect(value["\u{E9}"] == 2)
    }

    @Test(
        arguments: [
            ("5", 5), ("112.0", 112), ("1e3", 1000), ("-4", -4), ("1.5", nil), ("1e400", nil),
            ("9223372036854775807", Int.max),
            ("9223372036854775808", nil), ("1e18", nil),
        ] as [(String, Int?)])
    func integers(_ text: String, _ value: Int?) throws { #expect(try parsed(text).int == value) }

    /// What holds of objects of few members holds of those of many, which are looked up in another way.
    @Test(arguments: [1, 16, 17, 18, 500]) func objects(_ count: Int) throws {
        let members = (0..<count).map { JSON.Object.Member(key: "k\($0)", value: .int($0)) }
        var object = JSON.Object(uniqueMembers: members)
        #expect(try parsed(JSON.object(object).text()) == .object(object))
        #expect((0..<count).allSatisfy { object["k\($0)"] == .int($0) } && object["k\(count)"] == nil)
        object["k0"] = "new"
        object["k\(count)"] = "last"
        #expect(object["k0"] == "new" && object["k\(count)"] == "last")
        #expect(object.members.map(\.key) == (0...count).map { "k\($0)" })
        object["k0"] = nil
        #expect(object["k0"] == nil && (1..<count).allSatisfy { object["k\($0)"] == .int($0) })
        #expect(object.members.count == count && object["k\(count)"] == "last")
        var other = JSON.Object()
        for member in object.members { other[member.key] = member.value }
        #expect(other == object)
        let repeated = members.map { "\"\($0.key)\":0" } + ["\"k\(count - 1)\":1"]
        expectRejection("duplicate key \"k\(count - 1)\"", file: "a.json") {
            _ = try parsed("{" + repeated.joined(separator: ",") + "}")
        }
    }

    /// Blanks before what is deeply nested would make hundreds of bytes of one.
    @Test func indentationIsBounded() throws {
        let zeros = "[" + [String](repeating: "0", count: 10_000).joined(separator: ",") + "]"
        for depth in [0, 3, 14, 15, 16, 250] {
            let text = String(repeating: "[", count: depth) + zeros + String(repeating: "]", count: depth)
            let indented = try parsed(text).serialized(.indented)
            #expect(indented.count < 20 * text.utf8.count, "\(depth)")
            #expect(try JSON(parsing: indented, file: "") == parsed(text))
        }
        #expect(
            String(decoding: (["a": [0, [:]]] as JSON).serialized(.indented), as: UTF8.self)
                == "{\n  \"a\": [\n    0,\n    {}\n  ]\n}")
    }

    /// A whole number is an integer, any other is what it is.
    @Test(arguments: [
        (256.0, "256"), (0, "0"), (-0.0, "0"), (-3, "-3"), (144.5, "144.5"), (1e-9, "1e-09"), (1e300, "1e+300"),
        (0x1p53, "9007199254740992.0"), (.infinity, "null"), (.nan, "null"),
    ]) func wholeNumbers(_ value: Double, _ text: String) { #expect(JSON.whole(value).text() == text) }

    @Test func depth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try parsed(nested(256))
        expectRejection("nested deeper than 256", file: "a.json", at: 256) { _ = try parsed(nested(257)) }
        expectRejection("nested", at: 256) { _ = try parsed(String(repeating: "[", count: 1_000_000)) }
        let objects = String(repeating: #"{"a":"#, count: 1_000_000)
        expectRejection("nested", at: 1280) { _ = try parsed(objects) }
    }

    // MARK: Invalid

    /// What is wrong, and at which byte.
    static let invalid: [(String, String, Int)] = [
        ("", "end of JSON", 0), ("  ", "end of JSON", 2), ("\u{FEFF}{}", "expected a value", 0),
        ("nul", "expected a value", 0), ("True", "expected a value", 0), ("NaN", "expected a value", 0),
        ("-Infinity", "expected a digit", 1), ("nulls", "unexpected data", 4), ("[1] x", "unexpected data", 4),
        ("[][]", "unexpected data", 2), ("1 2", "unexpected data", 2), ("{}}", "unexpected data", 2),
        // Numbers
        ("01", "unexpected data", 1), ("-01", "unexpected data", 2), ("+1", "expected a value", 0),
        ("-", "expected a digit", 1),
        (".5", "expected a value", 0), ("1.", "expected a digit", 2), ("1.e3", "expected a digit", 2),
        ("1e", "expected a digit", 2), ("1e+", "expected a digit", 3), ("0x10", "unexpected data", 1),
        ("1_000", "unexpected data", 1), ("[1.2.3]", "expected ','", 4), ("١", "expected a value", 0),
        // Strings
        ("\"abc", "unterminated", 0), ("\"a\\", "unterminated", 3), (#""\x41""#, "unknown escape", 2),
        (#""\u12""#, "truncated", 3),
        (#""\u12G4""#, "hexadecimal", 3), (#""\uD800""#, "surrogate", 1), (#""\uDC00""#, "surrogate", 1),
        (#""\uD800\u0041""#, "surrogate", 1), (#""\uD800\n""#, "surrogate", 1), ("\"a\nb\"", "control character", 2),
        ("\"a\0b\"", "control character", 2), ("\"\\n\u{1F}\"", "control character", 3), ("'a'", "expected a value", 0),
        (#""\u00e9" ""#, "unexpected data", 9), ("\"\\uFF１1\"", "hexadecimal", 3),
        // Arrays and objects
        ("[1,]", "expected a value", 3), ("[,1]", "expected a value", 1), ("[1 2]", "expected ','", 3),
        ("[", "end of JSON", 1),
        ("[1", "end of JSON", 2), ("[1}", "expected ','", 2), ("{\"a\":1,}", "expected a key", 7),
        ("{a:1}", "expected a key", 1),
        ("{\"a\"}", "expected ':'", 4), ("{\"a\":}", "expected a value", 5), ("{1:1}", "expected a key", 1),
        ("{\"a\":1 \"b\":2}", "expected ','", 7), ("{\"a\":1]", "expected ','", 6), ("// c\n1", "expected a value", 0),
        (#"{"a":1,"b":2,"a":3}"#, #"duplicate key "a""#, 13), (#"{"a":1,"\u0061":2}"#, #"duplicate key "a""#, 7),
    ]

    @Test(arguments: invalid.indices)
    func rejects(_ index: Int) {
        let (text, message, offset) = Self.invalid[index]
        expectRejection(message, file: "a.json", at: offset) { _ = try parsed(text) }
    }

    @Test(
        arguments: [
            [0x80], [0xC3], [0xC3, 0x28], [0xC0, 0xAF], [0xE0, 0x80, 0xAF], [0xF0, 0x80, 0x80, 0xAF],
            [0xED, 0xA0, 0x80],
            [0xED, 0xB0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xE2, 0x82],
        ] as [[UInt8]])
    func rejectsInvalidUTF8(_ bytes: [UInt8]) {
        let quote = [UInt8(ascii: "\"")]
        expectRejection("invalid UTF-8", file: "a.json", at: 1) {
            _ = try JSON(parsing: quote + bytes + quote, file: "a.json")
        }
        let escaped = quote + Array("\\n".utf8) + bytes + quote
        expectRejection("invalid UTF-8", at: 1) { _ = try JSON(parsing: escaped, file: "a.json") }
        let key = Array("{".utf8) + quote + bytes + quote + Array(":1}".utf8)
        expectRejection("invalid UTF-8", at: 2) { _ = try JSON(parsing: key, file: "a.json") }
        expectRejection("", at: -1) { _ = try JSON(parsing: bytes, file: "a.json") }
    }

    // MARK: Round trips

    private static func random(_ random: inout SeededGenerator, depth: Int = 0) -> JSON {
        switch Int.random(in: 0..<(depth < 5 ? 7 : 5), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2: return .int(.random(in: .min ... .max, using: &random))
        case 3: return .double(.init(bitPattern: random.next()))
        case 4: return .string(text(&random))
        case 5:
            return .array(
                (0..<Int.random(in: 0..<5, using: &random)).map { _ in Self.random(&random, depth: depth + 1) })
        default:
            return .object(
                .init(
                    (0..<Int.random(in: 0..<5, using: &random)).map { _ in
                        (text(&random), Self.random(&random, depth: depth + 1))
                    }))
        }
    }

    private static func text(_ random: inout SeededGenerator) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 0..<8, using: &random) {
            let limit: UInt32 = Bool.random(using: &random) ? 0x80 : 0x110000
            if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &random)) {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    @Test func roundTrips() throws {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<2000 {
            let value = Self.random(&random)
            #expect(try JSON(parsing: value.serialized(), file: "") == value)
            #expect(try JSON(parsing: value.serialized(.indented), file: "") == value)
        }
    }

    /// Whatever is read is written so that it reads the same again, and nothing traps.
    @Test func damagedDocuments() throws {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<20_000 {
            let bytes = Self.random(&random).serialized(.indented).damaged(&random)
            do {
                let value = try JSON(parsing: bytes, file: "a.json")
                #expect(try JSON(parsing: value.serialized(), file: "") == value)
            } catch {
                #expect(error.code == .malformedInput)
            }
        }
    }
}
