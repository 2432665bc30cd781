/// What each token of a text looks at: rows look, columns are looked at.
package struct AttentionMap: Chart {
    package var title: String
    package var explanation = ""
    /// The tokens that are shown, with their places in the text.
    private let tokens: [(place: Int, text: String)]
    private let weights: [[Double]]
    private let count: Int

    /// Tokens that are shown: of longer texts the first, which much attention goes to, and the last, which are asked about.
    private static let (mostFirst, mostLast) = (8, 40)

    /// - Parameters:
    ///   - tokens: as text.
    ///   - weights: of each token a row, with a number for each token before it and for itself at least, 0…1.
    /// - Returns: nil where rows do not fit the tokens.
    init?(title: String, explanation: String = "", tokens: [String], weights: [[Double]]) {
        guard !tokens.isEmpty, weights.count == tokens.count,
            weights.indices.allSatisfy({ weights[$0].count > $0 && weights[$0].count <= tokens.count })
        else { return nil }
        (self.title, self.explanation) = (title, explanation)
        count = tokens.count
        let places =
            count <= Self.mostFirst + Self.mostLast
            ? Array(0..<count) : Array(0..<Self.mostFirst) + Array(count - Self.mostLast..<count)
        self.tokens = places.map { ($0, PageText.token(tokens[$0])) }
        self.weights = places.enumerated().map { row, place in places[...row].map { weights[place][$0] } }
    }

    package var notes: [String] {
        count > tokens.count
            ? [
                "The first \(Self.mostFirst) and the last \(Self.mostLast) of \(count) tokens are shown; JSON has all of "
                    + "them. Rows do not add up to 1 without those between."
            ] : []
    }

    package var summary: String {
        let strongest = tokens.indices.dropFirst().compactMap { row -> (Int, Int, Double)? in
            let column = weights[row].indices.max { weights[row][$0] < weights[row][$1] }!
            return (row, column, weights[row][column])
        }.max { $0.2 < $1.2 }
        let text = "A map of the attention among \(tokens.count) tokens."
        guard let (row, column, weight) = strongest else { return text }
        return text + " The strongest: \(name(row)) looks at \(name(column)), \(Format.percent(weight))."
    }

    private func name(_ index: Int) -> String {
        "\(tokens[index].place) \(PageText.limited(tokens[index].text, to: 40))"
    }

    // MARK: Drawing

    private var cell: Double { min(22, max(12, 250 / Double(tokens.count))) }
    private var labels: Double {
        min(106, (tokens.indices.map { Drawing.width(of: name($0)) }.max() ?? 0) + 8)
    }

    package var size: (width: Double, height: Double) {
        (max(Drawing.width, labels + Double(tokens.count) * cell + 4), labels + Double(tokens.count) * cell + 34)
    }

    package var drawing: [Markup] {
        var pieces: [Markup] = []
        let (labels, cell) = (labels, cell)
        for row in tokens.indices {
            let y = labels + Double(row) * cell
            pieces.append(Drawing.text(name(row), labels - 5, y + cell / 2 + 4, width: labels - 5, .end))
            pieces.append(
                Drawing.uprightText(name(row), labels + (Double(row) + 0.5) * cell + 4, labels - 5, length: labels - 5))
            for (column, weight) in weights[row].enumerated() {
                pieces.append(
                    Drawing.rect(
                        labels + Double(column) * cell + 0.25, y + 0.25, cell - 0.5, cell - 0.5, Self.shade(weight),
                        title: "\(name(row)) → \(name(column)): \(Format.percent(weight))"))
            }
        }
        return pieces
            + Shade.key(
                at: labels + Double(tokens.count) * cell + 10, (0, 1), { Format.percent($0) }, isLogarithmic: false,
                hasZero: false, hasGaps: false)
    }

    /// By the root of the weight: most of them are small.
    private static func shade(_ weight: Double) -> String {
        guard weight.isFinite else { return "notfinite" }
        let part = min(1, max(0, weight)).squareRoot()
        return "q\(min(HeatMap.shades - 1, Int(part * Double(HeatMap.shades))))"
    }

    // MARK: Table

    /// The three that each token looks at most.
    package var table: DataTable {
        DataTable([.code("token"), .code("looks most at"), .code("then"), .code("then")], tokens.indices) { row in
            let best = weights[row].indices.sorted { (weights[row][$1], $0) < (weights[row][$0], $1) }.prefix(3)
            return [name(row)] + best.map { "\(name($0)) (\(Format.percent(weights[row][$0])))" }
                + Array(repeating: "–", count: 3 - best.count)
        }
    }
}
