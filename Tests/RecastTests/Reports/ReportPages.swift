import Foundation
import Testing

@testable import Recast

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// A page as a reader of XML sees it: every element closed, every character allowed.
final class ParsedPage: NSObject, XMLParserDelegate {
    struct Element {
        var name: String
        var attributes: [String: String]
        /// With that of what is inside.
        var text = ""
        var children: [Element] = []

        /// Elements of a name, itself and whatever depth.
        func all(_ name: String) -> [Element] {
            (self.name == name ? [self] : []) + children.flatMap { $0.all(name) }
        }

        /// Whether it has an element of a name right inside.
        func has(_ name: String) -> Bool { children.contains { $0.name == name && !$0.text.isEmpty } }
    }

    private var open: [Element] = [Element(name: "", attributes: [:])]
    private(set) var problem: String?

    var root: Element { open[0] }

    init(_ page: ReportPage) throws {
        super.init()
        let parser = XMLParser(data: Data(page.bytes))
        parser.shouldResolveExternalEntities = false
        parser.delegate = self
        if !parser.parse() { problem = parser.parserError.map { "\($0) in line \(parser.lineNumber)" } ?? "not parsed" }
        #expect(problem == nil)
        #expect(open.count == 1)
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) { open.append(Element(name: name, attributes: attributes)) }

    func parser(_ parser: XMLParser, foundCharacters text: String) { open[open.count - 1].text += text }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        let done = open.removeLast()
        open[open.count - 1].text += done.text
        open[open.count - 1].children.append(done)
    }
}

/// Pages of invented numbers.
enum ReportPages {
    /// What no page may take for its own.
    static let hostile = [
        "<script>alert(1)</script>", "\"onmouseover='x'", "</title></svg><img src=x onerror=y>", "a&amp;b&#0;",
        "\u{202E}txt.exe\u{202C}", "\u{1B}[31mred\u{7}\u{0}", "line\nbreak\ttab\r", "\u{FFFE}\u{FFFF}\u{FEFF}\u{200B}",
        "a" + String(repeating: "\u{301}", count: 300), String(repeating: "long.", count: 50_000), "", "  ", "]]>",
        "<!--",
        "https://example.com/x.js", "{}body{display:none}",
    ]

    static func estimate(_ value: Double, _ error: Double?) -> CompareReport.Estimate { .init(value, error: error) }

    static func channel(_ name: String, _ perplexity: Double, ratio: Double = 1.01) -> CompareReport.Channel {
        .init(
            name: name, tokens: 900, scored: 800, referencePerplexity: estimate(perplexity, 0.25),
            candidatePerplexity: estimate(perplexity * ratio, 0.5), ratio: ratio, divergence: estimate(0.0625, 0.001),
            quantiles: [(0.5, 0.03125), (0.9, 0.125), (1, 2)], sameTop: 0.9375, rootMeanSquareDeltaP: 0.015625)
    }

    /// - Parameter names: of channels, roles and whatever has a name.
    static func compare(_ names: [String]) -> CompareReport {
        var report = CompareReport(
            reference: names[0], candidate: names[names.count - 1],
            channels: names.enumerated().map { channel($1, 8 + Double($0)) }, total: channel("total", 9.5))
        report.divergences = ([0, 1e-4, 1e-3, 1e-2, .infinity], [3, 40, 700, 57])
        report.thresholds = [
            .init(name: "mean divergence", value: 0.0625, limit: 0.05, isMinimum: false, isPassed: false),
            .init(name: "cosine", value: 0.998, limit: 0.99, isMinimum: true, isPassed: true),
        ]
        report.layers = (0..<6).map {
            .init(layer: $0, cosine: 1 - Double($0) / 1024, relativeError: 0.0625 * Double($0))
        }
        report.linears = (0..<6).flatMap { layer in
            names.map { .init(layer: layer, role: $0, cosine: 0.999, relativeError: 0.03125 + Double(layer) / 64) }
        }
        report.minimumCosine = 0.99
        report.conditions = [("context", "512")] + names.map { ($0, $0) }
        report.warnings = names
        report.notes = names
        report.origin = ReportOrigin(command: ["recast", "compare"] + names)
        return report
    }

