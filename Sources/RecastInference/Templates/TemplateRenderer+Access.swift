import Recast

/// Attributes, elements and slices. There is nothing to reach but data and what Python's types can do with them.
extension TemplateRenderer {
    /// `value.name`
    func attribute(_ name: String, of value: TemplateValue) throws(RecastError) -> TemplateValue {
        switch value {
        case .undefined(let message): throw failure(message)
        case .dictionary(let dictionary):
            if let method = try method(name, of: value) { return method }
            return dictionary[name] ?? missing(name, of: value)
        case .namespace(let namespace): return namespace.members[name] ?? missing(name, of: value)
        case .loop(let loop): return try loop.attribute(name, self) ?? missing(name, of: value)
        case .function(let function):
            guard function.isMacro else { return missing(name, of: value) }
            if name == "name" { return .text(function.name) }
            if ["arguments", "caller", "catch_kwargs", "catch_varargs"].contains(name) {
                throw .unsupported("\(function.name).\(name) is not supported")
            }
            return missing(name, of: value)
        default: return try method(name, of: value) ?? missing(name, of: value)
        }
    }

    private func missing(_ name: String, of value: TemplateValue) -> TemplateValue {
        .undefined("\(value.typeName) has no attribute \(name)")
    }

    /// A type's method under its name, bound to the value; nil where the type has none.
    ///
    /// - Throws: `malformedInput` for one that changes the value, which templates may not.
    private func method(_ name: String, of value: TemplateValue) throws(RecastError) -> TemplateValue? {
        if TemplateMethods.changing[value.typeName]?.contains(name) == true || name.hasPrefix("__") {
            // It is an error only where something is done with it.
            return .undefined(
                "\(name) of \(value.typeName) is not safe: templates change no values and see no internals")
        }
        guard TemplateMethods.names[value.typeName]?.contains(name) == true else { return nil }
        return .function(
            TemplateFunction(name) { renderer, arguments throws(RecastError) in
                try renderer.callMethod(name, of: value, arguments)
            })
    }

    /// `value[index]`
    func item(_ index: TemplateValue, of value: TemplateValue) throws(RecastError) -> TemplateValue {
        switch value {
        case .undefined(let message): throw failure(message)
        case .dictionary(let dictionary):
            try budget.spend(key: index)
            // What cannot be a key is none that is there.
            if let key = try? TemplateKey(index), let found = dictionary[key] { return found }
        case .list(let list), .tuple(let list), .iterator("range", let list):
            if let place = index.asInt {
                let count = list.elements.count
                let offset = place < 0 ? place + count : place
                guard list.elements.indices.contains(offset) else {
                    return .undefined("\(value.typeName) has no element \(place)")
                }
                return list.elements[offset]
            }
        case .string(let text):
            if let place = index.asInt {
                return text.scalar(at: place).map(TemplateValue.string) ?? .undefined("str has no element \(place)")
            }
        case .namespace, .loop, .function, .iterator, .none, .bool, .int, .largeInt, .float: break
        }
        guard let name = index.asText else {
            return .undefined("\(value.typeName) has no element \(try index.represented(budget).string)")
        }
        if case .dictionary = value { return try method(name.string, of: value) ?? missing(name.string, of: value) }
        return try attribute(name.string, of: value)
    }

    /// `value[first:end:step]`
    func slice(_ bounds: [TemplateValue?], of value: TemplateValue) throws(RecastError) -> TemplateValue {
        var numbers: [Int?] = []
        for bound in bounds {
            guard let bound, !bound.isNone else {
                numbers.append(nil)
                continue
            }
            guard let number = bound.asInt else { throw try operand(bound, "a whole number in a slice") }
            numbers.append(number)
        }
        switch value {
        case .string(let text): return .string(TemplateText(try slice(text.scalars, numbers)))
        case .list(let list), .iterator("range", let list): return try .list(slice(list.elements, numbers))
        case .tuple(let list): return try .tuple(slice(list.elements, numbers))
        case .undefined(let message): throw failure(message)
        default: return .undefined("\(value.typeName) has no slices")
        }
    }

    private func slice<Element>(_ elements: [Element], _ bounds: [Int?]) throws(RecastError) -> [Element] {
        let step = bounds.count > 2 ? bounds[2] ?? 1 : 1
        guard step != 0 else { throw failure("the step of a slice is 0") }
        let count = elements.count
        try budget.write(count)
        func place(_ bound: Int?, _ whenMissing: Int, _ low: Int, _ high: Int) -> Int {
            guard let bound else { return whenMissing }
            return min(max(bound < 0 ? max(bound, -count - 1) + count : min(bound, count), low), high)
        }
        let first = bounds.first ?? nil
        let end = bounds.count > 1 ? bounds[1] : nil
        if step > 0 {
            let range = (place(first, 0, 0, count), place(end, count, 0, count))
            guard range.0 < range.1 else { return [] }
            if step == 1 { return Array(elements[range.0..<range.1]) }
            return stride(from: range.0, to: range.1, by: min(step, count + 1)).map { elements[$0] }
        }
        let range = (place(first, count - 1, -1, count - 1), place(end, -1, -1, count - 1))
        guard range.0 > range.1 else { return [] }
        return stride(from: range.0, to: range.1, by: max(step, -count - 1)).map { elements[$0] }
    }

    /// What a loop goes through.
    func elements(of value: TemplateValue) throws(RecastError) -> [TemplateValue] {
        switch value {
        case .undefined: return []
        case .list(let list), .tuple(let list), .iterator(_, let list): return list.elements
        case .dictionary(let dictionary): return dictionary.keys
        case .string(let text):
            try budget.write(4 * text.count)
            return text.scalars.map { .string(TemplateText([$0])) }
        default: throw failure("\(value.typeName) cannot be iterated")
        }
    }

    /// `len(value)`; nil where it has none.
    func length(of value: TemplateValue) -> Int? {
        switch value {
        case .undefined: 0
        case .list(let list), .tuple(let list): list.elements.count
        case .iterator(let name, let list): name == "generator" ? nil : list.elements.count
        case .dictionary(let dictionary): dictionary.count
        case .string(let text): text.count
        default: nil
        }
    }
}
