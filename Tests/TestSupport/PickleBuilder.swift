/// A pickle, opcode by opcode.
package struct PickleBuilder {
    package private(set) var bytes: [UInt8] = [0x80, 2]

    package init() {}

    package mutating func code(_ opcodes: UInt8...) { bytes += opcodes }

    package mutating func ascii(_ text: String) { bytes += Array(text.utf8) }

    /// A value that is a string, a number, a truth, nothing, a tuple or a list of values.
    package mutating func value(_ value: Any?) {
        switch value {
        case nil: ascii("N")
        case let bool as Bool: code(bool ? 0x88 : 0x89)
        case let number as Int:
            if let small = Int32(exactly: number) {
                ascii("J")
                bytes.put(small)
            } else {
                code(0x8A, 8)
                bytes.put(number)
            }
        case let number as Double:
            ascii("G")
            bytes.put(number.bitPattern.byteSwapped)
        case let text as String:
            ascii("X")
            bytes.put(UInt32(text.utf8.count))
            ascii(text)
        case let values as [Any?]:
            ascii("(")
            values.forEach { self.value($0) }
            ascii("t")
        default: fatalError("no value of a pickle")
        }
    }

    package mutating func global(_ module: String, _ name: String) { ascii("c\(module)\n\(name)\n") }

    /// `_rebuild_tensor_v2` of a storage.
    package mutating func tensor(
        _ storage: String, key: String, count: Int, offset: Int = 0, shape: [Int], strides: [Int]
    ) {
        global("torch._utils", "_rebuild_tensor_v2")
        ascii("((")
        value("storage")
        global("torch", storage)
        value(key)
        value("cpu")
        value(count)
        ascii("tQ")
        value(offset)
        value(shape.map { $0 as Any? })
        value(strides.map { $0 as Any? })
        code(0x89)
        global("collections", "OrderedDict")
        ascii(")RtR")
    }

    /// A dictionary whose items the body appends, keys and values in turn.
    package mutating func dictionary(_ body: (inout PickleBuilder) -> Void) {
        ascii("}(")
        body(&self)
        ascii("u")
    }

    package var finished: [UInt8] { bytes + [UInt8(ascii: ".")] }
}
