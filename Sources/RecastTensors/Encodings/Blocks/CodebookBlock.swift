internal import CKernels

/// Blocks of 256 elements, eight or four of which are a codeword: an entry of a table that belongs to the format. They have
/// signs of their own, or are moved up or down together; groups have multiples of the block's unit (gguf.md §b.1, §b.2).
///
/// How entries and scales are found is a matter of Quantizers/Blocks. The kernel does both at once.
package protocol CodebookBlock: ScaledBlock {
    /// Elements of a codeword.
    static var codewordSize: Int { get }
    /// Elements that share a multiple of the unit.
    static var groupSize: Int { get }
    /// The definition, element by element.
    static func element(_ index: Int, of block: UnsafeRawPointer) -> Float
    /// What the multiples are of.
    static func unit(of block: UnsafeRawPointer) -> Float
    /// A block's bytes are zero before.
    static func write(_ content: CodebookContent, into block: UnsafeMutableRawPointer)
    /// What a block says.
    static func read(_ block: UnsafeRawPointer) -> CodebookContent
    /// How many multiples there are.
    static var multipleCount: Int { get }
    /// What a multiple makes of the unit.
    static func scale(unit: Float, multiple: Int) -> Float
    /// Element `place` of an entry, before scale and sign.
    static func magnitude(_ entry: Int, _ place: Int) -> Float
    static var entryCount: Int { get }
    static var signs: CodewordSigns { get }
}

/// What the signs beside codewords may be.
package enum CodewordSigns: Sendable {
    /// Each element has its own.
    case free
    /// The number of negative ones among eight is even.
    case even
    /// Codewords have signs; so many neighbouring elements together are an eighth above or below theirs.
    case sides(of: Int)
}

extension CodebookBlock {
    package static var multipleCount: Int { 16 }

    /// The number of one element.
    package static func number(_ content: CodebookContent, _ index: Int) -> Float {
        let scale = scale(unit: content.unit, multiple: content.multiples[index / groupSize])
        let value = magnitude(content.entries[index / codewordSize], index % codewordSize)
        let bits = content.signs[index / 8]
        switch signs {
        case .free: return scale * value * Codebook.sign(bits, index % 8)
        case .even: return scale * value * Codebook.evenSign(bits, index % 8)
        case .sides: return scale * (value + (bits == 0 ? 0.125 : -0.125))
        }
    }
}

/// What a block of a codebook type says.
package struct CodebookContent: Sendable, Equatable {
    /// What multiples are of, as it is stored.
    package var unit: Float
    /// Of each group, counted from the lowest.
    package var multiples: [Int]
    /// The number of each codeword.
    package var entries: [Int]
    /// Eight bits for each eight elements, set for those that are negative; where codewords have signs, 1 where an eighth is
    /// taken away and 0 where it is added.
    package var signs: [Int]

    package init(unit: Float, multiples: [Int], entries: [Int], signs: [Int]) {
        (self.unit, self.multiples, self.entries, self.signs) = (unit, multiples, entries, signs)
    }

    /// The lowest of everything.
    package init(unit: Float, of type: any CodebookBlock.Type) {
        self.unit = unit
        multiples = [Int](repeating: 0, count: type.blockSize / type.groupSize)
        entries = [Int](repeating: 0, count: type.blockSize / type.codewordSize)
        signs = [Int](repeating: 0, count: type.blockSize / 8)
    }
}

extension CodebookBlock {
    package static var blockSize: Int { 256 }

    package static func decodeBlock(_ block: UnsafeRawPointer, into numbers: UnsafeMutablePointer<Float>) {
        for i in 0..<blockSize { numbers[i] = element(i, of: block) }
    }

    package static func unit(of block: UnsafeRawPointer) -> Float { block.half(0) }

    package static func lostBlockCount(of source: UnsafePointer<Float>, blocks: UnsafeRawPointer, count: Int) -> Int {
        (0..<count / blockSize).count { !unit(of: blocks + $0 * blockByteCount).isFinite }
    }
}

extension DType {
    /// How blocks of this type lie in bytes; nil for types without codewords.
    package var codebookBlock: (any CodebookBlock.Type)? { Self.codebookBlocks[self] }

    /// The numbers of whole blocks of codewords.
    package func decodeBlocks(_ blocks: UnsafeRawBufferPointer, into numbers: UnsafeMutableBufferPointer<Float>) {
        guard let block = codebookBlock else { preconditionFailure("\(self) has no codewords") }
        guard let source = blocks.baseAddress, let target = numbers.baseAddress else { return }
        precondition(blocks.count >= byteCount(ofBlocks: numbers.count))
        block.decode(source, into: target, count: numbers.count)
    }
}

/// The codewords of the format, each packed into a word, as the numbers that codes stand for.
enum Codebook {
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

extension UnsafeRawPointer {
    func byte(_ offset: Int) -> Int { Int(load(fromByteOffset: offset, as: UInt8.self)) }
    func pair(_ offset: Int) -> Int { Int(loadUnaligned(fromByteOffset: offset, as: UInt16.self)) }
    func word(_ offset: Int) -> Int { Int(loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    func half(_ offset: Int) -> Float { HalfFloat.value(of: UInt16(pair(offset))) }
}
