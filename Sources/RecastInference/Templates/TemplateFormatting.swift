import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension Double {
    /// With so many digits after the point, rounded as `printf` does it.
    func fixed(_ digits: Int) -> String {
        var buffer = [CChar](repeating: 0, count: 400)
        let count = withVaList([Int32(digits), self]) { vsnprintf(&buffer, buffer.count, "%.*f", $0) }
        return String(
            decoding: buffer[..<min(Int(count), buffer.count - 1)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// `"…" % values` and `"…".format(values)`, for strings and plain numbers.
extension TemplateRenderer {
    func percentFormatted(_ format: TemplateText, _ value: TemplateValue) throws(RecastError) -> TemplateText {
        var values = [value]
        if case .tuple(let list) = value { values = list.elements }
        if case .dictionary = value { throw .unsupported("formats with names are not supported") }
        var (result, index, used) = (TemplateText(), 0, 0)
        let scalars = format.scalars
        while index < scalars.count {
            guard scalars[index].scalar == "%" else {
                result.scalars.append(scalars[index])
                index += 1
                continue
            }
            let start = index
            index += 1
            var specification = ""
            while index < scalars.count, "-+ #0123456789.".unicodeScalars.contains(scalars[index].scalar) {
                specification.unicodeScalars.append(scalars[index].scalar)
                index += 1
            }
            guard index < scalars.count else { throw failure("a format that does not end") }
            let kind = scalars[index].scalar
            index += 1
            if kind == "%" {
                result += "%"
                continue
            }
            guard used < values.count else { throw failure("not enough values for the format \(format.string)") }
            let next = values[used]
            used += 1
            var text: TemplateText
            switch kind {
            case "s" where specification.isEmpty: text = try next.text(budget)
            case "r" where specification.isEmpty: text = try next.represented(budget)
            case "d" where specification.isEmpty, "i" where specification.isEmpty:
                guard let number = next.asNumber else { throw try operand(next, "a number") }
                guard let whole = Int(exactly: number.double.rounded(.towardZero)) ?? next.asInt else {
                    throw .unsupported("integers beyond 64 bits are not supported")
                }
                text = TemplateText(String(next.asInt ?? whole))
            case "f" where specification.isEmpty || specification.hasPrefix("."):
                guard let number = next.asNumber else { throw try operand(next, "a number") }
                text = TemplateText(number.double.fixed(try digits(specification.dropFirst())))
            default:
                throw .unsupported("the format \(TemplateText(scalars[start..<index]).string) is not supported")
            }
            try budget.write(text.count)
            text.isMarkup = false
            result += text
        }
        if used < values.count {
            // One value that is no tuple may be left only if it is one that looks like a mapping, which is refused above.
            throw failure("too many values for the format \(format.string)")
        }
        return result
    }

    private func digits(_ text: Substring) throws(RecastError) -> Int {
        if text.isEmpty { return 6 }
        guard let count = Int(text), count <= 60 else { throw .unsupported("\(text) digits are not supported") }
        return count
    }

    func formatted(_ format: TemplateText, _ arguments: TemplateArguments) throws(RecastError) -> TemplateText {
        var (result, index, automatic) = (TemplateText(), 0, 0)
        let scalars = format.scalars
        func isAt(_ scalar: Unicode.Scalar, _ place: Int) -> Bool {
            place < scalars.count && scalars[place].scalar == scalar
        }
        while index < scalars.count {
            let scalar = scalars[index].scalar
            guard scalar == "{" || scalar == "}" else {
                result.scalars.append(scalars[index])
                index += 1
                continue
            }
            if isAt(scalar, index + 1) {
                result.scalars.append(scalars[index])
                index += 2
                continue
            }
            guard scalar == "{", let end = scalars[index...].firstIndex(where: { $0.scalar == "}" }) else {
                throw failure("a single \(scalar) in the format \(format.string)")
            }
            let field = TemplateText(scalars[(index + 1)..<end])
            index = end + 1
            if field.contains("{") { throw .unsupported("fields within fields of a format are not supported") }
            let parts = field.split(":", limit: 1)
            let names = parts[0].split("!", limit: 1)
            var value = try self.value(ofField: names[0].string, arguments, &automatic)
            if names.count > 1 {
                switch names[1].string {
                case "r": value = .string(try value.represented(budget))
                case "s": value = .string(try value.text(budget))
                default: throw .unsupported("the conversion !\(names[1].string) is not supported")
                }
            }
            let text = try formatted(value, parts.count > 1 ? parts[1].string : "")
            try budget.write(text.count)
            result += text
        }
        return result
    }

    private func value(
        ofField field: String, _ arguments: TemplateArguments, _ automatic: inout Int
    ) throws(RecastError) -> TemplateValue {
        if field.contains(".") || field.contains("[") {
            throw .unsupported("attributes in the fields of a format are not supported")
        }
        if field.isEmpty || Int(field) != nil {
            let place = Int(field) ?? automatic
            if field.isEmpty { automatic += 1 }
            guard arguments.positional.indices.contains(place) else {
                throw failure("no value for the field {\(field)}")
            }
            return arguments.positional[place]
        }
        guard let value = arguments.keywords.last(where: { $0.name == field })?.value else {
            throw failure("no value for the field {\(field)}")
        }
        return value
    }

    private func formatted(_ value: TemplateValue, _ specification: String) throws(RecastError) -> TemplateText {
        if specification.isEmpty { return try value.text(budget) }
        if specification.hasPrefix("."), specification.hasSuffix("f"), let number = value.asNumber {
            return TemplateText(number.double.fixed(try digits(specification.dropFirst().dropLast())))
        }
        if specification == "d", let number = value.asInt { return TemplateText(String(number)) }
        // Widths: `>8`, `<8`, `^8`, `08`, `8`.
        var (rest, alignment) = (Substring(specification), Character(value.asNumber == nil ? "<" : ">"))
        if let first = rest.first, "<>^".contains(first) { alignment = rest.removeFirst() }
        guard rest.first != "0", let width = Int(rest), width <= 10_000 else {
            throw .unsupported("the format {:\(specification)} is not supported")
        }
        let text = try value.text(budget)
        let missing = max(0, width - text.count)
        let left = alignment == "<" ? 0 : alignment == ">" ? missing : missing / 2
        return TemplateText(String(repeating: " ", count: left)) + text
            + TemplateText(String(repeating: " ", count: missing - left))
    }
}
