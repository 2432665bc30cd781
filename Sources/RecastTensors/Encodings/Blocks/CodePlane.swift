/// Where in a block some bits of each code lie: a run of bytes holds, from the lowest bits on, as many runs of codes, each as
/// long as it, as there is room for; then the next run of bytes follows (gguf.md §b.2).
package struct CodePlane: Sendable {
    /// The first byte.
    package let offset: Int
    /// Of each code.
    let bits: Int
    /// Bytes in a run, and codes.
    let run: Int
    /// Whether the bits are a number in two's complement; the code counts from the lowest one.
    var isSigned = false

    private var mask: UInt8 { UInt8(truncatingIfNeeded: 1 << bits - 1) }
    private var flip: UInt8 { isSigned ? 1 << UInt8(bits - 1) : 0 }

    /// Adds the bits of `count` codes, whole runs, above those that there are already.
    func read(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>, count: Int, above lowerBits: Int) {
        let (mask, flip, up) = (mask, flip, UInt8(lowerBits))
        forEachRun(of: count) { byte, shift, first in
            let bytes = (block + byte).assumingMemoryBound(to: UInt8.self)
            let target = codes + first
            for i in 0..<run { target[i] |= (bytes[i] &>> shift & mask ^ flip) &<< up }
        }
    }

    /// Adds the bits of `count` codes to a block that has none of them yet.
    func write(_ codes: UnsafePointer<UInt8>, count: Int, above lowerBits: Int, into block: UnsafeMutableRawPointer) {
        let (mask, flip, down) = (mask, flip, UInt8(lowerBits))
        forEachRun(of: count) { byte, shift, first in
            let bytes = (block + byte).assumingMemoryBound(to: UInt8.self)
            let source = codes + first
            for i in 0..<run { bytes[i] |= (source[i] &>> down & mask ^ flip) &<< shift }
        }
    }

    /// The first byte of each run of codes, how far up in its bytes they are, and the first of them.
    @inline(__always)
    private func forEachRun(of count: Int, _ body: (_ byte: Int, _ shift: UInt8, _ first: Int) -> Void) {
        var (byte, shift, first) = (offset, 0, 0)
        while first < count {
            body(byte, UInt8(truncatingIfNeeded: shift), first)
            first += run
            shift += bits
            if shift == 8 { (byte, shift) = (byte + run, 0) }
        }
    }
}

extension [CodePlane] {
    /// Codes whose lowest bits are in the first plane, the next ones in the second; they are zero before.
    func read(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>, count: Int) {
        var lowerBits = 0
        for plane in self {
            plane.read(block, into: codes, count: count, above: lowerBits)
            lowerBits += plane.bits
        }
    }

    func write(_ codes: UnsafePointer<UInt8>, count: Int, into block: UnsafeMutableRawPointer) {
        var lowerBits = 0
        for plane in self {
            plane.write(codes, count: count, above: lowerBits, into: block)
            lowerBits += plane.bits
        }
    }
}
