/// Numbers in rows and columns as shades: the larger, the further from the page's own.
package struct HeatMap: Chart {
    package var title: String
    package var explanation = ""
    var rowTitle: String
    var rows: [String]
    var columns: [String]
    /// Of each row; nil where there is nothing.
    var values: [[Double?]]
    var scale = Axis.Scale.log
    /// How a value is written beside the scale.
    var format: @Sendable (Double) -> String = Format.significant
    /// The same in a cell, where there is little room.
    var cellFormat: @Sendable (Double) -> String = Format.brief
    /// What was left out of rows and columns.
    package var notes: [String] = []

    /// Shades of the style sheet, the first for the least.
    static let shades = 9

    private var known: [Double] { values.joined().compactMap(\.self) }

    /// The least and the greatest that have a shade between.
    private var range: (Double, Double)? {
        let inside = known.filter { $0.isFinite && (scale == .linear || $0 > 0) }
        return inside.min().map { ($0, inside.max()!) }
    }

    package var summary: String {
        var text = "A map of \(rows.count) rows (\(rowTitle)) by \(columns.count) columns"
        guard let (least, greatest) = range else { return text + " without a value." }
        text += ", from \(format(least)) to \(format(greatest))"
        if let place = place(of: greatest) { text += "; the greatest at \(place)" }
        return text + "."
    }

    private func place(of value: Double) -> String? {
        for (row, cells) in values.enumerated() {
            if let column = cells.firstIndex(of: value) {
                return "\(rowTitle) \(rows[row]), \(PageText.limited(columns[column], to: 80))"
            }
        }
        return nil
    }

    /// Equal steps of the value, or of its logarithm.
    private func shade(_ value: Double) -> String {
        guard let (least, greatest) = range else { return "q0" }
        if value.isNaN || value == .infinity { return "notfinite" }
        if scale == .log, value <= 0 { return "zero" }
        guard greatest > least else { return "q4" }
        let part = Shade.position(value, from: least, to: greatest, scale)
        return "q\(min(Self.shades - 1, Int(part * Double(Self.shades))))"
    }

    // MARK: Drawing

    private static let foot = 34.0

    private var rowHeight: Double { min(18, max(5, 420 / Double(max(1, rows.count)))) }
    private var left: Double { min(90, (rows.map { Drawing.width(of: $0) }.max() ?? 0) + 8) }
    private var columnWidth: Double { min(44, (Drawing.width - left - 2) / Double(max(1, columns.count))) }
    /// Names of columns stand upright.
    private var head: Double { min(130, (columns.map { Drawing.width(of: $0) }.max() ?? 0) + 10) }

    package var size: (width: Double, height: Double) {
        (Drawing.width, head + Double(rows.count) * rowHeight + Self.foot)
    }

    package var drawing: [Markup] {
        var pieces: [Markup] = []
        let (left, head, width, height) = (left, head, columnWidth, rowHeight)
        for (index, column) in columns.enumerated() {
            let x = left + (Double(index) + 0.5) * width + 4
            pieces.append(Drawing.uprightText(column, x, head - 5, length: head - 6))
        }
        let hasNumbers =
            height >= 13 && known.allSatisfy { Drawing.width(of: cellFormat($0), size: 9) <= width - 3 }
        let every = [1, 2, 5, 10, 20, 50].first { Double($0) * height >= 12 } ?? 50
        for (row, cells) in values.enumerated() {
            let y = head + Double(row) * height
            if row % every == 0 {
                pieces.append(Drawing.text(rows[row], left - 5, y + height / 2 + 4, width: left - 5, .end))
            }
            for (column, value) in cells.enumerated() {
                let x = left + Double(column) * width
                guard let value else {
                    pieces.append(Drawing.rect(x + 0.5, y + 0.5, width - 1, height - 1, "none"))
                    continue
                }
                let shade = shade(value)
                let name = PageText.limited(columns[column], to: 80)
                pieces.append(
                    Drawing.rect(
                        x + 0.5, y + 0.5, width - 1, height - 1, shade,
                        title: "\(rowTitle) \(rows[row]), \(name): \(format(value))"))
                if hasNumbers {
                    pieces.append(
                        Drawing.text(
                            cellFormat(value), x + width / 2, y + height / 2 + 3.2, width: width, .middle,
                            style: "in \(shade)", size: 9))
                }
            }
        }
        return pieces
            + Shade.key(
                at: head + Double(rows.count) * height + 10, range, format, isLogarithmic: scale == .log,
                hasZero: scale == .log && known.contains { $0 <= 0 }, hasGaps: values.joined().contains { $0 == nil })
    }

    // MARK: Table

    package var table: DataTable {
        DataTable([.text(rowTitle)] + columns.map { .number($0) }, rows.indices) { row in
            [rows[row]] + values[row].map { $0.map(Format.precise) ?? "–" }
        }
    }
}
