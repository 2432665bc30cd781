import Recast

/// Filters by name. What Jinja has besides is refused by name.
enum TemplateFilters {
    typealias Filter =
        @Sendable (TemplateRenderer, TemplateValue, TemplateArguments) throws(RecastError) -> TemplateValue

    static let table: [String: Filter] = {
        var table: [String: Filter] = [
            "abs": absolute, "batch": batch, "capitalize": text { $0.capitalized() }, "center": center,
            "default": fallback,
            "dictsort": dictionarySorted, "escape": text { $0.escapedMarkup().asMarkup }, "first": first,
            "float": toFloat, "format": format, "indent": indent, "int": toInt, "items": items, "join": join,
            "last": last, "length": length, "list": list, "lower": text { $0.lowercased() }, "map": map,
            "max": { renderer, value, arguments throws(RecastError) in
                try extreme(renderer, value, arguments, isMaximum: true)
            },
            "min": { renderer, value, arguments throws(RecastError) in
                try extreme(renderer, value, arguments, isMaximum: false)
            },
            "reject": { renderer, value, arguments throws(RecastError) in
                try select(renderer, value, arguments, keeps: false, byAttribute: false)
            },
            "rejectattr": { renderer, value, arguments throws(RecastError) in
                try select(renderer, value, arguments, keeps: false, byAttribute: true)
            },
            "replace": replace, "reverse": reverse, "round": round, "safe": text { $0.asMarkup },
            "select": { renderer, value, arguments throws(RecastError) in
                try select(renderer, value, arguments, keeps: true, byAttribute: false)
            },
            "selectattr": { renderer, value, arguments throws(RecastError) in
                try select(renderer, value, arguments, keeps: true, byAttribute: true)
            },
            "sort": sort, "string": text { $0 }, "sum": sum, "title": text { $0.titlecasedWords() }, "tojson": toJSON,
            "trim": trim, "unique": unique, "upper": text { $0.uppercased() }, "wordcount": wordCount,
        ]
        for (other, name) in [("count", "length"), ("d", "default"), ("e", "escape")] { table[other] = table[name] }
        return table
    }()

    static let unsupported: Set<String> = [
        "attr", "filesizeformat", "forceescape", "groupby", "pprint", "random", "slice", "striptags", "truncate",
        "urlencode", "urlize", "wordwrap", "xmlattr",
    ]

    /// A filter of text alone, without arguments.
    private static func text(_ body: @escaping @Sendable (TemplateText) -> TemplateText) -> Filter {
        { renderer, value, arguments throws(RecastError) in
            _ = try arguments.bound(to: [], of: "the filter")
            let text = try value.text(renderer.budget)
            try renderer.budget.write(text.count)
            return .string(body(text))
        }
    }

    // MARK: Text

    private static let trim: Filter = { renderer, value, arguments throws(RecastError) in
        let characters = try arguments.bound(to: ["chars"], of: "trim")[0]
        let text = try value.text(renderer.budget)
        try renderer.budget.write(text.count)
        var result = text.stripped(of: try characters?.optionalText(renderer))
        result.isMarkup = text.isMarkup
        return .string(result)
    }

