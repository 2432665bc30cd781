internal import CKernels

// The IQ types: groups of eight or four elements are entries of a table that belongs to the format (gguf.md §b.1, §b.2).
// They are read, not written.

/// Blocks of 256 elements, each of which is found on its own.
protocol CodebookBlock: BlockDecoding {
    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float
}

extension CodebookBlock {
    package static var blockSize: Int { 256 }

    package static func decodeBlock(_ block: UnsafeRawPointer, into numbers: UnsafeMutablePointer<Float>) {
        for i in 0..<blockSize { numbers[i] = element(i, of: block) }
    }
}

extension UnsafeRawPointer {
    fileprivate func byte(_ offset: Int) -> Int { Int(load(fromByteOffset: offset, as: UInt8.self)) }
    fileprivate func pair(_ offset: Int) -> Int { Int(loadUnaligned(fromByteOffset: offset, as: UInt16.self)) }
    fileprivate func word(_ offset: Int) -> Int { Int(loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    fileprivate func half(_ offset: Int) -> Float { HalfFloat.value(of: UInt16(pair(offset))) }
}

private enum Codebook {
    static var shared: ck_codebooks { ck_codebooks().pointee }

    /// Element `place` of an entry of eight.
    static func iq1(_ entry: UInt16, _ place: Int) -> Float { Float(Int(entry) >> (2 * place) & 3) - 1 }
    static func iq2(_ entry: UInt16, _ place: Int) -> Float { [8, 25, 43][Int(entry) >> (2 * place) & 3] }

    /// Element `place` of an entry of four.
    static func iq3xxs(_ entry: UInt16, _ place: Int) -> Float {
        [4, 12, 20, 28, 36, 44, 52, 62][Int(entry) >> (4 * place) & 7]
    }
    static func iq3s(_ entry: UInt16, _ place: Int) -> Float { Float(1 + 2 * (Int(entry) >> (4 * place) & 7)) }

    static func sign(_ signs: Int, _ place: Int) -> Float { signs >> place & 1 == 0 ? 1 : -1 }

    /// Of seven signs; the eighth makes the number of negative ones even.
    static func evenSign(_ signs: Int, _ place: Int) -> Float {
        let seven = signs & 127
        return sign(seven | (seven.nonzeroBitCount % 2) << 7, place)
    }
}

/// f16 d; for each 32 elements four indices, then 4 × 7 signs and a scale of four bits.
enum IQ2_XXS: CodebookBlock {
    package static let blockByteCount = 66
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq2_xxs }

    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let group = block + 2 + index / 32 * 8
        let (part, rest) = (index / 8 % 4, group.word(4))
        let scale = block.half(0) * (0.5 + Float(rest >> 28)) * 0.25
        let entry = Codebook.shared.iq2_xxs[group.byte(part)]
        return scale * Codebook.iq2(entry, index % 8) * Codebook.evenSign(rest >> (7 * part), index % 8)
    }
}

/// f16 d; for each 8 elements 9 bits of index and 7 signs; scales of four bits for each 16.
enum IQ2_XS: CodebookBlock {
    package static let blockByteCount = 74
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq2_xs }

    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let pair = block.pair(2 + index / 8 * 2)
        let nibble = block.byte(66 + index / 32) >> (index / 16 % 2 * 4) & 15
        let scale = block.half(0) * (0.5 + Float(nibble)) * 0.25
        let entry = Codebook.shared.iq2_xs[pair & 511]
        return scale * Codebook.iq2(entry, index % 8) * Codebook.evenSign(pair >> 9, index % 8)
    }
}

/// f16 d; for each 8 elements a byte of index, then 8 signs, then two more bits of index; scales of four bits for each 16.
enum IQ2_S: CodebookBlock {
    package static let blockByteCount = 82
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq2_s }

    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let part = index / 8
        let nibble = block.byte(74 + index / 32) >> (index / 16 % 2 * 4) & 15
        let scale = block.half(0) * (0.5 + Float(nibble)) * 0.25
        let high = block.byte(66 + part / 4) >> (part % 4 * 2) & 3
        let entry = Codebook.shared.iq2_s[block.byte(2 + part) | high << 8]
        return scale * Codebook.iq2(entry, index % 8) * Codebook.sign(block.byte(34 + part), index % 8)
    }
}

/// f16 d; a byte of index for each 4 elements; for each 32 elements 4 × 7 signs and a scale of four bits.
enum IQ3_XXS: CodebookBlock {
    package static let blockByteCount = 98
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq3_xxs }

    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let rest = block.word(66 + index / 32 * 4)
        let scale = block.half(0) * (0.5 + Float(rest >> 28)) * 0.5
        let entry = Codebook.shared.iq3_xxs[block.byte(2 + index / 4)]
        return scale * Codebook.iq3xxs(entry, index % 4) * Codebook.evenSign(rest >> (index / 8 % 4 * 7), index % 8)
    }
}

/// f16 d; a byte of index for each 4 elements, then one more bit for each; a sign for each element; scales of four bits
/// for each 32.
enum IQ3_S: CodebookBlock {
    package static let blockByteCount = 110
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq3_s }

    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let nibble = block.byte(106 + index / 64) >> (index / 32 % 2 * 4) & 15
        let scale = block.half(0) * Float(1 + 2 * nibble)
        let high = block.byte(66 + index / 32) >> (index / 4 % 8) & 1
        let entry = Codebook.shared.iq3_s[block.byte(2 + index / 4) | high << 8]
        return scale * Codebook.iq3s(entry, index % 4) * Codebook.sign(block.byte(74 + index / 8), index % 8)
    }
}

/// f16 d; a byte of index for each 8 elements; for each 32 elements three more bits for each index, a scale of three bits
/// and the side on which an eighth is added.
enum IQ1_S: CodebookBlock {
    package static let blockByteCount = 50
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq1_s }

    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let part = index / 8
        let rest = block.pair(34 + index / 32 * 2)
        let scale = block.half(0) * Float(1 + 2 * (rest >> 12 & 7))
        let high = rest >> (part % 4 * 3) & 7
        let entry = Codebook.shared.iq1[block.byte(2 + part) | high << 8]
        return scale * (Codebook.iq1(entry, index % 8) + (rest >> 15 == 0 ? 0.125 : -0.125))
    }
}

/// A byte of index for each 8 elements; for each of those three more bits and the side on which an eighth is added; four
/// words of four scales of three bits, for 16 elements each, whose upper four bits together are f16 d.
enum IQ1_M: CodebookBlock {
    package static let blockByteCount = 56
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq1_m }

    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let part = index / 8
        let half = (0..<4).reduce(0) { $0 | (block.pair(48 + 2 * $1) >> 12) << (4 * $1) }
        let multiple = block.pair(48 + index / 64 * 2) >> (index / 16 % 4 * 3) & 7
        let scale = HalfFloat.value(of: UInt16(half)) * Float(1 + 2 * multiple)
        let rest = block.byte(32 + part / 2) >> (part % 2 * 4) & 15
        let entry = Codebook.shared.iq1[block.byte(part) | (rest & 7) << 8]
        return scale * (Codebook.iq1(entry, index % 8) + (rest & 8 == 0 ? 0.125 : -0.125))
    }
}
