internal import CKernels

// Blocks of 32 codes that share one scale, and perhaps a minimum, halves (gguf.md §b.1). Nibbles lie in 16 bytes: the low
// ones are those of elements 0..<16. A fifth bit lies before them, that of element 0 lowest.

/// f16 d, nibbles; x = (q − 8)·d.
enum Q4_0: GridBlock {
    package static let (blockSize, blockByteCount) = (32, 18)
    package static let scheme = Scheme(.integers(bits: 4), .symmetric, .group(32))
    package static let scaleOffsets = [0]
    package static let codePlanes = [CodePlane(offset: 2, bits: 4, run: 16)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q4_0 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q4_0 }
}

/// f16 d, f16 m, nibbles; x = q·d + m.
enum Q4_1: GridBlock {
    package static let (blockSize, blockByteCount) = (32, 20)
    package static let scheme = Scheme(.integers(bits: 4), .affineMinimum, .group(32))
    package static let scaleOffsets = [0, 2]
    package static let codePlanes = [CodePlane(offset: 4, bits: 4, run: 16)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q4_1 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q4_1 }
}

/// f16 d, fifth bits, nibbles; x = (q − 16)·d.
enum Q5_0: GridBlock {
    package static let (blockSize, blockByteCount) = (32, 22)
    package static let scheme = Scheme(.integers(bits: 5), .symmetric, .group(32))
    package static let scaleOffsets = [0]
    package static let codePlanes = [CodePlane(offset: 6, bits: 4, run: 16), CodePlane(offset: 2, bits: 1, run: 1)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q5_0 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q5_0 }
}

/// f16 d, f16 m, fifth bits, nibbles; x = q·d + m.
enum Q5_1: GridBlock {
    package static let (blockSize, blockByteCount) = (32, 24)
    package static let scheme = Scheme(.integers(bits: 5), .affineMinimum, .group(32))
    package static let scaleOffsets = [0, 2]
    package static let codePlanes = [CodePlane(offset: 8, bits: 4, run: 16), CodePlane(offset: 4, bits: 1, run: 1)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q5_1 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q5_1 }
}

/// f16 d, signed bytes; x = (q − 128)·d.
enum Q8_0: GridBlock {
    package static let (blockSize, blockByteCount) = (32, 34)
    package static let scheme = Scheme(.integers(bits: 8), .symmetric, .group(32))
    package static let scaleOffsets = [0]
    package static let codePlanes = [CodePlane(offset: 2, bits: 8, run: 32, isSigned: true)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q8_0 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q8_0 }
}

/// f16 d, nibbles, places in a table; x = d·value.
enum IQ4_NL: GridBlock {
    package static let (blockSize, blockByteCount) = (32, 18)
    package static let scheme = Scheme(.table(.iq4), .symmetric, .group(32))
    package static let scaleOffsets = [0]
    package static let codePlanes = [CodePlane(offset: 2, bits: 4, run: 16)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq4_nl }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq4_nl }
}
