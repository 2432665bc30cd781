import Recast

extension TemplateParser {
    /// One expression, or several with commas as a tuple.
    mutating func readTuple(
        withConditional: Bool = true, until end: String? = nil, inParentheses: Bool = false
    ) throws(RecastError) -> TemplateExpression {
        var elements: [TemplateExpression] = []
        var isTuple = false
        while true {
            if !elements.isEmpty { try expect(.sign(",")) }
            if isTupleEnd(end) { break }
            elements.append(try withConditional ? readExpression() : readOr())
            guard isSign(",") else { break }
            isTuple = true
        }
        if !isTuple, let only = elements.first { return only }
        guard isTuple || inParentheses else { throw failure("expected an expression, not \(current.description)") }
        return .tuple(elements)
    }

    private func isTupleEnd(_ end: String?) -> Bool {
        switch current.kind {
        case .outputEnd, .blockEnd, .sign(")"), .end: true
        case .name(let name): name == end
        default: false
        }
    }

    mutating func readExpression() throws(RecastError) -> TemplateExpression {
        try descend { (parser) throws(RecastError) in
            var value = try parser.readOr()
            var length = 0
            while parser.takesName("if") {
                try parser.countLink(&length)
                let condition = try parser.readOr()
                let other = parser.takesName("else") ? try parser.readExpression() : nil
                value = .conditional(if: condition, value, else: other)
            }
            return value
        }
    }

    private mutating func readOr() throws(RecastError) -> TemplateExpression {
        var left = try readAnd()
        var length = 0
        while takesName("or") {
            try countLink(&length)
            left = .or(left, try readAnd())
        }
        return left
    }

    private mutating func readAnd() throws(RecastError) -> TemplateExpression {
        var left = try readNot()
        var length = 0
        while takesName("and") {
            try countLink(&length)
            left = .and(left, try readNot())
        }
        return left
    }

    private mutating func readNot() throws(RecastError) -> TemplateExpression {
        guard takesName("not") else { return try readComparison() }
        return .not(try descend { (parser) throws(RecastError) in try parser.readNot() })
    }

    private mutating func readComparison() throws(RecastError) -> TemplateExpression {
        let line = line
        let left = try readSum()
        var others: [(sign: String, other: TemplateExpression)] = []
        while true {
            if case .sign(let sign) = current.kind, ["==", "!=", "<", "<=", ">", ">="].contains(sign) {
                advance()
                others.append((sign, try readSum()))
            } else if takesName("in") {
                others.append(("in", try readSum()))
            } else if isName("not"), next.kind == .name("in") {
                advance()
                advance()
                others.append(("not in", try readSum()))
            } else {
                return others.isEmpty ? left : .comparison(left, others, line: line)
            }
        }
    }

    // A chain is as deep as it is long.
    private mutating func readChain(
        _ signs: [String], _ part: (inout TemplateParser) throws(RecastError) -> TemplateExpression
    ) throws(RecastError) -> TemplateExpression {
        var left = try part(&self)
        var length = 0
        while case .sign(let sign) = current.kind, signs.contains(sign) {
            try countLink(&length)
            let line = line
            advance()
            left = .binary(sign, left, try part(&self), line: line)
        }
        return left
    }

    /// The most operations in a row.
    private static var longestChain: Int { 100 }

    private func countLink(_ length: inout Int) throws(RecastError) {
        length += 1
        guard length <= Self.longestChain else {
            throw .unsupported("more than \(Self.longestChain) operations in a row are not supported", line)
        }
    }

    private mutating func readSum() throws(RecastError) -> TemplateExpression {
        try readChain(["+", "-"]) { (parser) throws(RecastError) in try parser.readConcatenation() }
    }

    private mutating func readConcatenation() throws(RecastError) -> TemplateExpression {
        var parts = [try readProduct()]
        while takesSign("~") { parts.append(try readProduct()) }
        return parts.count == 1 ? parts[0] : .concatenation(parts)
    }

    private mutating func readProduct() throws(RecastError) -> TemplateExpression {
        try readChain(["*", "/", "//", "%"]) { (parser) throws(RecastError) in try parser.readPower() }
    }

    private mutating func readPower() throws(RecastError) -> TemplateExpression {
        try readChain(["**"]) { (parser) throws(RecastError) in try parser.readUnary() }
    }

    private mutating func readUnary(withFilters: Bool = true) throws(RecastError) -> TemplateExpression {
        let line = line
        var value: TemplateExpression
        if takesSign("-") {
            value = .minus(
                try descend { (parser) throws(RecastError) in try parser.readUnary(withFilters: false) }, line: line)
        } else if takesSign("+") {
            value = .plus(
                try descend { (parser) throws(RecastError) in try parser.readUnary(withFilters: false) }, line: line)
        } else {
            value = try readPrimary()
        }
        value = try readPostfix(value)
        return withFilters ? try readFiltersAndTests(value) : value
    }

