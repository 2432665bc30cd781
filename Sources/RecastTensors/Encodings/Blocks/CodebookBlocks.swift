internal import CKernels

// The IQ types of one to three bits (gguf.md §b.1, §b.2).

/// f16 d; for each 32 elements four indices, then 4 × 7 signs and a scale of four bits.
enum IQ2_XXS: CodebookBlock {
    package static let (codewordSize, groupSize) = (8, 32)
    package static let blockByteCount = 66
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq2_xxs }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq2_xxs }

    package static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let group = block + 2 + index / 32 * 8
        let (part, rest) = (index / 8 % 4, group.word(4))
        let scale = block.half(0) * (0.5 + Float(rest >> 28)) * 0.25
        let entry = Codebook.shared.iq2_xxs[group.byte(part)]
        return scale * Codebook.iq2(entry, index % 8) * Codebook.evenSign(rest >> (7 * part), index % 8)
    }

    package static var entryCount: Int { 256 }
    package static var signs: CodewordSigns { .even }
    package static func magnitude(_ entry: Int, _ place: Int) -> Float {
        Codebook.iq2(Codebook.shared.iq2_xxs[entry], place)
    }
    package static func scale(unit: Float, multiple: Int) -> Float { unit * (0.5 + Float(multiple)) * 0.25 }

    package static func read(_ block: UnsafeRawPointer) -> CodebookContent {
        var content = CodebookContent(unit: block.half(0), of: Self.self)
        for part in 0..<32 {
            let rest = block.word(6 + part / 4 * 8)
            content.entries[part] = block.byte(2 + part / 4 * 8 + part % 4)
            content.signs[part] = rest >> (7 * (part % 4)) & 127
            content.multiples[part / 4] = rest >> 28
        }
        return content
    }

    package static func write(_ content: CodebookContent, into block: UnsafeMutableRawPointer) {
        block.putPair(Int(HalfFloat.bits(of: content.unit)), at: 0)
        for part in 0..<32 { block.put(content.entries[part], at: 2 + part / 4 * 8 + part % 4) }
        for group in 0..<8 {
            let rest = (0..<4).reduce(content.multiples[group] << 28) {
                $0 | (content.signs[4 * group + $1] & 127) << (7 * $1)
            }
            block.putWord(rest, at: 6 + 8 * group)
        }
    }
}

/// f16 d; for each 8 elements 9 bits of index and 7 signs; scales of four bits for each 16.
enum IQ2_XS: CodebookBlock {
    package static let (codewordSize, groupSize) = (8, 16)
    package static let blockByteCount = 74
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq2_xs }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq2_xs }

    package static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let pair = block.pair(2 + index / 8 * 2)
        let nibble = block.byte(66 + index / 32) >> (index / 16 % 2 * 4) & 15
        let scale = block.half(0) * (0.5 + Float(nibble)) * 0.25
        let entry = Codebook.shared.iq2_xs[pair & 511]
        return scale * Codebook.iq2(entry, index % 8) * Codebook.evenSign(pair >> 9, index % 8)
    }

    package static var entryCount: Int { 512 }
    package static var signs: CodewordSigns { .even }
    package static func magnitude(_ entry: Int, _ place: Int) -> Float {
        Codebook.iq2(Codebook.shared.iq2_xs[entry], place)
    }
    package static func scale(unit: Float, multiple: Int) -> Float { unit * (0.5 + Float(multiple)) * 0.25 }

    package static func read(_ block: UnsafeRawPointer) -> CodebookContent {
        var content = CodebookContent(unit: block.half(0), of: Self.self)
        for part in 0..<32 {
            content.entries[part] = block.pair(2 + 2 * part) & 511
            content.signs[part] = block.pair(2 + 2 * part) >> 9
        }
        for group in 0..<16 { content.multiples[group] = block.byte(66 + group / 2) >> (group % 2 * 4) & 15 }
        return content
    }

    package static func write(_ content: CodebookContent, into block: UnsafeMutableRawPointer) {
        block.putPair(Int(HalfFloat.bits(of: content.unit)), at: 0)
        for part in 0..<32 {
            block.putPair(content.entries[part] | (content.signs[part] & 127) << 9, at: 2 + 2 * part)
        }
        for group in 0..<16 { block.put(content.multiples[group] << (group % 2 * 4), at: 66 + group / 2) }
    }
}

