/// A JSON value that keeps what matters for files that go round: the order of keys and the spelling of numbers.
public enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(Number)
    case string(String)
    case array([JSON])
    case object(Object)

    /// A number as it was spelled; `1e-06` stays `1e-06`.
    public struct Number: Sendable, Equatable {
        public let text: String

        init(validated text: String) { self.text = text }

        public init(_ value: Int) { text = String(value) }

        /// The shortest spelling that reads back as `value`; whole numbers keep a fraction (`1.0`), as Python writes them.
        public init(_ value: Double) { text = value.isFinite ? "\(value)" : "null" }

        /// The value as an integer, if that is what is spelled, with or without an empty fraction.
        public var int: Int? {
            if let int = Int(text) { return int }
            guard let double = Double(text), double.rounded() == double, abs(double) < 0x1p53 else { return nil }
            return Int(double)
        }

        public var double: Double { Double(text) ?? .nan }

        /// Whether the spelling is that of an integer.
        public var isInteger: Bool { !text.utf8.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") } }
    }

    /// Members in their order. A later assignment to an existing key keeps its place.
    public struct Object: Sendable, Equatable {
        public struct Member: Sendable, Equatable {
            public var key: String
            public var value: JSON

            public init(key: String, value: JSON) {
                self.key = key
                self.value = value
            }
        }

        public private(set) var members: [Member] = []

        public init() {}

        /// - Parameter members: no two with the same key.
        public init(uniqueMembers members: [Member]) { self.members = members }

        public subscript(key: String) -> JSON? {
            get { members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value }
            set {
                let index = members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) }
                switch (index, newValue) {
                case (let index?, let value?): members[index].value = value
                case (let index?, nil): members.remove(at: index)
                case (nil, let value?): members.append(Member(key: key, value: value))
                case (nil, nil): break
                }
            }
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .number(Number(value)) }
    public init(floatLiteral value: Double) { self = .number(Number(value)) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(Object(elements)) }
}

extension JSON.Object {
    /// An object with these members, of which a repeated key keeps the last value.
    public init(_ members: some Sequence<(String, JSON)>) {
        for (key, value) in members { self[key] = value }
    }
}

extension JSON {
    public static func int(_ value: Int) -> JSON { .number(Number(value)) }
    public static func double(_ value: Double) -> JSON { value.isFinite ? .number(Number(value)) : .null }

    public var isNull: Bool { self == .null }
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var number: Number? { if case .number(let value) = self { value } else { nil } }
    public var int: Int? { number?.int }
    public var double: Double? { number?.double }
    public var string: String? { if case .string(let value) = self { value } else { nil } }
    public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    public var object: Object? { if case .object(let value) = self { value } else { nil } }

    /// The member of an object; nil for a missing key and for anything that is not an object.
    public subscript(key: String) -> JSON? { object?[key] }
}
