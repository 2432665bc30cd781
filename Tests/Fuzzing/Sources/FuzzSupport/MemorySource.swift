@testable import Recast
@testable import RecastTensors

/// Bytes in place of a file.
public final class MemorySource: ByteSource {
    private let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public var name: String { "fuzz" }
    public var byteCount: Int { bytes.count }
    public var file: SourceFile { SourceFile(path: "fuzz", byteCount: bytes.count) }
    public var descriptor: Int32? { nil }

    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(RecastError) {
        guard offset >= 0, offset <= bytes.count, buffer.count <= bytes.count - offset else {
            throw .malformed("fuzz", "is read beyond its end")
        }
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset..<offset + buffer.count]))
        }
    }
}
