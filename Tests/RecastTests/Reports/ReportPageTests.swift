import Foundation
import Testing

@testable import Recast

/// Pages are well-formed, fetch nothing, hold what a file says as text, and stay small.
struct ReportPageTests {
    static let plain = ["prose", "code", "self_attn.q_proj"]

    @Test func wellFormed() throws {
        for (name, page) in ReportPages.all(Self.plain) + ReportPages.all(ReportPages.hostile) {
            let root = try ParsedPage(page).root
            let html = try #require(root.children.first)
            #expect(root.children.count == 1 && html.name == "html" && html.attributes["lang"] == "en", "\(name)")
            #expect(String(decoding: page.bytes.prefix(15), as: UTF8.self) == "<!DOCTYPE html>")
            #expect(html.all("h1").count == 1)
            // Ids are unlike, and what is referred to is there.
            let ids = html.ids
            #expect(Set(ids).count == ids.count, "\(name)")
            for svg in html.all("svg") {
                let references = svg.attributes["aria-labelledby"]?.split(separator: " ").map(String.init) ?? []
                #expect(references.count == 2 && references.allSatisfy(ids.contains), "\(name)")
            }
        }
    }

    @Test func everyChartHasTitleDescriptionAndTable() throws {
        for (name, page) in ReportPages.all(Self.plain) {
            let html = try ParsedPage(page).root
            let figures = html.all("figure")
            #expect(figures.count >= 4, "\(name)")
            #expect(html.all("svg").count == figures.count)
            for figure in figures {
                let svg = try #require(figure.all("svg").first)
                #expect(svg.attributes["role"] == "img" && svg.has("title") && svg.has("desc"), "\(name)")
                let box = svg.attributes["viewBox"]?.split(separator: " ").compactMap { Double($0) } ?? []
                #expect(box.count == 4 && box[2] >= 300 && box[3] > 20)
                #expect(figure.all("details").first?.all("tr").count ?? 0 > 1, "\(name): \(svg.text)")
            }
        }
    }

