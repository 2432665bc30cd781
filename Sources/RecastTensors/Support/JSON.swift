/// A JSON value that keeps what matters for files that go round: the order of keys and the spelling of numbers.
package enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(Number)
    case string(String)
    case array([JSON])
    case object(Object)

    /// A number as it was spelled; `1e-06` stays `1e-06`.
    package struct Number: Sendable, Equatable {
        package let text: String

        package init(validated text: String) { self.text = text }

        package init(_ value: Int) { text = String(value) }

        /// The shortest spelling that reads back as `value`; whole numbers keep a fraction (`1.0`), as Python writes them.
        package init(_ value: Double) { text = value.isFinite ? "\(value)" : "null" }

        /// The value as an integer, if that is what is spelled, with or without an empty fraction.
        package var int: Int? {
            if let int = Int(text) { return int }
            guard let double = Double(text), double.rounded() == double, abs(double) < 0x1p53 else { return nil }
            return Int(double)
        }

        package var double: Double { Double(text) ?? .nan }

        /// Whether the spelling is that of an integer.
        package var isInteger: Bool {
            !text.utf8.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
        }
    }

    /// Members in their order. A later assignment to an existing key keeps its place.
    package struct Object: Sendable {
        package struct Member: Sendable, Equatable {
            package var key: String
            package var value: JSON

            package init(key: String, value: JSON) {
                self.key = key
                self.value = value
            }
        }

        package private(set) var members: [Member] = []
        /// The places of all keys; empty while there are so few that searching them is faster.
        private var places: [ByteString: Int] = [:]

        private static let searchedCount = 16

        package init() {}

        /// - Parameter members: no two with the same key.
        package init(uniqueMembers members: [Member]) {
            self.members = members
            index()
        }

        package subscript(key: String) -> JSON? {
            get { place(of: key).map { members[$0].value } }
            set {
                switch (place(of: key), newValue) {
                case (let place?, let value?): members[place].value = value
                case (let place?, nil):
                    members.remove(at: place)
                    index()
                case (nil, let value?): append(key, value)
                case (nil, nil): break
                }
            }
        }

        func contains(_ key: String) -> Bool { place(of: key) != nil }

        /// Adds a member whose key is not there yet.
        mutating func append(_ key: String, _ value: JSON) {
            members.append(Member(key: key, value: value))
            if places.isEmpty { index() } else { places[ByteString(key)] = members.count - 1 }
        }

        private func place(of key: String) -> Int? {
            places.isEmpty
                ? members.firstIndex { $0.key.utf8.elementsEqual(key.utf8) } : places[ByteString(key)]
        }

        private mutating func index() {
            places =
                members.count <= Self.searchedCount
                ? [:] : Dictionary(members.enumerated().lazy.map { (ByteString($1.key), $0) }) { first, _ in first }
        }
    }
}

extension JSON.Object: Equatable {
    package static func == (a: Self, b: Self) -> Bool { a.members == b.members }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int) { self = .number(Number(value)) }
    package init(floatLiteral value: Double) { self = .number(Number(value)) }
    package init(arrayLiteral elements: JSON...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSON)...) { self = .object(Object(elements)) }
}

extension JSON.Object {
    /// An object with these members, of which a repeated key keeps the last value.
    package init(_ members: some Sequence<(String, JSON)>) {
        for (key, value) in members { self[key] = value }
    }
}

extension JSON {
    package static func int(_ value: Int) -> JSON { .number(Number(value)) }
    package static func double(_ value: Double) -> JSON { value.isFinite ? .number(Number(value)) : .null }
    /// A number that is an integer wherever it is whole, for what programs take only as one.
    package static func whole(_ value: Double) -> JSON {
        abs(value) < 0x1p53 ? Int(exactly: value).map(JSON.int) ?? .double(value) : .double(value)
    }

    package var isNull: Bool { self == .null }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var number: Number? { if case .number(let value) = self { value } else { nil } }
    package var int: Int? { number?.int }
    package var double: Double? { number?.double }
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
    package var object: Object? { if case .object(let value) = self { value } else { nil } }

    /// The member of an object; nil for a missing key and for anything that is not an object.
    package subscript(key: String) -> JSON? { object?[key] }
}
