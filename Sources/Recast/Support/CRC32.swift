/// The CRC-32 of zip and PNG: polynomial 0xEDB88320, reflected.
public struct CRC32: Sendable, Hashable {
    private var state: UInt32 = 0xFFFF_FFFF

    public init() {}

    public var value: UInt32 { ~state }

    // Eight tables, so that eight bytes are taken at a time.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var code = UInt32(byte)
            for _ in 0..<8 { code = code & 1 == 1 ? 0xEDB8_8320 ^ code >> 1 : code >> 1 }
            tables[byte] = code
        }
        for index in 256..<tables.count {
            tables[index] = tables[index - 256] >> 8 ^ tables[Int(tables[index - 256] & 0xFF)]
        }
        return tables
    }()

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        state = Self.tables.withUnsafeBufferPointer { tables in
            var state = state
            var index = 0
            while index &+ 8 <= bytes.count {
                let low = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: index, as: UInt32.self)) ^ state
                let high = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: index &+ 4, as: UInt32.self))
                state =
                    tables[7 &* 256 &+ Int(low & 0xFF)] ^ tables[6 &* 256 &+ Int(low >> 8 & 0xFF)]
                    ^ tables[5 &* 256 &+ Int(low >> 16 & 0xFF)] ^ tables[4 &* 256 &+ Int(low >> 24)]
                state ^=
                    tables[3 &* 256 &+ Int(high & 0xFF)] ^ tables[2 &* 256 &+ Int(high >> 8 & 0xFF)]
                    ^ tables[256 &+ Int(high >> 16 & 0xFF)] ^ tables[Int(high >> 24)]
                index &+= 8
            }
            while index < bytes.count {
                state = tables[Int(state & 0xFF ^ UInt32(bytes[index]))] ^ state >> 8
                index &+= 1
            }
            return state
        }
    }
}

extension LazyTensor {
    /// The CRC-32 of a tensor's bytes in row-major order.
    public func checksum(using reader: inout Reader) throws(RecastError) -> UInt32 {
        var checksum = CRC32()
        for window in windows(of: 1 << 20) {
            try Interruption.check()
            try reader.withScratch(byteCount(of: window)) { (reader, buffer) throws(RecastError) in
                try read(window, into: buffer, using: &reader)
                checksum.update(UnsafeRawBufferPointer(buffer))
            }
        }
        return checksum.value
    }
}
