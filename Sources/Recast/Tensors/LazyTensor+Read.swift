extension LazyTensor {
    /// Reads a window, row after row without gaps, into `out`, which has exactly its size.
    public func read(
        _ window: Window, into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        precondition(out.count == byteCount(of: window))
        if out.isEmpty { return }
        switch recipe {
        case .stored(let file, let offset):
            try readRows(of: file, at: offset, window, into: out, using: &reader)
        case .literal(let bytes):
            bytes.withUnsafeBytes { source in
                forEachRow(of: window) { row, range in
                    out.baseAddress!.advanced(by: row * range.count)
                        .copyMemory(from: source.baseAddress! + range.lowerBound, byteCount: range.count)
                }
            }
        case .zeros:
            out.initializeMemory(as: UInt8.self, repeating: 0)
        case .window(let base, let batch, let row, let column):
            try base.read(window.moved(batch: batch, row: row, column: column), into: out, using: &reader)
        case .concatenatedRows(let parts):
            try readConcatenatedRows(parts, window, into: out, using: &reader)
        case .concatenatedColumns(let parts):
            try readConcatenatedColumns(parts, window, into: out, using: &reader)
        case .stackedMatrices(let parts):
            let inner = Window(rows: window.rows, columns: window.columns)
            try parts[window.batch].read(inner, into: out, using: &reader)
        case .gathered(let base, let order):
            try readGathered(base, order, window, into: out, using: &reader)
        case .reshaped(let base):
            try readReshaped(base, window, into: out, using: &reader)
        case .transposed(let base):
            try readTransposed(base, window, into: out, using: &reader)
        case .decoded(let encoding, let parts):
            try encoding.decode(parts, shape: shape, window, into: out.bindMemory(to: Float.self), using: &reader)
        case .centered(let base):
            try readCentered(base, window, into: out.bindMemory(to: Float.self), using: &reader)
        case .product(let matrix, let vector, let bias):
            try readProduct(matrix, vector, bias, window, into: out.bindMemory(to: Float.self), using: &reader)
        case .converted(let base, let arithmetic, let importance):
            guard let importance else {
                try readConverted(base, arithmetic, nil, window, into: out, using: &reader)
                return
            }
            let row = importance.rowCount == 1 ? 0 : window.batch
            let weights = Window(rows: row..<row + 1, columns: window.columns)
            try reader.withScratch(4 * window.columns.count) { (reader, buffer) throws(RecastError) in
                try importance.read(weights, into: buffer, using: &reader)
                let numbers = UnsafePointer(buffer.baseAddress!.assumingMemoryBound(to: Float.self))
                try readConverted(base, arithmetic, numbers, window, into: out, using: &reader)
            }
        }
    }

    /// Reads a whole tensor; for small ones.
    public func bytes(using reader: inout Reader) throws(RecastError) -> [UInt8] {
        let matrix = rowCount * rowByteCount
        return try reader.withScratch(byteCount) { (reader, buffer) throws(RecastError) in
            for batch in 0..<batchCount {
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[batch * matrix..<(batch + 1) * matrix])
                try read(window(batch: batch), into: part, using: &reader)
            }
            return [UInt8](buffer)
        }
    }

    /// The bytes, within the tensor's own row-major order, of each row of a window.
    private func forEachRow(of window: Window, _ body: (Int, Range<Int>) -> Void) {
        let start = dtype.byteCount(ofBlocks: window.columns.lowerBound)
        let count = rowByteCount(of: window)
        for row in 0..<window.rows.count {
            let begin = (window.batch * rowCount + window.rows.lowerBound + row) * rowByteCount + start
            body(row, begin..<begin + count)
        }
    }
}

extension Window {
    func moved(batch: Int, row: Int, column: Int) -> Window {
        Window(
            batch: self.batch + batch,
            rows: rows.lowerBound + row..<rows.upperBound + row,
            columns: columns.lowerBound + column..<columns.upperBound + column)
    }
}

// MARK: Moving bytes

