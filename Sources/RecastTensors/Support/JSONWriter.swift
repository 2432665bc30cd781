extension JSON {
    /// The spelling of a document.
    package enum Style: Sendable {
        /// No white space at all.
        case compact
        /// Two spaces a level, as Python's `json.dumps(indent=2)` writes it.
        case indented
    }

    /// Which characters are written as escapes. The document is the same to every reader.
    package enum Escapes: Sendable {
        /// Those that JSON does not allow as they are.
        case required
        /// Also those that steer a terminal: DEL, C1, and characters that turn the order of what is shown.
        case terminalControls
    }

    /// The value as UTF-8 text.
    package func serialized(_ style: Style = .compact, escaping escapes: Escapes = .required) -> [UInt8] {
        var writer = JSONWriter(style: style, escapes: escapes)
        writer.write(self, level: 0)
        return writer.bytes
    }

    /// The value as a string.
    package func text(_ style: Style = .compact, escaping escapes: Escapes = .required) -> String {
        String(decoding: serialized(style, escaping: escapes), as: UTF8.self)
    }
}

private struct JSONWriter {
    let style: JSON.Style
    let escapes: JSON.Escapes
    var bytes: [UInt8] = []

    mutating func write(_ value: JSON, level: Int) {
        switch value {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .number(let number): bytes += number.text.utf8
        case .string(let text): write(text)
        case .array(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                separate(index, level: level)
                write(element, level: level + 1)
            }
            close("]", isEmpty: elements.isEmpty, level: level)
        case .object(let object):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in object.members.enumerated() {
                separate(index, level: level)
                write(member.key)
                bytes += (style == .compact ? ":" : ": ").utf8
                write(member.value, level: level + 1)
            }
            close("}", isEmpty: object.members.isEmpty, level: level)
        }
    }

    private mutating func separate(_ index: Int, level: Int) {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        breakLine(level + 1)
    }

    private mutating func close(_ bracket: Unicode.Scalar, isEmpty: Bool, level: Int) {
        if !isEmpty { breakLine(level) }
        bytes.append(UInt8(ascii: bracket))
    }

    // No document of a checkpoint is nested as deep. What is deeper stands in one line: a byte of it would be written with
    // hundreds of blanks before it.
    private static let maximumIndentedLevel = 16

    private mutating func breakLine(_ level: Int) {
        guard style == .indented, level <= Self.maximumIndentedLevel else { return }
        bytes.append(UInt8(ascii: "\n"))
        bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * level))
    }

    private mutating func write(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        switch escapes {
        case .required: writeEscaped(text.utf8)
        case .terminalControls:
            for scalar in text.unicodeScalars {
                if scalar.value >= 0x20, scalar.steersTerminals {
                    bytes += scalar.escaped.utf8
                } else {
                    writeEscaped(UTF8.encode(scalar)!)
                }
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func writeEscaped(_ text: some Sequence<UInt8>) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""): bytes += "\\\"".utf8
            case UInt8(ascii: "\\"): bytes += "\\\\".utf8
            case 0x0A: bytes += "\\n".utf8
            case 0x0D: bytes += "\\r".utf8
            case 0x09: bytes += "\\t".utf8
            case 0x08: bytes += "\\b".utf8
            case 0x0C: bytes += "\\f".utf8
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                bytes += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
            default: bytes.append(byte)
            }
        }
    }
}