    /// No number leads out of a drawing, and no text is as long as to leave it.
    @Test func marksStayInside() throws {
        for (name, page) in ReportPages.all(Self.plain) + ReportPages.all(ReportPages.hostile) {
            for svg in try ParsedPage(page).root.all("svg") {
                let box = svg.attributes["viewBox"]!.split(separator: " ").compactMap { Double($0) }
                for rect in svg.all("rect") {
                    let numbers = ["x", "y", "width", "height"].map { Double(rect.attributes[$0] ?? "") ?? -1 }
                    #expect(
                        numbers.allSatisfy { $0 >= -0.01 } && numbers[0] + numbers[2] <= box[2] + 0.5
                            && numbers[1] + numbers[3] <= box[3] + 0.5, "\(name): \(rect.attributes)")
                }
                for text in svg.all("text") where text.attributes["transform"] == nil {
                    let x = try #require(Double(text.attributes["x"] ?? ""))
                    let title = text.children.first { $0.name == "title" }?.text ?? ""
                    let shown = String(text.text.dropFirst(title.isEmpty ? 0 : title.count))
                    // Letters of fixed-width fonts take 0.6 of their height and a little.
                    let size = text.attributes["class"]?.hasPrefix("in") == true ? 9.0 : 11
                    let width = 0.6 * size * Double(shown.unicodeScalars.count { $0.isASCII })
                    let (left, right) =
                        switch text.attributes["text-anchor"] {
                        case "end": (x - width, x)
                        case "middle": (x - width / 2, x + width / 2)
                        default: (x, x + width)
                        }
                    #expect(
                        left >= -1 && right <= box[2] + 1, "\(name): \(shown) from \(left) to \(right) of \(box[2])")
                }
            }
        }
    }

    /// Only the page's own elements are there, whatever names say; nothing is fetched, and nothing runs.
    @Test func hostileNamesAreText() throws {
        let allowed = Set(ReportPages.all(Self.plain).flatMap { (try? ParsedPage($0.page).root.names) ?? [] })
        for (name, page) in ReportPages.all(ReportPages.hostile) {
            let root = try ParsedPage(page).root
            #expect(Set(root.names).subtracting(allowed).isSubset(of: ["p", "ul", "li", "details", "bdi"]), "\(name)")
            for element in root.everything {
                for (attribute, value) in element.attributes {
                    #expect(!["src", "href", "srcset", "action", "data"].contains(attribute))
                    #expect(!attribute.hasPrefix("on"))
                    if attribute == "style" { #expect(!value.contains("url") && !value.contains(":/")) }
                }
            }
            #expect(root.all("style").count == 1 && root.all("script").isEmpty)
            let style = root.all("style")[0].text
            for word in ["url(", "@import", "http", "//", "<", "&"] { #expect(!style.contains(word)) }
            // The name is there, as it is.
            #expect(root.text.contains("<script>alert(1)</script>"), "\(name)")
        }
    }

    @Test func nothingHidesOrTurnsTheLine() throws {
        for (name, page) in ReportPages.all(ReportPages.hostile) {
            let text = String(decoding: page.bytes, as: UTF8.self)
            for scalar in text.unicodeScalars where scalar != "\n" {
                let isHidden =
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: true
                    default: scalar.properties.isNoncharacterCodePoint
                    }
                #expect(!isHidden, "\(name): U+\(String(scalar.value, radix: 16))")
                if isHidden { break }
            }
            #expect(text.contains("\\u202etxt.exe\\u202c"), "\(name)")
            // Marks do not pile up.
            #expect(!text.contains(String(repeating: "\u{301}", count: 5)))
        }
    }

    /// What thousands of names of any length make is a page that a telephone opens.
    @Test func bounded() throws {
        #expect(ReportPages.all(ReportPages.hostile).allSatisfy { $0.page.bytes.count < 8_000_000 })
        var diff = DiffReport(a: "a", b: "b", tensors: [], settings: [])
        var inspect = InspectReport(checkpoint: "a", format: "GGUF", family: "llama", parameterCount: 1 << 40)
        var quantize = ReportPages.quantize(["a"])
        for index in 0..<100_000 {
            let name = "model.layers.\(index / 64).experts.\(index % 64).role\(index % 100).weight"
            diff.tensors.append(
                .init(
                    name: name, typeInA: "F32", typeInB: "t\(index % 999)", outcome: .differs(maximum: 1, relative: 0.5)
                ))
            inspect.tensors.append(.init(name: name, type: "t\(index % 999)", shape: [32, 32], byteCount: 512))
        }
        quantize.tensors = inspect.tensors.map {
            .init(
                name: $0.name, from: "F32", to: $0.type, treatment: "quantized", isMatrix: true, elementCount: 1024,
                byteCount: 512, error: .init(relative: 0.1, rootMeanSquare: 0.1, maximum: 1))
        }
        let compare = ReportPages.compare((0..<5000).map { "channel \($0)" })
        let probe = ReportPages.probe((0..<600).map { "token\($0)" })
        for page in [diff.page, inspect.page, quantize.page, compare.page, probe.page] {
            #expect(page.bytes.count < 2_000_000, "\(page.title)")
            let text = try ParsedPage(page).root.text
            #expect(text.contains("JSON has"), "\(page.title)")
        }
    }

    @Test func sameValuesMakeTheSameBytes() {
        for (first, second) in zip(ReportPages.all(Self.plain), ReportPages.all(Self.plain)) {
            #expect(first.page.bytes == second.page.bytes)
        }
        var report = ReportPages.compare(Self.plain)
        #expect(!String(decoding: report.page.bytes, as: UTF8.self).contains("20 May"))
        report.origin.date = "20 May"
        #expect(String(decoding: report.page.bytes, as: UTF8.self).contains("20 May"))
    }

    @Test func verdicts() throws {
        func verdict(_ page: ReportPage) throws -> ParsedPage.Element {
            try #require(try ParsedPage(page).root.all("section").first)
        }
        var compare = ReportPages.compare(Self.plain)
        #expect(try verdict(compare.page).attributes["class"] == "verdict failed")
        #expect(try verdict(compare.page).text.contains("1 of 2"))
        compare.thresholds.removeFirst()
        #expect(try verdict(compare.page).attributes["class"] == "verdict passed")
        compare.thresholds = []
        #expect(try verdict(compare.page).attributes["class"] == "verdict neutral")
        var diff = ReportPages.diff(Self.plain)
        #expect(try verdict(diff.page).attributes["class"] == "verdict failed")
        diff.tensors.removeAll { $0.outcome != .identical }
        #expect(try verdict(diff.page).attributes["class"] == "verdict failed")
        diff.settings = []
        #expect(try verdict(diff.page).attributes["class"] == "verdict passed")
        #expect(try verdict(ReportPages.probe(Self.plain).page).text.contains("prose"))
    }

    /// Pages to be looked at; set `RECAST_REPORT_PAGES` to a folder.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["RECAST_REPORT_PAGES"] != nil))
    func pages() throws {
        let folder = URL(filePath: ProcessInfo.processInfo.environment["RECAST_REPORT_PAGES"]!)
        let many = ReportPages.all((0..<400).map { "name.of.\($0)" })
        for (suffix, pages) in [
            ("plain", ReportPages.all(Self.plain)), ("hostile", ReportPages.all(ReportPages.hostile)), ("many", many),
        ] {
            for (name, page) in pages {
                try Data(page.bytes).write(to: folder.appending(path: "\(name)-\(suffix).html"))
            }
        }
    }

    @Test func commandLineIsQuoted() {
        let origin = ReportOrigin(command: ["recast", "probe", "a b", "it's", "", "$x", "a/b-c_1.gguf"])
        #expect(origin.commandLine == "recast probe 'a b' 'it'\\''s' '' '$x' a/b-c_1.gguf")
    }
}

extension ParsedPage.Element {
    var everything: [ParsedPage.Element] { [self] + children.flatMap(\.everything) }
    var names: [String] { everything.map(\.name) }
    var ids: [String] { everything.compactMap { $0.attributes["id"] } }

    /// The cells of the table under the heading of a card, row by row.
    func rows(under title: String) throws -> [[String]] {
        let cards = everything.filter { ($0.attributes["class"] ?? "").split(separator: " ").contains("card") }
        let card = try #require(cards.first { $0.all("h3").first?.text == title }, "\(title)")
        return card.all("tr").map { row in row.children.map(\.text) }
    }
}
