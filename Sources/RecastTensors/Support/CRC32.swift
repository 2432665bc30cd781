internal import CKernels

/// The CRC-32 of zip and PNG: polynomial 0xEDB88320, reflected.
package struct CRC32: Sendable, Hashable {
    private var state: UInt32 = 0xFFFF_FFFF

    package init() {}

    package var value: UInt32 { ~state }

    /// Goes on by these bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) { update(bytes, with: .best) }

    /// Goes on by these bytes, as many as possible of them by the kernel.
    mutating func update(_ bytes: UnsafeRawBufferPointer, with kernel: Kernel?) {
        guard let base = bytes.baseAddress else { return }
        let wholeCount = kernel == nil ? 0 : bytes.count & ~63
        if let kernel, wholeCount > 0 { state = kernel.function(state, base, wholeCount) }
        updatePortable(UnsafeRawBufferPointer(rebasing: bytes[wholeCount...]))
    }

    // MARK: The definition

    // Eight tables, so that eight bytes are taken at a time.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var code = UInt32(byte)
            for _ in 0..<8 { code = timesX(code) }
            tables[byte] = code
        }
        for index in 256..<tables.count {
            tables[index] = tables[index - 256] >> 8 ^ tables[Int(tables[index - 256] & 0xFF)]
        }
        return tables
    }()

    private mutating func updatePortable(_ bytes: UnsafeRawBufferPointer) {
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

    // MARK: Polynomials over GF(2), modulo that of the checksum; the highest bit is the constant term

    private static let one: UInt32 = 1 << 31

    private static func timesX(_ a: UInt32) -> UInt32 { a & 1 == 1 ? 0xEDB8_8320 ^ a >> 1 : a >> 1 }

    private static func product(_ a: UInt32, _ b: UInt32) -> UInt32 {
        var (sum, term): (UInt32, UInt32) = (0, b)
        for power in 0..<32 as Range<UInt32> {
            if a & (one >> power) != 0 { sum ^= term }
            term = timesX(term)
        }
        return sum
    }

    /// The checksum of two stretches of bytes, one after the other, from their checksums.
    package static func combined(_ first: UInt32, _ second: UInt32, secondByteCount: Int) -> UInt32 {
        precondition(secondByteCount >= 0)
        // What comes before n bytes is multiplied by x^8n. The inversions at both ends cancel out.
        var shift = one
        var square = one >> 8
        var count = secondByteCount
        while count > 0 {
            if count & 1 == 1 { shift = product(shift, square) }
            square = product(square, square)
            count >>= 1
        }
        return product(first, shift) ^ second
    }
}

extension CRC32 {
    /// A C loop for one instruction set.
    struct Kernel: @unchecked Sendable {
        let function: ck_checksum

        /// All that this machine can run, slowest first.
        static let available = (0..<CK_CRC32_LEVEL_COUNT).compactMap { ck_crc32_at($0).map(Kernel.init) }

        /// The fastest one; nil where the definition is.
        static let best = available.last
    }
}
