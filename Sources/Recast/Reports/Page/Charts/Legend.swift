/// The names of series beside their colours, in as many lines as it takes.
struct Legend {
    private(set) var markup: [Markup] = []
    /// 0 where there is nothing to tell apart.
    private(set) var height = 0.0

    private static let lineHeight = 16.0

    /// - Parameter style: of the swatch of a series, by its index.
    init(_ names: [String], width: Double = Drawing.width, style: (Int) -> String) {
        guard names.count > 1 else { return }
        var x = 0.0
        var y = 0.0
        for (index, name) in names.enumerated() {
            let wanted = min(width, Drawing.width(of: name) + 30)
            if x > 0, x + wanted > width { (x, y) = (0, y + Self.lineHeight) }
            markup.append(Drawing.rect(x, y + 2, 10, 10, style(index)))
            markup.append(Drawing.text(name, x + 14, y + 11, width: min(wanted, width - x) - 14))
            x += wanted
        }
        height = y + Self.lineHeight + 6
    }
}
