/// Parts of a whole: one bar, and a line for each part.
package struct StackedBar: Chart {
    struct Part: Sendable {
        var name: String
        var amount: Double
    }

    package var title: String
    package var explanation = ""
    /// Largest first.
    var parts: [Part]
    var partTitle: String
    var amountTitle: String
    var format: @Sendable (Double) -> String

    /// Parts that have a line of their own; others share one.
    private static let mostParts = 8

    private var total: Double { parts.reduce(0) { $0 + max(0, $1.amount) } }

    private var shown: [Part] {
        guard parts.count > Self.mostParts else { return parts }
        let rest = parts.dropFirst(Self.mostParts - 1)
        return parts.prefix(Self.mostParts - 1)
            + [Part(name: "\(rest.count) others", amount: rest.reduce(0) { $0 + $1.amount })]
    }

    private func share(_ part: Part) -> Double { total > 0 ? max(0, part.amount) / total : 0 }

    package var summary: String {
        "Parts of \(format(total)): "
            + shown.prefix(4).map { "\(PageText.limited($0.name, to: 80)) \(Format.percent(share($0)))" }
            .joined(separator: ", ") + "."
    }

    private static let barHeight = 26.0
    private static let lineHeight = 17.0

    package var size: (width: Double, height: Double) {
        (Drawing.width, Self.barHeight + 12 + Double(max(1, shown.count)) * Self.lineHeight)
    }

    package var drawing: [Markup] {
        var pieces: [Markup] = []
        var x = 0.0
        var y = Self.barHeight + 10
        for (index, part) in shown.enumerated() {
            let width = Drawing.width * share(part)
            let style = index < Self.mostParts - 1 && index < 6 ? "s\(index)" : index == 6 ? "s6" : "rest"
            let amount = "\(format(part.amount)), \(Format.percent(share(part)))"
            pieces.append(
                Drawing.rect(
                    x, 0, width, Self.barHeight, style + " part",
                    title: "\(PageText.limited(part.name, to: 200)): \(amount)"))
            x += width
            let room = Drawing.width(of: amount) + 10
            pieces.append(Drawing.rect(0, y + 1, 10, 10, style))
            pieces.append(Drawing.text(part.name, 15, y + 10, width: Drawing.width - room - 15))
            pieces.append(Drawing.text(amount, Drawing.width, y + 10, width: room, .end))
            y += Self.lineHeight
        }
        return pieces
    }

    package var table: DataTable {
        DataTable([.code(partTitle), .number(amountTitle), .number("part")], parts) { part in
            [part.name, Format.precise(part.amount), Format.percent(share(part))]
        }
    }
}
