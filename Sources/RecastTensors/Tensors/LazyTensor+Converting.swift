extension LazyTensor {
    /// Numbers read at a time: enough that a system call costs little beside them.
    private static let elementsAtOnce = 64 << 10
    /// Numbers computed at a time: few enough to stay in the innermost cache between the stages, but a batch of blocks
    /// at least.
    private static let elementsComputedAtOnce = 4 << 10

    /// - Parameter children: the numbers, and what an error in each of their columns weighs.
    func readConverted(
        _ children: [LazyTensor], _ arithmetic: [Arithmetic], _ window: Window,
        into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        // A row reduction needs whole rows, whatever part of them is wanted, and so does a part that cuts blocks.
        let block = children[0].dtype.blockElements
        let cutsBlocks = window.columns.lowerBound % block != 0 || window.columns.upperBound % block != 0
        if cutsBlocks || arithmetic.contains(where: \.looksAtRows), window.columns.count < columnCount {
            let whole = Window(batch: window.batch, rows: window.rows, columns: 0..<columnCount)
            let start = dtype.byteCount(ofBlocks: window.columns.lowerBound)
            let wanted = rowByteCount(of: window)
            try reader.withScratch(byteCount(of: whole)) { (reader, buffer) throws(RecastError) in
                try readConverted(children, arithmetic, whole, into: buffer, using: &reader)
                out.baseAddress!.copyRows(
                    window.rows.count, of: wanted, from: buffer.baseAddress! + start,
                    apart: (from: rowByteCount, to: wanted))
            }
            return
        }
        guard children.count > 1 else {
            try readConverted(children[0], arithmetic, nil, window, into: out, using: &reader)
            return
        }
        let row = children[1].rowCount == 1 ? 0 : window.batch
        let weights = Window(rows: row..<row + 1, columns: window.columns)
        try reader.withScratch(4 * window.columns.count) { (reader, buffer) throws(RecastError) in
            try children[1].read(weights, into: buffer, using: &reader)
            let importance = UnsafePointer(buffer.baseAddress!.assumingMemoryBound(to: Float.self))
            try readConverted(children[0], arithmetic, importance, window, into: out, using: &reader)
        }
    }

    private func readConverted(
        _ base: LazyTensor, _ arithmetic: [Arithmetic], _ importance: UnsafePointer<Float>?, _ window: Window,
        into out: UnsafeMutableRawBufferPointer, using reader: inout Reader
    ) throws(RecastError) {
        let columns = window.columns.count
        let rowBytes = rowByteCount(of: window)
        // What looks at whole rows gets them; to all else, they are a row of blocks.
        let looksAtRows = importance != nil || arithmetic.contains(where: \.looksAtRows)
        let stages = Stages(
            decoder: base.dtype.coder, arithmetic: arithmetic, encoder: dtype.coder, importance: importance,
            measures: reader.measuresErrors && dtype.isQuantized)
        for part in window.bands(ofElements: Self.elementsAtOnce, grain: base.rowGrain) {
            let begin = (part.rows.lowerBound - window.rows.lowerBound) * rowBytes
            let count = part.rows.count * columns
            let target = UnsafeMutableRawBufferPointer(rebasing: out[begin..<begin + part.rows.count * rowBytes])
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
    package let decoder: NumberCoder
    let arithmetic: [Arithmetic]
    package let encoder: NumberCoder
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
