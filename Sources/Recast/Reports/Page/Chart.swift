/// A picture of numbers: data that draws itself, and says itself in a table.
package protocol Chart: Sendable {
    var title: String { get }
    /// A sentence on what is to be seen; empty where the title says it.
    var explanation: String { get }
    /// What the drawing shows, for those who do not see it.
    var summary: String { get }
    /// The size of the drawing; text is 11 high. 360 is as wide as a telephone.
    var size: (width: Double, height: Double) { get }
    var drawing: [Markup] { get }
    var table: DataTable { get }
    /// What is not shown, and where it is.
    var notes: [String] { get }
}

extension Chart {
    package var notes: [String] { [] }

    /// Whether it takes more room than a telephone has.
    var isWide: Bool { size.width > Drawing.width }

    /// - Parameter id: unlike that of any other on the page.
    func markup(id: String) -> Markup {
        let (width, height) = size
        let svg = Markup.tag(
            .svg,
            [
                .viewBox: "0 0 \(Format.place(width)) \(Format.place(height))", .role: "img",
                .ariaLabelledBy: "\(id)t \(id)d",
                .style: isWide
                    ? "min-width:\(Format.place(0.9 * width))px;max-width:\(Format.place(1.3 * width))px"
                    : "min-width:0",
            ], [.tag(.title, [.id: "\(id)t"], title), .tag(.desc, [.id: "\(id)d"], summary)] + drawing)
        let picture =
            isWide
            ? Markup.tag(
                .div, [.class: "scroll picture", .role: "region", .tabindex: "0", .ariaLabel: title],
                [svg]) : .tag(.div, [.class: "picture"], [svg])
        return .tag(
            .figure, [.class: isWide ? "card wide" : "card"],
            [
                .tag(
                    .figcaption, [:],
                    [.tag(.h3, [:], title)] + (explanation.isEmpty ? [] : [.tag(.p, [:], explanation)])),
                picture,
                .tag(
                    .div, [.class: "behind"],
                    notes.map { .tag(.p, [.class: "omitted"], $0) } + [
                        .tag(.details, [:], [.tag(.summary, [:], "Numbers"), table.markup(label: "Numbers: " + title)])
                    ]),
            ])
    }
}

/// What drawings are made of. All lengths are units of the viewBox.
enum Drawing {
    static let width = 360.0
    /// Of the text, and what a letter of its fixed-width font takes at most.
    static let fontSize = 11.0
    static let letter = 0.61 * fontSize

    enum Anchor: String { case start, middle, end }

    static func rect(
        _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String, title: String? = nil
    ) -> Markup {
        .tag(
            .rect,
            [
                .x: Format.place(x), .y: Format.place(y), .width: Format.place(max(0, width)),
                .height: Format.place(max(0, height)), .class: style,
            ], title.map { [.tag(.title, [:], $0)] } ?? [])
    }

    static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) -> Markup {
        .tag(
            .line,
            [
                .x1: Format.place(x1), .y1: Format.place(y1), .x2: Format.place(x2), .y2: Format.place(y2),
                .class: style,
            ])
    }

    static func circle(_ x: Double, _ y: Double, _ radius: Double, _ style: String, title: String) -> Markup {
        .tag(
            .circle, [.cx: Format.place(x), .cy: Format.place(y), .r: Format.place(radius), .class: style],
            [.tag(.title, [:], title)])
    }

    /// A line of text that is cut where it would be wider than `width`, with the whole of it as its title.
    static func text(
        _ text: String, _ x: Double, _ y: Double, width: Double, _ anchor: Anchor = .start, style: String = "label",
        size: Double = fontSize
    ) -> Markup {
        .tag(
            .text, [.x: Format.place(x), .y: Format.place(y), .textAnchor: anchor.rawValue, .class: style],
            label(text, width: width, size: size))
    }

    /// The same, from below upwards, ending or beginning at a place.
    static func uprightText(
        _ text: String, _ x: Double, _ y: Double, length: Double, style: String = "label", size: Double = fontSize
    ) -> Markup {
        .tag(
            .text,
            [
                .transform: "translate(\(Format.place(x)) \(Format.place(y))) rotate(-90)",
                .textAnchor: Anchor.start.rawValue, .class: style,
            ], label(text, width: length, size: size))
    }

    private static func label(_ text: String, width: Double, size: Double) -> [Markup] {
        let shown = PageText.cut(text, to: width / size)
        guard shown != PageText.visible(text) else { return [.text(shown)] }
        return [.tag(.title, [:], PageText.limited(text)), .text(shown)]
    }

    /// How wide a label is, so that room can be left for it.
    static func width(of text: String, size: Double = fontSize) -> Double {
        PageText.width(PageText.visible(text)) * size
    }
}
