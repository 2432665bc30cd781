/// Reads a file from front to back through a buffer, for headers whose length is not known beforehand.
package struct FileCursor: ~Copyable {
    private let source: any ByteSource
    package private(set) var offset = 0
    private var buffer: [UInt8] = []
    private var bufferStart = 0

    package init(_ source: any ByteSource) { self.source = source }

    package var remaining: Int { source.byteCount - offset }

    package func failure(_ message: String, at place: Int? = nil) -> RecastError {
        .malformed(source.name, at: place ?? offset, message)
    }

    /// Lends the next `count` bytes and moves past them.
    package mutating func take<Result>(
        _ count: Int, _ body: (UnsafeRawBufferPointer) throws(RecastError) -> Result
    ) throws(RecastError) -> Result {
        guard count <= remaining else {
            throw failure("truncated: \(count - remaining) more bytes are needed")
        }
        let start = offset - bufferStart
        if start < 0 || start + count > buffer.count {
            buffer = try source.bytes(offset..<offset + min(remaining, max(count, 1 << 18)))
            bufferStart = offset
        }
        let begin = offset - bufferStart
        offset += count
        return try buffer.withBytes { (bytes) throws(RecastError) in
            try body(UnsafeRawBufferPointer(rebasing: bytes[begin..<begin + count]))
        }
    }

    /// Moves past bytes that are not looked at.
    package mutating func skip(_ count: Int) throws(RecastError) {
        guard count <= remaining else { throw failure("truncated: \(count - remaining) more bytes are needed") }
        offset += count
    }

    package mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Integer.self) throws(RecastError)
        -> Integer
    {
        try take(MemoryLayout<Integer>.size) { $0.integer(at: 0, as: Integer.self) }
    }

    /// `count` integers in a row.
    package mutating func integers<Integer: FixedWidthInteger>(_ count: Int) throws(RecastError) -> [Integer] {
        let size = MemoryLayout<Integer>.size
        guard let byteCount = count.multiplied(checked: size) else { throw failure("array of \(count) elements") }
        return try take(byteCount) { bytes in
            [Integer](unsafeUninitializedCapacity: count) { out, initialized in
                for index in 0..<count { out[index] = bytes.integer(at: index * size) }
                initialized = count
            }
        }
    }
}