/// f16 d; for each 8 elements a byte of index, then 8 signs, then two more bits of index; scales of four bits for each 16.
enum IQ2_S: CodebookBlock {
    package static let (codewordSize, groupSize) = (8, 16)
    package static let blockByteCount = 82
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq2_s }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq2_s }

    package static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let part = index / 8
        let nibble = block.byte(74 + index / 32) >> (index / 16 % 2 * 4) & 15
        let scale = block.half(0) * (0.5 + Float(nibble)) * 0.25
        let high = block.byte(66 + part / 4) >> (part % 4 * 2) & 3
        let entry = Codebook.shared.iq2_s[block.byte(2 + part) | high << 8]
        return scale * Codebook.iq2(entry, index % 8) * Codebook.sign(block.byte(34 + part), index % 8)
    }

    package static var entryCount: Int { 1024 }
    package static var signs: CodewordSigns { .free }
    package static func magnitude(_ entry: Int, _ place: Int) -> Float {
        Codebook.iq2(Codebook.shared.iq2_s[entry], place)
    }
    package static func scale(unit: Float, multiple: Int) -> Float { unit * (0.5 + Float(multiple)) * 0.25 }

    package static func read(_ block: UnsafeRawPointer) -> CodebookContent {
        var content = CodebookContent(unit: block.half(0), of: Self.self)
        for part in 0..<32 {
            content.entries[part] = block.byte(2 + part) | (block.byte(66 + part / 4) >> (part % 4 * 2) & 3) << 8
            content.signs[part] = block.byte(34 + part)
        }
        for group in 0..<16 { content.multiples[group] = block.byte(74 + group / 2) >> (group % 2 * 4) & 15 }
        return content
    }

    package static func write(_ content: CodebookContent, into block: UnsafeMutableRawPointer) {
        block.putPair(Int(HalfFloat.bits(of: content.unit)), at: 0)
        for part in 0..<32 {
            block.put(content.entries[part] & 255, at: 2 + part)
            block.put(content.signs[part], at: 34 + part)
            block.put((content.entries[part] >> 8) << (part % 4 * 2), at: 66 + part / 4)
        }
        for group in 0..<16 { block.put(content.multiples[group] << (group % 2 * 4), at: 74 + group / 2) }
    }
}

/// f16 d; a byte of index for each 4 elements; for each 32 elements 4 × 7 signs and a scale of four bits.
enum IQ3_XXS: CodebookBlock {
    package static let (codewordSize, groupSize) = (4, 32)
    package static let blockByteCount = 98
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq3_xxs }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq3_xxs }

    package static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let rest = block.word(66 + index / 32 * 4)
        let scale = block.half(0) * (0.5 + Float(rest >> 28)) * 0.5
        let entry = Codebook.shared.iq3_xxs[block.byte(2 + index / 4)]
        return scale * Codebook.iq3xxs(entry, index % 4) * Codebook.evenSign(rest >> (index / 8 % 4 * 7), index % 8)
    }

    package static var entryCount: Int { 256 }
    package static var signs: CodewordSigns { .even }
    package static func magnitude(_ entry: Int, _ place: Int) -> Float {
        Codebook.iq3xxs(Codebook.shared.iq3_xxs[entry], place)
    }
    package static func scale(unit: Float, multiple: Int) -> Float { unit * (0.5 + Float(multiple)) * 0.5 }

    package static func read(_ block: UnsafeRawPointer) -> CodebookContent {
        var content = CodebookContent(unit: block.half(0), of: Self.self)
        for part in 0..<64 { content.entries[part] = block.byte(2 + part) }
        for part in 0..<32 {
            let rest = block.word(66 + part / 4 * 4)
            content.signs[part] = rest >> (7 * (part % 4)) & 127
            content.multiples[part / 4] = rest >> 28
        }
        return content
    }

    package static func write(_ content: CodebookContent, into block: UnsafeMutableRawPointer) {
        block.putPair(Int(HalfFloat.bits(of: content.unit)), at: 0)
        for part in 0..<64 { block.put(content.entries[part], at: 2 + part) }
        for group in 0..<8 {
            let rest = (0..<4).reduce(content.multiples[group] << 28) {
                $0 | (content.signs[4 * group + $1] & 127) << (7 * $1)
            }
            block.putWord(rest, at: 66 + 4 * group)
        }
    }
}

