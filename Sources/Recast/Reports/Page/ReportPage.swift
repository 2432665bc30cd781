/// A page that shows what a command found: one file that needs nothing else, no network and no script, and reads the same
/// on a telephone, on a screen and on paper.
///
/// The same values make the same bytes.
public struct ReportPage: Sendable {
    /// What comes of it: whether what was asked for holds, and why.
    struct Verdict: Sendable {
        enum Outcome: Sendable { case passed, failed, neutral }

        var outcome: Outcome
        var headline: String
        var reasons: [String] = []
    }

    struct Fact: Sendable {
        var name: String
        var value: String

        init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
    }

    enum Block: Sendable {
        case chart(any Chart)
        case table(title: String, explanation: String, DataTable)
        case lens(LensTable)
        case notes(title: String, [String])

        /// Whether nothing stands beside it.
        var isWide: Bool {
            if case .chart(let chart) = self { chart.isWide } else { true }
        }
    }

    struct Section: Sendable {
        var title: String
        var blocks: [Block]

        init(_ title: String, _ blocks: [Block?]) { (self.title, self.blocks) = (title, blocks.compactMap(\.self)) }
    }

    var title: String
    /// What it is about: paths, mostly.
    var subjects: [Fact]
    var verdict: Verdict
    var facts: [Fact]
    var sections: [Section]
    /// What makes the command write all numbers, those too that a page leaves out.
    var json = "--json"
    /// How it came about, for the foot of the page.
    var origin: ReportOrigin

    /// In UTF-8: HTML, which is well-formed XML, too.
    public var bytes: [UInt8] {
        var bytes = Array("<!DOCTYPE html>".utf8)
        markup.write(to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
        return bytes
    }

    // MARK: Markup

    /// Things in a list of which a page shows no more.
    private static let mostItems = 50

    var markup: Markup {
        var figures = 0
        let sections = sections.filter { !$0.blocks.isEmpty }.map { section in
            // Cards stand beside each other where there is room, up to the next that takes the whole width.
            var runs: [(isWide: Bool, cards: [Markup])] = []
            for block in section.blocks {
                figures += 1
                let card = Self.markup(block, id: "c\(figures)")
                if !block.isWide, runs.last?.isWide == false {
                    runs[runs.count - 1].cards.append(card)
                } else {
                    runs.append((block.isWide, [card]))
                }
            }
            return Markup.tag(
                .section, [:],
                [.tag(.h2, [:], section.title)] + runs.map { .tag(.div, [.class: "cards"], $0.cards) })
        }
        return .tag(
            .html, [.lang: "en"],
            [
                .tag(
                    .head, [:],
                    [
                        .tag(.meta, [.charset: "utf-8"], []),
                        .tag(.meta, [.name: "viewport", .content: "width=device-width, initial-scale=1"], []),
                        // Were there a script in spite of all, it would not run, and nothing would be fetched.
                        .tag(
                            .meta,
                            [
                                .httpEquiv: "Content-Security-Policy",
                                .content: "default-src 'none'; style-src 'unsafe-inline'",
                            ], []),
                        .tag(.meta, [.name: "generator", .content: "recast \(Version.recast)"], []),
                        .tag(.meta, [.name: "color-scheme", .content: "light dark"], []),
                        .tag(.title, [:], PageText.limited(title, to: 200)), .pageStyle,
                    ]),
                .tag(.body, [:], [header, .tag(.main, [:], sections), footer]),
            ])
    }

    private var header: Markup {
        .tag(
            .header, [:],
            [.tag(.h1, [:], PageText.limited(title, to: 200))]
                + subjects.map { subject in
                    .tag(.p, [.class: "subjects"], [.text(subject.name + " "), DataTable.cell(subject.value)])
                } + [verdictMarkup]
                + (facts.isEmpty
                    ? []
                    : [
                        .tag(
                            .dl, [.class: "facts"],
                            facts.map { fact in
                                .tag(
                                    .div, [:],
                                    [.tag(.dt, [:], fact.name), .tag(.dd, [:], [DataTable.cell(fact.value)])])
                            })
                    ]))
    }

    private var verdictMarkup: Markup {
        let (style, sign) =
            switch verdict.outcome {
            case .passed: ("passed", "✓")
            case .failed: ("failed", "✗")
            case .neutral: ("neutral", "•")
            }
        return .tag(
            .section, [.class: "verdict " + style, .ariaLabel: "Verdict"],
            [
                .tag(.span, [.class: "sign", .ariaHidden: "true"], sign),
                .tag(.div, [:], [.tag(.h2, [:], PageText.limited(verdict.headline))] + Self.list(verdict.reasons)),
            ])
    }

    private static func list(_ items: [String]) -> [Markup] {
        guard !items.isEmpty else { return [] }
        let rest = items.count - mostItems
        return [
            .tag(
                .ul, [:],
                items.prefix(mostItems).map { .tag(.li, [:], PageText.limited($0, to: 400)) }
                    + (rest > 0 ? [.tag(.li, [.class: "omitted"], "\(rest) more, which JSON has")] : []))
        ]
    }

    private static func markup(_ block: Block, id: String) -> Markup {
        switch block {
        case .chart(let chart): chart.markup(id: id)
        case .table(let title, let explanation, let table):
            .tag(
                .div, [.class: "card wide table"],
                [.tag(.h3, [:], title)] + (explanation.isEmpty ? [] : [.tag(.p, [.class: "lead"], explanation)])
                    + [table.markup(label: title)])
        case .lens(let table): table.markup
        case .notes(let title, let notes):
            .tag(.div, [.class: "card wide"], [.tag(.h3, [:], title)] + list(notes))
        }
    }

    private var footer: Markup {
        .tag(
            .footer, [:],
            [
                .tag(
                    .p, [:],
                    "Written by recast \(Version.recast)" + (origin.date.map { ", \($0)" } ?? "")
                        + ". The page needs no network and runs no script; pointing at a mark shows its number, and all numbers "
                        + "are in the tables. What is left out here stands in the JSON of \(json).")
            ]
                + (origin.command.isEmpty
                    ? [] : [.tag(.p, [:], [.tag(.code, [:], PageText.limited(origin.commandLine, to: 4000))])]))
    }
}

/// How a report came about.
public struct ReportOrigin: Sendable {
    /// The program and its arguments; empty where there was none.
    public var command: [String]
    /// When, as it is to be written; nil where the same values are to make the same bytes.
    public var date: String?

    public init(command: [String] = [], date: String? = nil) {
        self.command = command
        self.date = date
    }

    /// As a shell would take it.
    var commandLine: String {
        command.map { word in
            let isPlain = !word.isEmpty && word.utf8.allSatisfy(Self.isPlain)
            return isPlain
                ? word
                : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
        }.joined(separator: " ")
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: Array("-_./=:,+@%^".utf8).contains(byte)
        }
    }
}
