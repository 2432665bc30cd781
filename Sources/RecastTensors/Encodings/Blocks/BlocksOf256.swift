package import CKernels

// Blocks of 256 codes in groups whose scales, and minima, are whole multiples of the block's, halves (gguf.md §b.1, §b.2).

/// 16 bytes of multiples, the minimum's in the high nibble, 64 of codes, f16 d, f16 dmin;
/// x = (d·multiple)·q − dmin·multiple.
enum Q2_K: GridBlock {
    package static let (blockSize, blockByteCount) = (256, 84)
    package static let scheme = Scheme(.integers(bits: 2), .affineMinimum, .group(16))
    package static let scaleOffsets = [80, 82]
    package static let codePlanes = [CodePlane(offset: 16, bits: 2, run: 32)]
    package static let multiples: MultipleLayout? = MultipleLayout(
        range: 0...15, planes: [CodePlane(offset: 0, bits: 4, run: 16)])
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q2_k }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q2_k }
}

/// 32 bytes of high bits, 64 of low ones, 12 of signed multiples of six bits, f16 d; x = (d·multiple)·(q − 4).
enum Q3_K: GridBlock {
    package static let (blockSize, blockByteCount) = (256, 110)
    package static let scheme = Scheme(.integers(bits: 3), .symmetric, .group(16))
    package static let scaleOffsets = [108]
    package static let codePlanes = [CodePlane(offset: 32, bits: 2, run: 32), CodePlane(offset: 0, bits: 1, run: 32)]
    package static let multiples: MultipleLayout? = MultipleLayout(
        range: -32...31, planes: [CodePlane(offset: 96, bits: 4, run: 8), CodePlane(offset: 104, bits: 2, run: 4)])
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q3_k }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q3_k }
}

/// f16 d, f16 dmin, multiples (`SixBitMultiples`), 128 bytes of nibbles; x = (d·multiple)·q − dmin·multiple.
package enum Q4_K: SixBitMultiples {
    package static let (blockSize, blockByteCount) = (256, 144)
    package static let scheme = Scheme(.integers(bits: 4), .affineMinimum, .group(32))
    package static let codePlanes = [CodePlane(offset: 16, bits: 4, run: 32)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q4_k }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q4_k }
}

/// f16 d, f16 dmin, multiples (`SixBitMultiples`), 32 bytes of fifth bits, 128 of nibbles;
/// x = (d·multiple)·q − dmin·multiple.
enum Q5_K: SixBitMultiples {
    package static let (blockSize, blockByteCount) = (256, 176)
    package static let scheme = Scheme(.integers(bits: 5), .affineMinimum, .group(32))
    package static let codePlanes = [CodePlane(offset: 48, bits: 4, run: 32), CodePlane(offset: 16, bits: 1, run: 32)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q5_k }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q5_k }
}

/// 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed multiples, f16 d; x = (d·multiple)·(q − 32).
enum Q6_K: GridBlock {
    package static let (blockSize, blockByteCount) = (256, 210)
    package static let scheme = Scheme(.integers(bits: 6), .symmetric, .group(16))
    package static let scaleOffsets = [208]
    package static let codePlanes = [CodePlane(offset: 0, bits: 4, run: 64), CodePlane(offset: 128, bits: 2, run: 32)]
    package static let multiples: MultipleLayout? = MultipleLayout(
        range: -128...127, planes: [CodePlane(offset: 192, bits: 8, run: 16, isSigned: true)])
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q6_k }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q6_k }
}

/// f16 d, 16 bits of upper pairs of the signed multiples, four bytes of their lower nibbles, then eight groups of codes
/// like those of `IQ4_NL`; x = (d·multiple)·value.
enum IQ4_XS: GridBlock {
    package static let (blockSize, blockByteCount) = (256, 136)
    package static let scheme = Scheme(.table(.iq4), .symmetric, .group(32))
    package static let scaleOffsets = [0]
    package static let codePlanes = [CodePlane(offset: 8, bits: 4, run: 16)]
    package static let multiples: MultipleLayout? = MultipleLayout(
        range: -32...31, planes: [CodePlane(offset: 4, bits: 4, run: 1), CodePlane(offset: 2, bits: 2, run: 1)])
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq4_xs }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq4_xs }
}

/// Eight multiples of the scale and eight of the minimum, six bits each, in twelve bytes behind the halves: those of groups
/// 0..<4 in bytes of their own, above which lie two bits of groups 4..<8, whose nibbles follow (gguf.md §b.2).
package protocol SixBitMultiples: GridBlock {}

extension SixBitMultiples {
    package static var scaleOffsets: [Int] { [0, 2] }
    package static var multiples: MultipleLayout? { MultipleLayout(range: 0...63) }

    package static func readMultiples(_ block: UnsafeRawPointer, into multiples: UnsafeMutablePointer<UInt8>) {
        func byte(_ index: Int) -> UInt8 { block.load(fromByteOffset: 4 + index, as: UInt8.self) }
        for group in 0..<4 {
            multiples[group] = byte(group) & 63
            multiples[8 + group] = byte(4 + group) & 63
            multiples[4 + group] = byte(8 + group) & 15 | (byte(group) >> 6) << 4
            multiples[12 + group] = byte(8 + group) >> 4 | (byte(4 + group) >> 6) << 4
        }
    }

    /// Of multiples that have more bits, those of groups 0..<4 run into the others'.
    package static func writeMultiples(_ multiples: UnsafePointer<UInt8>, into block: UnsafeMutableRawPointer) {
        let bytes = (block + 4).assumingMemoryBound(to: UInt8.self)
        for group in 0..<4 {
            bytes[group] = multiples[group] | (multiples[4 + group] & 0x30) << 2
            bytes[4 + group] = multiples[8 + group] | (multiples[12 + group] & 0x30) << 2
            bytes[8 + group] = multiples[4 + group] & 15 | multiples[12 + group] << 4
        }
    }
}
