/// The fields of one protobuf message, one after the other.
///
/// Source: protobuf.dev, "Encoding". Everything is checked: a length that reaches beyond the message around it, a number
/// that does not end, a wire type that is not one.
struct ProtobufReader {
    enum Value {
        case number(UInt64)
        case fixed32(UInt32)
        case fixed64(UInt64)
        case bytes(Range<Int>)
    }

    private let bytes: [UInt8]
    private let file: String
    private(set) var offset: Int
    private let end: Int

    init(_ bytes: [UInt8], file: String) {
        self.init(bytes, 0..<bytes.count, file: file)
    }

    private init(_ bytes: [UInt8], _ range: Range<Int>, file: String) {
        (self.bytes, self.file, offset, end) = (bytes, file, range.lowerBound, range.upperBound)
    }

    /// The reader of a message in a field of this one.
    func message(in range: Range<Int>) -> ProtobufReader { ProtobufReader(bytes, range, file: file) }

    func contents(of range: Range<Int>) -> [UInt8] { Array(bytes[range]) }

    func failure(_ message: String, at place: Int? = nil) -> RecastError {
        .malformed(file, at: place ?? offset, message)
    }

    /// Text of a field, which must be UTF-8.
    func text(in range: Range<Int>, of what: String) throws(RecastError) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw failure("\(what) is not UTF-8", at: range.lowerBound)
        }
        return text
    }

    /// The next field; nil at the end of the message.
    mutating func next() throws(RecastError) -> (field: Int, value: Value)? {
        guard offset < end else { return nil }
        let start = offset
        let key = try varint()
        guard key >> 3 >= 1, key >> 3 < 1 << 29 else { throw failure("field \(key >> 3) cannot be", at: start) }
        let value: Value
        switch key & 7 {
        case 0: value = .number(try varint())
        case 1: value = .fixed64(try fixed())
        case 5: value = .fixed32(try fixed())
        case 2:
            let length = try varint()
            guard length <= UInt64(end - offset) else {
                throw failure(
                    "field \(key >> 3) has \(length) bytes, where \(end - offset) are left: the file is damaged or cut",
                    at: start)
            }
            value = .bytes(offset..<offset + Int(length))
            offset += Int(length)
        default: throw failure("field \(key >> 3) has the wire type \(key & 7): this is no such message", at: start)
        }
        return (Int(key >> 3), value)
    }

    private mutating func varint() throws(RecastError) -> UInt64 {
        let start = offset
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard offset < end else { throw failure("a number does not end: the file is damaged or cut", at: start) }
            let byte = bytes[offset]
            offset += 1
            // The tenth byte has room for one bit.
            guard shift < 63 || byte <= 1 else { break }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw failure("a number has more than 64 bits", at: start)
    }

    private mutating func fixed<Integer: FixedWidthInteger>() throws(RecastError) -> Integer {
        let size = MemoryLayout<Integer>.size
        guard size <= end - offset else { throw failure("a number does not end: the file is damaged or cut") }
        defer { offset += size }
        return bytes.withUnsafeBytes { $0.integer(at: offset) }
    }
}