    private mutating func readPrimary() throws(RecastError) -> TemplateExpression {
        let token = current
        switch token.kind {
        case .name(let name):
            advance()
            switch name {
            case "true", "True": return .bool(true)
            case "false", "False": return .bool(false)
            case "none", "None": return .none
            default:
                for index in uses.indices { uses[index].insert(name) }
                return .name(name, line: token.line)
            }
        case .string(var text):
            advance()
            // Strings side by side are one.
            while case .string(let more) = current.kind {
                text += more
                advance()
            }
            return .string(TemplateText(text))
        case .int(let value):
            advance()
            return .int(value)
        case .float(let value):
            advance()
            return .float(value)
        case .sign("("):
            advance()
            let value = try descend { (parser) throws(RecastError) in try parser.readTuple(inParentheses: true) }
            try expect(.sign(")"))
            return value
        case .sign("["):
            advance()
            var elements: [TemplateExpression] = []
            while !takesSign("]") {
                if !elements.isEmpty { try expect(.sign(",")) }
                if takesSign("]") { break }
                elements.append(try readExpression())
            }
            return .list(elements)
        case .sign("{"):
            advance()
            var members: [(key: TemplateExpression, value: TemplateExpression)] = []
            while !takesSign("}") {
                if !members.isEmpty { try expect(.sign(",")) }
                if takesSign("}") { break }
                let key = try readExpression()
                try expect(.sign(":"))
                members.append((key, try readExpression()))
            }
            return .dictionary(members, line: token.line)
        default: throw failure("expected an expression, not \(token.description)")
        }
    }

    // MARK: What follows

    private mutating func readPostfix(_ first: TemplateExpression) throws(RecastError) -> TemplateExpression {
        var value = first
        var length = 0
        while true {
            let line = line
            if takesSign(".") {
                switch current.kind {
                case .name(let name): value = .attribute(value, name, line: line)
                case .int(let index): value = .item(value, .int(index), line: line)
                default: throw failure("expected a name or a number, not \(current.description)")
                }
                advance()
            } else if takesSign("[") {
                value = try readSubscript(of: value, line)
                try expect(.sign("]"))
            } else if isSign("(") {
                value = .call(value, try readArguments(line))
            } else {
                return value
            }
            try countLink(&length)
        }
    }

    private mutating func readSubscript(
        of value: TemplateExpression, _ line: Int
    ) throws(RecastError) -> TemplateExpression {
        var bounds: [TemplateExpression?] = [nil]
        var isSlice = false
        while !isSign("]") {
            if takesSign(":") {
                isSlice = true
                bounds.append(nil)
                continue
            }
            if isSign(",") { throw .unsupported("several places in one subscript are not supported", line) }
            guard bounds[bounds.count - 1] == nil else {
                throw failure("expected ], not \(current.description)")
            }
            bounds[bounds.count - 1] = try readExpression()
        }
        guard bounds.count <= 3 else { throw failure("expected ], not :") }
        if isSlice { return .slice(value, bounds, line: line) }
        guard let index = bounds[0] else { throw failure("expected an expression, not ]") }
        return .item(value, index, line: line)
    }

    private mutating func readFiltersAndTests(_ first: TemplateExpression) throws(RecastError) -> TemplateExpression {
        var value = first
        var length = 0
        while true {
            let line = line
            if takesSign("|") {
                let name = try expectName("the name of a filter")
                value = .filter(value, name, try readArgumentsIfAny(line))
            } else if takesName("is") {
                let isNegated = takesName("not")
                let name = try expectName("the name of a test")
                let test = TemplateExpression.test(value, name, try readTestArguments(line))
                value = isNegated ? .not(test) : test
            } else if isSign("(") {
                value = .call(value, try readArguments(line))
            } else {
                return value
            }
            try countLink(&length)
        }
    }

    /// One argument may stand without parentheses.
    private mutating func readTestArguments(_ line: Int) throws(RecastError) -> TemplateCall {
        switch current.kind {
        case .sign("("): return try readArguments(line)
        case .name("else"), .name("or"), .name("and"): return TemplateCall(line: line)
        case .name("is"): throw failure("tests cannot be chained")
        case .name("if"), .name("in"), .name("not"): break
        case .name, .string, .int, .float, .sign("["), .sign("{"):
            return TemplateCall(positional: [try readPostfix(try readPrimary())], line: line)
        default: break
        }
        return TemplateCall(line: line)
    }

    mutating func readArgumentsIfAny(_ line: Int) throws(RecastError) -> TemplateCall {
        isSign("(") ? try readArguments(line) : TemplateCall(line: line)
    }

    private mutating func readArguments(_ line: Int) throws(RecastError) -> TemplateCall {
        try expect(.sign("("))
        var call = TemplateCall(line: line)
        var isFirst = true
        while !takesSign(")") {
            if !isFirst { try expect(.sign(",")) }
            if takesSign(")") { break }
            isFirst = false
            if takesSign("*") {
                guard call.list == nil, call.mapping == nil else { throw failure("expected ), not *") }
                call.list = try readExpression()
            } else if takesSign("**") {
                guard call.mapping == nil else { throw failure("expected ), not **") }
                call.mapping = try readExpression()
            } else if case .name(let name) = current.kind, next.kind == .sign("=") {
                advance()
                advance()
                call.keywords.append((name, try readExpression()))
            } else {
                guard call.keywords.isEmpty, call.list == nil, call.mapping == nil else {
                    throw failure("arguments by place come before those by name")
                }
                call.positional.append(try readExpression())
            }
        }
        return call
    }
}
