/// Text compared byte for byte. Swift compares strings by canonical equivalence, under which two different tokens or
/// tensor names can be equal.
package struct ByteString: Hashable, Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }

    package static func == (a: ByteString, b: ByteString) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

    package func hash(into hasher: inout Hasher) {
        var copy = text
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

extension Array {
    /// `withUnsafeBytes` that passes typed errors through.
    @inlinable
    package func withBytes<Result>(
        _ body: (UnsafeRawBufferPointer) throws(RecastError) -> Result
    ) throws(RecastError) -> Result {
        let outcome = withUnsafeBytes { (buffer) -> Swift.Result<Result, RecastError> in
            do throws(RecastError) { return .success(try body(buffer)) } catch { return .failure(error) }
        }
        return try outcome.get()
    }

    /// `withUnsafeMutableBytes` that passes typed errors through.
    @inlinable
    package mutating func withMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws(RecastError) -> Result
    ) throws(RecastError) -> Result {
        let outcome = withUnsafeMutableBytes { (buffer) -> Swift.Result<Result, RecastError> in
            do throws(RecastError) { return .success(try body(buffer)) } catch { return .failure(error) }
        }
        return try outcome.get()
    }
}

extension [UInt8] {
    /// Appends an integer in little-endian order.
    package mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// An integer in little-endian order.
    package func integer<Integer: FixedWidthInteger>(at offset: Int, as type: Integer.Type = Integer.self) -> Integer {
        Integer(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}
