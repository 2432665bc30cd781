/// Rows of a table: those behind a chart, or by themselves.
package struct DataTable: Sendable {
    package struct Column: Sendable {
        var name: String
        var isNumber = false
        /// Names of tensors, tokens, paths: in a fixed-width font.
        var isCode = false

        static func number(_ name: String) -> Column { Column(name: name, isNumber: true) }
        static func code(_ name: String) -> Column { Column(name: name, isCode: true) }
        static func text(_ name: String) -> Column { Column(name: name) }
    }

    var columns: [Column]
    /// The first cell of a row is its heading.
    private(set) var rows: [[String]] = []
    /// How many rows there are, with those that are left out.
    private(set) var count = 0

    /// Rows that a page shows of one table.
    static let mostRows = 200

    init(_ columns: [Column]) { self.columns = columns }

    init<Rows: Collection>(_ columns: [Column], _ items: Rows, _ row: (Rows.Element) -> [String]) {
        self.columns = columns
        count = items.count
        rows = items.prefix(Self.mostRows).map(row)
    }

    mutating func append(_ row: [String]) {
        count += 1
        if rows.count < Self.mostRows { rows.append(row) }
    }

    /// - Parameter label: says what it is to those who do not see it.
    func markup(label: String) -> Markup {
        let header = columns.map { column in
            Markup.tag(.th, [.scope: "col", .class: column.isNumber ? "number" : "text"], column.name)
        }
        let body = rows.map { row in
            Markup.tag(
                .tr, [:],
                zip(columns.indices, row).map { index, cell in
                    index == 0
                        ? Markup.tag(.th, [.scope: "row", .class: columns[0].cellClass], [Self.cell(cell)])
                        : Markup.tag(.td, [.class: columns[index].cellClass], [Self.cell(cell)])
                })
        }
        let table = Markup.tag(
            .div, [.class: "scroll", .role: "region", .tabindex: "0", .ariaLabel: PageText.limited(label, to: 200)],
            [.tag(.table, [:], [.tag(.thead, [:], [.tag(.tr, [:], header)]), .tag(.tbody, [:], body)])])
        guard count > rows.count else { return table }
        return .group([
            table,
            .tag(
                .p, [.class: "omitted"],
                "\(count - rows.count) of \(count) rows are left out here; JSON has them all."),
        ])
    }

    /// Whatever direction its letters have, it turns nothing beside it.
    static func cell(_ text: String) -> Markup {
        let whole = PageText.limited(text)
        let shown = PageText.cut(whole, to: widestCell)
        return shown == PageText.visible(text)
            ? .tag(.bdi, [:], shown) : .tag(.bdi, [.title: whole], shown)
    }

    /// In ems.
    private static let widestCell = 60.0
}

extension DataTable.Column {
    fileprivate var cellClass: String { isNumber ? "number" : isCode ? "code" : "text" }
}
