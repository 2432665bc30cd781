/// A value to be pickled, of the kinds that torch's restricted reader accepts.
///
/// Source: Python's `pickletools`; torch 2.13, `torch/_weights_only_unpickler.py`.
indirect enum PickledValue: Sendable, Hashable {
    case none
    case bool(Bool)
    case int(Int)
    case float(Double)
    case string(String)
    case list([PickledValue])
    case tuple([PickledValue])
    case dictionary([Entry])
    /// A class or function, by module and name.
    case global(String, String)
    /// What a function returns.
    case call(PickledValue, [PickledValue])
    /// A new object of a class, and its state.
    case object(PickledValue, state: PickledValue)
    /// Something that lies outside the pickle, by what names it.
    case persistent(PickledValue)

    struct Entry: Sendable, Hashable {
        var key: PickledValue
        var value: PickledValue
    }

    static func dictionary(_ items: [(String, PickledValue)]) -> PickledValue {
        .dictionary(items.map { Entry(key: .string($0.0), value: $0.1) })
    }

    static let emptyDictionary = PickledValue.dictionary([Entry]())

    static func optional(_ value: Int?) -> PickledValue { value.map(PickledValue.int) ?? .none }
    static func ints(_ values: [Int]) -> PickledValue { .tuple(values.map(PickledValue.int)) }
}

extension PickledValue {
    /// A pickle of protocol 2, as `torch.save` writes it, without memo: nothing in it refers to anything before.
    var bytes: [UInt8] {
        var bytes: [UInt8] = [0x80, 2]
        append(to: &bytes)
        bytes.append(UInt8(ascii: "."))
        return bytes
    }

    private func append(to bytes: inout [UInt8]) {
        func code(_ character: Unicode.Scalar) { bytes.append(UInt8(ascii: character)) }
        func all(_ values: [PickledValue]) { values.forEach { $0.append(to: &bytes) } }
        switch self {
        case .none: code("N")
        case .bool(let value): bytes.append(value ? 0x88 : 0x89)
        case .int(let value): Self.append(value, to: &bytes)
        case .float(let value):
            code("G")
            withUnsafeBytes(of: value.bitPattern.bigEndian) { bytes.append(contentsOf: $0) }
        case .string(let text):
            code("X")
            bytes.append(littleEndian: UInt32(text.utf8.count))
            bytes.append(contentsOf: text.utf8)
        case .list(let values):
            code("]")
            guard !values.isEmpty else { return }
            code("(")
            all(values)
            code("e")
        case .tuple(let values):
            switch values.count {
            case 0: code(")")
            case 1...3:
                all(values)
                bytes.append(0x84 + UInt8(values.count))
            default:
                code("(")
                all(values)
                code("t")
            }
        case .dictionary(let entries):
            code("}")
            guard !entries.isEmpty else { return }
            code("(")
            all(entries.flatMap { [$0.key, $0.value] })
            code("u")
        case .global(let module, let name):
            code("c")
            bytes.append(contentsOf: "\(module)\n\(name)\n".utf8)
        case .call(let function, let arguments):
            function.append(to: &bytes)
            PickledValue.tuple(arguments).append(to: &bytes)
            code("R")
        case .object(let type, let state):
            type.append(to: &bytes)
            code(")")
            bytes.append(0x81)
            state.append(to: &bytes)
            code("b")
        case .persistent(let name):
            name.append(to: &bytes)
            code("Q")
        }
    }

    private static func append(_ value: Int, to bytes: inout [UInt8]) {
        if let value = UInt8(exactly: value) {
            bytes += [UInt8(ascii: "K"), value]
        } else if let value = UInt16(exactly: value) {
            bytes.append(UInt8(ascii: "M"))
            bytes.append(littleEndian: value)
        } else if let value = Int32(exactly: value) {
            bytes.append(UInt8(ascii: "J"))
            bytes.append(littleEndian: value)
        } else {
            bytes += [0x8A, 8]
            bytes.append(littleEndian: Int64(value))
        }
    }
}
