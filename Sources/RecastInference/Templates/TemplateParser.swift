import Recast

/// A template's tokens put together to statements.
///
/// Source: jinja2's `parser.py`.
struct TemplateParser {
    var tokens: [TemplateToken]
    var place = 0
    private var depth = 0
    /// Names used within each macro that is open.
    var uses: [Set<String>] = []
    private var loopDepth = 0
    /// Of the tags that are open.
    private var tagLines = [1]

    /// Deeper code is refused.
    static let maximumDepth = 48

    /// - Throws: `malformedInput` with the line and what was expected there; `unsupported` for what Jinja has and this
    ///   has not, by name.
    static func statements(of source: String) throws(RecastError) -> [TemplateStatement] {
        var parser = TemplateParser(tokens: try TemplateLexer.tokens(of: source))
        let statements = try parser.readStatements(until: [], of: "")
        return statements
    }

    private init(tokens: [TemplateToken]) { self.tokens = tokens }

    // MARK: Tokens

    var current: TemplateToken { tokens[place] }
    var line: Int { current.line }

    var next: TemplateToken { tokens[min(place + 1, tokens.count - 1)] }

    func failure(_ message: String) -> RecastError {
        RecastError(.malformedInput, message, trail: ["line \(line)"])
    }

    mutating func advance() { if place + 1 < tokens.count { place += 1 } }

    func isSign(_ sign: String) -> Bool { current.kind == .sign(sign) }
    func isName(_ name: String) -> Bool { current.kind == .name(name) }

    mutating func takes(_ kind: TemplateToken.Kind) -> Bool {
        guard current.kind == kind else { return false }
        advance()
        return true
    }

    mutating func takesSign(_ sign: String) -> Bool { takes(.sign(sign)) }
    mutating func takesName(_ name: String) -> Bool { takes(.name(name)) }

    mutating func expect(_ kind: TemplateToken.Kind) throws(RecastError) {
        guard takes(kind) else {
            let wanted = TemplateToken(kind: kind, line: 0).description
            throw failure("expected \(wanted), not \(current.description)")
        }
    }

    mutating func expectName(_ what: String) throws(RecastError) -> String {
        guard case .name(let name) = current.kind else {
            throw failure("expected \(what), not \(current.description)")
        }
        advance()
        return name
    }

    /// - Throws: `unsupported` where code is nested too deep.
    mutating func descend<Result>(
        _ body: (inout TemplateParser) throws(RecastError) -> Result
    ) throws(RecastError) -> Result {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.maximumDepth else {
            throw .unsupported("code is nested deeper than \(Self.maximumDepth) levels", line)
        }
        return try body(&self)
    }

    // MARK: Statements

    /// Statements until a tag with one of `names`, which is left; to the end where there are none.
    private mutating func readStatements(until names: [String], of owner: String) throws(RecastError)
        -> [TemplateStatement]
    {
        let start = tagLines[tagLines.count - 1]
        var statements: [TemplateStatement] = []
        while true {
            switch current.kind {
            case .text(let text):
                statements.append(.text(text.map { MarkedScalar($0) }))
                advance()
            case .outputStart:
                let line = line
                advance()
                statements.append(.output(try readTuple(), line: line))
                try expect(.outputEnd)
            case .blockStart:
                if case .name(let name) = next.kind, names.contains(name) {
                    advance()
                    return statements
                }
                advance()
                try descend { (parser) throws(RecastError) in
                    try parser.readStatement(into: &statements)
                }
                try expect(.blockEnd)
            default:
                guard names.isEmpty else {
                    throw RecastError(
                        .malformedInput, "\(owner) does not end: expected \(names.joined(separator: " or "))",
                        trail: ["line \(start)"])
                }
                return statements
            }
        }
    }

    /// The body of a tag, whose end is read but for its `%}`.
    private mutating func readBody(until name: String, of owner: String) throws(RecastError) -> [TemplateStatement] {
        _ = takesSign(":")
        try expect(.blockEnd)
        let body = try readStatements(until: [name], of: owner)
        advance()
        return body
    }

    private mutating func readStatement(into statements: inout [TemplateStatement]) throws(RecastError) {
        let line = line
        tagLines.append(line)
        defer { tagLines.removeLast() }
        let name = try expectName("the name of a tag")
        switch name {
        case "if": statements.append(try readChoice())
        case "for": statements.append(try readLoop(line))
        case "set": statements.append(try readSet(line))
        case "macro": statements.append(.macro(try readMacro(line)))
        case "call": statements.append(try readCallBlock(line))
        case "filter":
            let filters = try readFilters(startsInline: true)
            statements.append(.filterBlock(filters, try readBody(until: "endfilter", of: "filter"), line: line))
        case "with": statements.append(try readWith(line))
        case "generation":
            statements.append(.generation(try readBody(until: "endgeneration", of: "generation"), line: line))
        case "print":
            while current.kind != .blockEnd {
                statements.append(.output(try readExpression(), line: line))
                if current.kind != .blockEnd { try expect(.sign(",")) }
            }
        case "break", "continue":
            guard loopDepth > 0 else { throw failure("\(name) is outside of a loop") }
            statements.append(name == "break" ? .break(line: line) : .continue(line: line))
        case "autoescape", "block", "do", "extends", "from", "import", "include", "trans":
            throw .unsupported("the tag \"\(name)\" is not supported", line)
        default: throw RecastError(.malformedInput, "unknown tag \"\(name)\"", trail: ["line \(line)"])
        }
    }