extension LazyTensor {
    private func readRows(
        of file: FileID, at offset: Int, _ window: Window, into out: UnsafeMutableRawBufferPointer,
        using reader: inout Reader
    ) throws(RecastError) {
        let source = try reader.files.source(file)
        let wanted = rowByteCount(of: window)
        let first = offset + (window.batch * rowCount + window.rows.lowerBound) * rowByteCount
        if wanted == rowByteCount {
            if let log = reader.sourceLog, log.wants(file, out.count) {
                try log.read(source, file, into: out, at: first)
            } else {
                try source.read(into: out, at: first)
            }
            return
        }
        let start = dtype.byteCount(ofBlocks: window.columns.lowerBound)
        // A system call costs about as much as copying 16 KiB: narrow gaps are cheaper to read than to skip.
        if rowByteCount - wanted > 16 << 10 || window.rows.count == 1 {
            for row in 0..<window.rows.count {
                let part = UnsafeMutableRawBufferPointer(rebasing: out[row * wanted..<(row + 1) * wanted])
                try source.read(into: part, at: first + row * rowByteCount + start)
            }
            return
        }
        let rowsAtOnce = max(1, (256 << 10) / rowByteCount)
        for row in stride(from: 0, to: window.rows.count, by: rowsAtOnce) {
            let count = min(rowsAtOnce, window.rows.count - row)
            try reader.withScratch(count * rowByteCount) { (_, buffer) throws(RecastError) in
                try source.read(into: buffer, at: first + row * rowByteCount)
                for inside in 0..<count {
                    (out.baseAddress! + (row + inside) * wanted)
                        .copyMemory(from: buffer.baseAddress! + inside * rowByteCount + start, byteCount: wanted)
                }
            }
        }
    }

    private func readConcatenatedRows(
        _ parts: [LazyTensor], _ window: Window, into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        let rowBytes = rowByteCount(of: window)
        var top = 0
        for part in parts {
            let rows = window.rows.clamped(to: top..<top + part.rowCount)
            if !rows.isEmpty {
                let begin = (rows.lowerBound - window.rows.lowerBound) * rowBytes
                try part.read(
                    Window(rows: rows.lowerBound - top..<rows.upperBound - top, columns: window.columns),
                    into: UnsafeMutableRawBufferPointer(rebasing: out[begin..<begin + rows.count * rowBytes]),
                    using: &reader)
            }
            top += part.rowCount
        }
    }

    private func readConcatenatedColumns(
        _ parts: [LazyTensor], _ window: Window, into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        let rowBytes = rowByteCount(of: window)
        var left = 0
        for part in parts {
            let columns = window.columns.clamped(to: left..<left + part.columnCount)
            if !columns.isEmpty {
                let inner = Window(rows: window.rows, columns: columns.lowerBound - left..<columns.upperBound - left)
                let count = part.rowByteCount(of: inner)
                let start = dtype.byteCount(ofBlocks: columns.lowerBound - window.columns.lowerBound)
                try reader.withScratch(count * inner.rows.count) { (reader, buffer) throws(RecastError) in
                    try part.read(inner, into: buffer, using: &reader)
                    for row in 0..<inner.rows.count {
                        (out.baseAddress! + row * rowBytes + start)
                            .copyMemory(from: buffer.baseAddress! + row * count, byteCount: count)
                    }
                }
            }
            left += part.columnCount
        }
    }

    /// The covering groups are read once and permuted in memory, unless a group is much larger than the window.
    private func readGathered(
        _ base: LazyTensor, _ order: RowOrder, _ window: Window, into out: UnsafeMutableRawBufferPointer,
        using reader: inout Reader
    ) throws(RecastError) {
        let rowBytes = rowByteCount(of: window)
        let group = order.groupCount
        let covering = window.rows.lowerBound / group * group..<window.rows.upperBound.aligned(to: group)
        guard covering.count <= 2 * window.rows.count || covering.count * rowBytes <= 1 << 20 else {
            for row in window.rows {
                let source = order.source(of: row)
                let begin = (row - window.rows.lowerBound) * rowBytes
                try base.read(
                    Window(batch: window.batch, rows: source..<source + 1, columns: window.columns),
                    into: UnsafeMutableRawBufferPointer(rebasing: out[begin..<begin + rowBytes]), using: &reader)
            }
            return
        }
        try reader.withScratch(covering.count * rowBytes) { (reader, buffer) throws(RecastError) in
            let all = Window(batch: window.batch, rows: covering, columns: window.columns)
            try base.read(all, into: buffer, using: &reader)
            for row in window.rows {
                (out.baseAddress! + (row - window.rows.lowerBound) * rowBytes).copyMemory(
                    from: buffer.baseAddress! + (order.source(of: row) - covering.lowerBound) * rowBytes,
                    byteCount: rowBytes)
            }
        }
    }