    private static let replace: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["old", "new", "count"], required: 2, of: "replace")
        return .string(
            try renderer.replaced(
                try value.text(renderer.budget), try bound[0]!.text(renderer.budget),
                try bound[1]!.text(renderer.budget), try bound[2]?.optionalInt(renderer)))
    }

    private static let indent: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["width", "first", "blank"], of: "indent")
        var step = TemplateText("    ")
        switch bound[0] {
        case .string(let text)?: step = text
        case let width?:
            guard let count = width.asInt, count < 10_000 else { throw try renderer.operand(width, "a small width") }
            step = TemplateText(String(repeating: " ", count: max(0, count)))
        case nil: break
        }
        let text = try value.text(renderer.budget) + "\n"
        let lines = text.lines()
        try renderer.budget.write(text.count + lines.count * (step.count + 1))
        var result = TemplateText()
        for (index, line) in lines.enumerated() {
            if index > 0 {
                result += "\n"
                if !line.isEmpty || bound[2]?.isTrue == true { result += step }
            }
            result += line
        }
        return .string(bound[1]?.isTrue == true ? step + result : result)
    }

    private static let center: Filter = { renderer, value, arguments throws(RecastError) in
        let width = try arguments.bound(to: ["width"], of: "center")[0] ?? .int(80)
        return try renderer.callMethod(
            "center", of: .string(try value.text(renderer.budget)), TemplateArguments(positional: [width]))
    }

    private static let format: Filter = { renderer, value, arguments throws(RecastError) in
        guard arguments.keywords.isEmpty else { throw .unsupported("format with names is not supported") }
        return .string(
            try renderer.percentFormatted(try value.text(renderer.budget), try .tuple(arguments.positional)))
    }

    private static let wordCount: Filter = { renderer, value, arguments throws(RecastError) in
        let text = try value.text(renderer.budget)
        try renderer.budget.write(text.count)
        var (count, isInside) = (0, false)
        for scalar in text.scalars {
            let isWord =
                scalar.scalar == "_" || scalar.scalar.properties.isAlphabetic
                || scalar.scalar.properties.numericType != nil
            if isWord, !isInside { count += 1 }
            isInside = isWord
        }
        return .int(count)
    }

    private static let toJSON: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(
            to: ["ensure_ascii", "indent", "separators", "sort_keys"], of: "tojson")
        var json = TemplateJSON()
        json.isASCII = bound[0]?.isTrue ?? false
        switch bound[1] {
        case .string(let text)?: json.indent = text
        case let width? where !width.isNone:
            guard let count = width.asInt, count < 10_000 else { throw try renderer.operand(width, "a small indent") }
            json.indent = TemplateText(String(repeating: " ", count: max(0, count)))
        default: break
        }
        if json.indent != nil { json.itemSeparator = "," }
        if let separators = bound[2], !separators.isNone {
            let parts = try renderer.elements(of: separators)
            guard parts.count == 2, let item = parts[0].asText, let key = parts[1].asText else {
                throw renderer.failure("tojson takes two separators")
            }
            (json.itemSeparator, json.keySeparator) = (item, key)
        }
        json.sortsKeys = bound[3]?.isTrue ?? false
        return .string(try json.text(of: value, renderer.budget))
    }

    // MARK: Numbers and defaults

    private static let fallback: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["default_value", "boolean"], of: "default")
        let isMissing = !value.isDefined || bound[1]?.isTrue == true && !value.isTrue
        return isMissing ? bound[0] ?? .text("") : value
    }

    private static let absolute: Filter = { renderer, value, _ throws(RecastError) in
        switch value.asNumber {
        case .int(let value)?:
            return .int(value < 0 ? try renderer.checked(0.subtractingReportingOverflow(value)) : value)
        case .float(let value)?: return .float(Swift.abs(value))
        case nil: throw try renderer.operand(value, "a number")
        }
    }

    private static let toInt: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["default", "base"], of: "int")
        if let base = bound[1], base.asInt != 10 {
            throw .unsupported("int with another base than 10 is not supported")
        }
        let otherwise = bound[0] ?? .int(0)
        switch value {
        case .undefined, .largeInt: throw try renderer.operand(value, "a number")
        case .string(let text):
            guard let number = TemplateNumber(python: text) else { return otherwise }
            if case .float(let number) = number {
                return Int(exactly: number.rounded(.towardZero)).map(TemplateValue.int) ?? otherwise
            }
            return number.value
        default:
            switch value.asNumber {
            case .int(let number)?: return .int(number)
            case .float(let number)?:
                return Int(exactly: number.rounded(.towardZero)).map(TemplateValue.int) ?? otherwise
            case nil: return otherwise
            }
        }
    }

    private static let toFloat: Filter = { renderer, value, arguments throws(RecastError) in
        let otherwise = try arguments.bound(to: ["default"], of: "float")[0] ?? .float(0)
        switch value {
        case .undefined, .largeInt: throw try renderer.operand(value, "a number")
        case .string(let text): return TemplateNumber(python: text).map { .float($0.double) } ?? otherwise
        default: return value.asNumber.map { .float($0.double) } ?? otherwise
        }
    }

    private static let round: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["precision", "method"], of: "round")
        let precision = try bound[0]?.optionalInt(renderer) ?? 0
        let method = try bound[1]?.text(renderer.budget).string ?? "common"
        guard let number = value.asNumber else { throw try renderer.operand(value, "a number") }
        guard (0...15).contains(precision) else { throw .unsupported("round to \(precision) digits is not supported") }
        if method == "common" {
            guard case .float(let number) = number else { return value }
            return .float(Double(number.fixed(precision)) ?? number)
        }
        guard method == "ceil" || method == "floor" else {
            throw renderer.failure("round knows common, ceil and floor")
        }
        var scale = 1.0
        for _ in 0..<precision { scale *= 10 }
        return .float((number.double * scale).rounded(method == "ceil" ? .up : .down) / scale)
    }
}

extension TemplateText {
    var asMarkup: TemplateText {
        var copy = self
        copy.isMarkup = true
        return copy
    }
}

extension TemplateValue {
    /// A whole number, or none.
    func optionalInt(_ renderer: TemplateRenderer) throws(RecastError) -> Int? {
        if isNone { return nil }
        guard let number = asInt else { throw try renderer.operand(self, "a whole number") }
        return number
    }

    /// A string, or none.
    func optionalText(_ renderer: TemplateRenderer) throws(RecastError) -> TemplateText? {
        if isNone { return nil }
        guard let text = asText else { throw try renderer.operand(self, "a string") }
        return text
    }
}

extension TemplateNumber {
    /// As `int` and `float` of Python read it; nil where they do not.
    init?(python text: TemplateText) {
        let text = text.stripped().string
        if let value = Int(text) {
            self = .int(value)
        } else if let value = Double(text), text.utf8.allSatisfy({ $0 != UInt8(ascii: "x") && $0 != UInt8(ascii: "X") })
        {
            self = .float(value)
        } else {
            return nil
        }
    }
}