    static func probe(_ names: [String]) -> ProbeReport {
        var report = ProbeReport(checkpoint: names[0], prompt: names.joined(), tokens: names)
        report.layers = (0..<5).map {
            .init(layer: $0, cosineDistance: Double($0) / 32, norm: Double($0 + 1), maximum: pow(10, Double($0)))
        }
        report.outliers = [.init(layer: 3, channel: 138, maximum: 1024, ratio: 64)]
        report.predictions = (0..<5).map { layer in
            .init(layer: layer, tokens: names.map { ($0, 1 / Double(layer + 2)) })
        }
        report.attention = [nil, 3].map { head in
            .init(
                layer: 2, head: head, weights: names.indices.map { row in (0...row).map { _ in 1 / Double(row + 1) } })
        }
        report.warnings = names
        report.notes = names
        return report
    }

    static func diff(_ names: [String]) -> DiffReport {
        var tensors: [DiffReport.Tensor] = []
        for layer in 0..<4 {
            for (index, name) in names.enumerated() {
                tensors.append(
                    .init(
                        name: "model.layers.\(layer).\(name).weight", typeInA: "BF16", typeInB: name,
                        outcome: .differs(maximum: 0.5, relative: Double(index + layer) / 128)))
            }
        }
        tensors += names.map { .init(name: $0, typeInA: $0, typeInB: "–", outcome: .missingInB) }
        tensors += names.map {
            .init(
                name: $0 + "head", typeInA: "F32", typeInB: "F16", outcome: .differs(maximum: .infinity, relative: .nan)
            )
        }
        tensors += [
            .init(name: "same", typeInA: "F32", typeInB: "F32", outcome: .identical),
            .init(name: "shape", typeInA: "F32", typeInB: "F32", outcome: .shapes([2, 3], [4])),
        ]
        var report = DiffReport(
            a: names[0], b: names[names.count - 1], tensors: tensors,
            settings: names.map { .init(name: $0, a: $0, b: "1") })
        report.warnings = names
        return report
    }

    static func inspect(_ names: [String]) -> InspectReport {
        var report = InspectReport(checkpoint: names[0], format: names[0], family: names[0], parameterCount: 4096)
        for layer in 0..<4 {
            for name in names {
                report.tensors.append(
                    .init(
                        name: "blk.\(layer).\(name).weight", type: name, shape: [32, 64], byteCount: 1152 * (layer + 1))
                )
            }
        }
        report.tensors.append(.init(name: "output_norm.weight", type: "F32", shape: [64], byteCount: 256))
        report.files = names.map { .init(name: $0, byteCount: 4096) }
        report.targets = names.map { .init(name: $0, exactness: nil, reason: $0) }
        report.properties = names.map { ($0, $0) }
        report.warnings = names
        return report
    }

    static func quantize(_ names: [String]) -> QuantizeReport {
        var report = QuantizeReport(
            source: names[0], destination: names[0], format: names[0], layout: names[0], exactness: "quantized",
            byteCount: 123456, isVerified: true, tensors: [])
        for layer in 0..<4 {
            for name in names {
                report.tensors.append(
                    .init(
                        name: "blk.\(layer).\(name)", from: name, to: name + "q", treatment: name, isMatrix: true,
                        elementCount: 2048, byteCount: 1152,
                        error: .init(relative: 0.0625 * Double(layer + 1), rootMeanSquare: 0.001, maximum: 0.25)))
                report.calibrated.append(
                    .init(
                        name: "layers.\(layer).\(name)", encoding: name, tokens: 512, damping: 0.01, rounded: 0.5,
                        searched: 0.25, error: 0.125))
            }
        }
        report.candidates = names.map {
            .init(
                name: $0, scored: 100, divergence: 0.0625, divergenceError: 0.001, sameTop: 0.9, ratio: 1.01,
                isWritten: $0 == names[0])
        }
        report.units = names.map { .init(tensors: names, type: $0, error: 0.5, divergence: 0.001) }
        report.notes = names
        return report
    }

    static func all(_ names: [String]) -> [(name: String, page: ReportPage)] {
        [
            ("compare", compare(names).page), ("probe", probe(names).page), ("diff", diff(names).page),
            ("inspect", inspect(names).page), ("quantize", quantize(names).page),
        ]
    }
}
