/// How bytes of some tensors, its children, become those of another without a look at what they mean.
package enum Arrangement: Sendable, Hashable, Codable {
    /// The part of a larger tensor that begins at these coordinates.
    case window(batch: Int, row: Int, column: Int)
    /// One after the other.
    case concatenated(Axis)
    /// Rows of each matrix in another order.
    case gathered(RowOrder)
    /// The same elements in the same order under another shape.
    case reshaped
    /// Rows and columns exchanged within each matrix.
    case transposed

    package enum Axis: String, Sendable, Hashable, Codable {
        /// Single matrices, under a new leading dimension.
        case matrices
        /// One above the other.
        case rows
        /// Left to right.
        case columns
    }

    /// Whether bytes of one child lie between those of another row after row.
    var interleaves: Bool { self == .concatenated(.columns) }
}

extension Arrangement {
    /// A window of a child, and where it lies in the window of the arranged tensor that is made.
    package struct Piece {
        /// The index of the child.
        var child = 0
        package var window: Window
        /// Where its first row begins, and how far apart its rows are, in bytes of the window that is made.
        package var offset: Int
        var stride: Int
        /// Whether its rows are columns there; it is then the only piece.
        var isTransposed = false
    }
}

extension LazyTensor {
    /// The pieces that a window consists of, from top to bottom and left to right, until `body` returns false. All that
    /// moves bytes, or looks where they come from, goes by these.
    ///
    /// - Returns: whether `body` has taken all.
    @discardableResult
    func forEachPiece<Failure>(
        of window: Window, _ arrangement: Arrangement, _ children: [LazyTensor],
        _ body: (Arrangement.Piece) throws(Failure) -> Bool
    ) throws(Failure) -> Bool {
        let rowBytes = rowByteCount(of: window)
        switch arrangement {
        case .window(let batch, let row, let column):
            let inner = window.moved(batch: batch, row: row, column: column)
            return try body(.init(window: inner, offset: 0, stride: rowBytes))

        case .concatenated(.matrices):
            let inner = Window(rows: window.rows, columns: window.columns)
            return try body(.init(child: window.batch, window: inner, offset: 0, stride: rowBytes))

        case .concatenated(.rows), .concatenated(.columns):
            let isRows = arrangement == .concatenated(.rows)
            let wanted = isRows ? window.rows : window.columns
            var start = 0
            for child in children.indices where start < wanted.upperBound {
                let end = start + (isRows ? children[child].rowCount : children[child].columnCount)
                defer { start = end }
                let part = wanted.clamped(to: start..<end)
                if part.isEmpty { continue }
                let inner = part.lowerBound - start..<part.upperBound - start
                let before = part.lowerBound - wanted.lowerBound
                let piece = Arrangement.Piece(
                    child: child,
                    window: isRows
                        ? Window(rows: inner, columns: window.columns) : Window(rows: window.rows, columns: inner),
                    offset: isRows ? before * rowBytes : dtype.byteCount(ofBlocks: before), stride: rowBytes)
                guard try body(piece) else { return false }
            }
            return true

        case .gathered(let order):
            var row = window.rows.lowerBound
            while row < window.rows.upperBound {
                let count = min(order.run(at: row), window.rows.upperBound - row)
                let source = order.source(of: row)
                let inner = Window(batch: window.batch, rows: source..<source + count, columns: window.columns)
                let offset = (row - window.rows.lowerBound) * rowBytes
                guard try body(.init(window: inner, offset: offset, stride: rowBytes)) else { return false }
                row += count
            }
            return true

        case .reshaped:
            // Whole rows follow each other; parts of rows do not.
            let isWhole = window.columns.count == columnCount
            let count = (isWhole ? window.rows.count : 1) * window.columns.count
            for row in 0..<(isWhole ? 1 : window.rows.count) {
                let above = window.batch * rowCount + window.rows.lowerBound + row
                var elements = Range(start: above * columnCount + window.columns.lowerBound, count: count)
                var offset = row * rowBytes
                while !elements.isEmpty {
                    let inner = children[0].firstWindow(of: elements)
                    let width = children[0].rowByteCount(of: inner)
                    guard try body(.init(window: inner, offset: offset, stride: width)) else { return false }
                    offset += inner.rows.count * width
                    elements = elements.lowerBound + inner.rows.count * inner.columns.count..<elements.upperBound
                }
            }
            return true

        case .transposed:
            let inner = Window(batch: window.batch, rows: window.columns, columns: window.rows)
            return try body(.init(window: inner, offset: 0, stride: rowBytes, isTransposed: true))
        }
    }

    /// The longest window that begins with the first of some consecutive elements and holds nothing but such.
    private func firstWindow(of elements: Range<Int>) -> Window {
        let (row, column) = elements.lowerBound.quotientAndRemainder(dividingBy: columnCount)
        let (batch, inside) = row.quotientAndRemainder(dividingBy: rowCount)
        let wholeRows = column == 0 ? min(elements.count / columnCount, rowCount - inside) : 0
        if wholeRows > 0 {
            return Window(batch: batch, rows: Range(start: inside, count: wholeRows), columns: 0..<columnCount)
        }
        let count = min(columnCount - column, elements.count)
        return Window(batch: batch, rows: inside..<inside + 1, columns: Range(start: column, count: count))
    }
}

extension Range<Int> {
    fileprivate init(start: Int, count: Int) { self = start..<start + count }
}
