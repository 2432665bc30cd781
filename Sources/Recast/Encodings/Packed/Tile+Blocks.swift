/// GGUF's block types that are nothing but codes, a scale and perhaps a minimum: taken apart and put together, so that codes
/// move between them and the packed formats (gguf.md §b.1).
extension Scheme {
    /// The scheme of a block type; nil where codes have more than one scale.
    init?(blocksOf dtype: DType) {
        switch dtype {
        case .q4_0: self.init(.integers(bits: 4), .symmetric, .group(32))
        case .q5_0: self.init(.integers(bits: 5), .symmetric, .group(32))
        case .q8_0: self.init(.integers(bits: 8), .symmetric, .group(32))
        case .q4_1: self.init(.integers(bits: 4), .affineMinimum, .group(32))
        case .q5_1: self.init(.integers(bits: 5), .affineMinimum, .group(32))
        case .mxfp4: self.init(.table(.e2m1), .symmetric, .group(32))
        default: return nil
        }
    }
}

extension Tile {
    /// Rows of whole blocks taken apart.
    init(blocks: UnsafeRawBufferPointer, of dtype: DType, rows: Int, columns: Int) {
        self.init(Scheme(blocksOf: dtype)!, rows: rows, columns: columns)
        let hasMinimum = scheme.origin == .affineMinimum
        for block in 0..<rows * columns / 32 {
            let base = block * dtype.blockBytes
            func half(_ offset: Int) -> Float {
                HalfFloat.value(of: blocks.loadUnaligned(fromByteOffset: base + offset, as: UInt16.self))
            }
            let target = block * 32
            if dtype == .mxfp4 {
                // Half of the exponent's value belongs to the table, whose numbers are stored doubled.
                scales[block] = Self.power(blocks[base])
            } else {
                scales[block] = half(0)
                if hasMinimum { offsets[block] = half(2) }
            }
            let places = BlockPlaces(dtype)
            if dtype == .q8_0 {
                for i in 0..<32 { codes[target + i] = blocks[base + 2 + i] &+ 128 }
                continue
            }
            for i in 0..<16 {
                let pair = blocks[base + places.nibbles + i]
                codes[target + i] = pair & 15
                codes[target + i + 16] = pair >> 4
            }
            guard let fifth = places.fifthBits else { continue }
            let bits = blocks.loadUnaligned(fromByteOffset: base + fifth, as: UInt32.self)
            for i in 0..<32 { codes[target + i] |= UInt8(bits >> UInt32(i) & 1) << 4 }
        }
    }

    /// The tile as blocks of a type whose scheme is its own.
    func blocks(of dtype: DType, into out: UnsafeMutableRawBufferPointer) {
        precondition(Scheme(blocksOf: dtype) == scheme && groups == nil)
        let places = BlockPlaces(dtype)
        for block in 0..<rows * columns / 32 {
            let base = block * dtype.blockBytes
            let source = block * 32
            if dtype == .mxfp4 {
                out[base] = Self.exponent(scales[block])
            } else {
                out.storeBytes(of: HalfFloat.bits(of: scales[block]), toByteOffset: base, as: UInt16.self)
                if scheme.origin == .affineMinimum {
                    out.storeBytes(of: HalfFloat.bits(of: offsets[block]), toByteOffset: base + 2, as: UInt16.self)
                }
            }
            if dtype == .q8_0 {
                for i in 0..<32 { out[base + 2 + i] = codes[source + i] &- 128 }
                continue
            }
            for i in 0..<16 {
                out[base + places.nibbles + i] = (codes[source + i] & 15) | (codes[source + i + 16] & 15) << 4
            }
            guard let fifth = places.fifthBits else { continue }
            var bits: UInt32 = 0
            for i in 0..<32 { bits |= UInt32(codes[source + i] >> 4) << UInt32(i) }
            out.storeBytes(of: bits, toByteOffset: base + fifth, as: UInt32.self)
        }
    }

    /// 2^(e − 127), the value of an E8M0 scale; 255 is NaN.
    static func power(_ exponent: UInt8) -> Float {
        exponent == 255 ? .nan : Float(sign: .plus, exponent: Int(exponent) - 127, significand: 1)
    }

    /// The E8M0 byte of a power of two.
    static func exponent(_ scale: Float) -> UInt8 {
        guard scale.isFinite, scale > 0 else { return scale == 0 ? 0 : 255 }
        return UInt8(max(0, min(254, Int(scale.exponent) + 127)))
    }
}

/// Where in a block the nibbles and the fifth bits begin.
private struct BlockPlaces {
    var nibbles: Int
    var fifthBits: Int?

    init(_ dtype: DType) {
        switch dtype {
        case .q4_1: (nibbles, fifthBits) = (4, nil)
        case .q5_0: (nibbles, fifthBits) = (6, 2)
        case .q5_1: (nibbles, fifthBits) = (8, 4)
        case .mxfp4: (nibbles, fifthBits) = (1, nil)
        default: (nibbles, fifthBits) = (2, nil)
        }
    }
}
