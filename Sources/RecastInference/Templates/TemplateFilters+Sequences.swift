import Recast

/// Filters of what can be iterated.
extension TemplateFilters {
    private static func generator(_ values: [TemplateValue]) throws(RecastError) -> TemplateValue {
        .iterator("generator", try TemplateList(values))
    }

    /// A value of each element, as `attribute=` of several filters names it: `a.b.0`.
    private static func attribute(
        _ path: TemplateValue, of value: TemplateValue, _ renderer: TemplateRenderer
    ) throws(RecastError) -> TemplateValue {
        var value = value
        if let index = path.asInt { return try renderer.item(.int(index), of: value) }
        guard let name = path.asText else { throw try renderer.operand(path, "the name of an attribute") }
        for part in name.split(".") {
            value = try renderer.item(Int(part.string).map(TemplateValue.int) ?? .string(part), of: value)
        }
        return value
    }

    /// What elements are compared by: an attribute, and strings without regard to case.
    private static func keys(
        _ values: [TemplateValue], _ path: TemplateValue?, isCaseSensitive: Bool, _ renderer: TemplateRenderer
    ) throws(RecastError) -> [TemplateValue] {
        var keys: [TemplateValue] = []
        for value in values {
            try renderer.budget.spend()
            var key = value
            if let path, !path.isNone {
                if path.asText?.contains(",") == true {
                    throw .unsupported("several attributes at once are not supported")
                }
                key = try attribute(path, of: value, renderer)
            }
            if !isCaseSensitive, case .string(let text) = key {
                try renderer.budget.write(text.count)
                key = .string(text.lowercased())
            }
            keys.append(key)
        }
        return keys
    }

    static let length: Filter = { renderer, value, _ throws(RecastError) in
        guard let length = renderer.length(of: value) else { throw renderer.failure("\(value.typeName) has no length") }
        return .int(length)
    }

    static let list: Filter = { renderer, value, _ throws(RecastError) in try .list(renderer.elements(of: value)) }

    static let first: Filter = { renderer, value, _ throws(RecastError) in
        try renderer.elements(of: value).first ?? .undefined("there is no first item in nothing")
    }

    static let last: Filter = { renderer, value, _ throws(RecastError) in
        if case .iterator("generator", _) = value { throw renderer.failure("a generator has no last item") }
        return try renderer.elements(of: value).last ?? .undefined("there is no last item in nothing")
    }

    static let items: Filter = { renderer, value, _ throws(RecastError) in
        switch value {
        case .undefined: return try generator([])
        case .dictionary: return try generator(try renderer.pairs(of: value))
        default: throw renderer.failure("\(value.typeName) has no items")
        }
    }

