import Recast

/// What Python says of values: names, truth, equality and order.
extension TemplateValue {
    /// What Python calls its type.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "NoneType"
        case .bool: "bool"
        case .int, .largeInt: "int"
        case .float: "float"
        case .string: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dictionary: "dict"
        case .iterator(let name, _): name
        case .namespace: "Namespace"
        case .loop: "LoopContext"
        case .function: "function"
        }
    }

    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .int(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let list), .tuple(let list): !list.elements.isEmpty
        case .dictionary(let dictionary): dictionary.count > 0
        // A generator is true even where nothing comes out of it.
        case .iterator(let name, let list): name == "generator" || !list.elements.isEmpty
        case .largeInt, .namespace, .loop, .function: true
        }
    }

    var isDefined: Bool {
        if case .undefined = self { false } else { true }
    }

    var isNone: Bool {
        if case .none = self { true } else { false }
    }

    var asText: TemplateText? {
        if case .string(let text) = self { text } else { nil }
    }

    /// A number that can be counted with; true is 1.
    var asNumber: TemplateNumber? {
        switch self {
        case .bool(let value): .int(value ? 1 : 0)
        case .int(let value): .int(value)
        case .float(let value): .float(value)
        default: nil
        }
    }

    var asInt: Int? {
        if case .int(let value)? = asNumber { value } else { nil }
    }
}

/// A whole number or another one.
enum TemplateNumber {
    case int(Int)
    case float(Double)

    var double: Double {
        switch self {
        case .int(let value): Double(value)
        case .float(let value): value
        }
    }

    var value: TemplateValue {
        switch self {
        case .int(let value): .int(value)
        case .float(let value): .float(value)
        }
    }

    static func isLess(_ a: Self, _ b: Self) -> Bool {
        if case .int(let x) = a, case .int(let y) = b { return x < y }
        return a.double < b.double
    }

    static func isEqual(_ a: Self, _ b: Self) -> Bool {
        if case .int(let x) = a, case .int(let y) = b { return x == y }
        return a.double == b.double
    }
}

/// How much a template may still do. Whatever goes through values counts here: a few lines can say more than any memory
/// holds.
final class TemplateBudget {
    private(set) var steps: Int
    private(set) var characters: Int

    /// - Parameter inputSize: scalars of the conversation.
    init(inputSize: Int) {
        steps = 5_000_000 + 64 * inputSize
        characters = 64_000_000 + 64 * inputSize
    }

    /// - Throws: `unsupported` where no more may be done.
    func spend(_ count: Int = 1) throws(RecastError) {
        steps -= count
        if steps < 0 { throw .unsupported("takes more steps than a conversation of this length may") }
    }

    /// What finding a key costs.
    func spend(key: TemplateValue) throws(RecastError) { try spend(1 + (key.asText?.count ?? 0) / 8) }

    /// - Throws: `unsupported` where no more may be written.
    func write(_ count: Int) throws(RecastError) {
        characters -= count
        if characters < 0 { throw .unsupported("writes more text than a conversation of this length may need") }
        try spend(count / 16)
    }
}

extension TemplateValue {
    static func isEqual(_ a: TemplateValue, _ b: TemplateValue, _ budget: TemplateBudget) throws(RecastError) -> Bool {
        try budget.spend()
        if let x = a.asNumber, let y = b.asNumber { return TemplateNumber.isEqual(x, y) }
        switch (a, b) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.largeInt(let x), .largeInt(let y)): return x == y
        case (.string(let x), .string(let y)):
            try budget.spend(min(x.count, y.count) / 16)
            return x == y
        case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)):
            guard x.elements.count == y.elements.count else { return false }
            for (x, y) in zip(x.elements, y.elements) where try !isEqual(x, y, budget) { return false }
            return true
        case (.dictionary(let x), .dictionary(let y)):
            guard x.count == y.count else { return false }
            for (key, value) in zip(x.keys, x.values) {
                guard let other = y[try TemplateKey(key)], try isEqual(value, other, budget) else { return false }
            }
            return true
        case (.namespace(let x), .namespace(let y)): return x === y
        case (.loop(let x), .loop(let y)): return x === y
        case (.function(let x), .function(let y)): return x === y
        case (.iterator, .iterator): throw .unsupported("comparing \(a.typeName) with \(b.typeName) is not supported")
        default: return false
        }
    }

    /// - Throws: `malformedInput` for values that have no order.
    static func isLess(_ a: TemplateValue, _ b: TemplateValue, _ budget: TemplateBudget) throws(RecastError) -> Bool {
        try budget.spend()
        if let x = a.asNumber, let y = b.asNumber { return TemplateNumber.isLess(x, y) }
        switch (a, b) {
        case (.string(let x), .string(let y)):
            try budget.spend(min(x.count, y.count) / 16)
            return x.scalars.lexicographicallyPrecedes(y.scalars)
        case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)):
            for (x, y) in zip(x.elements, y.elements) where try !isEqual(x, y, budget) {
                return try isLess(x, y, budget)
            }
            return x.elements.count < y.elements.count
        case (.undefined(let message), _), (_, .undefined(let message)): throw RecastError(.malformedInput, message)
        default: throw RecastError(.malformedInput, "\(a.typeName) and \(b.typeName) have no order")
        }
    }

    static func isLessOrEqual(
        _ a: TemplateValue, _ b: TemplateValue, _ budget: TemplateBudget
    ) throws(RecastError) -> Bool {
        if try isLess(a, b, budget) { return true }
        return try isEqual(a, b, budget)
    }

    /// Stable, in the order of `keys`.
    static func sorted(
        _ values: [TemplateValue], by keys: [TemplateValue], reversed: Bool, _ budget: TemplateBudget
    ) throws(RecastError) -> [TemplateValue] {
        var order = Array(values.indices)
        var buffer = order
        var width = 1
        // Merges from below: a comparison may fail, which the standard library's sort would not let out with its type.
        while width < order.count {
            var start = 0
            while start < order.count {
                let middle = min(start + width, order.count)
                let end = min(start + 2 * width, order.count)
                var (left, right) = (start, middle)
                for place in start..<end {
                    let takesRight: Bool
                    if left == middle {
                        takesRight = true
                    } else if right == end {
                        takesRight = false
                    } else {
                        let (a, b) = (keys[order[left]], keys[order[right]])
                        takesRight = reversed ? try isLess(a, b, budget) : try isLess(b, a, budget)
                    }
                    buffer[place] = order[takesRight ? right : left]
                    if takesRight { right += 1 } else { left += 1 }
                }
                start = end
            }
            swap(&order, &buffer)
            width *= 2
        }
        return order.map { values[$0] }
    }
}