    private func readReshaped(
        _ base: LazyTensor, _ window: Window, into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        if window.columns.count == columnCount {
            let first = (window.batch * rowCount + window.rows.lowerBound) * columnCount
            try base.readElements(first..<first + window.rows.count * columnCount, into: out, using: &reader)
            return
        }
        let rowBytes = rowByteCount(of: window)
        for row in window.rows {
            let first = (window.batch * rowCount + row) * columnCount + window.columns.lowerBound
            let begin = (row - window.rows.lowerBound) * rowBytes
            try base.readElements(
                first..<first + window.columns.count,
                into: UnsafeMutableRawBufferPointer(rebasing: out[begin..<begin + rowBytes]), using: &reader)
        }
    }

    /// Reads consecutive elements, which may begin and end within rows (at block borders).
    private func readElements(
        _ elements: Range<Int>, into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        var next = elements.lowerBound
        var written = 0
        while next < elements.upperBound {
            let (row, column) = next.quotientAndRemainder(dividingBy: columnCount)
            let (batch, inside) = row.quotientAndRemainder(dividingBy: rowCount)
            let wholeRows = column == 0 ? min((elements.upperBound - next) / columnCount, rowCount - inside) : 0
            let window =
                wholeRows > 0
                ? Window(batch: batch, rows: inside..<inside + wholeRows, columns: 0..<columnCount)
                : Window(
                    batch: batch, rows: inside..<inside + 1,
                    columns: column..<min(columnCount, column + elements.upperBound - next))
            let count = byteCount(of: window)
            let part = UnsafeMutableRawBufferPointer(rebasing: out[written..<written + count])
            try read(window, into: part, using: &reader)
            written += count
            next += window.rows.count * window.columns.count
        }
    }

    private func readTransposed(
        _ base: LazyTensor, _ window: Window, into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        let inner = Window(batch: window.batch, rows: window.columns, columns: window.rows)
        try reader.withScratch(out.count) { (reader, buffer) throws(RecastError) in
            try base.read(inner, into: buffer, using: &reader)
            transpose(buffer, rows: inner.rows.count, columns: inner.columns.count, into: out)
        }
    }

    private func transpose(
        _ source: UnsafeMutableRawBufferPointer, rows: Int, columns: Int, into out: UnsafeMutableRawBufferPointer
    ) {
        func move<Element: BitwiseCopyable>(_: Element.Type) {
            let source = source.bindMemory(to: Element.self)
            let out = out.bindMemory(to: Element.self)
            let tile = 32
            for top in stride(from: 0, to: rows, by: tile) {
                for left in stride(from: 0, to: columns, by: tile) {
                    for column in left..<min(columns, left + tile) {
                        for row in top..<min(rows, top + tile) {
                            out[column * rows + row] = source[row * columns + column]
                        }
                    }
                }
            }
        }
        switch dtype.blockBytes {
        case 1: move(UInt8.self)
        case 2: move(UInt16.self)
        case 4: move(UInt32.self)
        default: move(UInt64.self)
        }
    }
}

// MARK: Computing numbers

extension LazyTensor {
    private func readCentered(
        _ base: LazyTensor, _ window: Window, into out: UnsafeMutableBufferPointer<Float>, using reader: inout Reader
    ) throws(RecastError) {
        let means = try base.columnMeans(&reader)
        try base.read(window, into: UnsafeMutableRawBufferPointer(out), using: &reader)
        let columns = window.columns.count
        for row in 0..<window.rows.count {
            for column in 0..<columns {
                let value = Double(out[row * columns + column])
                out[row * columns + column] = Float(value - means[window.columns.lowerBound + column])
            }
        }
    }

    private func readProduct(
        _ matrix: LazyTensor, _ vector: LazyTensor, _ bias: LazyTensor?, _ window: Window,
        into out: UnsafeMutableBufferPointer<Float>, using reader: inout Reader
    ) throws(RecastError) {
        if let bias {
            try bias.read(window, into: UnsafeMutableRawBufferPointer(out), using: &reader)
        } else {
            out.initialize(repeating: 0)
        }
        let columns = matrix.columnCount
        try reader.withScratch(8 * columns) { (reader, buffer) throws(RecastError) in
            let (factors, row) = (
                UnsafeMutableRawBufferPointer(rebasing: buffer[..<(4 * columns)]),
                UnsafeMutableRawBufferPointer(rebasing: buffer[(4 * columns)...])
            )
            try vector.read(vector.window(), into: factors, using: &reader)
            for (place, index) in window.rows.enumerated() {
                try matrix.read(
                    Window(rows: index..<index + 1, columns: 0..<columns), into: row, using: &reader)
                let (a, b) = (row.bindMemory(to: Float.self), factors.bindMemory(to: Float.self))
                var sum = Double(out[place])
                for column in 0..<columns { sum += Double(a[column]) * Double(b[column]) }
                out[place] = Float(sum)
            }
        }
    }

