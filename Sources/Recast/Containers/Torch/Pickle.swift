/// What a pickle holds, as plain values. Nothing that it names is ever looked up or run: a class is its name, and an object is
/// the class with the arguments and the state that it would have been made from.
///
/// Containers live in one list of nodes, because a pickle may mention a container in several places.
struct Pickle: Sendable {
    /// Small, as a byte of a pickle may stand for one.
    enum Value: Sendable, Hashable {
        case none
        case bool(Bool)
        case int(Int)
        /// A whole number that does not fit 64 bits: its bytes, least significant first, in two's complement.
        case bigInt([UInt8])
        case float(Double)
        indirect case string(String)
        case bytes([UInt8])
        /// A list, tuple, set, dictionary or object, by its place among the nodes.
        case node(Int)
        /// A class or function: module and name.
        indirect case global(String, String)
    }

    enum Node: Sendable {
        case list([Value])
        case tuple([Value])
        case set([Value])
        case dictionary([(Value, Value)])
        indirect case object(Object)
        /// What the pickle leaves to its reader: in torch's files the description of a storage.
        case persistent(Value)
    }

    struct Object: Sendable {
        var type: Value
        var arguments: Value
        var state: Value?
        /// Of subclasses of lists and dictionaries.
        var elements: [Value] = []
        var items: [(Value, Value)] = []
    }

    var root = Value.none
    var nodes: [Node] = []
    /// The places of keys that are strings, for dictionaries that are too large to be searched again and again: many objects
    /// may have one of them.
    private var places: [Int: [ByteString: Int]] = [:]

    private static let searchedCount = 16

    /// Prepares for looking values up, once all are there.
    mutating func index() {
        for (number, node) in nodes.enumerated() {
            guard case .dictionary(let items) = node, items.count > Self.searchedCount else { continue }
            var keys: [ByteString: Int] = [:]
            for (place, item) in items.enumerated() {
                if let key = string(item.0) { keys[ByteString(key)] = place }
            }
            places[number] = keys
        }
    }
}

// MARK: Looking at values

extension Pickle {
    func string(_ value: Value?) -> String? { if case .string(let text) = value { text } else { nil } }

    func bool(_ value: Value?) -> Bool? { if case .bool(let bool) = value { bool } else { nil } }

    func int(_ value: Value?) -> Int? {
        switch value {
        case .int(let number): number
        case .bool(let bool): bool ? 1 : 0
        default: nil
        }
    }

    func double(_ value: Value?) -> Double? {
        switch value {
        case .int(let number): Double(number)
        case .float(let number): number
        default: nil
        }
    }

    private func node(_ value: Value?) -> Node? { if case .node(let index) = value { nodes[index] } else { nil } }

    /// The elements of a list, tuple or set, or of an object that is one.
    func elements(_ value: Value?) -> [Value]? {
        switch node(value) {
        case .list(let values), .tuple(let values), .set(let values): return values
        case .object(let object):
            // torch.Size is made of a tuple.
            if !object.elements.isEmpty { return object.elements }
            guard let arguments = tuple(object.arguments), arguments.count == 1 else { return nil }
            return elements(arguments[0])
        default: return nil
        }
    }

    func tuple(_ value: Value?) -> [Value]? { if case .tuple(let values) = node(value) { values } else { nil } }

    /// The items of a dictionary, or of an object that is one.
    func items(_ value: Value?) -> [(Value, Value)]? {
        switch node(value) {
        case .dictionary(let items): return items
        case .object(let object) where typeName(value) == "collections.OrderedDict":
            guard let pairs = tuple(object.arguments)?.first.flatMap({ elements($0) }) else { return object.items }
            return pairs.compactMap { pair in
                elements(pair).flatMap { $0.count == 2 ? ($0[0], $0[1]) : nil }
            } + object.items
        default: return nil
        }
    }

    func object(_ value: Value?) -> Object? { if case .object(let object) = node(value) { object } else { nil } }

    /// What the description of a storage says.
    func persistent(_ value: Value?) -> Value? {
        if case .persistent(let description) = node(value) { description } else { nil }
    }

    /// `module.name` of an object's class, or of a class.
    func typeName(_ value: Value?) -> String? {
        switch value {
        case .global(let module, let name): "\(module).\(name)"
        case .node: object(value).flatMap { typeName($0.type) }
        default: nil
        }
    }

    /// The value of a key that is a string.
    func value(_ container: Value?, _ key: String) -> Value? {
        if case .node(let number) = container, let places = places[number] {
            guard let place = places[ByteString(key)], case .dictionary(let items) = nodes[number] else { return nil }
            return items[place].1
        }
        return items(container)?.last { string($0.0) == key }?.1
    }

    /// What an object was given to restore its attributes from: a dictionary, or the first of a pair with slots.
    private func state(_ value: Value?) -> Value? {
        guard let state = object(value)?.state else { return nil }
        return ([state] + (tuple(state)?.prefix(2) ?? [])).first { candidate in
            if case .dictionary = node(candidate) { true } else { false }
        }
    }

    func attributes(_ value: Value?) -> [(Value, Value)]? { items(state(value)) }

    func attribute(_ value: Value?, _ name: String) -> Value? { self.value(state(value), name) }
}
