/// Consecutive bytes of a tensor that need only be moved.
public struct Run: Sendable, Hashable {
    public enum Source: Sendable, Hashable {
        case file(FileID, offset: Int)
        case bytes(ArraySlice<UInt8>)
        case zeros
    }

    public var source: Source
    public var byteCount: Int
}

extension LazyTensor {
    /// The bytes of a window as runs in order; nil where a number must be computed, or where there would be more runs
    /// than `limit`, so that reading and permuting in memory is cheaper.
    public func runs(_ window: Window, limit: Int = 4096) -> [Run]? {
        var runs: [Run] = []
        return append(window, to: &runs, limit: limit) ? runs : nil
    }

    private func append(_ window: Window, to runs: inout [Run], limit: Int) -> Bool {
        guard !window.rows.isEmpty, !window.columns.isEmpty else { return true }
        switch recipe {
        case .stored(let file, let offset):
            return appendRows(window, to: &runs, limit: limit) { .file(file, offset: offset + $0.lowerBound) }
        case .literal(let bytes):
            return appendRows(window, to: &runs, limit: limit) { .bytes(bytes[$0]) }
        case .zeros:
            return runs.join(Run(source: .zeros, byteCount: byteCount(of: window)), limit: limit)
        case .window(let base, let batch, let row, let column):
            return base.append(window.moved(batch: batch, row: row, column: column), to: &runs, limit: limit)
        case .stackedMatrices(let parts):
            let inner = Window(rows: window.rows, columns: window.columns)
            return parts[window.batch].append(inner, to: &runs, limit: limit)
        case .concatenatedRows(let parts):
            var top = 0
            for part in parts {
                let rows = window.rows.clamped(to: top..<top + part.rowCount)
                let inner = Window(rows: rows.lowerBound - top..<rows.upperBound - top, columns: window.columns)
                if !rows.isEmpty, !part.append(inner, to: &runs, limit: limit) { return false }
                top += part.rowCount
            }
            return true
        case .concatenatedColumns(let parts):
            for row in window.rows {
                var left = 0
                for part in parts {
                    let columns = window.columns.clamped(to: left..<left + part.columnCount)
                    let inner = Window(
                        rows: row..<row + 1, columns: columns.lowerBound - left..<columns.upperBound - left)
                    if !columns.isEmpty, !part.append(inner, to: &runs, limit: limit) { return false }
                    left += part.columnCount
                }
            }
            return true
        case .gathered(let base, let order):
            var row = window.rows.lowerBound
            while row < window.rows.upperBound {
                let count = min(order.run(at: row), window.rows.upperBound - row)
                let source = order.source(of: row)
                let inner = Window(batch: window.batch, rows: source..<source + count, columns: window.columns)
                guard base.append(inner, to: &runs, limit: limit) else { return false }
                row += count
            }
            return true
        case .reshaped(let base):
            guard window.columns.count == columnCount else { return false }
            return appendReshaped(base, window, to: &runs, limit: limit)
        case .transposed, .decoded, .converted, .centered, .product:
            return false
        }
    }

    private func appendRows(
        _ window: Window, to runs: inout [Run], limit: Int, _ source: (Range<Int>) -> Run.Source
    ) -> Bool {
        let start = dtype.byteCount(ofBlocks: window.columns.lowerBound)
        let count = rowByteCount(of: window)
        let first = (window.batch * rowCount + window.rows.lowerBound) * rowByteCount + start
        if count == rowByteCount {
            let total = count * window.rows.count
            return runs.join(Run(source: source(first..<first + total), byteCount: total), limit: limit)
        }
        for row in 0..<window.rows.count {
            let begin = first + row * rowByteCount
            let run = Run(source: source(begin..<begin + count), byteCount: count)
            guard runs.join(run, limit: limit) else { return false }
        }
        return true
    }

    /// Whole rows of a reshaped tensor are runs only where they are whole rows of the base.
    private func appendReshaped(_ base: LazyTensor, _ window: Window, to runs: inout [Run], limit: Int) -> Bool {
        let first = (window.batch * rowCount + window.rows.lowerBound) * columnCount
        let count = window.rows.count * columnCount
        guard first.isMultiple(of: base.columnCount), count.isMultiple(of: base.columnCount) else { return false }
        var row = first / base.columnCount
        let end = row + count / base.columnCount
        while row < end {
            let (batch, inside) = row.quotientAndRemainder(dividingBy: base.rowCount)
            let rows = min(base.rowCount - inside, end - row)
            let inner = Window(batch: batch, rows: inside..<inside + rows, columns: 0..<base.columnCount)
            guard base.append(inner, to: &runs, limit: limit) else { return false }
            row += rows
        }
        return true
    }
}

extension [Run] {
    /// Appends a run, or lengthens the last one where it continues it.
    fileprivate mutating func join(_ run: Run, limit: Int) -> Bool {
        if let last = last {
            switch (last.source, run.source) {
            case (.file(let a, let offset), .file(let b, let next)) where a == b && offset + last.byteCount == next:
                self[count - 1].byteCount += run.byteCount
                return true
            case (.zeros, .zeros):
                self[count - 1].byteCount += run.byteCount
                return true
            default: break
            }
        }
        append(run)
        return count <= limit
    }
}