    /// The mean of each column of a float32 matrix. Jobs of one matrix come one after the other, so that the last means
    /// are kept.
    private func columnMeans(_ reader: inout Reader) throws(RecastError) -> [Double] {
        if let (tensor, means) = reader.columnMeans, tensor == self { return means }
        var sums = [Double](repeating: 0, count: columnCount)
        for window in windows(of: 256 << 10) {
            let (rows, columns) = (window.rows.count, columnCount)
            try reader.withScratch(4 * rows * columns) { (reader, buffer) throws(RecastError) in
                try read(window, into: buffer, using: &reader)
                let numbers = buffer.bindMemory(to: Float.self)
                for row in 0..<rows {
                    for column in 0..<columns { sums[column] += Double(numbers[row * columns + column]) }
                }
            }
        }
        let means = sums.map { $0 / Double(rowCount) }
        reader.columnMeans = (self, means)
        return means
    }
}

extension LazyTensor {
    /// Numbers read at a time: enough that a system call costs little beside them.
    private static let elementsAtOnce = 64 << 10
    /// Numbers computed at a time: few enough to stay in the innermost cache between the stages, but a batch of blocks
    /// at least.
    private static let elementsComputedAtOnce = 4 << 10

    private func readConverted(
        _ base: LazyTensor, _ arithmetic: [Arithmetic], _ importance: UnsafePointer<Float>?, _ window: Window,
        into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        // A row reduction needs whole rows, whatever part of them is wanted, and so does a part that cuts blocks.
        let block = base.dtype.blockElements
        let cutsBlocks = window.columns.lowerBound % block != 0 || window.columns.upperBound % block != 0
        if cutsBlocks || arithmetic.contains(where: \.looksAtRows), window.columns.count < columnCount {
            let whole = Window(batch: window.batch, rows: window.rows, columns: 0..<columnCount)
            let start = dtype.byteCount(ofBlocks: window.columns.lowerBound)
            let wanted = rowByteCount(of: window)
            try reader.withScratch(byteCount(of: whole)) { (reader, buffer) throws(RecastError) in
                try readConverted(base, arithmetic, importance, whole, into: buffer, using: &reader)
                for row in 0..<window.rows.count {
                    (out.baseAddress! + row * wanted)
                        .copyMemory(from: buffer.baseAddress! + row * rowByteCount + start, byteCount: wanted)
                }
            }
            return
        }
        let columns = window.columns.count
        // Rows that share scales are computed together.
        let grain = base.blockRows
        let rowsAtOnce = max(1, Self.elementsAtOnce / columns).aligned(to: grain)
        let rowBytes = rowByteCount(of: window)
        // What looks at whole rows gets them; to all else, they are a row of blocks.
        let looksAtRows = importance != nil || arithmetic.contains(where: \.looksAtRows)
        let stages = Stages(
            decoder: base.dtype.coder, arithmetic: arithmetic, encoder: dtype.coder, importance: importance,
            measures: reader.measuresErrors && dtype.isQuantized)
        var row = window.rows.lowerBound
        while row < window.rows.upperBound {
            let rows = row..<min(row / grain * grain + rowsAtOnce, window.rows.upperBound)
            defer { row = rows.upperBound }
            let part = Window(batch: window.batch, rows: rows, columns: window.columns)
            let begin = (row - window.rows.lowerBound) * rowBytes
            let target = UnsafeMutableRawBufferPointer(rebasing: out[begin..<begin + rows.count * rowBytes])
            let count = rows.count * columns
            let countAtOnce = looksAtRows ? count : min(count, Self.elementsComputedAtOnce)
            try reader.withScratch(base.byteCount(of: part)) { (reader, raw) throws(RecastError) in
                try base.read(part, into: raw, using: &reader)
                let room = countAtOnce + Reader.elementsMeasuredAtOnce
                try reader.withScratch(4 * room) { (reader, scratch) throws(RecastError) in
                    let numbers = scratch.bindMemory(to: Float.self)
                    let decoded = UnsafeMutableBufferPointer(rebasing: numbers[countAtOnce...])
                    for first in stride(from: 0, to: count, by: countAtOnce) {
                        let elements = first..<min(first + countAtOnce, count)
                        try stages.run(
                            UnsafeRawBufferPointer(base.dtype.blocks(elements, of: raw)),
                            through: UnsafeMutableBufferPointer(rebasing: numbers[..<elements.count]),
                            into: dtype.blocks(elements, of: target),
                            columns: looksAtRows ? columns : elements.count, measuredThrough: decoded, using: &reader)
                    }
                }
            }
        }
    }
}