/// f16 d; a byte of index for each 4 elements, then one more bit for each; a sign for each element; scales of four bits
/// for each 32.
enum IQ3_S: CodebookBlock {
    package static let (codewordSize, groupSize) = (4, 32)
    package static let blockByteCount = 110
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq3_s }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq3_s }

    package static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let nibble = block.byte(106 + index / 64) >> (index / 32 % 2 * 4) & 15
        let scale = block.half(0) * Float(1 + 2 * nibble)
        let high = block.byte(66 + index / 32) >> (index / 4 % 8) & 1
        let entry = Codebook.shared.iq3_s[block.byte(2 + index / 4) | high << 8]
        return scale * Codebook.iq3s(entry, index % 4) * Codebook.sign(block.byte(74 + index / 8), index % 8)
    }

    package static var entryCount: Int { 512 }
    package static var signs: CodewordSigns { .free }
    package static func magnitude(_ entry: Int, _ place: Int) -> Float {
        Codebook.iq3s(Codebook.shared.iq3_s[entry], place)
    }
    package static func scale(unit: Float, multiple: Int) -> Float { unit * Float(1 + 2 * multiple) }

    package static func read(_ block: UnsafeRawPointer) -> CodebookContent {
        var content = CodebookContent(unit: block.half(0), of: Self.self)
        for part in 0..<64 {
            content.entries[part] = block.byte(2 + part) | (block.byte(66 + part / 8) >> (part % 8) & 1) << 8
        }
        for part in 0..<32 { content.signs[part] = block.byte(74 + part) }
        for group in 0..<8 { content.multiples[group] = block.byte(106 + group / 2) >> (group % 2 * 4) & 15 }
        return content
    }

    package static func write(_ content: CodebookContent, into block: UnsafeMutableRawPointer) {
        block.putPair(Int(HalfFloat.bits(of: content.unit)), at: 0)
        for part in 0..<64 {
            block.put(content.entries[part] & 255, at: 2 + part)
            block.put((content.entries[part] >> 8) << (part % 8), at: 66 + part / 8)
        }
        for part in 0..<32 { block.put(content.signs[part], at: 74 + part) }
        for group in 0..<8 { block.put(content.multiples[group] << (group % 2 * 4), at: 106 + group / 2) }
    }
}

/// f16 d; a byte of index for each 8 elements; for each 32 elements three more bits for each index, a scale of three bits
/// and the side on which an eighth is added.
enum IQ1_S: CodebookBlock {
    package static let (codewordSize, groupSize) = (8, 32)
    package static var multipleCount: Int { 8 }
    package static let blockByteCount = 50
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq1_s }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq1_s }

    package static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let part = index / 8
        let rest = block.pair(34 + index / 32 * 2)
        let scale = block.half(0) * Float(1 + 2 * (rest >> 12 & 7))
        let high = rest >> (part % 4 * 3) & 7
        let entry = Codebook.shared.iq1[block.byte(2 + part) | high << 8]
        return scale * (Codebook.iq1(entry, index % 8) + (rest >> 15 == 0 ? 0.125 : -0.125))
    }

    package static var entryCount: Int { 2048 }
    package static var signs: CodewordSigns { .sides(of: 32) }
    package static func magnitude(_ entry: Int, _ place: Int) -> Float {
        Codebook.iq1(Codebook.shared.iq1[entry], place)
    }
    package static func scale(unit: Float, multiple: Int) -> Float { unit * Float(1 + 2 * multiple) }

    package static func read(_ block: UnsafeRawPointer) -> CodebookContent {
        var content = CodebookContent(unit: block.half(0), of: Self.self)
        for part in 0..<32 {
            let rest = block.pair(34 + part / 4 * 2)
            content.entries[part] = block.byte(2 + part) | (rest >> (part % 4 * 3) & 7) << 8
            content.signs[part] = rest >> 15
            content.multiples[part / 4] = rest >> 12 & 7
        }
        return content
    }

    package static func write(_ content: CodebookContent, into block: UnsafeMutableRawPointer) {
        block.putPair(Int(HalfFloat.bits(of: content.unit)), at: 0)
        for part in 0..<32 {
            let entry = content.entries[part]
            block.put(entry & 255, at: 2 + part)
            block.putPair((entry >> 8) << (part % 4 * 3), at: 34 + part / 4 * 2)
        }
        for group in 0..<8 {
            block.putPair(content.multiples[group] << 12 | content.signs[4 * group] << 15, at: 34 + 2 * group)
        }
    }
}