    static let join: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["d", "attribute"], of: "join")
        let separator = try bound[0]?.text(renderer.budget) ?? TemplateText()
        var parts: [TemplateText] = []
        for element in try renderer.elements(of: value) {
            let part =
                if let path = bound[1], !path.isNone { try attribute(path, of: element, renderer) } else { element }
            parts.append(try part.text(renderer.budget))
            try renderer.budget.write(parts[parts.count - 1].count + separator.count)
        }
        return .string(separator.joining(parts))
    }

    static let reverse: Filter = { renderer, value, _ throws(RecastError) in
        if case .string(let text) = value {
            try renderer.budget.write(text.count)
            return .string(TemplateText(Array(text.scalars.reversed())))
        }
        return try generator(try renderer.elements(of: value).reversed())
    }

    static let dictionarySorted: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["case_sensitive", "by", "reverse"], of: "dictsort")
        guard case .dictionary(let dictionary) = value else { throw try renderer.operand(value, "a dictionary") }
        let by = try bound[1]?.text(renderer.budget).string ?? "key"
        guard by == "key" || by == "value" else { throw renderer.failure("dictsort sorts by key or by value") }
        let keys = try keys(
            by == "key" ? dictionary.keys : dictionary.values, nil, isCaseSensitive: bound[0]?.isTrue ?? false, renderer
        )
        let pairs = try renderer.pairs(of: value)
        return try .list(
            try TemplateValue.sorted(pairs, by: keys, reversed: bound[2]?.isTrue ?? false, renderer.budget))
    }

    static let sort: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["reverse", "case_sensitive", "attribute"], of: "sort")
        let values = try renderer.elements(of: value)
        let keys = try keys(values, bound[2], isCaseSensitive: bound[1]?.isTrue ?? false, renderer)
        return try .list(
            try TemplateValue.sorted(values, by: keys, reversed: bound[0]?.isTrue ?? false, renderer.budget))
    }

    static let unique: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: "unique")
        let values = try renderer.elements(of: value)
        let keys = try keys(values, bound[1], isCaseSensitive: bound[0]?.isTrue ?? false, renderer)
        var seen: Set<TemplateKey> = []
        var result: [TemplateValue] = []
        for (value, key) in zip(values, keys) {
            try renderer.budget.spend(key: key)
            if seen.insert(try TemplateKey(key)).inserted { result.append(value) }
        }
        return try generator(result)
    }

    static func extreme(
        _ renderer: TemplateRenderer, _ value: TemplateValue, _ arguments: TemplateArguments, isMaximum: Bool
    ) throws(RecastError) -> TemplateValue {
        let bound = try arguments.bound(to: ["case_sensitive", "attribute"], of: isMaximum ? "max" : "min")
        let values = try renderer.elements(of: value)
        let keys = try keys(values, bound[1], isCaseSensitive: bound[0]?.isTrue ?? false, renderer)
        guard !values.isEmpty else { return .undefined("there is no item in nothing") }
        var best = 0
        for place in values.indices.dropFirst() {
            let (a, b) = isMaximum ? (keys[best], keys[place]) : (keys[place], keys[best])
            if try TemplateValue.isLess(a, b, renderer.budget) { best = place }
        }
        return values[best]
    }

    static let sum: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["attribute", "start"], of: "sum")
        var total = bound[1] ?? .int(0)
        for element in try renderer.elements(of: value) {
            let part =
                if let path = bound[0], !path.isNone { try attribute(path, of: element, renderer) } else { element }
            total = try renderer.added(total, part)
        }
        return total
    }

    static let batch: Filter = { renderer, value, arguments throws(RecastError) in
        let bound = try arguments.bound(to: ["linecount", "fill_with"], required: 1, of: "batch")
        guard let size = bound[0]!.asInt, (1...100_000).contains(size) else {
            throw try renderer.operand(bound[0]!, "a positive number")
        }
        let values = try renderer.elements(of: value)
        try renderer.budget.write(values.count + size)
        var rows: [TemplateValue] = []
        for start in stride(from: 0, to: values.count, by: size) {
            var row = Array(values[start..<min(values.count, start + size)])
            if let filling = bound[1], !filling.isNone {
                row += Array(repeating: filling, count: size - row.count)
            }
            rows.append(try .list(row))
        }
        return try generator(rows)
    }

    static let map: Filter = { renderer, value, arguments throws(RecastError) in
        // Of what is false, none included, Jinja makes nothing.
        guard value.isTrue else { return try generator([]) }
        var results: [TemplateValue] = []
        var rest = arguments
        if arguments.positional.isEmpty {
            let bound = try arguments.bound(to: ["attribute", "default"], required: 1, of: "map")
            for element in try renderer.elements(of: value) {
                try renderer.budget.spend()
                let found = try attribute(bound[0]!, of: element, renderer)
                results.append(found.isDefined ? found : bound[1] ?? found)
            }
        } else {
            guard let name = rest.positional.removeFirst().asText else {
                throw renderer.failure("map takes a filter's name")
            }
            for element in try renderer.elements(of: value) {
                results.append(try renderer.apply(name.string, to: element, rest))
            }
        }
        return try generator(results)
    }

    static func select(
        _ renderer: TemplateRenderer, _ value: TemplateValue, _ arguments: TemplateArguments, keeps: Bool,
        byAttribute: Bool
    ) throws(RecastError) -> TemplateValue {
        guard value.isTrue else { return try generator([]) }
        var rest = arguments
        var path: TemplateValue?
        if byAttribute {
            guard !rest.positional.isEmpty else { throw renderer.failure("an attribute is needed") }
            path = rest.positional.removeFirst()
        }
        let name = rest.positional.isEmpty ? nil : try rest.positional.removeFirst().text(renderer.budget).string
        var results: [TemplateValue] = []
        for element in try renderer.elements(of: value) {
            try renderer.budget.spend()
            let found = if let path { try attribute(path, of: element, renderer) } else { element }
            let passes = if let name { try renderer.test(name, found, rest) } else { found.isTrue }
            if passes == keeps { results.append(element) }
        }
        return try generator(results)
    }
}

extension TemplateRenderer {
    func apply(
        _ name: String, to value: TemplateValue, _ arguments: TemplateArguments
    ) throws(RecastError) -> TemplateValue {
        if let filter = TemplateFilters.table[name] {
            return try descend { () throws(RecastError) in try filter(self, value, arguments) }
        }
        if TemplateFilters.unsupported.contains(name) { throw .unsupported("the filter \(name) is not supported") }
        throw failure("there is no filter \(name)")
    }

    /// Key and value of each member.
    func pairs(of value: TemplateValue) throws(RecastError) -> [TemplateValue] {
        guard case .dictionary(let dictionary) = value else { return [] }
        try budget.spend(dictionary.count)
        var pairs: [TemplateValue] = []
        pairs.reserveCapacity(dictionary.count)
        for (key, value) in zip(dictionary.keys, dictionary.values) { pairs.append(try .tuple([key, value])) }
        return pairs
    }

    func replaced(
        _ text: TemplateText, _ old: TemplateText, _ new: TemplateText, _ count: Int?
    ) throws(RecastError) -> TemplateText {
        let limit = count.map { $0 < 0 ? .max : $0 } ?? .max
        let found = old.isEmpty ? min(limit, text.count + 1) : text.places(of: old, limit: limit).count
        try budget.write(text.count)
        try budget.write(try checked(found.multipliedReportingOverflow(by: new.count)))
        return text.replacing(old, with: new, limit: limit)
    }
}
