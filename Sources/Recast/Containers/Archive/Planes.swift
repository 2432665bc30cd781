/// Numbers taken apart into planes of one byte of each, the most significant first.
///
/// Elements of several bytes are rotated left by one bit before, so that the first plane of a bfloat16 or a float32 is its
/// exponent and nothing else, which is what compresses; the sign joins the noise of the mantissa.
struct Planes: Sendable, Hashable {
    static let widths = [1, 2, 4, 8]

    /// The bytes of an element.
    let width: Int

    init(width: Int) {
        precondition(Self.widths.contains(width))
        self.width = width
    }

    /// How the numbers of a type are best taken apart.
    init(of dtype: DType) {
        let isFloat = dtype.kind == .float || dtype.kind == .complex
        let isWide = isFloat && dtype.blockElements == 1
        self.init(width: !isWide ? 1 : dtype.kind == .complex ? dtype.blockBytes / 2 : dtype.blockBytes)
    }

    typealias Bytes = UnsafeMutablePointer<UInt8>

    /// Writes `count` elements at `source` to the planes, of which there are `width`.
    func split(_ source: UnsafeRawPointer, count: Int, into planes: [Bytes]) {
        switch width {
        case 1: planes[0].update(from: source.assumingMemoryBound(to: UInt8.self), count: count)
        case 2: split2(source, count, planes[0], planes[1])
        case 4: split4(source, count, planes[0], planes[1], planes[2], planes[3])
        default: split8(source, count, planes)
        }
    }

    /// The inverse of `split`.
    func merge(_ planes: [Bytes], count: Int, into destination: UnsafeMutableRawPointer) {
        switch width {
        case 1: destination.copyMemory(from: planes[0], byteCount: count)
        case 2: merge2(planes[0], planes[1], count, destination)
        case 4: merge4(planes[0], planes[1], planes[2], planes[3], count, destination)
        default: merge8(planes, count, destination)
        }
    }
}

// Plain loops, which the compiler turns into vector code as fast as memory.
extension Planes {
    private func split2(_ source: UnsafeRawPointer, _ count: Int, _ upper: Bytes, _ lower: Bytes) {
        for i in 0..<count {
            let bits = UInt16(littleEndian: source.loadUnaligned(fromByteOffset: 2 &* i, as: UInt16.self))
            let turned = bits << 1 | bits >> 15
            upper[i] = UInt8(truncatingIfNeeded: turned >> 8)
            lower[i] = UInt8(truncatingIfNeeded: turned)
        }
    }

    private func merge2(_ upper: Bytes, _ lower: Bytes, _ count: Int, _ destination: UnsafeMutableRawPointer) {
        for i in 0..<count {
            let turned = UInt16(upper[i]) << 8 | UInt16(lower[i])
            let bits = turned >> 1 | turned << 15
            destination.storeBytes(of: bits.littleEndian, toByteOffset: 2 &* i, as: UInt16.self)
        }
    }

    private func split4(
        _ source: UnsafeRawPointer, _ count: Int, _ first: Bytes, _ second: Bytes, _ third: Bytes, _ fourth: Bytes
    ) {
        for i in 0..<count {
            let bits = UInt32(littleEndian: source.loadUnaligned(fromByteOffset: 4 &* i, as: UInt32.self))
            let turned = bits << 1 | bits >> 31
            first[i] = UInt8(truncatingIfNeeded: turned >> 24)
            second[i] = UInt8(truncatingIfNeeded: turned >> 16)
            third[i] = UInt8(truncatingIfNeeded: turned >> 8)
            fourth[i] = UInt8(truncatingIfNeeded: turned)
        }
    }

    private func merge4(
        _ first: Bytes, _ second: Bytes, _ third: Bytes, _ fourth: Bytes, _ count: Int,
        _ destination: UnsafeMutableRawPointer
    ) {
        for i in 0..<count {
            let turned =
                UInt32(first[i]) << 24 | UInt32(second[i]) << 16 | UInt32(third[i]) << 8 | UInt32(fourth[i])
            let bits = turned >> 1 | turned << 31
            destination.storeBytes(of: bits.littleEndian, toByteOffset: 4 &* i, as: UInt32.self)
        }
    }

    // Float64 is rare enough to go plane by plane.
    private func split8(_ source: UnsafeRawPointer, _ count: Int, _ planes: [Bytes]) {
        for (index, plane) in planes.enumerated() {
            let shift = UInt64(56 - 8 * index)
            for i in 0..<count {
                let bits = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: 8 &* i, as: UInt64.self))
                let turned = bits << 1 | bits >> 63
                plane[i] = UInt8(truncatingIfNeeded: turned &>> shift)
            }
        }
    }

    private func merge8(_ planes: [Bytes], _ count: Int, _ destination: UnsafeMutableRawPointer) {
        for i in 0..<count {
            var turned: UInt64 = 0
            for plane in planes { turned = turned << 8 | UInt64(plane[i]) }
            let bits = turned >> 1 | turned << 63
            destination.storeBytes(of: bits.littleEndian, toByteOffset: 8 &* i, as: UInt64.self)
        }
    }
}
