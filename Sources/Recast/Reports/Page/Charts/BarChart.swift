/// Bars from zero, one for each series in each group, with standard errors.
package struct BarChart: Chart {
    struct Bar: Sendable {
        var value: Double
        /// The standard error.
        var error: Double?
    }

    struct Group: Sendable {
        var name: String
        /// One for each series; nil where there is none.
        var bars: [Bar?]
    }

    package var title: String
    package var explanation = ""
    /// Colours tell them apart; those of two charts are alike where their numbers are.
    var series: [String]
    var groups: [Group]
    /// What a group is called, for the table.
    var groupTitle: String
    /// How a value is written beside its bar, with its unit.
    var format: @Sendable (Double) -> String = Format.significant
    var firstColour = 0

    /// Groups that are drawn.
    static let mostGroups = 24

    private var shown: ArraySlice<Group> { groups.prefix(Self.mostGroups) }

    package var notes: [String] {
        groups.count > shown.count
            ? ["The first \(shown.count) of \(groups.count) are drawn; JSON has them all."] : []
    }

    package var summary: String {
        let values = groups.flatMap(\.bars).compactMap { $0?.value }.filter(\.isFinite)
        guard let least = values.min(), let greatest = values.max() else { return "Bars without a value." }
        return "Bars for \(groups.count) × \(series.count) values, from \(format(least)) to \(format(greatest))."
    }

    // MARK: Drawing

    private static let barHeight = 12.0
    private static let nameHeight = 15.0
    private static let gap = 9.0

    private var legend: Legend { Legend(series) { "s\(($0 + firstColour) % 7)" } }

    package var size: (width: Double, height: Double) {
        let group = Self.nameHeight + Double(series.count) * (Self.barHeight + 2) + Self.gap
        return (Drawing.width, legend.height + Double(max(1, shown.count)) * group)
    }

    package var drawing: [Markup] {
        let legend = legend
        var pieces = legend.markup
        let bars = shown.flatMap(\.bars).compactMap(\.self)
        let ends = bars.flatMap { bar in [bar.value, bar.value - (bar.error ?? 0), bar.value + (bar.error ?? 0)] }
        let labels = min(150, (bars.map { Drawing.width(of: text($0)) }.max() ?? 0) + 8)
        let axis = Axis(.linear, over: ends, isFromZero: true)
        let width = Drawing.width - labels
        // The room of a bar ends where the longest ends: there are no ticks.
        let finite = ends.filter(\.isFinite)
        let (least, greatest) = (min(0, finite.min() ?? 0), max(0, finite.max() ?? 0))
        let extent = greatest - least
        func x(_ value: Double) -> Double {
            extent > 0 && extent.isFinite
                ? width * min(1, max(0, ((value.isNaN ? 0 : value) - least) / extent)) : width * axis.position(value)
        }
        var y = legend.height
        for group in shown {
            pieces.append(Drawing.text(group.name, 0, y + 11, width: Drawing.width, style: "label strong"))
            y += Self.nameHeight
            for (index, bar) in group.bars.enumerated() {
                if let bar {
                    pieces += draw(bar, of: group, index, at: y, x)
                } else {
                    pieces.append(Drawing.text("–", x(0) + 4, y + 10, width: labels))
                }
                y += Self.barHeight + 2
            }
            y += Self.gap
        }
        pieces.append(Drawing.line(x(0), legend.height, x(0), max(legend.height, y - Self.gap), "axis"))
        return pieces
    }

    private func draw(
        _ bar: Bar, of group: Group, _ index: Int, at y: Double, _ x: (Double) -> Double
    ) -> [Markup] {
        let ends = (x(min(0, bar.value)), x(max(0, bar.value)))
        let title = "\(PageText.limited(group.name, to: 200)), \(series[index]): \(text(bar))"
        var pieces = [
            Drawing.rect(ends.0, y, ends.1 - ends.0, Self.barHeight, "s\((index + firstColour) % 7)", title: title)
        ]
        var right = ends.1
        if let error = bar.error, error.isFinite, bar.value.isFinite {
            let (from, to, middle) = (x(bar.value - error), x(bar.value + error), y + Self.barHeight / 2)
            pieces += [
                Drawing.line(from, middle, to, middle, "whisker"),
                Drawing.line(from, middle - 3, from, middle + 3, "whisker"),
                Drawing.line(to, middle - 3, to, middle + 3, "whisker"),
            ]
            right = max(right, to)
        }
        pieces.append(Drawing.text(text(bar), right + 5, y + 10, width: Drawing.width - right - 5))
        return pieces
    }

    private func text(_ bar: Bar) -> String {
        guard let error = bar.error else { return format(bar.value) }
        return "\(format(bar.value)) ± \(Format.significant(error))"
    }

    // MARK: Table

    package var table: DataTable {
        let hasErrors = groups.contains { $0.bars.contains { $0?.error != nil } }
        let columns = series.flatMap { name in
            [DataTable.Column.number(name)] + (hasErrors ? [.number("±")] : [])
        }
        return DataTable([.code(groupTitle)] + columns, groups) { group in
            [group.name]
                + group.bars.flatMap { bar in
                    [bar.map { Format.precise($0.value) } ?? "–"]
                        + (hasErrors ? [bar?.error.map(Format.precise) ?? "–"] : [])
                }
        }
    }
}
