import Recast

/// Values as Python shows them, and as its `json` writes them.
extension TemplateValue {
    /// `str(value)`
    func text(_ budget: TemplateBudget) throws(RecastError) -> TemplateText {
        switch self {
        case .undefined: return TemplateText()
        case .string(let text): return text
        default: return try represented(budget)
        }
    }

    /// `repr(value)`
    func represented(_ budget: TemplateBudget) throws(RecastError) -> TemplateText {
        var output = TemplateText()
        try represent(into: &output, budget)
        return output
    }

    private func represent(into output: inout TemplateText, _ budget: TemplateBudget) throws(RecastError) {
        try budget.spend()
        switch self {
        case .undefined: output += "Undefined"
        case .none: output += "None"
        case .bool(let value): output += value ? "True" : "False"
        case .int(let value): output += TemplateText(String(value))
        case .largeInt(let text): output += TemplateText(text)
        case .float(let value): output += TemplateText(value.pythonText)
        case .string(let text):
            try budget.write(text.count)
            output += text.isMarkup ? "Markup(" + text.pythonLiteral + ")" : text.pythonLiteral
        case .list(let list): try Self.represent(list.elements, "[", "]", into: &output, budget)
        case .tuple(let list):
            try Self.represent(list.elements, "(", list.elements.count == 1 ? ",)" : ")", into: &output, budget)
        case .dictionary(let dictionary):
            output += "{"
            for (index, (key, value)) in zip(dictionary.keys, dictionary.values).enumerated() {
                if index > 0 { output += ", " }
                try key.represent(into: &output, budget)
                output += ": "
                try value.represent(into: &output, budget)
            }
            output += "}"
        case .iterator, .namespace, .loop, .function:
            throw .unsupported("showing \(typeName) as text is not supported")
        }
    }

    private static func represent(
        _ elements: [TemplateValue], _ start: TemplateText, _ end: TemplateText, into output: inout TemplateText,
        _ budget: TemplateBudget
    ) throws(RecastError) {
        output += start
        for (index, element) in elements.enumerated() {
            if index > 0 { output += ", " }
            try element.represent(into: &output, budget)
        }
        output += end
    }
}

extension TemplateText {
    /// As Python spells a string: in single quotes, unless only these are in it.
    fileprivate var pythonLiteral: TemplateText {
        let quote: Unicode.Scalar = contains("'") && !contains("\"") ? "\"" : "'"
        var result = [MarkedScalar(quote)]
        for marked in scalars {
            let scalar = marked.scalar
            var escape: String?
            switch scalar {
            case "\\": escape = "\\\\"
            case "\n": escape = "\\n"
            case "\r": escape = "\\r"
            case "\t": escape = "\\t"
            case quote: escape = "\\\(quote)"
            default:
                guard scalar != " ", !scalar.isPythonPrintable else { break }
                let digits = String(scalar.value, radix: 16)
                let (mark, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x1_0000 ? ("u", 4) : ("U", 8)
                escape = "\\" + mark + String(repeating: "0", count: width - digits.count) + digits
            }
            if let escape {
                result += escape.unicodeScalars.map { marked.with($0.value) }
            } else {
                result.append(marked)
            }
        }
        return TemplateText(result + [MarkedScalar(quote)])
    }
}

extension Double {
    /// `repr` of Python: the shortest digits that read back, without an exponent from 1e-4 to below 1e16.
    var pythonText: String {
        if isNaN { return "nan" }
        if isInfinite { return self < 0 ? "-inf" : "inf" }
        let sign = self.sign == .minus ? "-" : ""
        if self == 0 { return sign + "0.0" }
        let (digits, exponent) = magnitude.shortestDigits
        if exponent < -4 || exponent >= 16 {
            let fraction = digits.count > 1 ? "." + digits.dropFirst() : ""
            let power = String(abs(exponent))
            return sign + digits.prefix(1) + fraction + "e" + (exponent < 0 ? "-" : "+")
                + (power.count < 2 ? "0" : "") + power
        }
        if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
        if digits.count <= exponent + 1 {
            return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count) + ".0"
        }
        return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
    }

