import Recast

/// A piece of a template.
struct TemplateToken: Equatable {
    enum Kind: Equatable {
        /// Text that is written as it stands.
        case text([Unicode.Scalar])
        case blockStart, blockEnd, outputStart, outputEnd
        case name(String)
        case string(String)
        case int(Int)
        case float(Double)
        case sign(String)
        case end
    }

    var kind: Kind
    var line: Int

    /// As messages call it.
    var description: String {
        switch kind {
        case .text: "text"
        case .blockStart: "{%"
        case .blockEnd: "%}"
        case .outputStart: "{{"
        case .outputEnd: "}}"
        case .name(let name): name
        case .string(let text): "\"\(text)\""
        case .int(let value): "\(value)"
        case .float(let value): "\(value)"
        case .sign(let sign): sign
        case .end: "the end of the template"
        }
    }
}

/// Cuts a template into tokens as Jinja does with `trim_blocks` and `lstrip_blocks`: the line break after a tag goes, and
/// so does white space between the beginning of a line and a tag.
///
/// Source: jinja2's `lexer.py`.
struct TemplateLexer {
    private let source: [Unicode.Scalar]
    private var offset = 0
    private var line = 1
    private var tokens: [TemplateToken] = []
    /// Whether what was read last ends with a line break.
    private var isAtLineStart = true

    /// - Throws: `malformedInput` with the line.
    static func tokens(of source: String) throws(RecastError) -> [TemplateToken] {
        var lexer = TemplateLexer(source)
        try lexer.readAll()
        return lexer.tokens
    }

