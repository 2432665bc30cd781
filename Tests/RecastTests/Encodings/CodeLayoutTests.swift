import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// The packer against the definition of the formats: which bit of which word a bit of a code is.
struct CodeLayoutTests {
    /// Every form in which a format lays its codes or zeros, for each width it has.
    static let layouts: [CodeLayout] = {
        var layouts: [CodeLayout] = []
        for bits in 2...8 {
            for isTransposed in [false, true] {
                for axis in [CodeLayout.Axis.columns, .rows] {
                    for word in [DType.i32, .u32, .u8] where word != .u8 || [2, 4, 8].contains(bits) {
                        layouts.append(CodeLayout(bits: bits, word: word, axis: axis, isTransposed: isTransposed))
                    }
                }
            }
            // GPTQ's first format.
            layouts.append(CodeLayout(bits: bits, word: .i32, axis: .rows, isTransposed: true, shift: -1))
        }
        layouts.append(
            CodeLayout(bits: 4, word: .i32, axis: .rows, isTransposed: true, order: [0, 2, 4, 6, 1, 3, 5, 7]))
        layouts.append(CodeLayout(bits: 4, word: .u8, axis: .columns, isTransposed: false, order: [1, 0]))
        layouts.append(CodeLayout(bits: 8, word: .i8, axis: .columns, isTransposed: false, shift: -128))
        return layouts
    }()

    /// Bit by bit: the code at place p of a line begins at bit p·b of the line's stream of words; a run of codes has its
    /// places exchanged.
    private func defined(_ codes: [UInt8], _ layout: CodeLayout, rows: Int, columns: Int) -> [UInt8] {
        let width = 8 * layout.word.blockBytes
        let (lineCount, length) = layout.axis == .columns ? (rows, columns) : (columns, rows)
        let wordCount = (length * layout.bits + width - 1) / width
        var bytes = [UInt8](repeating: 0, count: lineCount * wordCount * width / 8)
        for line in 0..<lineCount {
            for index in 0..<length {
                let (row, column) = layout.axis == .columns ? (line, index) : (index, line)
                let code = (Int(codes[row * columns + column]) + layout.shift + 256) % (1 << layout.bits)
                let run = layout.order.count
                let first = index / run * run
                let place = first + run <= length ? first + layout.order.firstIndex(of: index - first)! : index
                for bit in 0..<layout.bits where code >> bit & 1 == 1 {
                    let position = place * layout.bits + bit
                    let word = position / width
                    // Words of a line go along a stored row, unless just one of the two is turned.
                    let alongRow = (layout.axis == .columns) != layout.isTransposed
                    let stored = alongRow ? line * wordCount + word : word * lineCount + line
                    bytes[stored * width / 8 + position % width / 8] |= 1 << UInt8(position % 8)
                }
            }
        }
        return bytes
    }

    @Test(arguments: layouts) func packingIsTheDefinition(_ layout: CodeLayout) {
        var random = SeededGenerator(seed: UInt64(layout.bits * 100 + layout.order.count))
        for _ in 0..<12 {
            let (rows, columns) = (Int.random(in: 1...70, using: &random), Int.random(in: 1...70, using: &random))
            let codes = (0..<rows * columns).map { _ in
                UInt8.random(in: 0...UInt8(1 << layout.bits - 1), using: &random)
            }
            let packed = layout.packed(codes, rows: rows, columns: columns)
            #expect(packed == defined(codes, layout, rows: rows, columns: columns), "\(rows) × \(columns)")
            #expect(packed.count == layout.storedShape(rows: rows, columns: columns).reduce(layout.word.blockBytes, *))
            let unpacked = packed.withUnsafeBytes { layout.unpacked($0, rows: rows, columns: columns) }
            #expect(unpacked == codes, "\(rows) × \(columns)")
        }
    }

    /// Rows that are packed on their own are the window of the whole that the layout says they are.
    @Test(arguments: layouts) func cutsAreWindows(_ layout: CodeLayout) {
        var random = SeededGenerator(seed: 7)
        let cut = layout.axis == .rows ? layout.codesPerCut : 1
        let (rows, columns) = (3 * cut + 5, 9)
        let codes = (0..<rows * columns).map { _ in UInt8.random(in: 0...UInt8(1 << layout.bits - 1), using: &random) }
        let whole = layout.packed(codes, rows: rows, columns: columns)
        let stride = layout.storedShape(rows: rows, columns: columns)[1] * layout.word.blockBytes
        for part in [0..<cut, cut..<3 * cut, 2 * cut..<rows] {
            let window = layout.storedWindow(rows: part, columns: columns)
            let bytes = layout.packed(
                Array(codes[part.lowerBound * columns..<part.upperBound * columns]), rows: part.count, columns: columns)
            let (left, right) = (
                window.columns.lowerBound * layout.word.blockBytes, window.columns.upperBound * layout.word.blockBytes
            )
            #expect(bytes == window.rows.flatMap { whole[$0 * stride + left..<$0 * stride + right] })
            #expect(layout.widened(part, of: rows) == part)
        }
    }

    /// Words that the formats are known by (Specs/quantization.md §a.1, §a.2, §a.4).
    @Test func knownWords() {
        func words(_ layout: CodeLayout, _ codes: [UInt8], rows: Int) -> [UInt32] {
            let bytes = layout.packed(codes, rows: rows, columns: codes.count / rows)
            return bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
        }
        let eights = [UInt8](repeating: 8, count: 8)
        let first = CodeLayout(bits: 4, word: .i32, axis: .rows, isTransposed: true, shift: -1)
        let second = CodeLayout(bits: 4, word: .i32, axis: .rows, isTransposed: true)
        #expect(words(first, eights, rows: 8) == [0x7777_7777])
        #expect(words(second, eights, rows: 8) == [0x8888_8888])
        let awq = CodeLayout(bits: 4, word: .i32, axis: .rows, isTransposed: true, order: [0, 2, 4, 6, 1, 3, 5, 7])
        #expect(words(awq, [0, 1, 2, 3, 4, 5, 6, 7], rows: 8) == [0x7531_6420])
        // 3-bit codes 10 and 21 straddle words.
        let three = CodeLayout(bits: 3, word: .i32, axis: .columns, isTransposed: false)
        var codes = [UInt8](repeating: 0, count: 32)
        (codes[10], codes[21]) = (7, 5)
        #expect(words(three, codes, rows: 1) == [0xC000_0000, 0x8000_0001, 0x0000_0002])
        let nf4 = CodeLayout(bits: 4, word: .u8, axis: .columns, isTransposed: false, order: [1, 0])
        #expect(nf4.packed([1, 2], rows: 1, columns: 2) == [0x12])
    }
}
