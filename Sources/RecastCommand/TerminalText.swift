import Recast

/// Text that a terminal can be trusted with.
///
/// What a program says of a file is made of what the file says: names, values, reasons. Where such a string becomes part of
/// this text, what steers terminals is spelled as JSON spells it, `\u001b`, and so are line breaks. A literal in the source
/// stays as it is. Standard output takes nothing else, so that no string can be forgotten.
struct TerminalText: ExpressibleByStringInterpolation, Sendable, Equatable {
    private(set) var string: String

    init(stringLiteral value: String) { string = value }

    init(stringInterpolation interpolation: Interpolation) { string = interpolation.string }

    /// A name, a value, a message: whatever may come from a file.
    init(escaping text: String) { string = Self.escaped(text) { $0.steersTerminals } }

    /// Lines with what a user has typed.
    init(escapingAllButLineBreaks text: String) { string = Self.escaped(text) { $0.steersTerminals && $0 != "\n" } }

    /// Text for people to read, such as a model writes. Joiners are part of words and of signs; other format characters are
    /// not worth a look, but those that turn the order of the line are.
    init(escapingProse text: String) {
        string = Self.escaped(text) { scalar in
            switch scalar.properties.generalCategory {
            case .format: scalar.properties.isBidiControl
            default: scalar.steersTerminals && scalar != "\n" && scalar != "\t"
            }
        }
    }

    /// Text that this program has made with nothing of a file in it: help, scripts for shells.
    init(verbatim text: String) { string = text }

    private static func escaped(_ text: String, where isEscaped: (Unicode.Scalar) -> Bool) -> String {
        guard text.unicodeScalars.contains(where: isEscaped) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isEscaped(scalar) { result += spelling(scalar) } else { result.unicodeScalars.append(scalar) }
        }
        return result
    }

    private static func spelling(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\n": "\\n"
        case "\r": "\\r"
        case "\t": "\\t"
        default: scalar.escaped
        }
    }

    struct Interpolation: StringInterpolationProtocol {
        fileprivate var string = ""

        init(literalCapacity: Int, interpolationCount: Int) {}

        mutating func appendLiteral(_ literal: String) { string += literal }
        mutating func appendInterpolation(_ text: TerminalText) { string += text.string }
        mutating func appendInterpolation(_ text: String) { string += TerminalText(escaping: text).string }
        mutating func appendInterpolation(_ number: some BinaryInteger) { string += String(number) }
    }

    static func + (a: TerminalText, b: TerminalText) -> TerminalText { TerminalText(verbatim: a.string + b.string) }
    static func += (a: inout TerminalText, b: TerminalText) { a.string += b.string }
}

extension Sequence<TerminalText> {
    func joined(separator: String) -> TerminalText {
        TerminalText(verbatim: map(\.string).joined(separator: separator))
    }
}

/// The text of a model on its way to a terminal: tokens end within characters, and a model may have been taught commands.
struct ModelText {
    /// The beginning of a character.
    private var pending: [UInt8] = []

    /// What can be shown once these bytes have come; what is no UTF-8 becomes U+FFFD.
    mutating func append(_ bytes: [UInt8]) -> TerminalText {
        pending += bytes
        let complete = pending.count - Self.unfinishedByteCount(pending)
        defer { pending.removeFirst(complete) }
        return TerminalText(escapingProse: String(decoding: pending[..<complete], as: UTF8.self))
    }

    /// What is left when no more comes.
    mutating func end() -> TerminalText {
        defer { pending = [] }
        return TerminalText(escapingProse: String(decoding: pending, as: UTF8.self))
    }

    /// How many bytes at the end may be the beginning of a character.
    private static func unfinishedByteCount(_ bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            switch bytes[bytes.count - count] {
            case 0x80..<0xC0: continue
            case 0xC0..<0xE0: return count < 2 ? count : 0
            case 0xE0..<0xF0: return count < 3 ? count : 0
            case 0xF0..<0xF8: return count < 4 ? count : 0
            default: return 0
            }
        }
        return 0
    }
}
