/// Consecutive bytes of a tensor that need only be moved.
package struct Run: Sendable, Hashable {
    package enum Source: Sendable, Hashable {
        case file(FileID, offset: Int)
        case bytes(ArraySlice<UInt8>)
        case zeros
    }

    package var source: Source
    package var byteCount: Int
}

extension LazyTensor {
    /// The bytes of a window as runs in order; nil where a number must be computed, or where there would be more runs
    /// than `limit`, so that reading and permuting in memory is cheaper.
    package func runs(_ window: Window, limit: Int = 4096) -> [Run]? {
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
        case .arranged(let arrangement, let children):
            // Rows that are parts of several children follow each other one by one.
            let rowsAtOnce = arrangement.interleaves ? 1 : window.rows.count
            for row in stride(from: window.rows.lowerBound, to: window.rows.upperBound, by: rowsAtOnce) {
                var part = window
                part.rows = row..<row + rowsAtOnce
                let isAll = forEachPiece(of: part, arrangement, children) { piece in
                    !piece.isTransposed && children[piece.child].append(piece.window, to: &runs, limit: limit)
                }
                guard isAll else { return false }
            }
            return true
        case .computed:
            return false
        }
    }

    private func appendRows(
        _ window: Window, to runs: inout [Run], limit: Int, _ source: (Range<Int>) -> Run.Source
    ) -> Bool {
        let count = rowByteCount(of: window)
        let first = start(of: window)
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
