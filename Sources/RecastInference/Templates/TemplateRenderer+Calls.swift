import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Values that a function, a filter or a test is given.
struct TemplateArguments {
    var positional: [TemplateValue] = []
    var keywords: [(name: String, value: TemplateValue)] = []

    init(positional: [TemplateValue] = []) { self.positional = positional }

    /// The values by the names of parameters, nil for those that are not given.
    ///
    /// - Throws: `malformedInput` for too many, too few and unknown ones.
    func bound(to names: [String], required: Int = 0, of function: String) throws(RecastError) -> [TemplateValue?] {
        guard positional.count <= names.count else {
            throw RecastError(.malformedInput, "\(function) takes \(names.count) arguments, not \(positional.count)")
        }
        var values: [TemplateValue?] = positional + Array(repeating: nil, count: names.count - positional.count)
        for (name, value) in keywords {
            guard let place = names.firstIndex(of: name) else {
                throw RecastError(.malformedInput, "\(function) takes no argument \(name)")
            }
            guard values[place] == nil else {
                throw RecastError(.malformedInput, "\(function) is given \(name) twice")
            }
            values[place] = value
        }
        for place in 0..<required where values[place] == nil {
            throw RecastError(.malformedInput, "\(function) needs an argument \(names[place])")
        }
        return values
    }
}

extension TemplateRenderer {
    func call(_ called: TemplateValue, _ arguments: TemplateArguments) throws(RecastError) -> TemplateValue {
        switch called {
        case .function(let function):
            return try descend { () throws(RecastError) in try function.body(self, arguments) }
        case .undefined(let message): throw failure(message)
        case .loop: throw .unsupported("recursive loops are not supported")
        default: throw failure("\(called.typeName) cannot be called")
        }
    }

    // MARK: Macros

    func function(of macro: TemplateMacro) -> TemplateFunction {
        let defining = scope
        keep(defining)
        return TemplateFunction(macro.name.isEmpty ? "caller" : macro.name, isMacro: true) {
            renderer, arguments throws(RecastError) in
            let line = renderer.line
            let text = try renderer.captured(in: defining) { () throws(RecastError) in
                try renderer.bind(arguments, to: macro)
                _ = try renderer.run(macro.body)
            }
            renderer.line = line
            return .string(text)
        }
    }

    private func bind(_ arguments: TemplateArguments, to macro: TemplateMacro) throws(RecastError) {
        let name = macro.name.isEmpty ? "caller" : macro.name
        var keywords = arguments.keywords
        for (place, parameter) in macro.parameters.enumerated() {
            if place < arguments.positional.count {
                scope.names[parameter.name] = arguments.positional[place]
            } else if let index = keywords.firstIndex(where: { $0.name == parameter.name }) {
                scope.names[parameter.name] = keywords.remove(at: index).value
            } else if let value = parameter.value {
                scope.names[parameter.name] = try evaluate(value)
            } else {
                scope.names[parameter.name] = .undefined("the parameter \(parameter.name) of \(name) is not given")
            }
        }
        if macro.uses.contains("caller"), !macro.parameters.contains(where: { $0.name == "caller" }) {
            let index = keywords.firstIndex { $0.name == "caller" }
            scope.names["caller"] = index.map { keywords.remove(at: $0).value } ?? .undefined("there is no caller")
        }
        if macro.uses.contains("kwargs") {
            var dictionary = TemplateDictionary()
            for (name, value) in keywords { try dictionary.set(.text(name), value) }
            scope.names["kwargs"] = .dictionary(dictionary)
        } else if let keyword = keywords.first {
            throw failure("\(name) takes no argument \(keyword.name)")
        }
        let rest = arguments.positional.dropFirst(macro.parameters.count)
        if macro.uses.contains("varargs") {
            scope.names["varargs"] = try .tuple(Array(rest))
        } else if !rest.isEmpty {
            throw failure("\(name) takes \(macro.parameters.count) arguments, not \(arguments.positional.count)")
        }
    }

    // MARK: Functions