    /// Digits without zeros at the ends, and the power of ten of the first. For positive finite numbers.
    private var shortestDigits: (digits: String, exponent: Int) {
        let parts = description.split(separator: "e")
        var exponent = parts.count > 1 ? Int(parts[1])! : 0
        let number = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        var digits = String(number[0]) + (number.count > 1 ? String(number[1]) : "")
        exponent += number[0].count - 1
        while digits.hasPrefix("0"), digits.count > 1 {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.hasSuffix("0"), digits.count > 1 { digits.removeLast() }
        return (digits, exponent)
    }
}

// MARK: - JSON

/// `json.dumps`, with the options that `tojson` has in transformers.
struct TemplateJSON {
    var isASCII = false
    /// What is put before a line for each level; nil for one line.
    var indent: TemplateText?
    var itemSeparator: TemplateText = ", "
    var keySeparator: TemplateText = ": "
    var sortsKeys = false

    func text(of value: TemplateValue, _ budget: TemplateBudget) throws(RecastError) -> TemplateText {
        var output = TemplateText()
        try write(value, 0, into: &output, budget)
        return output
    }

    private func write(
        _ value: TemplateValue, _ level: Int, into output: inout TemplateText, _ budget: TemplateBudget
    ) throws(RecastError) {
        try budget.spend()
        switch value {
        case .none: output += "null"
        case .bool(let value): output += value ? "true" : "false"
        case .int(let value): output += TemplateText(String(value))
        case .largeInt(let text): output += TemplateText(text)
        case .float(let value): output += TemplateText(Self.number(value))
        case .string(let text): try write(text, into: &output, budget)
        case .list(let list), .tuple(let list):
            guard !list.elements.isEmpty else { return output += "[]" }
            output += "["
            for (index, element) in list.elements.enumerated() {
                try separate(index, level + 1, into: &output, budget)
                try write(element, level + 1, into: &output, budget)
            }
            try breakLine(level, into: &output, budget)
            output += "]"
        case .dictionary(let dictionary): try write(dictionary, level, into: &output, budget)
        case .undefined, .iterator, .namespace, .loop, .function:
            throw RecastError(.malformedInput, "tojson takes no \(value.typeName)")
        }
    }

    private func write(
        _ dictionary: TemplateDictionary, _ level: Int, into output: inout TemplateText, _ budget: TemplateBudget
    ) throws(RecastError) {
        guard dictionary.count > 0 else { return output += "{}" }
        var order = Array(dictionary.keys.indices).map(TemplateValue.int)
        if sortsKeys { order = try TemplateValue.sorted(order, by: dictionary.keys, reversed: false, budget) }
        output += "{"
        for (index, place) in order.enumerated() {
            guard let place = place.asInt else { continue }
            try separate(index, level + 1, into: &output, budget)
            switch dictionary.keys[place] {
            case .string(let text): try write(text, into: &output, budget)
            case .bool(let value): output += value ? "\"true\"" : "\"false\""
            case .none: output += "\"null\""
            case .int(let value): output += TemplateText("\"\(value)\"")
            case .float(let value): output += TemplateText("\"\(Self.number(value))\"")
            default: throw RecastError(.malformedInput, "a key of \(dictionary.keys[place].typeName) is none of JSON")
            }
            output += keySeparator
            try write(dictionary.values[place], level + 1, into: &output, budget)
        }
        try breakLine(level, into: &output, budget)
        output += "}"
    }

    private static func number(_ value: Double) -> String {
        value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : value.pythonText
    }

    private func separate(
        _ index: Int, _ level: Int, into output: inout TemplateText, _ budget: TemplateBudget
    ) throws(RecastError) {
        if index > 0 { output += itemSeparator }
        try breakLine(level, into: &output, budget)
    }

    private func breakLine(
        _ level: Int, into output: inout TemplateText, _ budget: TemplateBudget
    ) throws(RecastError) {
        guard let indent else { return }
        try budget.write(1 + level * indent.count)
        output += "\n"
        for _ in 0..<level { output += indent }
    }

    private func write(
        _ text: TemplateText, into output: inout TemplateText, _ budget: TemplateBudget
    ) throws(RecastError) {
        try budget.write(text.count + 2)
        output += "\""
        for marked in text.scalars {
            if let escape = escape(marked.scalar) {
                output.scalars += escape.unicodeScalars.map { marked.with($0.value) }
            } else {
                output.scalars.append(marked)
            }
        }
        output += "\""
    }

    private func escape(_ scalar: Unicode.Scalar) -> String? {
        switch scalar {
        case "\"": return "\\\""
        case "\\": return "\\\\"
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        case "\u{8}": return "\\b"
        case "\u{C}": return "\\f"
        default:
            if scalar.value >= 0x20, scalar.value < 0x7F || !isASCII { return nil }
            return UTF16.encode(scalar)!.map { unit in
                let digits = String(unit, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }.joined()
        }
    }
}
