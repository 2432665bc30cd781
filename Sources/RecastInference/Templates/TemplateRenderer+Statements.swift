import Recast

extension TemplateRenderer {
    enum Flow { case goesOn, breaks, continues }

    func run(_ statements: [TemplateStatement]) throws(RecastError) -> Flow {
        for statement in statements {
            let flow = try descend { () throws(RecastError) in try run(statement) }
            if flow != .goesOn { return flow }
        }
        return .goesOn
    }

    private func run(_ statement: TemplateStatement) throws(RecastError) -> Flow {
        switch statement {
        case .text(let text):
            try budget.write(text.count)
            output += text
        case .output(let expression, let line):
            self.line = line
            try write(try evaluate(expression).text(budget))
        case .choice(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition).isTrue { return try run(branch.body) }
            return try run(otherwise)
        case .loop(let loop): return try run(loop)
        case .set(let target, let expression, let line):
            self.line = line
            try set(target, try evaluate(expression))
        case .setBlock(let target, let filters, let body, let line):
            self.line = line
            let text = try captured { () throws(RecastError) in _ = try run(body) }
            try set(target, try filtered(.string(text), filters))
        case .macro(let macro):
            line = macro.line
            scope.names[macro.name] = .function(function(of: macro))
        case .call(let called, let call, let macro):
            line = macro.line
            var arguments = try evaluate(call)
            arguments.keywords.append(("caller", .function(function(of: macro))))
            try write(try self.call(try evaluate(called), arguments).text(budget))
        case .filterBlock(let filters, let body, let line):
            self.line = line
            let text = try captured { () throws(RecastError) in _ = try run(body) }
            try write(try filtered(.string(text), filters).text(budget))
        case .with(let values, let body, let line):
            self.line = line
            let inner = TemplateScope(scope)
            for (target, value) in values {
                let value = try evaluate(value)
                try withScope(inner) { () throws(RecastError) in try set(target, value) }
            }
            return try withScope(inner) { () throws(RecastError) in try run(body) }
        case .generation(let body, let line):
            self.line = line
            let text = try captured { () throws(RecastError) in _ = try run(body) }
            try write(TemplateText(text.scalars.map { $0.asGenerated() }))
        case .break(let line):
            self.line = line
            return .breaks
        case .continue(let line):
            self.line = line
            return .continues
        }
        return .goesOn
    }

    private func filtered(
        _ value: TemplateValue, _ filters: [TemplateFilterSyntax]
    ) throws(RecastError) -> TemplateValue {
        var value = value
        for filter in filters { value = try apply(filter.name, to: value, try evaluate(filter.call)) }
        return value
    }

    // MARK: Loops

    private func run(_ syntax: TemplateLoopSyntax) throws(RecastError) -> Flow {
        line = syntax.line
        let outer = scope
        let loop = TemplateLoop(try elements(of: try evaluate(syntax.iterable)))
        loop.accepts = { [unowned self] element throws(RecastError) in
            guard let condition = syntax.condition else { return true }
            return try withScope(TemplateScope(outer)) { () throws(RecastError) in
                try set(syntax.target, element)
                return try evaluate(condition).isTrue
            }
        }
        // The closure is the loop's own as long as it runs.
        defer { loop.accepts = nil }
        while let element = try loop.advance() {
            try budget.spend()
            let inner = TemplateScope(outer)
            inner.names["loop"] = .loop(loop)
            let flow = try withScope(inner) { () throws(RecastError) in
                try set(syntax.target, element)
                return try run(syntax.body)
            }
            if flow == .breaks { return .goesOn }
        }
        if loop.index == 0 {
            return try withScope(TemplateScope(outer)) { () throws(RecastError) in try run(syntax.otherwise) }
        }
        return .goesOn
    }

    // MARK: Targets

    func set(_ target: TemplateTarget, _ value: TemplateValue) throws(RecastError) {
        switch target {
        case .name(let name): scope.names[name] = value
        case .member(let name, let member):
            guard case .namespace(let namespace)? = scope.value(name) else {
                throw failure("cannot set \(name).\(member): \(name) is no namespace")
            }
            try namespace.set(member, value)
        case .tuple(let targets):
            let elements = try elements(of: value)
            guard elements.count == targets.count else {
                throw failure("\(elements.count) values for \(targets.count) names")
            }
            for (target, element) in zip(targets, elements) { try set(target, element) }
        }
    }
}

/// A loop as its body sees it. Elements are asked for one at a time, as a condition may depend on what the body does.
final class TemplateLoop {
    private let elements: [TemplateValue]
    private var place = 0
    /// Elements that are in the loop, of which `index` have been gone through.
    private var accepted: [TemplateValue] = []
    private(set) var index = 0
    private var lastChanged: [TemplateValue]?
    var accepts: ((TemplateValue) throws(RecastError) -> Bool)?

    init(_ elements: [TemplateValue]) { self.elements = elements }

    fileprivate func advance() throws(RecastError) -> TemplateValue? {
        guard let element = try look() else { return nil }
        index += 1
        return element
    }

    private func look() throws(RecastError) -> TemplateValue? {
        while accepted.count == index, place < elements.count { try accept() }
        return accepted.count > index ? accepted[index] : nil
    }

    private func length() throws(RecastError) -> Int {
        while place < elements.count { try accept() }
        return accepted.count
    }

    private func accept() throws(RecastError) {
        let element = elements[place]
        place += 1
        if try accepts?(element) ?? true { accepted.append(element) }
    }

    func attribute(_ name: String, _ renderer: TemplateRenderer) throws(RecastError) -> TemplateValue? {
        switch name {
        case "index": return .int(index)
        case "index0": return .int(index - 1)
        case "first": return .bool(index == 1)
        case "last": return .bool(try look() == nil)
        case "length": return .int(try length())
        case "revindex": return .int(try length() - index + 1)
        case "revindex0": return .int(try length() - index)
        case "depth": return .int(1)
        case "depth0": return .int(0)
        case "previtem": return index > 1 ? accepted[index - 2] : .undefined("there is no previous item")
        case "nextitem": return try look() ?? .undefined("there is no next item")
        case "cycle":
            return .function(
                TemplateFunction("cycle") { [index] renderer, arguments throws(RecastError) in
                    guard !arguments.positional.isEmpty else { throw renderer.failure("cycle needs values") }
                    return arguments.positional[(index - 1) % arguments.positional.count]
                })
        case "changed":
            return .function(
                TemplateFunction("changed") { [unowned self] renderer, arguments throws(RecastError) in
                    if let last = lastChanged, last.count == arguments.positional.count {
                        var isSame = true
                        for (a, b) in zip(last, arguments.positional) where isSame {
                            isSame = try TemplateValue.isEqual(a, b, renderer.budget)
                        }
                        if isSame { return .bool(false) }
                    }
                    lastChanged = arguments.positional
                    return .bool(true)
                })
        default: return nil
        }
    }
}
