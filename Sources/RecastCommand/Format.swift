import Recast

/// Tables for people.
extension Format {
    /// Columns as wide as their widest cell, numbers to the right. A cell is one line, whatever is in it.
    static func table(_ rows: [[String]], rightAligned: Set<Int> = []) -> TerminalText {
        let rows = rows.map { $0.map { TerminalText(escaping: $0).string } }
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            min(widestColumn, rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0)
        }
        let lines = rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
                return rightAligned.contains(column) ? padding + cell : cell + padding
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
        return TerminalText(verbatim: lines.joined(separator: "\n"))
    }

    /// One name of a megabyte must not make a megabyte of every line: a cell that is longer sticks out.
    private static let widestColumn = 160
}
