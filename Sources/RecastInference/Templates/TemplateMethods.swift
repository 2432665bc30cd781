import Recast

/// Methods of Python's types, by the type's name.
enum TemplateMethods {
    static let names: [String: Set<String>] = [
        "str": [
            "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format",
            "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower",
            "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip",
            "maketrans",
            "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit",
            "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper", "zfill",
        ],
        "dict": ["copy", "fromkeys", "get", "items", "keys", "values"],
        "list": ["copy", "count", "index"],
        "tuple": ["count", "index"],
        "range": ["count", "index"],
    ]

    /// Those that change the value, which templates may not.
    static let changing: [String: Set<String>] = [
        "dict": ["clear", "pop", "popitem", "setdefault", "update"],
        "list": ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"],
    ]
}

extension TemplateRenderer {
    func callMethod(
        _ name: String, of value: TemplateValue, _ arguments: TemplateArguments
    ) throws(RecastError) -> TemplateValue {
        switch value {
        case .string(let text):
            try budget.write(text.count)
            guard text.isMarkup else { return try callMethod(name, of: text, arguments) }
            guard let kind = Self.markupMethods[name] else {
                throw .unsupported("the method \(name) of text that is marked safe is not supported")
            }
            let result = try callMethod(name, of: text, arguments)
            if kind, case .string(let text) = result { return .string(text.asMarkup) }
            return result
        case .dictionary(let dictionary): return try callMethod(name, of: dictionary, value, arguments)
        default:
            switch name {
            case "copy": return value
            case "count", "index":
                let wanted = try arguments.bound(to: ["value"], required: 1, of: name)[0]!
                var places: [Int] = []
                for (place, element) in try elements(of: value).enumerated() {
                    if try TemplateValue.isEqual(element, wanted, budget) { places.append(place) }
                }
                if name == "count" { return .int(places.count) }
                guard let place = places.first else { throw failure("index finds no such element") }
                return .int(place)
            default: throw .unsupported("the method \(name) of \(value.typeName) is not supported")
            }
        }
    }

    /// Methods that leave nothing to escape, and whether what they give is safe as well.
    private static let markupMethods: [String: Bool] = [
        "strip": true, "lstrip": true, "rstrip": true, "lower": true, "upper": true, "startswith": false,
        "endswith": false, "find": false, "count": false,
    ]

    private func callMethod(
        _ name: String, of dictionary: TemplateDictionary, _ value: TemplateValue, _ arguments: TemplateArguments
    ) throws(RecastError) -> TemplateValue {
        switch name {
        case "get":
            let bound = try arguments.bound(to: ["key", "default"], required: 1, of: name)
            try budget.spend(key: bound[0]!)
            return dictionary[try TemplateKey(bound[0]!)] ?? bound[1] ?? .none
        case "items": return .iterator("dict_items", try TemplateList(try pairs(of: value)))
        case "keys": return .iterator("dict_keys", try TemplateList(dictionary.keys))
        case "values": return .iterator("dict_values", try TemplateList(dictionary.values))
        case "copy": return value
        default: throw .unsupported("the method \(name) of dict is not supported")
        }
    }

    // MARK: Strings

