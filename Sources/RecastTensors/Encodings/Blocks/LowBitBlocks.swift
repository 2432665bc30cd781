internal import CKernels

// Blocks of codes of one or two bits with one scale, a half (gguf.md §b.1, §b.2).

/// 128 signs: f16 d, bits, 1 for those that are not negative; x = ±d.
enum Q1_0: GridBlock {
    package static let (blockSize, blockByteCount) = (128, 18)
    package static let scheme = Scheme(.table(.sign), .symmetric, .group(128))
    package static let scaleOffsets = [0]
    package static let codePlanes = [CodePlane(offset: 2, bits: 1, run: 1)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q1_0 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q1_0 }
}

/// 64 codes: f16 d, four codes a byte, from the lowest bits on; x = (q − 1)·d.
enum Q2_0: GridBlock {
    package static let (blockSize, blockByteCount) = (64, 18)
    package static let scheme = Scheme(.table(.ternaryAndTwo), .symmetric, .group(64))
    package static let scaleOffsets = [0]
    package static let codePlanes = [CodePlane(offset: 2, bits: 2, run: 1)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_q2_0 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_q2_0 }
}

/// 256 codes, four to a byte: 32 bytes for each 128 elements, the next lying 32 apart; then f16 d; x = (q − 1)·d.
enum TQ2_0: GridBlock {
    package static let (blockSize, blockByteCount) = (256, 66)
    package static let scheme = Scheme(.table(.ternaryAndTwo), .symmetric, .group(256))
    package static let scaleOffsets = [64]
    package static let codePlanes = [CodePlane(offset: 0, bits: 2, run: 32)]
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_tq2_0 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_tq2_0 }
}

/// 256 codes 0, 1, 2, five to a byte: 32 bytes for elements 0..<160, the next lying 32 apart, 16 for the next 80, and 4
/// bytes of four for the last 16; then f16 d; x = (q − 1)·d.
///
/// A byte is a fraction of 3^5, so that multiplying by three brings up one code after the other. 243 of the 256 are such
/// fractions; the others are read like their neighbours.
enum TQ1_0: GridBlock {
    package static let (blockSize, blockByteCount) = (256, 54)
    package static let scheme = Scheme(.table(.ternary), .symmetric, .group(256))
    package static let scaleOffsets = [52]
    package static let codePlanes: [CodePlane] = []
    package static let highestCode: UInt8 = 2
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_tq1_0 }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_tq1_0 }

    /// Where the codes lie: the first byte and element, the number of bytes, and the codes in each.
    // swift-format-ignore
    private static let runs = [
        (byte:  0, element:   0, width: 32, depth: 5),
        (byte: 32, element: 160, width: 16, depth: 5),
        (byte: 48, element: 240, width:  4, depth: 4),
    ]

    package static func readCodes(_ block: UnsafeRawPointer, into codes: UnsafeMutablePointer<UInt8>) {
        for run in runs {
            for byte in 0..<run.width {
                var fraction = block.load(fromByteOffset: run.byte + byte, as: UInt8.self)
                for place in 0..<run.depth {
                    codes[run.element + run.width * place + byte] = UInt8(Int(fraction) * 3 / 256)
                    fraction &*= 3
                }
            }
        }
    }

    package static func writeCodes(_ codes: UnsafePointer<UInt8>, into block: UnsafeMutableRawPointer) {
        for run in runs {
            for byte in 0..<run.width {
                var digits = 0
                for place in 0..<5 {
                    let code = place < run.depth ? codes[run.element + run.width * place + byte] : 0
                    digits = digits * 3 + Int(code)
                }
                let fraction = UInt8((digits * 256 + 242) / 243)
                block.storeBytes(of: fraction, toByteOffset: run.byte + byte, as: UInt8.self)
            }
        }
    }
}
