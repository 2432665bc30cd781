/// How many values lie between which edges.
package struct Histogram: Chart {
    package var title: String
    package var explanation = ""
    /// Ascending; one more than the counts. Where the first is not above zero, its bin takes what is below a logarithmic
    /// scale; the last may be infinite.
    var edges: [Double]
    var counts: [Int]
    var unit: String
    var scale = Axis.Scale.log
    /// Values that are marked, with their names: quantiles.
    var marks: [(name: String, value: Double)] = []

    /// Bins that are drawn; of more, neighbours are added up.
    private static let mostBins = 120

    /// - Returns: nil where edges and counts are no histogram.
    init?(
        title: String, explanation: String = "", edges: [Double], counts: [Int], unit: String,
        scale: Axis.Scale = .log, marks: [(name: String, value: Double)] = []
    ) {
        guard !counts.isEmpty, edges.count == counts.count + 1, counts.allSatisfy({ $0 >= 0 }),
            zip(edges, edges.dropFirst()).allSatisfy({ $0 < $1 }), counts.contains(where: { $0 > 0 })
        else { return nil }
        (self.title, self.explanation, self.unit) = (title, explanation, unit)
        (self.edges, self.counts, self.scale, self.marks) = (edges, counts, scale, marks)
    }

    /// Bins that have something, or lie between such, neighbours added up where there are too many.
    private var bins: [(range: (Double, Double), count: Int)] {
        let first = counts.firstIndex { $0 > 0 } ?? 0
        let last = counts.lastIndex { $0 > 0 } ?? 0
        let step = (last - first) / Self.mostBins + 1
        return stride(from: first, through: last, by: step).map { index in
            let end = min(index + step, last + 1)
            return ((edges[index], edges[end]), counts[index..<end].reduce(0) { $0.addingReportingOverflow($1).0 })
        }
    }

    private var total: Double { counts.reduce(0) { $0 + Double($1) } }

    package var summary: String {
        let bins = bins
        let highest = bins.max { $0.count < $1.count }!
        return
            "A histogram of \(Format.precise(total)) values in \(bins.count) bins; most, \(highest.count), lie between "
            + "\(Format.significant(highest.range.0)) and \(Format.significant(highest.range.1)) \(unit)"
            + marks.map { "; \($0.name) \(Format.significant($0.value))" }.joined() + "."
    }

    // MARK: Drawing

    private static let plotHeight = 140.0
    private static let foot = 30.0

    /// Marks that stand in the drawing, one line each.
    private var drawnMarks: [(name: String, value: Double)] { Array(marks.filter { $0.value.isFinite }.prefix(6)) }
    private var head: Double { Double(drawnMarks.count) * 13 + 6 }

    package var size: (width: Double, height: Double) { (Drawing.width, head + Self.plotHeight + Self.foot) }

    package var drawing: [Markup] {
        let bins = bins
        let most = Double(bins.map(\.count).max() ?? 1)
        let counts = Axis(.linear, over: [most], isFromZero: true, ticks: 4)
        let inside = bins.flatMap { [$0.range.0, $0.range.1] }.filter { $0.isFinite && (scale == .linear || $0 > 0) }
        let axis = Axis(scale, over: inside, ticks: 6)
        let hasUnder = scale == .log && bins[0].range.0 <= 0
        let hasOver = bins[bins.count - 1].range.1 == .infinity
        let left = min(70, (counts.ticks.map { Drawing.width(of: counts.label($0)) }.max() ?? 0) + 6)
        let (from, to) = (left + (hasUnder ? 34 : 4), Drawing.width - (hasOver ? 26 : 10))
        let bottom = head + Self.plotHeight
        // From the first edge to the last, not from decade to decade.
        let (low, high) = (axis.position(inside.min() ?? 0), axis.position(inside.max() ?? 1))
        func x(_ value: Double) -> Double {
            if scale == .log, value <= 0 { return left + 4 }
            if value == .infinity { return Drawing.width - 8 }
            return from + (to - from) * min(1, max(0, (axis.position(value) - low) / max(1e-9, high - low)))
        }
        func y(_ count: Double) -> Double { bottom - Self.plotHeight * counts.position(count) }
        var pieces: [Markup] = []
        for tick in counts.ticks where tick == tick.rounded() {
            pieces.append(Drawing.line(left, y(tick), Drawing.width - 8, y(tick), "grid"))
            pieces.append(Drawing.text(counts.label(tick), left - 5, y(tick) + 4, width: left, .end))
        }
        for bin in bins {
            let (start, end) = (x(bin.range.0), x(bin.range.1))
            pieces.append(
                Drawing.rect(
                    start, y(Double(bin.count)), max(0.5, end - start - 0.6), bottom - y(Double(bin.count)), "s0",
                    title:
                        "\(Format.significant(bin.range.0)) to \(Format.significant(bin.range.1)) \(unit): \(bin.count)"
                ))
        }
        pieces += drawMarks(x, bottom: bottom)
        pieces.append(Drawing.line(left, bottom, Drawing.width - 8, bottom, "axis"))
        if hasUnder { pieces.append(Drawing.text("0", left + 4, bottom + 14, width: 10)) }
        for tick in axis.ticks where (low - 1e-9...high + 1e-9).contains(axis.position(tick)) {
            let text = axis.label(tick)
            let half = Drawing.width(of: text) / 2
            pieces.append(Drawing.line(x(tick), bottom, x(tick), bottom + 3, "axis"))
            pieces.append(
                Drawing.text(text, min(x(tick), Drawing.width - half), bottom + 14, width: 80, .middle))
        }
        let ends = scale == .log ? "\(unit), logarithmic" : unit
        pieces.append(Drawing.text(ends, Drawing.width - 8, bottom + 27, width: Drawing.width, .end))
        return pieces
    }

    /// Names stand left of their lines, the greatest on top, so that no line of a lesser crosses a name; where there is no room
    /// on the left, the other way round.
    private func drawMarks(_ x: (Double) -> Double, bottom: Double) -> [Markup] {
        let marks = drawnMarks.sorted { $0.value < $1.value }.map { mark in
            (place: x(mark.value), text: "\(mark.name) \(Format.significant(mark.value))")
        }
        let isLeft = marks.allSatisfy { $0.place - 6 >= Drawing.width(of: $0.text) }
        return (isLeft ? marks.reversed() : marks).enumerated().flatMap { index, mark in
            let line = 11 + 13 * Double(index)
            return [
                Drawing.line(mark.place, line - 7, mark.place, bottom, "mark"),
                Drawing.text(
                    mark.text, mark.place + (isLeft ? -4 : 4), line,
                    width: isLeft ? mark.place - 4 : Drawing.width - mark.place - 4, isLeft ? .end : .start),
            ]
        }
    }

    // MARK: Table

    package var table: DataTable {
        DataTable([.number("from, \(unit)"), .number("to"), .number("values"), .number("part")], counts.indices) {
            index in
            [
                Format.precise(edges[index]), Format.precise(edges[index + 1]), "\(counts[index])",
                Format.percent(Double(counts[index]) / total),
            ]
        }
    }
}