    private func callMethod(
        _ name: String, of text: TemplateText, _ arguments: TemplateArguments
    ) throws(RecastError) -> TemplateValue {
        func bound(_ names: String..., required: Int = 0) throws(RecastError) -> [TemplateValue?] {
            try arguments.bound(to: names, required: required, of: name)
        }
        func nothing(_ result: TemplateText) throws(RecastError) -> TemplateValue {
            _ = try bound()
            return .string(result)
        }
        func string(_ value: TemplateValue?) throws(RecastError) -> TemplateText {
            guard let text = value?.asText else { throw try operand(value ?? .none, "a string") }
            return text
        }
        switch name {
        case "strip", "lstrip", "rstrip":
            let side: TemplateText.Side = name == "strip" ? .both : name == "lstrip" ? .left : .right
            return .string(text.stripped(side, of: try bound("chars")[0]?.optionalText(self)))
        case "upper": return try nothing(text.uppercased())
        case "lower": return try nothing(text.lowercased())
        case "title": return try nothing(text.titlecased())
        case "capitalize": return try nothing(text.capitalized())
        case "split", "rsplit":
            let values = try bound("sep", "maxsplit")
            let separator = try values[0]?.optionalText(self)
            if separator?.isEmpty == true { throw failure("\(name) needs a separator that is not empty") }
            let limit = try values[1]?.optionalInt(self).flatMap { $0 < 0 ? nil : $0 } ?? .max
            let parts =
                name == "split" ? text.split(separator, limit: limit) : text.splitFromRight(separator, limit: limit)
            try budget.write(parts.count)
            return .list(texts: parts)
        case "splitlines": return .list(texts: text.lines(keepingEnds: try bound("keepends")[0]?.isTrue ?? false))
        case "startswith", "endswith":
            let values = try bound("prefix", "start", "end", required: 1)
            let part = try part(of: text, values[1], values[2])
            var candidates = [values[0]!]
            if case .tuple(let list) = candidates[0] { candidates = list.elements }
            for candidate in candidates {
                let candidate = try string(candidate)
                if name == "startswith" ? part.text.hasPrefix(candidate) : part.text.hasSuffix(candidate) {
                    return .bool(part.exists)
                }
            }
            return .bool(false)
        case "replace":
            let values = try bound("old", "new", "count", required: 2)
            return .string(try replaced(text, string(values[0]), string(values[1]), values[2]?.optionalInt(self)))
        case "find", "rfind", "index", "rindex", "count":
            let values = try bound("sub", "start", "end", required: 1)
            let wanted = try string(values[0])
            let part = try part(of: text, values[1], values[2])
            if name == "count" {
                if !part.exists { return .int(0) }
                return .int(wanted.isEmpty ? part.text.count + 1 : part.text.places(of: wanted).count)
            }
            var place: Int?
            if wanted.isEmpty {
                place = name.hasPrefix("r") ? part.text.count : 0
            } else {
                place =
                    name.hasPrefix("r") ? part.text.lastPlace(of: wanted) : part.text.places(of: wanted, limit: 1).first
            }
            if !part.exists { place = nil }
            if place == nil, name.hasSuffix("index") { throw failure("\(name) finds no such text") }
            return .int(place.map { $0 + part.start } ?? -1)
        case "join":
            var parts: [TemplateText] = []
            for element in try elements(of: bound("iterable", required: 1)[0]!) {
                parts.append(try string(element))
                try budget.write(parts[parts.count - 1].count + text.count)
            }
            return .string(text.joining(parts))
        case "removeprefix":
            let prefix = try string(bound("prefix", required: 1)[0])
            return .string(text.hasPrefix(prefix) ? TemplateText(text.scalars[prefix.count...]) : text)
        case "removesuffix":
            let suffix = try string(bound("suffix", required: 1)[0])
            return .string(
                text.hasSuffix(suffix) && !suffix.isEmpty
                    ? TemplateText(text.scalars[..<(text.count - suffix.count)]) : text)
        case "partition", "rpartition":
            let separator = try string(bound("sep", required: 1)[0])
            if separator.isEmpty { throw failure("\(name) needs a separator that is not empty") }
            let isFirst = name == "partition"
            guard let place = isFirst ? text.places(of: separator, limit: 1).first : text.lastPlace(of: separator)
            else {
                let empty = TemplateValue.text("")
                return try .tuple(isFirst ? [.string(text), empty, empty] : [empty, empty, .string(text)])
            }
            return try .tuple([
                .string(TemplateText(text.scalars[..<place])), .string(separator),
                .string(TemplateText(text.scalars[(place + separator.count)...])),
            ])
        case "format": return .string(try formatted(text, arguments))
        case "ljust", "rjust", "center", "zfill": return .string(try padded(text, name, arguments))
        case "isspace": return .bool(text.isEvery { $0.isPythonSpace })
        case "isalpha": return .bool(text.isEvery { $0.properties.generalCategory.isLetter })
        case "isdigit": return .bool(text.isEvery { [.digit, .decimal].contains($0.properties.numericType) })
        case "isdecimal": return .bool(text.isEvery { $0.properties.numericType == .decimal })
        case "isnumeric": return .bool(text.isEvery { $0.properties.numericType != nil })
        case "isalnum":
            return .bool(text.isEvery { $0.properties.generalCategory.isLetter || $0.properties.numericType != nil })
        case "isascii": return .bool(text.scalars.allSatisfy { $0.value < 0x80 })
        case "islower": return .bool(text.isAll(uppercase: false))
        case "isupper": return .bool(text.isAll(uppercase: true))
        default: throw .unsupported("the method \(name) of str is not supported")
        }
    }

    /// The part of a text that `start` and `end` name, as `find` and others take them.
    private func part(
        of text: TemplateText, _ start: TemplateValue?, _ end: TemplateValue?
    ) throws(RecastError) -> (text: TemplateText, start: Int, exists: Bool) {
        func place(_ bound: Int?, _ otherwise: Int) -> Int {
            guard let bound else { return otherwise }
            return bound < 0 ? max(0, max(bound, -text.count) + text.count) : bound
        }
        let first = place(try start?.optionalInt(self), 0)
        let last = min(place(try end?.optionalInt(self), text.count), text.count)
        guard first <= last else { return (TemplateText(), min(first, text.count), false) }
        return (TemplateText(text.scalars[first..<last]), first, true)
    }

    private func padded(
        _ text: TemplateText, _ name: String, _ arguments: TemplateArguments
    ) throws(RecastError) -> TemplateText {
        let bound = try arguments.bound(to: name == "zfill" ? ["width"] : ["width", "fillchar"], required: 1, of: name)
        guard let width = try bound[0]!.optionalInt(self) else { throw failure("\(name) needs a width") }
        let filling = name == "zfill" ? TemplateText("0") : try bound.last!?.optionalText(self) ?? " "
        guard bound.count == 1 || bound[1] == nil || filling.count == 1 else {
            throw failure("\(name) fills with one character")
        }
        let character = bound.count > 1 && bound[1] == nil ? TemplateText(" ") : filling
        let missing = max(0, width) - text.count
        guard missing > 0 else { return text }
        try budget.write(missing)
        func filled(_ count: Int) -> TemplateText {
            TemplateText(Array(repeating: character.scalars[0], count: count))
        }
        switch name {
        case "ljust": return text + filled(missing)
        case "rjust": return filled(missing) + text
        case "zfill":
            let signs = text.scalars.prefix(1).filter { $0.scalar == "-" || $0.scalar == "+" }
            return TemplateText(signs) + filled(missing) + TemplateText(text.scalars[signs.count...])
        default:
            // Python gives the odd one to the left where the width is odd.
            let left = missing / 2 + (missing & width & 1)
            return filled(left) + text + filled(missing - left)
        }
    }
}

extension Unicode.GeneralCategory {
    fileprivate var isLetter: Bool {
        switch self {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }
}
