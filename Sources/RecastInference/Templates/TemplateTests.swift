import Recast

/// What stands after `is`.
extension TemplateRenderer {
    func test(_ name: String, _ value: TemplateValue, _ arguments: TemplateArguments) throws(RecastError) -> Bool {
        func other() throws(RecastError) -> TemplateValue {
            try arguments.bound(to: ["other"], required: 1, of: name)[0]!
        }
        func number() throws(RecastError) -> Int {
            guard let number = value.asInt else { throw try operand(value, "a whole number") }
            return number
        }
        switch name {
        case "defined": return value.isDefined
        case "undefined": return !value.isDefined
        case "none": return value.isNone
        case "boolean": if case .bool = value { return true } else { return false }
        case "true": if case .bool(true) = value { return true } else { return false }
        case "false": if case .bool(false) = value { return true } else { return false }
        case "integer":
            switch value {
            case .int, .largeInt: return true
            default: return false
            }
        case "float": if case .float = value { return true } else { return false }
        case "number":
            if case .largeInt = value { return true }
            return value.asNumber != nil
        case "string": return value.asText != nil
        case "mapping": if case .dictionary = value { return true } else { return false }
        case "sequence":
            switch value {
            case .undefined, .string, .list, .tuple, .dictionary, .iterator("range", _): return true
            default: return false
            }
        case "iterable":
            switch value {
            case .undefined, .string, .list, .tuple, .dictionary, .iterator, .loop: return true
            default: return false
            }
        case "callable":
            switch value {
            // Both have a way to be called, though it always fails.
            case .function, .undefined, .loop: return true
            default: return false
            }
        case "eq", "equalto": return try TemplateValue.isEqual(value, other(), budget)
        case "ne": return try !TemplateValue.isEqual(value, other(), budget)
        case "lt", "lessthan": return try TemplateValue.isLess(value, other(), budget)
        case "gt", "greaterthan": return try TemplateValue.isLess(other(), value, budget)
        case "le": return try TemplateValue.isLessOrEqual(value, other(), budget)
        case "ge": return try TemplateValue.isLessOrEqual(other(), value, budget)
        case "in": return try contains(other(), value)
        case "even": return try number() % 2 == 0
        case "odd": return try number() % 2 != 0
        case "divisibleby":
            guard let divisor = try other().asInt, divisor != 0 else { throw failure("division by zero") }
            return try number().remainderReportingOverflow(dividingBy: divisor).partialValue == 0
        case "lower": return try value.text(budget).isAll(uppercase: false)
        case "upper": return try value.text(budget).isAll(uppercase: true)
        case "filter":
            let name = try value.text(budget).string
            return TemplateFilters.table[name] != nil || TemplateFilters.unsupported.contains(name)
        case "escaped": return value.asText?.isMarkup == true
        case "sameas", "test": throw .unsupported("the test \(name) is not supported")
        default: throw failure("there is no test \(name)")
        }
    }
}