/// What happens to numbers between two stored types.
private struct Stages {
    let decoder: NumberCoder
    let arithmetic: [Arithmetic]
    let encoder: NumberCoder
    let importance: UnsafePointer<Float>?
    let measures: Bool

    /// Takes rows through all stages.
    func run(
        _ source: UnsafeRawBufferPointer, through numbers: UnsafeMutableBufferPointer<Float>,
        into target: UnsafeMutableRawBufferPointer, columns: Int,
        measuredThrough decoded: UnsafeMutableBufferPointer<Float>, using reader: inout Reader
    ) throws(RecastError) {
        try decoder.decode(source, into: numbers, tally: &reader.tally)
        for operation in arithmetic { operation.apply(to: numbers, columns: columns) }
        let computed = UnsafeBufferPointer(numbers)
        try encoder.encode(
            computed, columns: columns, importance: importance, into: target, tally: &reader.tally)
        let blocks = UnsafeRawBufferPointer(target)
        guard measures else {
            encoder.countFailures(of: computed, in: blocks, tally: &reader.tally)
            return
        }
        // Where errors are measured, they show whether there is anything to count.
        let error = try reader.measure(computed, encodedBy: encoder, blocks, through: decoded)
        if error.count == computed.count, error.isFinite, encoder.showsFailures { return }
        let counted = reader.tally.failureCount
        encoder.countFailures(of: computed, in: blocks, tally: &reader.tally)
        // What is known to be lost is reported with all that is; anything else is not what was meant to be written.
        guard error.isFinite || reader.tally.failureCount > counted else { throw QuantizationError.notFinite }
    }
}

extension DType {
    /// The bytes of some elements, which begin and end with blocks.
    fileprivate func blocks(
        _ elements: Range<Int>, of bytes: UnsafeMutableRawBufferPointer
    ) -> UnsafeMutableRawBufferPointer {
        let first = byteCount(ofBlocks: elements.lowerBound)
        return UnsafeMutableRawBufferPointer(
            rebasing: bytes[first..<first + byteCount(ofBlocks: elements.count)])
    }
}

extension LazyTensor {
    /// How many rows share scales, in the place they have now.
    fileprivate var blockRows: Int {
        switch recipe {
        case .decoded(.packed(let encoding), _): max(1, encoding.scheme.block.rows)
        case .converted(let base, _, _): base.blockRows
        default: 1
        }
    }
}

extension Encoding {
    /// The numbers of a window of a weight `[rows, columns]`, from its parts.
    func decode(
        _ parts: [LazyTensor], shape: [Int], _ window: Window, into out: UnsafeMutableBufferPointer<Float>,
        using reader: inout Reader
    ) throws(RecastError) {
        switch self {
        case .plain:
            try parts[0].converted(to: .f32).read(window, into: UnsafeMutableRawBufferPointer(out), using: &reader)
        case .packed(let packed):
            let (rowCount, columnCount) = (shape[0], shape[1])
            // Taken apart a few rows at a time, so that little memory is held whatever window is asked for.
            let step = max(packed.rowGrain, (1 << 20) / max(1, columnCount) / packed.rowGrain * packed.rowGrain)
            let width = window.columns.count
            let blockRows = packed.scheme.block.rows == 0 ? rowCount : packed.scheme.block.rows
            var first = window.rows.lowerBound
            while first < window.rows.upperBound {
                let last = min(window.rows.upperBound, (first / step + 1) * step)
                // Blocks are taken apart whole.
                let rows = first / blockRows * blockRows..<min(rowCount, last.aligned(to: blockRows))
                let tile = try packed.tile(of: parts, rows: rows, shape: (rowCount, columnCount), using: &reader)
                let begin = (first - window.rows.lowerBound) * width
                if width == columnCount, rows == first..<last {
                    tile.decode(into: UnsafeMutableBufferPointer(rebasing: out[begin..<begin + tile.rows * width]))
                } else {
                    try reader.withScratch(4 * tile.rows * columnCount) { (_, buffer) throws(RecastError) in
                        let numbers = buffer.bindMemory(to: Float.self)
                        tile.decode(into: numbers)
                        let left = (first - rows.lowerBound) * columnCount + window.columns.lowerBound
                        for row in 0..<last - first {
                            for column in 0..<width {
                                out[begin + row * width + column] = numbers[left + row * columnCount + column]
                            }
                        }
                    }
                }
                first = last
            }
        }
    }
}
