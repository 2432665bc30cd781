import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension TemplateRenderer {
    func evaluate(_ expression: TemplateExpression) throws(RecastError) -> TemplateValue {
        try descend { () throws(RecastError) in try evaluated(expression) }
    }

    private func evaluated(_ expression: TemplateExpression) throws(RecastError) -> TemplateValue {
        switch expression {
        case .none: return .none
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .float(let value): return .float(value)
        case .string(let text): return .string(text)
        case .name(let name, _): return scope.value(name) ?? .undefined("\(name) is undefined")
        case .list(let elements): return try .list(evaluate(elements))
        case .tuple(let elements): return try .tuple(evaluate(elements))
        case .dictionary(let members, let line):
            var dictionary = TemplateDictionary()
            for (key, value) in members {
                let (key, value) = (try evaluate(key), try evaluate(value))
                self.line = line
                try budget.spend(key: key)
                try dictionary.set(key, value)
            }
            return .dictionary(dictionary)
        case .attribute(let value, let name, let line):
            let value = try evaluate(value)
            self.line = line
            return try attribute(name, of: value)
        case .item(let value, let index, let line):
            let (value, index) = (try evaluate(value), try evaluate(index))
            self.line = line
            return try item(index, of: value)
        case .slice(let value, let bounds, let line):
            let value = try evaluate(value)
            var values: [TemplateValue?] = []
            for bound in bounds {
                values.append(try bound.map { expression throws(RecastError) in try evaluate(expression) })
            }
            self.line = line
            return try slice(values, of: value)
        case .call(let called, let call):
            let (called, arguments) = (try evaluate(called), try evaluate(call))
            line = call.line
            return try self.call(called, arguments)
        case .filter(let value, let name, let call):
            let (value, arguments) = (try evaluate(value), try evaluate(call))
            line = call.line
            return try apply(name, to: value, arguments)
        case .test(let value, let name, let call):
            let (value, arguments) = (try evaluate(value), try evaluate(call))
            line = call.line
            return .bool(try test(name, value, arguments))
        case .minus(let value, let line), .plus(let value, let line):
            let value = try evaluate(value)
            self.line = line
            guard let number = value.asNumber else { throw try operand(value, "a number") }
            guard case .minus = expression else { return number.value }
            switch number {
            case .int(let value): return .int(try checked(0.subtractingReportingOverflow(value)))
            case .float(let value): return .float(-value)
            }
        case .binary(let sign, let a, let b, let line):
            let (a, b) = (try evaluate(a), try evaluate(b))
            self.line = line
            return try binary(sign, a, b)
        case .concatenation(let parts):
            var result = TemplateText()
            for part in parts { result += try evaluate(part).text(budget) }
            try budget.write(result.count)
            return .string(result)
        case .comparison(let first, let others, let line):
            var left = try evaluate(first)
            for (sign, other) in others {
                let right = try evaluate(other)
                self.line = line
                guard try compares(sign, left, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        case .and(let a, let b):
            let value = try evaluate(a)
            return value.isTrue ? try evaluate(b) : value
        case .or(let a, let b):
            let value = try evaluate(a)
            return value.isTrue ? value : try evaluate(b)
        case .not(let value): return .bool(try !evaluate(value).isTrue)
        case .conditional(let condition, let value, let other):
            if try evaluate(condition).isTrue { return try evaluate(value) }
            return try other.map { expression throws(RecastError) in try evaluate(expression) }
                ?? .undefined("the inline if has no else")
        }
    }

    private func evaluate(_ expressions: [TemplateExpression]) throws(RecastError) -> [TemplateValue] {
        var values: [TemplateValue] = []
        values.reserveCapacity(expressions.count)
        for expression in expressions { values.append(try evaluate(expression)) }
        return values
    }

    func evaluate(_ call: TemplateCall) throws(RecastError) -> TemplateArguments {
        var arguments = TemplateArguments(positional: try evaluate(call.positional))
        if let list = call.list { arguments.positional += try elements(of: try evaluate(list)) }
        for (name, value) in call.keywords { arguments.keywords.append((name, try evaluate(value))) }
        if let mapping = call.mapping {
            guard case .dictionary(let dictionary) = try evaluate(mapping) else {
                throw failure("what is after ** is no dictionary")
            }
            for (key, value) in zip(dictionary.keys, dictionary.values) {
                guard let name = key.asText else { throw failure("names of arguments are strings") }
                arguments.keywords.append((name.string, value))
            }
        }
        return arguments
    }

    // MARK: Operators

    func checked(_ result: (partialValue: Int, overflow: Bool)) throws(RecastError) -> Int {
        guard !result.overflow else { throw .unsupported("integers beyond 64 bits are not supported") }
        return result.partialValue
    }

    /// The error for a value that is not what an operator takes.
    func operand(_ value: TemplateValue, _ wanted: String) throws(RecastError) -> RecastError {
        if case .undefined(let message) = value { return failure(message) }
        if case .largeInt = value { return .unsupported("integers beyond 64 bits are not supported") }
        return failure("expected \(wanted), not \(value.typeName)")
    }

    private func compares(_ sign: String, _ a: TemplateValue, _ b: TemplateValue) throws(RecastError) -> Bool {
        switch sign {
        case "==": return try TemplateValue.isEqual(a, b, budget)
        case "!=": return try !TemplateValue.isEqual(a, b, budget)
        case "<": return try TemplateValue.isLess(a, b, budget)
        case ">": return try TemplateValue.isLess(b, a, budget)
        case "<=": return try TemplateValue.isLessOrEqual(a, b, budget)
        case ">=": return try TemplateValue.isLessOrEqual(b, a, budget)
        case "in": return try contains(b, a)
        default: return try !contains(b, a)
        }
    }

    func contains(_ container: TemplateValue, _ value: TemplateValue) throws(RecastError) -> Bool {
        switch container {
        case .string(let text):
            guard let part = value.asText else { throw try operand(value, "a string to look for in a string") }
            try budget.spend(text.count / 16)
            return text.contains(part)
        case .dictionary(let dictionary):
            try budget.spend(key: value)
            return dictionary[try TemplateKey(value)] != nil
        default:
            for element in try elements(of: container) where try TemplateValue.isEqual(element, value, budget) {
                return true
            }
            return false
        }
    }

    private func binary(_ sign: String, _ a: TemplateValue, _ b: TemplateValue) throws(RecastError) -> TemplateValue {
        if let x = a.asNumber, let y = b.asNumber { return try arithmetic(sign, x, y) }
        switch (sign, a, b) {
        case ("+", .string(let x), .string(let y)):
            try budget.write(x.count + y.count)
            guard x.isMarkup || y.isMarkup else { return .string(x + y) }
            // Markup takes nothing in without escaping it.
            var result = (x.isMarkup ? x : x.escapedMarkup()) + (y.isMarkup ? y : y.escapedMarkup())
            result.isMarkup = true
            return .string(result)
        case ("+", .list(let x), .list(let y)):
            try budget.write(x.elements.count + y.elements.count)
            return try .list(x.elements + y.elements)
        case ("+", .tuple(let x), .tuple(let y)):
            try budget.write(x.elements.count + y.elements.count)
            return try .tuple(x.elements + y.elements)
        case ("%", .string(let format), _): return .string(try percentFormatted(format, b))
        case ("*", .string(let text), _): return .string(TemplateText(try repeated(text.scalars, b)))
        case ("*", _, .string(let text)): return .string(TemplateText(try repeated(text.scalars, a)))
        case ("*", .list(let list), _): return try .list(repeated(list.elements, b))
        case ("*", _, .list(let list)): return try .list(repeated(list.elements, a))
        default:
            if case .undefined = a { throw try operand(a, "") }
            if case .undefined = b { throw try operand(b, "") }
            for value in [a, b] { if case .largeInt = value { throw try operand(value, "") } }
            throw failure("\(a.typeName) \(sign) \(b.typeName) has no meaning")
        }
    }

    private func repeated<Element>(_ elements: [Element], _ count: TemplateValue) throws(RecastError) -> [Element] {
        guard let count = count.asInt else { throw try operand(count, "a whole number") }
        let product = try checked(elements.count.multipliedReportingOverflow(by: max(0, count)))
        try budget.write(product)
        var result: [Element] = []
        result.reserveCapacity(product)
        if !elements.isEmpty { for _ in 0..<max(0, count) { result += elements } }
        return result
    }

    private func arithmetic(
        _ sign: String, _ a: TemplateNumber, _ b: TemplateNumber
    ) throws(RecastError) -> TemplateValue {
        if ["/", "//", "%"].contains(sign), b.double == 0 { throw failure("division by zero") }
        guard case .int(let x) = a, case .int(let y) = b, sign != "/" else {
            return .float(try arithmetic(sign, a.double, b.double))
        }
        switch sign {
        case "+": return .int(try checked(x.addingReportingOverflow(y)))
        case "-": return .int(try checked(x.subtractingReportingOverflow(y)))
        case "*": return .int(try checked(x.multipliedReportingOverflow(by: y)))
        case "//", "%":
            // Rounded down, so that the rest has the divisor's sign.
            let quotient = try checked(x.dividedReportingOverflow(by: y))
            let rest = x - quotient * y
            let isBelow = rest != 0 && (rest < 0) != (y < 0)
            return .int(sign == "%" ? (isBelow ? rest + y : rest) : (isBelow ? quotient - 1 : quotient))
        default:
            if y < 0 { return .float(try arithmetic(sign, Double(x), Double(y))) }
            var (result, base, exponent) = (1, x, y)
            while exponent > 0 {
                if exponent & 1 == 1 { result = try checked(result.multipliedReportingOverflow(by: base)) }
                exponent >>= 1
                if exponent > 0 { base = try checked(base.multipliedReportingOverflow(by: base)) }
            }
            return .int(result)
        }
    }

    private func arithmetic(_ sign: String, _ x: Double, _ y: Double) throws(RecastError) -> Double {
        switch sign {
        case "+": return x + y
        case "-": return x - y
        case "*": return x * y
        case "/": return x / y
        case "//": return (x / y).rounded(.down)
        case "%":
            let rest = x.truncatingRemainder(dividingBy: y)
            return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest
        default: return pow(x, y)
        }
    }
}

extension TemplateRenderer {
    /// `a + b`
    func added(_ a: TemplateValue, _ b: TemplateValue) throws(RecastError) -> TemplateValue { try binary("+", a, b) }
}
