import Recast

/// A value of a template, with Python's meaning.
///
/// Lists and dictionaries never change, as the sandbox lets no template change one; what changes is a namespace.
indirect enum TemplateValue {
    /// What is not there, and what to say where it is needed.
    case undefined(String)
    case none
    case bool(Bool)
    case int(Int)
    /// An integer of a conversation that 64 bits do not hold: it can be shown, and no more.
    case largeInt(String)
    case float(Double)
    case string(TemplateText)
    case list(TemplateList)
    case tuple(TemplateList)
    case dictionary(TemplateDictionary)
    /// What Python makes while it is iterated, under its name there.
    case iterator(String, TemplateList)
    case namespace(TemplateNamespace)
    case loop(TemplateLoop)
    case function(TemplateFunction)
}

/// Elements, and how deep they are nested.
struct TemplateList {
    let elements: [TemplateValue]
    let depth: Int

    /// Deeper values are refused, as all that goes through values does so by recursion.
    static let maximumDepth = 100

    init(_ elements: [TemplateValue]) throws(RecastError) {
        self.elements = elements
        depth = try Self.depth(of: elements)
    }

    init(texts: [TemplateText]) {
        elements = texts.map(TemplateValue.string)
        depth = 1
    }

    static func depth(of elements: [TemplateValue]) throws(RecastError) -> Int {
        let depth = 1 + (elements.lazy.map(\.depth).max() ?? 0)
        guard depth <= maximumDepth else {
            throw RecastError(.malformedInput, "values are nested deeper than \(maximumDepth) levels")
        }
        return depth
    }
}

/// Members in their order.
struct TemplateDictionary {
    private(set) var keys: [TemplateValue] = []
    private(set) var values: [TemplateValue] = []
    private var places: [TemplateKey: Int] = [:]
    private(set) var depth = 1

    init() {}

    var count: Int { keys.count }

    subscript(key: TemplateKey) -> TemplateValue? { places[key].map { values[$0] } }

    subscript(name: String) -> TemplateValue? { self[.text(TemplateText(name))] }

    /// - Throws: `malformedInput` for a key that cannot be one, and for values nested too deep.
    mutating func set(_ key: TemplateValue, _ value: TemplateValue) throws(RecastError) {
        let hashed = try TemplateKey(key)
        depth = max(depth, try TemplateList.depth(of: [value]))
        if let place = places[hashed] {
            values[place] = value
        } else {
            places[hashed] = keys.count
            keys.append(key)
            values.append(value)
        }
    }
}

/// A value as a dictionary finds it: 1, 1.0 and true are the same key.
enum TemplateKey: Hashable {
    case undefined
    case none
    case int(Int)
    case float(Double)
    case text(TemplateText)
    case tuple([TemplateKey])

    init(_ value: TemplateValue) throws(RecastError) {
        switch value {
        case .undefined: self = .undefined
        case .none: self = .none
        case .bool(let value): self = .int(value ? 1 : 0)
        case .int(let value): self = .int(value)
        case .float(let value): self = Int(exactly: value).map(TemplateKey.int) ?? .float(value)
        case .string(let text): self = .text(text)
        case .tuple(let list):
            var keys: [TemplateKey] = []
            for element in list.elements { keys.append(try TemplateKey(element)) }
            self = .tuple(keys)
        default: throw RecastError(.malformedInput, "\(value.typeName) is no key of a dictionary")
        }
    }
}

/// `namespace()`: names that can be set from everywhere.
final class TemplateNamespace {
    var members: [String: TemplateValue] = [:]
    fileprivate var depth = 1

    func set(_ name: String, _ value: TemplateValue) throws(RecastError) {
        guard !name.hasPrefix("_") else {
            throw RecastError(
                .malformedInput, "a namespace has no names that begin with an underscore, such as \(name)")
        }
        depth = max(depth, try TemplateList.depth(of: [value]))
        members[name] = value
    }
}

/// What can be called.
final class TemplateFunction {
    let name: String
    let isMacro: Bool
    let body: (TemplateRenderer, TemplateArguments) throws(RecastError) -> TemplateValue

    init(
        _ name: String, isMacro: Bool = false,
        _ body: @escaping (TemplateRenderer, TemplateArguments) throws(RecastError) -> TemplateValue
    ) {
        self.name = name
        self.isMacro = isMacro
        self.body = body
    }
}

extension TemplateValue {
    fileprivate var depth: Int {
        switch self {
        case .list(let list), .tuple(let list), .iterator(_, let list): list.depth
        case .dictionary(let dictionary): dictionary.depth
        case .namespace(let namespace): namespace.depth
        default: 0
        }
    }

    static func text(_ string: String) -> TemplateValue { .string(TemplateText(string)) }

    static func list(_ elements: [TemplateValue]) throws(RecastError) -> TemplateValue {
        .list(try TemplateList(elements))
    }

    static func tuple(_ elements: [TemplateValue]) throws(RecastError) -> TemplateValue {
        .tuple(try TemplateList(elements))
    }

    static func list(texts: [TemplateText]) -> TemplateValue { .list(TemplateList(texts: texts)) }

    /// A value of a conversation: its strings are opaque.
    ///
    /// - Throws: `malformedInput` where it is nested too deep.
    init(opaque json: JSON) throws(RecastError) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .number(let number): self = Self.number(number)
        case .string(let text): self = .string(TemplateText(opaque: text))
        case .array(let elements):
            var values: [TemplateValue] = []
            values.reserveCapacity(elements.count)
            for element in elements { values.append(try TemplateValue(opaque: element)) }
            self = try .list(values)
        case .object(let object):
            var dictionary = TemplateDictionary()
            for member in object.members {
                try dictionary.set(
                    .string(TemplateText(opaque: member.key)), try TemplateValue(opaque: member.value))
            }
            self = .dictionary(dictionary)
        }
    }

    private static func number(_ number: JSON.Number) -> TemplateValue {
        guard number.isInteger else { return .float(number.double) }
        // Python spells no -0.
        return Int(number.text).map(TemplateValue.int) ?? .largeInt(number.text)
    }
}
