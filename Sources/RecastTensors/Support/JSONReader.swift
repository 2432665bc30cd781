/// A strict JSON parser (RFC 8259) over bytes: it keeps order, refuses duplicate keys and invalid UTF-8, and every
/// error carries the byte offset. Depth is limited, so hostile input cannot exhaust the stack.
///
/// It can be pulled value by value, which reads a large safetensors header without building a tree.
package struct JSONReader {
    static let maximumDepth = 256

    private let bytes: UnsafeBufferPointer<UInt8>
    package private(set) var offset = 0
    private let file: String
    private let base: Int

    /// - Parameters:
    ///   - file: names the source in errors.
    ///   - base: the offset of the first byte in that source.
    package init(_ bytes: UnsafeBufferPointer<UInt8>, file: String, base: Int = 0) {
        self.bytes = bytes
        self.file = file
        self.base = base
    }

    package func failure(_ message: String, at place: Int? = nil) -> RecastError {
        .malformed(file, at: base + (place ?? offset), message)
    }

    // MARK: Values

    package mutating func readValue(depth: Int = 0) throws(RecastError) -> JSON {
        guard depth < Self.maximumDepth else { throw failure("JSON nested deeper than \(Self.maximumDepth) levels") }
        switch try peek() {
        case UInt8(ascii: "{"):
            var object = JSON.Object()
            try readMembers(isThere: { object.contains($0) }) { (reader, key) throws(RecastError) in
                object.append(key, try reader.readValue(depth: depth + 1))
            }
            return .object(object)
        case UInt8(ascii: "["):
            var elements: [JSON] = []
            try readArray { (reader) throws(RecastError) in elements.append(try reader.readValue(depth: depth + 1)) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try readString())
        case UInt8(ascii: "t"): return try readLiteral("true", .bool(true))
        case UInt8(ascii: "f"): return try readLiteral("false", .bool(false))
        case UInt8(ascii: "n"): return try readLiteral("null", .null)
        default: return .number(try readNumber())
        }
    }

    /// Calls `member` for each key, standing before its value, which `member` must consume.
    package mutating func readObject(
        _ member: (inout JSONReader, String) throws(RecastError) -> Void
    ) throws(RecastError) {
        var keys = Set<ByteString>()
        try readMembers(isThere: { !keys.insert(ByteString($0)).inserted }, member)
    }

    /// - Parameter isThere: whether a key has been before.
    private mutating func readMembers(
        isThere: (String) -> Bool, _ member: (inout JSONReader, String) throws(RecastError) -> Void
    ) throws(RecastError) {
        try expect("{")
        if try peek() == UInt8(ascii: "}") {
            offset += 1
            return
        }
        while true {
            guard try peek() == UInt8(ascii: "\"") else { throw failure("expected a key") }
            let place = offset
            let key = try readString()
            guard !isThere(key) else { throw failure("duplicate key \"\(key)\"", at: place) }
            try expect(":")
            try member(&self, key)
            guard try continues(until: "}") else { return }
        }
    }

    /// Calls `element` for each element, which it must consume.
    package mutating func readArray(_ element: (inout JSONReader) throws(RecastError) -> Void) throws(RecastError) {
        try expect("[")
        if try peek() == UInt8(ascii: "]") {
            offset += 1
            return
        }
        while true {
            try element(&self)
            guard try continues(until: "]") else { return }
        }
    }

    /// A non-negative integer that fits `Int`.
    package mutating func readNatural() throws(RecastError) -> Int {
        _ = try peek()
        let place = offset
        guard let value = Int(try readNumber().text), value >= 0 else {
            throw failure("expected a non-negative integer below 2^63", at: place)
        }
        return value
    }

    package mutating func readString() throws(RecastError) -> String {
        try expect("\"")
        let start = offset
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                defer { offset += 1 }
                return try text(start..<offset)
            case UInt8(ascii: "\\"): return try readEscapedString(from: start)
            case 0..<0x20: throw failure("control character in a string")
            default: offset += 1
            }
        }
        throw failure("unterminated string", at: start - 1)
    }

    /// Nothing but white space may follow.
    package mutating func finish() throws(RecastError) {
        skipSpace()
        guard offset == bytes.count else { throw failure("unexpected data after the JSON value") }
    }

    // MARK: Pieces

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x0A, 0x0D, 0x09: offset += 1
            default: return
            }
        }
    }

    /// The next byte that is not white space, without consuming it.
    package mutating func peek() throws(RecastError) -> UInt8 {
        skipSpace()
        guard offset < bytes.count else { throw failure("unexpected end of JSON") }
        return bytes[offset]
    }

    mutating func expect(_ character: Unicode.Scalar) throws(RecastError) {
        guard try peek() == UInt8(ascii: character) else { throw failure("expected '\(character)'") }
        offset += 1
    }

    private mutating func continues(until end: Unicode.Scalar) throws(RecastError) -> Bool {
        switch try peek() {
        case UInt8(ascii: ","):
            offset += 1
            return true
        case UInt8(ascii: end):
            offset += 1
            return false
        default: throw failure("expected ',' or '\(end)'")
        }
    }

    private mutating func readLiteral(_ word: StaticString, _ value: JSON) throws(RecastError) -> JSON {
        let count = word.utf8CodeUnitCount
        let matches =
            offset + count <= bytes.count && (0..<count).allSatisfy { bytes[offset + $0] == word.utf8Start[$0] }
        guard matches else { throw failure("expected a value") }
        offset += count
        return value
    }

    private mutating func readNumber() throws(RecastError) -> JSON.Number {
        let start = offset
        let isNegative = takes("-", "-")
        guard offset < bytes.count, (0x30...0x39).contains(bytes[offset]) else {
            throw failure(isNegative ? "expected a digit" : "expected a value", at: isNegative ? offset : start)
        }
        if !takes("0", "0") { try readDigits() }
        if takes(".", ".") { try readDigits() }
        if takes("e", "E") {
            _ = takes("+", "-")
            try readDigits()
        }
        return JSON.Number(validated: try text(start..<offset))
    }

    private mutating func readDigits() throws(RecastError) {
        let first = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        if offset == first { throw failure("expected a digit") }
    }

    private mutating func takes(_ one: Unicode.Scalar, _ other: Unicode.Scalar) -> Bool {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: one) || bytes[offset] == UInt8(ascii: other) else {
            return false
        }
        offset += 1
        return true
    }

    private func text(_ range: Range<Int>) throws(RecastError) -> String {
        guard let text = String(validating: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self) else {
            throw failure("invalid UTF-8 in a string", at: range.lowerBound)
        }
        return text
    }

    private mutating func readEscapedString(from start: Int) throws(RecastError) -> String {
        var buffer = Array(bytes[start..<offset])
        while offset < bytes.count {
            let byte = bytes[offset]
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: buffer, as: UTF8.self) else {
                    throw failure("invalid UTF-8 in a string", at: start)
                }
                return text
            case UInt8(ascii: "\\"): try readEscape(into: &buffer)
            case 0..<0x20: throw failure("control character in a string", at: offset - 1)
            default: buffer.append(byte)
            }
        }
        throw failure("unterminated string", at: start - 1)
    }

    private mutating func readEscape(into buffer: inout [UInt8]) throws(RecastError) {
        guard offset < bytes.count else { throw failure("unterminated string") }
        let byte = bytes[offset]
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(byte)
        case UInt8(ascii: "b"): buffer.append(0x08)
        case UInt8(ascii: "f"): buffer.append(0x0C)
        case UInt8(ascii: "n"): buffer.append(0x0A)
        case UInt8(ascii: "r"): buffer.append(0x0D)
        case UInt8(ascii: "t"): buffer.append(0x09)
        case UInt8(ascii: "u"):
            let place = offset - 2
            var code = try readHexadecimal()
            if (0xD800..<0xDC00).contains(code) {
                guard offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"),
                    bytes[offset + 1] == UInt8(ascii: "u")
                else { throw failure("unpaired surrogate", at: place) }
                offset += 2
                let low = try readHexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw failure("unpaired surrogate", at: place) }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw failure("unpaired surrogate", at: place) }
            buffer.append(contentsOf: UTF8.encode(scalar)!)
        default: throw failure("unknown escape", at: offset - 1)
        }
    }

    private mutating func readHexadecimal() throws(RecastError) -> UInt32 {
        guard offset + 4 <= bytes.count else { throw failure("truncated \\u escape") }
        var code: UInt32 = 0
        for byte in bytes[offset..<offset + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw failure("expected four hexadecimal digits")
            }
            code = code << 4 | UInt32(digit)
        }
        offset += 4
        return code
    }
}

extension JSON {
    /// Parses a whole document.
    ///
    /// - Parameter file: names the source in errors.
    /// - Throws: `malformedInput` with the byte offset.
    package init(parsing bytes: [UInt8], file: String) throws(RecastError) {
        self = try bytes.withBytes { (buffer) throws(RecastError) in
            var reader = JSONReader(buffer.bindMemory(to: UInt8.self), file: file)
            let value = try reader.readValue()
            try reader.finish()
            return value
        }
    }
}
