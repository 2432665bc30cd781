/// GGUF files as bytes, good and bad ones: whatever is not set is as it must be.
package struct GGUFBuilder: Sendable {
    package struct Tensor: Sendable {
        package var name: [UInt8]
        /// The length of a row comes first.
        package var dimensions: [Int64]
        package var dimensionCount: UInt32?
        package var type: UInt32
        package var offset: UInt64
    }

    package var magic = Array("GGUF".utf8)
    package var version: UInt32 = 3
    package var tensorCount: Int64?
    package var pairCount: Int64?
    package var alignment = 32
    package private(set) var pairs: [[UInt8]] = []
    package var tensors: [Tensor] = []
    package var data: [UInt8] = []

    package init() {}

    // MARK: Metadata

    /// A key with the bytes of its type and value.
    package mutating func pair(key: [UInt8], _ value: [UInt8]) { pairs.append(Self.text(key) + value) }

    package mutating func pair(_ key: String, _ value: [UInt8]) { pair(key: Array(key.utf8), value) }

    package mutating func removeFirstPair() { pairs.removeFirst() }

    /// The length and the bytes of a string, of which either may be wrong.
    package static func text(_ bytes: [UInt8], count: UInt64? = nil) -> [UInt8] {
        var out: [UInt8] = []
        out.put(count ?? UInt64(bytes.count))
        return out + bytes
    }

    private static func value(_ type: Int32, _ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.put(type)
        return out + bytes
    }

    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        var out: [UInt8] = []
        out.put(number)
        return out
    }

    package static func u16(_ number: UInt16) -> [UInt8] { value(2, bytes(number)) }
    package static func u32(_ number: UInt32) -> [UInt8] { value(4, bytes(number)) }
    package static func i32(_ number: Int32) -> [UInt8] { value(5, bytes(number)) }
    package static func f32(_ number: Float) -> [UInt8] { value(6, bytes(number.bitPattern)) }
    package static func f64(_ number: Double) -> [UInt8] { value(12, bytes(number.bitPattern)) }
    package static func bool(_ byte: UInt8) -> [UInt8] { value(7, [byte]) }
    package static func string(_ text: String) -> [UInt8] { value(8, Self.text(Array(text.utf8))) }
    package static func string(_ bytes: [UInt8], count: UInt64? = nil) -> [UInt8] {
        value(8, text(bytes, count: count))
    }
    package static func raw(type: Int32, _ bytes: [UInt8] = []) -> [UInt8] { value(type, bytes) }

    package static func array(type: Int32, count: UInt64, _ elements: [UInt8]) -> [UInt8] {
        value(9, bytes(type) + bytes(count) + elements)
    }

    package static func strings(_ texts: [String]) -> [UInt8] {
        array(type: 8, count: UInt64(texts.count), texts.flatMap { text(Array($0.utf8)) })
    }

    package static func numbers(_ numbers: [Int32]) -> [UInt8] {
        array(type: 5, count: UInt64(numbers.count), numbers.flatMap { bytes($0) })
    }

    package static func floats(_ numbers: [Float]) -> [UInt8] {
        array(type: 6, count: UInt64(numbers.count), numbers.flatMap { bytes($0.bitPattern) })
    }

    // MARK: Tensors

    /// Adds a tensor after the others; `dimensions` begin with the length of a row.
    package mutating func tensor(_ name: String, _ dimensions: [Int64], type: UInt32 = 0, bytes: [UInt8]) {
        tensors.append(
            Tensor(name: Array(name.utf8), dimensions: dimensions, type: type, offset: UInt64(data.count)))
        data += bytes
        data += [UInt8](repeating: 0, count: (alignment - data.count % alignment) % alignment)
    }

    /// A tensor of float32 zeros.
    package mutating func zeros(_ name: String, _ dimensions: [Int64]) {
        tensor(name, dimensions, bytes: [UInt8](repeating: 0, count: 4 * Int(dimensions.reduce(1, *))))
    }

    // MARK: Bytes

    package var header: [UInt8] {
        var bytes = magic
        bytes.put(version)
        bytes.put(tensorCount ?? Int64(tensors.count))
        bytes.put(pairCount ?? Int64(pairs.count))
        for pair in pairs { bytes += pair }
        for tensor in tensors {
            bytes += Self.text(tensor.name)
            bytes.put(tensor.dimensionCount ?? UInt32(tensor.dimensions.count))
            for size in tensor.dimensions { bytes.put(size) }
            bytes.put(tensor.type)
            bytes.put(tensor.offset)
        }
        return bytes
    }

    package var bytes: [UInt8] {
        let header = header
        return header + [UInt8](repeating: 0, count: (alignment - header.count % alignment) % alignment) + data
    }

    /// Two tensors and a key of every type.
    package static var small: GGUFBuilder {
        var file = GGUFBuilder()
        file.pair("general.architecture", string("llama"))
        for (type, size) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (7, 1), (10, 8), (11, 8), (12, 8)]
        {
            let number = [1] + [UInt8](repeating: 0, count: size - 1)
            file.pair("small.scalar.\(type)", raw(type: Int32(type), number))
            file.pair("small.array.\(type)", array(type: Int32(type), count: 2, number + number))
        }
        file.pair("small.strings", strings(["a", "", "é"]))
        file.zeros("a.weight", [8, 3])
        file.zeros("b.weight", [5])
        return file
    }
}
