/// A rectangle of one matrix of a tensor. Columns begin and end at block borders.
package struct Window: Sendable, Hashable, Codable {
    package var batch: Int
    package var rows: Range<Int>
    package var columns: Range<Int>

    package init(batch: Int = 0, rows: Range<Int>, columns: Range<Int>) {
        self.batch = batch
        self.rows = rows
        self.columns = columns
    }
}

extension Window {
    func moved(batch: Int, row: Int, column: Int) -> Window {
        Window(
            batch: self.batch + batch,
            rows: rows.lowerBound + row..<rows.upperBound + row,
            columns: columns.lowerBound + column..<columns.upperBound + column)
    }

    /// The window cut between rows that are multiples of `grain`, into windows of about so many elements.
    func bands(ofElements count: Int, grain: Int) -> WindowBands {
        WindowBands(rest: self, grain: grain, rowCount: max(1, count / max(1, columns.count)).aligned(to: grain))
    }
}

/// Windows one below the other.
struct WindowBands: Sequence, IteratorProtocol {
    fileprivate var rest: Window
    fileprivate let grain: Int
    /// Of most of them.
    let rowCount: Int

    mutating func next() -> Window? {
        if rest.rows.isEmpty { return nil }
        let end = Swift.min(rest.rows.lowerBound / grain * grain + rowCount, rest.rows.upperBound)
        let band = Window(batch: rest.batch, rows: rest.rows.lowerBound..<end, columns: rest.columns)
        rest.rows = end..<rest.rows.upperBound
        return band
    }
}
