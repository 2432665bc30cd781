/// How the codes of a matrix lie in words: one packer and one unpacker serve every format.
///
/// The codes of a line follow each other without gaps in a little-endian stream of words: code i has the bits
/// [i·b, (i+1)·b), and may straddle two words (quantization.md §a.0).
package struct CodeLayout: Sendable, Hashable, Codable {
    package enum Axis: String, Sendable, Hashable, Codable {
        /// A line runs along a row of the weight `[out, in]`.
        case columns
        /// A line runs down a column.
        case rows
    }

    var bits: Int
    /// What the words are stored as; their width matters for the shape only.
    var word: DType
    var axis: Axis
    /// Whether rows and columns are exchanged in the stored matrix.
    var isTransposed: Bool
    /// Which code of a run has the k-th place; formats that shuffle do so within 8 (AWQ) or 2 (bitsandbytes).
    var order: [Int]
    /// What is added to a code before it is stored, modulo 2^bits.
    var shift: Int

    package init(bits: Int, word: DType, axis: Axis, isTransposed: Bool, order: [Int] = [0], shift: Int = 0) {
        (self.bits, self.word, self.axis) = (bits, word, axis)
        (self.isTransposed, self.order, self.shift) = (isTransposed, order, shift)
    }

    var bitsPerWord: Int { 8 * word.blockBytes }

    /// Lines cut at multiples of this begin with a new word.
    var codesPerCut: Int {
        // The least common multiple of a word and a code, in codes: both divide 32·bits.
        let product = bitsPerWord * bits
        var (a, b) = (bitsPerWord, bits)
        while b != 0 { (a, b) = (b, a % b) }
        return max(product / a / bits, order.count)
    }

    /// Words in a line of `count` codes.
    func wordCount(of count: Int) -> Int { (count * bits + bitsPerWord - 1) / bitsPerWord }

    /// The stored matrix of a matrix of codes.
    func storedShape(rows: Int, columns: Int) -> [Int] {
        let rows = axis == .rows ? wordCount(of: rows) : rows
        let columns = axis == .columns ? wordCount(of: columns) : columns
        return isTransposed ? [columns, rows] : [rows, columns]
    }

    /// The part of the stored matrix that a range of rows of codes lies in; it begins at a cut.
    func storedWindow(rows: Range<Int>, columns: Int) -> Window {
        let first = axis == .rows ? wordCount(of: rows.lowerBound) : rows.lowerBound
        let count = axis == .rows ? wordCount(of: rows.count) : rows.count
        let width = axis == .columns ? wordCount(of: columns) : columns
        return isTransposed
            ? Window(rows: 0..<width, columns: first..<first + count)
            : Window(rows: first..<first + count, columns: 0..<width)
    }

    /// The rows of codes of which a stored window consists of whole words: the range widened to cuts.
    func widened(_ rows: Range<Int>, of rowCount: Int) -> Range<Int> {
        guard axis == .rows else { return rows }
        let cut = codesPerCut
        return rows.lowerBound / cut * cut..<min(rowCount, (rows.upperBound + cut - 1) / cut * cut)
    }
}

// MARK: Packing

extension CodeLayout {
    /// The bytes of the stored window of some rows of codes, row after row.
    ///
    /// - Parameter codes: `[rows, columns]`.
    package func packed(_ codes: [UInt8], rows: Int, columns: Int) -> [UInt8] {
        let window = storedWindow(rows: 0..<rows, columns: columns)
        var out = [UInt8](repeating: 0, count: window.rows.count * window.columns.count * word.blockBytes)
        let lines = Lines(self, rows: rows, columns: columns, stored: window)
        let mask = UInt8(truncatingIfNeeded: (1 << bits) - 1)
        let added = UInt8(truncatingIfNeeded: shift)
        var line = [UInt8](repeating: 0, count: lines.length)
        var words = [UInt8](repeating: 0, count: lines.wordCount * word.blockBytes)
        out.withUnsafeMutableBufferPointer { out in
            codes.withUnsafeBufferPointer { codes in
                for index in 0..<lines.count {
                    var source = lines.firstCode(of: index)
                    for place in 0..<lines.length {
                        line[place] = (codes[source] &+ added) & mask
                        source += lines.codeStride
                    }
                    fill(&words, from: line)
                    lines.forEachWord(of: index) { place, target in
                        for byte in 0..<word.blockBytes { out[target + byte] = words[place * word.blockBytes + byte] }
                    }
                }
            }
        }
        return out
    }