    /// What templates find without being given it.
    static var globals: [String: TemplateValue] {
        let functions: [TemplateFunction] = [
            TemplateFunction("raise_exception") { renderer, arguments throws(RecastError) in
                let message = try arguments.bound(to: ["message"], required: 1, of: "raise_exception")[0]!
                throw RecastError(
                    .malformedInput,
                    "the template refuses the conversation: \(try message.text(renderer.budget).string)")
            },
            TemplateFunction("strftime_now") { renderer, arguments throws(RecastError) in
                let format = try arguments.bound(to: ["format"], required: 1, of: "strftime_now")[0]!
                guard let text = format.asText?.string, text.utf8.count < 256 else {
                    throw renderer.failure("strftime_now takes a short string")
                }
                return .text(Self.time(renderer.now, text))
            },
            TemplateFunction("namespace") { renderer, arguments throws(RecastError) in
                let namespace = try renderer.makeNamespace()
                let members = try renderer.dictionary(of: arguments, "namespace")
                for (key, value) in zip(members.keys, members.values) {
                    guard let name = key.asText else { throw renderer.failure("names are strings") }
                    try namespace.set(name.string, value)
                }
                return .namespace(namespace)
            },
            TemplateFunction("dict") { renderer, arguments throws(RecastError) in
                .dictionary(try renderer.dictionary(of: arguments, "dict"))
            },
            TemplateFunction("range") { renderer, arguments throws(RecastError) in
                try renderer.range(arguments)
            },
            TemplateFunction("joiner") { renderer, arguments throws(RecastError) in
                let separator = try arguments.bound(to: ["sep"], of: "joiner")[0] ?? .text(", ")
                let used = try renderer.makeNamespace()
                return .function(
                    TemplateFunction("joiner") { _, _ throws(RecastError) in
                        if used.members["used"] != nil { return separator }
                        try used.set("used", .bool(true))
                        return .text("")
                    })
            },
        ]
        var names = Dictionary(uniqueKeysWithValues: functions.map { ($0.name, TemplateValue.function($0)) })
        for name in ["cycler", "lipsum"] {
            names[name] = .function(
                TemplateFunction(name) { _, _ throws(RecastError) in
                    throw .unsupported("the function \(name) is not supported")
                })
        }
        return names
    }

    /// `dict(mapping or pairs, name=value)`
    private func dictionary(of arguments: TemplateArguments, _ name: String) throws(RecastError) -> TemplateDictionary {
        var result = TemplateDictionary()
        guard arguments.positional.count <= 1 else { throw failure("\(name) takes one argument, and those by name") }
        switch arguments.positional.first {
        case .dictionary(let dictionary)?: result = dictionary
        case let pairs?:
            for pair in try elements(of: pairs) {
                let parts = try elements(of: pair)
                guard parts.count == 2 else { throw failure("\(name) takes pairs") }
                try budget.spend(key: parts[0])
                try result.set(parts[0], parts[1])
            }
        case nil: break
        }
        for (name, value) in arguments.keywords { try result.set(.text(name), value) }
        return result
    }

    private func range(_ arguments: TemplateArguments) throws(RecastError) -> TemplateValue {
        var numbers: [Int] = []
        guard arguments.keywords.isEmpty, (1...3).contains(arguments.positional.count) else {
            throw failure("range takes one to three whole numbers")
        }
        for value in arguments.positional {
            guard let number = value.asInt else { throw try operand(value, "a whole number for range") }
            numbers.append(number)
        }
        let (first, end) = numbers.count == 1 ? (0, numbers[0]) : (numbers[0], numbers[1])
        let step = numbers.count == 3 ? numbers[2] : 1
        guard step != 0 else { throw failure("the step of a range is 0") }
        let width = try checked(
            step > 0 ? end.subtractingReportingOverflow(first) : first.subtractingReportingOverflow(end))
        let count = width <= 0 ? 0 : (width - 1) / Int(clamping: step.magnitude) + 1
        // The bound of jinja2's sandbox.
        guard count <= 100_000 else { throw .unsupported("a range of more than 100000 numbers is not supported") }
        try budget.spend(count)
        return .iterator("range", try TemplateList((0..<count).map { .int(first + $0 * step) }))
    }

    private static func time(_ seconds: Int, _ format: String) -> String {
        var (time, parts) = (time_t(seconds), tm())
        localtime_r(&time, &parts)
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = strftime(&buffer, buffer.count, format, &parts)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