    private mutating func readChoice() throws(RecastError) -> TemplateStatement {
        var branches: [(condition: TemplateExpression, body: [TemplateStatement])] = []
        while true {
            let condition = try readTuple(withConditional: false)
            _ = takesSign(":")
            try expect(.blockEnd)
            branches.append((condition, try readStatements(until: ["elif", "else", "endif"], of: "if")))
            if takesName("elif") { continue }
            if takesName("else") { return .choice(branches, else: try readBody(until: "endif", of: "else")) }
            advance()
            return .choice(branches, else: [])
        }
    }

    private mutating func readLoop(_ line: Int) throws(RecastError) -> TemplateStatement {
        let target = try readTarget(until: "in")
        guard takesName("in") else { throw failure("expected in, not \(current.description)") }
        let iterable = try readTuple(withConditional: false, until: "recursive")
        let condition = takesName("if") ? try readExpression() : nil
        if isName("recursive") { throw .unsupported("recursive loops are not supported", line) }
        _ = takesSign(":")
        try expect(.blockEnd)
        loopDepth += 1
        let body = try readStatements(until: ["endfor", "else"], of: "for")
        loopDepth -= 1
        let otherwise = takesName("else") ? try readBody(until: "endfor", of: "else") : []
        if otherwise.isEmpty, isName("endfor") { advance() }
        return .loop(
            TemplateLoopSyntax(
                target: target, iterable: iterable, condition: condition, body: body, otherwise: otherwise, line: line))
    }

    private mutating func readSet(_ line: Int) throws(RecastError) -> TemplateStatement {
        let target = try readTarget(until: nil)
        if takesSign("=") { return .set(target, try readTuple(), line: line) }
        let filters = try readFilters(startsInline: false)
        return .setBlock(target, filters, try readBody(until: "endset", of: "set"), line: line)
    }

    private mutating func readFilters(startsInline: Bool) throws(RecastError) -> [TemplateFilterSyntax] {
        var filters: [TemplateFilterSyntax] = []
        var isInline = startsInline
        while isInline || takesSign("|") {
            isInline = false
            let line = line
            let name = try expectName("the name of a filter")
            filters.append(TemplateFilterSyntax(name: name, call: try readArgumentsIfAny(line)))
        }
        return filters
    }

    private mutating func readWith(_ line: Int) throws(RecastError) -> TemplateStatement {
        var values: [(target: TemplateTarget, value: TemplateExpression)] = []
        while current.kind != .blockEnd {
            if !values.isEmpty { try expect(.sign(",")) }
            let target = try readTarget(until: nil, isTuple: false)
            try expect(.sign("="))
            values.append((target, try readExpression()))
        }
        return .with(values, try readBody(until: "endwith", of: "with"), line: line)
    }

    // MARK: Macros

    private mutating func readMacro(_ line: Int) throws(RecastError) -> TemplateMacro {
        let name = try expectName("the name of a macro")
        guard isSign("(") else { throw failure("expected (, not \(current.description)") }
        return try readMacro(named: name, endingWith: "endmacro", line)
    }

    /// Parameters, where there are any, and a body.
    private mutating func readMacro(
        named name: String, endingWith end: String, _ line: Int,
        between: (inout TemplateParser) throws(RecastError) -> Void = { _ in }
    ) throws(RecastError) -> TemplateMacro {
        uses.append([])
        let outerLoopDepth = loopDepth
        loopDepth = 0
        defer { loopDepth = outerLoopDepth }
        var parameters: [(name: String, value: TemplateExpression?)] = []
        if takesSign("(") {
            while !takesSign(")") {
                if !parameters.isEmpty { try expect(.sign(",")) }
                if takesSign(")") { break }
                let parameter = try expectName("the name of a parameter")
                let value = takesSign("=") ? try readExpression() : nil
                if value == nil, parameters.last?.value != nil {
                    throw failure("the parameter \(parameter) has no default, but one before it has")
                }
                parameters.append((parameter, value))
            }
        }
        try between(&self)
        let body = try readBody(until: end, of: name.isEmpty ? "call" : "macro")
        let used = uses.removeLast()
        for index in uses.indices { uses[index].formUnion(used) }
        return TemplateMacro(name: name, parameters: parameters, body: body, uses: used, line: line)
    }

    private mutating func readCallBlock(_ line: Int) throws(RecastError) -> TemplateStatement {
        var called: TemplateExpression?
        let macro = try readMacro(named: "", endingWith: "endcall", line) { (parser) throws(RecastError) in
            called = try parser.readExpression()
        }
        guard case .call(let function, let arguments)? = called else {
            throw RecastError(.malformedInput, "expected a call", trail: ["line \(line)"])
        }
        return .call(function, arguments, macro)
    }

    // MARK: Targets

    private mutating func readTarget(until end: String?, isTuple: Bool = true) throws(RecastError) -> TemplateTarget {
        var targets = [try readSingleTarget()]
        var isSeveral = false
        while isTuple, takesSign(",") {
            isSeveral = true
            if let end, isName(end) { break }
            if isSign("=") { break }
            targets.append(try readSingleTarget())
        }
        return isSeveral ? .tuple(targets) : targets[0]
    }

    private mutating func readSingleTarget() throws(RecastError) -> TemplateTarget {
        if takesSign("(") {
            let target = try descend { (parser) throws(RecastError) in try parser.readTarget(until: nil) }
            try expect(.sign(")"))
            return target
        }
        let name = try expectName("a name to set")
        guard !["true", "false", "none", "True", "False", "None"].contains(name) else {
            throw failure("\(name) cannot be set")
        }
        if isSign("."), case .name(let member) = next.kind {
            advance()
            advance()
            for index in uses.indices { uses[index].insert(name) }
            return .member(name, member)
        }
        return .name(name)
    }
}