    private init(_ text: String) {
        var source: [Unicode.Scalar] = []
        source.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            // One line break for each, and none at the end.
            if scalar == "\n", source.last == "\r" { source.removeLast() }
            source.append(scalar)
        }
        for index in source.indices where source[index] == "\r" { source[index] = "\n" }
        if source.last == "\n" { source.removeLast() }
        self.source = source
    }

    private func failure(_ message: String) -> RecastError {
        RecastError(.malformedInput, message, trail: ["line \(line)"])
    }

    private mutating func add(_ kind: TemplateToken.Kind) { tokens.append(TemplateToken(kind: kind, line: line)) }

    // MARK: Text

    private mutating func readAll() throws(RecastError) {
        while offset < source.count {
            guard let start = nextTag(from: offset) else {
                add(.text(Array(source[offset...])))
                advance(to: source.count)
                break
            }
            let kind = source[start + 1]
            var body = start + 2
            let sign = body < source.count && (source[body] == "-" || source[body] == "+") ? source[body] : nil
            if sign != nil { body += 1 }
            let raw = kind == "%" ? endOfRawTag(from: body) : nil
            addText(offset..<start, before: sign, isOutput: kind == "{")
            switch kind {
            case "{":
                add(.outputStart)
                advance(to: body)
                try readCode(until: "}", .outputEnd)
            case "#":
                advance(to: body)
                try readComment()
            default:
                if let raw {
                    advance(to: raw)
                    try readRaw()
                } else {
                    add(.blockStart)
                    advance(to: body)
                    try readCode(until: "%", .blockEnd)
                }
            }
        }
        add(.end)
    }

    private func nextTag(from start: Int) -> Int? {
        var index = start
        while index + 1 < source.count {
            if source[index] == "{", source[index + 1] == "{" || source[index + 1] == "%" || source[index + 1] == "#" {
                return index
            }
            index += 1
        }
        return nil
    }

    /// Text before a tag, without the white space that goes with the tag.
    private mutating func addText(_ range: Range<Int>, before sign: Unicode.Scalar?, isOutput: Bool) {
        var end = range.upperBound
        if sign == "-" {
            while end > range.lowerBound, source[end - 1].isPythonSpace { end -= 1 }
        } else if sign == nil, !isOutput {
            var start = end
            while start > range.lowerBound, source[start - 1] != "\n" { start -= 1 }
            let isLineStart = start > range.lowerBound || isAtLineStart
            if isLineStart, source[start..<end].allSatisfy(\.isPythonSpace) { end = start }
        }
        if end > range.lowerBound { add(.text(Array(source[range.lowerBound..<end]))) }
        advance(to: range.upperBound)
    }

    private mutating func advance(to end: Int) {
        for scalar in source[offset..<end] where scalar == "\n" { line += 1 }
        if end > offset { isAtLineStart = source[end - 1] == "\n" }
        offset = end
    }

    // MARK: Ends of tags

    private func matches(_ text: String, at place: Int) -> Bool {
        let text = Array(text.unicodeScalars)
        return place + text.count <= source.count && source[place..<place + text.count].elementsEqual(text)
    }

    private func spaceEnd(from start: Int) -> Int {
        source[start...].firstIndex { !$0.isPythonSpace } ?? source.count
    }

    /// The end of a tag's end that begins at `place`, with the white space that goes with it; nil where there is none.
    private func tagEnd(_ mark: String, at place: Int) -> Int? {
        if matches("-" + mark + "}", at: place) { return spaceEnd(from: place + mark.count + 2) }
        if mark != "}", matches("+" + mark + "}", at: place) { return place + mark.count + 2 }
        guard matches(mark + "}", at: place) else { return nil }
        let end = place + mark.count + 1
        return mark != "}" && end < source.count && source[end] == "\n" ? end + 1 : end
    }

    private mutating func readComment() throws(RecastError) {
        let first = line
        for place in offset..<source.count {
            // The mark's sign comes first, and is found first.
            if let end = tagEnd("#", at: place) { return advance(to: end) }
        }
        throw RecastError(.malformedInput, "a comment that does not end: expected #}", trail: ["line \(first)"])
    }

    /// Where a raw block's text begins, if the tag that goes on at `place` is its beginning.
    private func endOfRawTag(from place: Int) -> Int? {
        let name = spaceEnd(from: place)
        guard matches("raw", at: name) else { return nil }
        let end = spaceEnd(from: name + 3)
        if matches("-%}", at: end) { return spaceEnd(from: end + 3) }
        return matches("%}", at: end) ? end + 2 : nil
    }

    private mutating func readRaw() throws(RecastError) {
        let first = line
        for place in offset..<source.count where matches("{%", at: place) {
            var body = place + 2
            let sign = body < source.count && (source[body] == "-" || source[body] == "+") ? source[body] : nil
            if sign != nil { body += 1 }
            body = spaceEnd(from: body)
            guard matches("endraw", at: body), let end = tagEnd("%", at: spaceEnd(from: body + 6)) else { continue }
            addText(offset..<place, before: sign, isOutput: false)
            return advance(to: end)
        }
        throw RecastError(.malformedInput, "a raw block that does not end: expected endraw", trail: ["line \(first)"])
    }

    // MARK: Code

    private static let pairs: [Unicode.Scalar: Unicode.Scalar] = ["(": ")", "[": "]", "{": "}"]
    private static let signs = [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=",
        ".", ":", "|", ",", ";",
    ]

    private mutating func readCode(until mark: String, _ end: TemplateToken.Kind) throws(RecastError) {
        let first = line
        var open: [Unicode.Scalar] = []
        while offset < source.count {
            if open.isEmpty, let place = tagEnd(mark, at: offset) {
                add(end)
                return advance(to: place)
            }
            let scalar = source[offset]
            if scalar.isPythonSpace {
                advance(to: spaceEnd(from: offset))
            } else if ("0"..."9").contains(scalar) {
                try readNumber()
            } else if scalar == "_" || scalar.properties.isXIDStart {
                let stop = source[offset...].firstIndex { !($0 == "_" || $0.properties.isXIDContinue) } ?? source.count
                add(.name(String(String.UnicodeScalarView(source[offset..<stop]))))
                advance(to: stop)
            } else if scalar == "'" || scalar == "\"" {
                try readString(quote: scalar)
            } else if let sign = Self.signs.first(where: { matches($0, at: offset) }) {
                if let close = Self.pairs[scalar] { open.append(close) }
                if Self.pairs.values.contains(scalar) {
                    guard let expected = open.popLast() else { throw failure("an unexpected \(scalar)") }
                    guard expected == scalar else { throw failure("an unexpected \(scalar): expected \(expected)") }
                }
                add(.sign(sign))
                advance(to: offset + sign.count)
            } else {
                throw failure("an unexpected character \"\(scalar)\"")
            }
        }
        throw RecastError(.malformedInput, "a tag that does not end: expected \(mark)}", trail: ["line \(first)"])
    }

    private func digits(from start: Int) -> Int {
        source[start...].firstIndex { !(("0"..."9").contains($0) || $0 == "_") } ?? source.count
    }

    private mutating func readNumber() throws(RecastError) {
        let next = offset + 1 < source.count ? source[offset + 1] : " "
        if source[offset] == "0", "bBoOxX".unicodeScalars.contains(next) {
            throw .unsupported("numbers in other bases than ten are not supported", line)
        }
        var end = digits(from: offset)
        var isWhole = true
        func isDigit(_ place: Int) -> Bool { place < source.count && ("0"..."9").contains(source[place]) }
        // `a.0.1` are two places, no fraction.
        let follows = offset > 0 && source[offset - 1] == "."
        if !follows, end < source.count, source[end] == ".", isDigit(end + 1) {
            end = digits(from: end + 1)
            isWhole = false
        }
        if !follows, end < source.count, source[end] == "e" || source[end] == "E" {
            let hasSign = end + 1 < source.count && (source[end + 1] == "+" || source[end + 1] == "-")
            let place = end + (hasSign ? 2 : 1)
            if isDigit(place) {
                end = digits(from: place)
                isWhole = false
            }
        }
        let text = String(String.UnicodeScalarView(source[offset..<end].filter { $0 != "_" }))
        if isWhole {
            guard let value = Int(text) else { throw failure("the number \(text) is too large") }
            add(.int(value))
        } else {
            add(.float(Double(text) ?? .nan))
        }
        advance(to: end)
    }

    private mutating func readString(quote: Unicode.Scalar) throws(RecastError) {
        var text = String.UnicodeScalarView()
        var place = offset + 1
        while place < source.count, source[place] != quote {
            if source[place] == "\\" {
                text += try escaped(&place)
            } else {
                text.append(source[place])
                place += 1
            }
        }
        guard place < source.count else { throw failure("a string that does not end: expected \(quote)") }
        add(.string(String(text)))
        advance(to: place + 1)
    }

    /// What a backslash and what is after it stand for, as in Python.
    private func escaped(_ place: inout Int) throws(RecastError) -> [Unicode.Scalar] {
        guard place + 1 < source.count else { throw failure("a string that does not end") }
        let letter = source[place + 1]
        place += 2
        switch letter {
        case "\n": return []
        case "n": return ["\n"]
        case "t": return ["\t"]
        case "r": return ["\r"]
        case "a": return ["\u{7}"]
        case "b": return ["\u{8}"]
        case "f": return ["\u{C}"]
        case "v": return ["\u{B}"]
        case "\\", "'", "\"": return [letter]
        case "x", "u", "U":
            let width = letter == "x" ? 2 : letter == "u" ? 4 : 8
            let digits = source[place..<min(source.count, place + width)]
            guard digits.count == width, let value = UInt32(String(String.UnicodeScalarView(digits)), radix: 16),
                let scalar = Unicode.Scalar(value)
            else { throw failure("\\\(letter) needs \(width) hexadecimal digits of a character") }
            place += width
            return [scalar]
        case "0"..."7":
            var value: UInt32 = letter.value - 48
            for _ in 0..<2 where place < source.count && ("0"..."7").contains(source[place]) {
                value = value * 8 + source[place].value - 48
                place += 1
            }
            return [Unicode.Scalar(value) ?? "\u{FFFD}"]
        case "N": throw .unsupported("characters by name (\\N) are not supported", line)
        default: return ["\\", letter]
        }
    }
}

extension RecastError {
    static func unsupported(_ message: String, _ line: Int) -> RecastError {
        RecastError(.unsupported, message, trail: ["line \(line)"])
    }
}