/// A byte of index for each 8 elements; for each of those three more bits and the side on which an eighth is added; four
/// words of four scales of three bits, for 16 elements each, whose upper four bits together are f16 d.
enum IQ1_M: CodebookBlock {
    package static let (codewordSize, groupSize) = (8, 16)
    package static var multipleCount: Int { 8 }
    package static let blockByteCount = 56
    package static var encoder: KeyPath<ck_kernels, ck_encoder> { \.encode_iq1_m }
    package static var decoder: KeyPath<ck_kernels, ck_conversion> { \.decode_iq1_m }

    package static func element(_ index: Int, of block: UnsafeRawPointer) -> Float {
        let part = index / 8
        let multiple = block.pair(48 + index / 64 * 2) >> (index / 16 % 4 * 3) & 7
        let scale = unit(of: block) * Float(1 + 2 * multiple)
        let rest = block.byte(32 + part / 2) >> (part % 2 * 4) & 15
        let entry = Codebook.shared.iq1[block.byte(part) | (rest & 7) << 8]
        return scale * (Codebook.iq1(entry, index % 8) + (rest & 8 == 0 ? 0.125 : -0.125))
    }

    package static func unit(of block: UnsafeRawPointer) -> Float {
        let half = (0..<4).reduce(0) { $0 | (block.pair(48 + 2 * $1) >> 12) << (4 * $1) }
        return HalfFloat.value(of: UInt16(half))
    }

    package static var entryCount: Int { 2048 }
    package static var signs: CodewordSigns { .sides(of: 8) }
    package static func magnitude(_ entry: Int, _ place: Int) -> Float {
        Codebook.iq1(Codebook.shared.iq1[entry], place)
    }
    package static func scale(unit: Float, multiple: Int) -> Float { unit * Float(1 + 2 * multiple) }

    package static func read(_ block: UnsafeRawPointer) -> CodebookContent {
        var content = CodebookContent(unit: unit(of: block), of: Self.self)
        for part in 0..<32 {
            let rest = block.byte(32 + part / 2) >> (part % 2 * 4) & 15
            content.entries[part] = block.byte(part) | (rest & 7) << 8
            content.signs[part] = rest >> 3
        }
        for group in 0..<16 { content.multiples[group] = block.pair(48 + group / 4 * 2) >> (group % 4 * 3) & 7 }
        return content
    }

    package static func write(_ content: CodebookContent, into block: UnsafeMutableRawPointer) {
        for part in 0..<32 {
            let entry = content.entries[part]
            block.put(entry & 255, at: part)
            block.put((entry >> 8 | content.signs[part] << 3) << (part % 2 * 4), at: 32 + part / 2)
        }
        let half = Int(HalfFloat.bits(of: content.unit))
        for word in 0..<4 { block.putPair((half >> (4 * word) & 15) << 12, at: 48 + 2 * word) }
        for group in 0..<16 {
            block.putPair(content.multiples[group] << (group % 4 * 3), at: 48 + group / 4 * 2)
        }
    }
}

extension UnsafeMutableRawPointer {
    /// Adds bits to those that there are.
    fileprivate func put(_ bits: Int, at offset: Int) {
        storeBytes(of: load(fromByteOffset: offset, as: UInt8.self) | UInt8(bits), toByteOffset: offset, as: UInt8.self)
    }

    fileprivate func putPair(_ bits: Int, at offset: Int) {
        put(bits & 255, at: offset)
        put(bits >> 8, at: offset + 1)
    }

    fileprivate func putWord(_ bits: Int, at offset: Int) {
        putPair(bits & 0xFFFF, at: offset)
        putPair(bits >> 16, at: offset + 2)
    }
}