    /// The codes of some rows from the bytes of their stored window.
    func unpacked(_ bytes: UnsafeRawBufferPointer, rows: Int, columns: Int) -> [UInt8] {
        let window = storedWindow(rows: 0..<rows, columns: columns)
        precondition(bytes.count == window.rows.count * window.columns.count * word.blockBytes)
        let lines = Lines(self, rows: rows, columns: columns, stored: window)
        let mask = UInt8(truncatingIfNeeded: (1 << bits) - 1)
        let added = UInt8(truncatingIfNeeded: shift)
        var codes = [UInt8](repeating: 0, count: rows * columns)
        var line = [UInt8](repeating: 0, count: lines.length)
        var words = [UInt8](repeating: 0, count: lines.wordCount * word.blockBytes)
        codes.withUnsafeMutableBufferPointer { codes in
            for index in 0..<lines.count {
                lines.forEachWord(of: index) { place, source in
                    for byte in 0..<word.blockBytes { words[place * word.blockBytes + byte] = bytes[source + byte] }
                }
                empty(words, into: &line)
                var target = lines.firstCode(of: index)
                for place in 0..<lines.length {
                    codes[target] = (line[place] &- added) & mask
                    target += lines.codeStride
                }
            }
        }
        return codes
    }

    /// Which code stands at a place of a line.
    private func position(_ place: Int, in count: Int) -> Int {
        let run = order.count
        let first = place / run * run
        return first + run <= count ? first + order[place - first] : place
    }

    private func fill(_ words: inout [UInt8], from line: [UInt8]) {
        if bits == 8 {
            for place in line.indices { words[place] = line[place] }
            return
        }
        var buffer: UInt32 = 0
        var used = 0
        var next = 0
        let isShuffled = order.count > 1
        for place in line.indices {
            buffer |= UInt32(line[isShuffled ? position(place, in: line.count) : place]) << UInt32(used)
            used += bits
            while used >= 8 {
                words[next] = UInt8(truncatingIfNeeded: buffer)
                next += 1
                buffer >>= 8
                used -= 8
            }
        }
        if used > 0 {
            words[next] = UInt8(truncatingIfNeeded: buffer)
            next += 1
        }
        for rest in next..<words.count { words[rest] = 0 }
    }

    private func empty(_ words: [UInt8], into line: inout [UInt8]) {
        if bits == 8 {
            for place in line.indices { line[place] = words[place] }
            return
        }
        let mask = UInt32(1 << bits) - 1
        var buffer: UInt32 = 0
        var held = 0
        var next = 0
        let isShuffled = order.count > 1
        for place in line.indices {
            while held < bits {
                buffer |= UInt32(words[next]) << UInt32(held)
                next += 1
                held += 8
            }
            line[isShuffled ? position(place, in: line.count) : place] = UInt8(truncatingIfNeeded: buffer & mask)
            buffer >>= UInt32(bits)
            held -= bits
        }
    }

    /// Where the lines of codes begin, and where their words go.
    private struct Lines {
        let count, length, codeStride, wordCount: Int
        private let codeStep, wordStep, lineStep: Int

        package init(_ layout: CodeLayout, rows: Int, columns: Int, stored: Window) {
            let alongColumns = layout.axis == .columns
            count = alongColumns ? rows : columns
            length = alongColumns ? columns : rows
            codeStride = alongColumns ? 1 : columns
            codeStep = alongColumns ? columns : 1
            wordCount = layout.wordCount(of: length)
            // Words of a line lie side by side where the stored rows run along it.
            let runsAlongStoredRows = alongColumns != layout.isTransposed
            let width = layout.word.blockBytes
            wordStep = runsAlongStoredRows ? width : stored.columns.count * width
            lineStep = runsAlongStoredRows ? stored.columns.count * width : width
        }

        func firstCode(of line: Int) -> Int { line * codeStep }

        @inline(__always)
        func forEachWord(of line: Int, _ body: (_ word: Int, _ byte: Int) -> Void) {
            var byte = line * lineStep
            for word in 0..<wordCount {
                body(word, byte)
                byte += wordStep
            }
        }
    }
}
