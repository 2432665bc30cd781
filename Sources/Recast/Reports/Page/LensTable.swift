/// The likeliest next tokens as each layer would have them, with a bar under each for its probability.
package struct LensTable: Sendable {
    struct Row: Sendable {
        var name: String
        /// Likeliest first; probabilities 0…1.
        var tokens: [(text: String, probability: Double)]
    }

    var title: String
    var explanation: String
    var rows: [Row]

    private static let (mostRows, mostTokens) = (200, 10)

    private var shown: ArraySlice<Row> { rows.prefix(Self.mostRows) }

    var markup: Markup {
        let count = min(Self.mostTokens, rows.map(\.tokens.count).max() ?? 0)
        let header = ["layer"] + (0..<count).map { $0 == 0 ? "likeliest" : "\($0 + 1)." }
        let body = shown.map { row in
            Markup.tag(
                .tr, [:],
                [.tag(.th, [.scope: "row"], row.name)]
                    + (0..<count).map { index in
                        index < row.tokens.count ? Self.cell(row.tokens[index]) : .tag(.td, [:], [])
                    })
        }
        return .tag(
            .div, [.class: "card wide table"],
            [
                .tag(.h3, [:], title), .tag(.p, [.class: "lead"], explanation),
                .tag(
                    .div, [.class: "scroll", .role: "region", .tabindex: "0", .ariaLabel: title],
                    [
                        .tag(
                            .table, [.class: "lens"],
                            [
                                .tag(
                                    .thead, [:],
                                    [.tag(.tr, [:], header.map { .tag(.th, [.scope: "col"], $0) })]),
                                .tag(.tbody, [:], body),
                            ])
                    ]),
            ]
                + (rows.count > shown.count || rows.contains { $0.tokens.count > count }
                    ? [
                        .tag(
                            .p, [.class: "omitted"],
                            "The first \(shown.count) of \(rows.count) rows, and \(count) tokens of each, are shown; JSON has "
                                + "them all.")
                    ] : []))
    }

    private static func cell(_ token: (text: String, probability: Double)) -> Markup {
        let text = PageText.token(token.text)
        let shown = PageText.cut(text, to: 12)
        let part = token.probability.isFinite ? min(1, max(0, token.probability)) : 0
        return .tag(
            .td, [.style: "--p:\(Format.place(100 * part))%"],
            [
                shown == text
                    ? .tag(.bdi, [:], shown) : .tag(.bdi, [.title: PageText.limited(text, to: 200)], shown),
                .tag(.span, [.class: "probability"], Format.percent(token.probability)),
            ])
    }
}
