/// Lines over whole numbers: layers, as a rule.
package struct LineChart: Chart {
    struct Series: Sendable {
        var name: String
        /// One for each place; nil, and what is not finite, is a gap.
        var values: [Double?]
    }

    package var title: String
    package var explanation = ""
    var series: [Series]
    /// What the places are, and their numbers.
    var placeTitle = "layer"
    var places: [Int]
    var scale = Axis.Scale.linear
    /// A value that must not be crossed, and its name.
    var limit: (name: String, value: Double)?
    var firstColour = 0

    /// Places that are drawn; of more, every second, third and so on.
    static let mostPlaces = 240

    package var summary: String {
        let parts = series.prefix(6).map { line in
            let values = line.values.compactMap(\.self).filter(\.isFinite)
            guard let least = values.min(), let greatest = values.max() else { return "\(line.name): no value" }
            return "\(line.name) from \(Format.significant(least)) to \(Format.significant(greatest))"
        }
        return "Lines over \(places.count) \(placeTitle)s: " + parts.joined(separator: "; ") + "."
    }

    /// Every so many places are drawn.
    private var step: Int { max(1, (places.count + Self.mostPlaces - 1) / Self.mostPlaces) }

    package var notes: [String] {
        var notes: [String] = []
        if step > 1 { notes.append("One of \(step) \(placeTitle)s is drawn; JSON has them all.") }
        let lost = series.reduce(0) { $0 + $1.values.count { $0.map { !isDrawn($0) } ?? false } }
        if lost > 0 {
            notes.append(
                scale == .log
                    ? "Not drawn, as a logarithmic scale has no place for zero and less: \(lost) values."
                    : "Not drawn, as they are not finite: \(lost) values.")
        }
        return notes
    }

    private func isDrawn(_ value: Double) -> Bool { value.isFinite && (scale == .linear || value > 0) }

    // MARK: Drawing

    private static let plotHeight = 150.0
    private static let foot = 30.0

    private var legend: Legend { Legend(series.map(\.name)) { style($0) } }

    private func style(_ index: Int) -> String { "s\((index + firstColour) % 7)" }

    package var size: (width: Double, height: Double) {
        (Drawing.width, legend.height + 6 + Self.plotHeight + Self.foot)
    }

    package var drawing: [Markup] {
        let legend = legend
        let drawn = series.map { line in
            places.indices.filter { $0 % step == 0 }.map { index -> Double? in
                line.values.indices.contains(index) ? line.values[index].flatMap { isDrawn($0) ? $0 : nil } : nil
            }
        }
        let axis = Axis(scale, over: drawn.joined().compactMap(\.self) + (limit.map { [$0.value] } ?? []))
        let left = min(90, (axis.ticks.map { Drawing.width(of: axis.label($0)) }.max() ?? 0) + 6)
        let (right, top) = (Drawing.width - 8, legend.height + 6)
        let bottom = top + Self.plotHeight
        let count = drawn.first?.count ?? 0
        func x(_ index: Int) -> Double {
            count > 1 ? left + 6 + (right - left - 6) * Double(index) / Double(count - 1) : (left + right) / 2
        }
        func y(_ value: Double) -> Double { bottom - Self.plotHeight * axis.position(value) }
        var pieces = legend.markup
        for tick in axis.ticks {
            pieces.append(Drawing.line(left, y(tick), right, y(tick), "grid"))
            pieces.append(Drawing.text(axis.label(tick), left - 5, y(tick) + 4, width: left, .end))
        }
        if let limit, isDrawn(limit.value) {
            pieces.append(Drawing.line(left, y(limit.value), right, y(limit.value), "limit"))
            let above = y(limit.value) > top + 14
            pieces.append(
                Drawing.text(
                    "\(limit.name) \(Format.precise(limit.value))", right, y(limit.value) + (above ? -4 : 12),
                    width: right - left, .end, style: "label strong"))
        }
        for (index, values) in drawn.enumerated() {
            pieces += draw(values, style(index), series[index].name, x, y)
        }
        pieces.append(Drawing.line(left, bottom, right, bottom, "axis"))
        pieces += placeLabels(x, bottom: bottom)
        return pieces
    }

    private func draw(
        _ values: [Double?], _ style: String, _ name: String, _ x: (Int) -> Double, _ y: (Double) -> Double
    ) -> [Markup] {
        var path = ""
        var isOpen = false
        for (index, value) in values.enumerated() {
            guard let value else {
                isOpen = false
                continue
            }
            path += "\(isOpen ? "L" : "M")\(Format.place(x(index))) \(Format.place(y(value)))"
            isOpen = true
        }
        let line = Markup.tag(.path, [.d: path.isEmpty ? "M0 0" : path, .class: "line \(style)"])
        let points = values.enumerated().compactMap { index, value in
            value.map {
                Drawing.circle(
                    x(index), y($0), values.count > 48 ? 1.5 : 3, "point \(style)",
                    title: "\(placeTitle) \(places[index * step]), \(name): \(Format.significant($0))")
            }
        }
        return [line] + points
    }

    private func placeLabels(_ x: (Int) -> Double, bottom: Double) -> [Markup] {
        let drawn = places.indices.filter { $0 % step == 0 }
        guard let last = drawn.last else { return [] }
        let widest = Drawing.width(of: "\(places[last])") + 8
        let most = max(1, Int((Drawing.width - 60) / widest))
        let every = [1, 2, 4, 5, 8, 10, 16, 20, 32, 40, 50, 80, 100].first { drawn.count / $0 < min(most, 13) } ?? 200
        var pieces = drawn.indices.filter { $0 % every == 0 }.map { index in
            Drawing.text("\(places[drawn[index]])", x(index), bottom + 14, width: widest, .middle)
        }
        pieces.append(Drawing.text(placeTitle, Drawing.width - 8, bottom + 27, width: 200, .end))
        return pieces
    }

    // MARK: Table

    package var table: DataTable {
        DataTable([.number(placeTitle)] + series.map { .number($0.name) }, places.indices) { index in
            ["\(places[index])"]
                + series.map { line in
                    line.values.indices.contains(index) ? line.values[index].map(Format.precise) ?? "–" : "–"
                }
        }
    }
}
