/// A metadata value of a GGUF file. Source of the type numbers: Specs/gguf.md §a.1.
package enum GGUFValue: Sendable, Hashable {
    case u8(UInt8)
    case i8(Int8)
    case u16(UInt16)
    case i16(Int16)
    case u32(UInt32)
    case i32(Int32)
    case f32(Float)
    case bool(Bool)
    case string(String)
    case u64(UInt64)
    case i64(Int64)
    case f64(Double)
    case array(GGUFArray)

    package var typeNumber: Int32 {
        switch self {
        case .u8: 0
        case .i8: 1
        case .u16: 2
        case .i16: 3
        case .u32: 4
        case .i32: 5
        case .f32: 6
        case .bool: 7
        case .string: 8
        case .array: 9
        case .u64: 10
        case .i64: 11
        case .f64: 12
        }
    }
}

/// An array of one element type. Arrays of arrays are not read by the reference and never written.
package enum GGUFArray: Sendable, Hashable {
    case u8([UInt8])
    case i8([Int8])
    case u16([UInt16])
    case i16([Int16])
    case u32([UInt32])
    case i32([Int32])
    case f32([Float])
    case bool([Bool])
    case string([String])
    case u64([UInt64])
    case i64([Int64])
    case f64([Double])

    package var typeNumber: Int32 {
        switch self {
        case .u8: 0
        case .i8: 1
        case .u16: 2
        case .i16: 3
        case .u32: 4
        case .i32: 5
        case .f32: 6
        case .bool: 7
        case .string: 8
        case .u64: 10
        case .i64: 11
        case .f64: 12
        }
    }

    package var count: Int {
        switch self {
        case .u8(let values): values.count
        case .i8(let values): values.count
        case .u16(let values): values.count
        case .i16(let values): values.count
        case .u32(let values): values.count
        case .i32(let values): values.count
        case .f32(let values): values.count
        case .bool(let values): values.count
        case .string(let values): values.count
        case .u64(let values): values.count
        case .i64(let values): values.count
        case .f64(let values): values.count
        }
    }
}

extension GGUFValue {
    /// How many elements an array has; nil for anything else.
    package var elementCount: Int? { if case .array(let array) = self { array.count } else { nil } }

    /// An integer of any width, where it fits.
    package var int: Int? {
        switch self {
        case .u8(let value): Int(value)
        case .i8(let value): Int(value)
        case .u16(let value): Int(value)
        case .i16(let value): Int(value)
        case .u32(let value): Int(value)
        case .i32(let value): Int(value)
        case .u64(let value): Int(exactly: value)
        case .i64(let value): Int(exactly: value)
        default: nil
        }
    }

    /// A number of any type.
    package var double: Double? {
        switch self {
        case .f32(let value): Double(value)
        case .f64(let value): value
        default: int.map(Double.init)
        }
    }

    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    package var strings: [String]? { if case .array(.string(let values)) = self { values } else { nil } }
    package var floats: [Float]? { if case .array(.f32(let values)) = self { values } else { nil } }

    /// The elements of an array of integers of any width.
    package var ints: [Int]? {
        guard case .array(let array) = self else { return nil }
        return switch array {
        case .u8(let values): values.map(Int.init)
        case .i8(let values): values.map(Int.init)
        case .u16(let values): values.map(Int.init)
        case .i16(let values): values.map(Int.init)
        case .u32(let values): values.map(Int.init)
        case .i32(let values): values.map(Int.init)
        case .u64(let values): values.allSatisfy { $0 <= UInt64(Int.max) } ? values.map(Int.init) : nil
        case .i64(let values): values.map(Int.init)
        case .f32, .bool, .string, .f64: nil
        }
    }
}

/// The metadata of a GGUF file: keys with values, in their order.
package struct GGUFMetadata: Sendable, Hashable {
    package struct Pair: Sendable, Hashable {
        package var key: String
        package var value: GGUFValue
    }

    package private(set) var pairs: [Pair] = []
    private var places: [ByteString: Int] = [:]

    package init() {}

    /// A later assignment to an existing key keeps its place; nil removes it.
    package subscript(key: String) -> GGUFValue? {
        get { places[ByteString(key)].map { pairs[$0].value } }
        set {
            switch (places[ByteString(key)], newValue) {
            case (let place?, let value?): pairs[place].value = value
            case (nil, let value?):
                places[ByteString(key)] = pairs.count
                pairs.append(Pair(key: key, value: value))
            case (let place?, nil):
                pairs.remove(at: place)
                places = Dictionary(uniqueKeysWithValues: pairs.enumerated().map { (ByteString($1.key), $0) })
            case (nil, nil): break
            }
        }
    }
}
