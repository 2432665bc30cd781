import Foundation
import Testing

@testable import Recast

/// What tables say is what the data are, and what is drawn is as long as the numbers are large.
struct ReportNumbersTests {
    private let names = ["prose", "code"]

    @Test func compareTables() throws {
        let report = ReportPages.compare(names)
        let page = try ParsedPage(report.page).root
        let rows = try page.rows(under: "Perplexity")
        #expect(rows[0] == ["text", "reference", "±", "candidate", "±"])
        for (row, channel) in zip(rows.dropFirst(), [report.total] + report.channels) {
            #expect(row[0] == channel.name)
            let numbers = row.dropFirst().compactMap { Double($0) }
            let expected = [channel.referencePerplexity, channel.candidatePerplexity].flatMap { [$0.value, $0.error!] }
            #expect(zip(numbers, expected).allSatisfy { abs($0 / $1 - 1) < 1e-5 } && numbers.count == 4)
        }
        let histogram = try page.rows(under: "Divergence at each position").dropFirst()
        #expect(histogram.map { Double($0[0])! } == report.divergences!.edges.dropLast())
        #expect(histogram.map { Int($0[2])! } == report.divergences!.counts)
        let cosines = try page.rows(under: "Cosine by layer").dropFirst()
        #expect(cosines.count == report.layers.count)
        for (row, layer) in zip(cosines, report.layers) {
            #expect(row[0] == "\(layer.layer)" && abs(Double(row[1])! - layer.cosine) < 1e-5)
        }
        let quantiles = try page.rows(under: "Quantiles of the divergence")
        #expect(quantiles[0] == ["text", "mean", "median", "90 %", "maximum"])
        #expect(quantiles[1] == ["total", "0.0625", "0.03125", "0.125", "2"])
        let map = try page.rows(under: "Relative error of outputs")
        #expect(map[0] == ["layer"] + names)
        #expect(map[3] == ["2", "0.0625", "0.0625"])
    }

    @Test func diffTables() throws {
        let page = try ParsedPage(ReportPages.diff(names).page).root
        // Experts and towers aside, a cell is a tensor: layer 3 of the second name is (1 + 3) / 128.
        #expect(try page.rows(under: "Relative error")[4] == ["3", "0.0234375", "0.03125"])
        let worst = try page.rows(under: "Tensors that differ, the farthest first")
        #expect(worst[1][1] == "nan" && worst[1][2] == "inf")
        #expect(worst[3][0] == "model.layers.3.code.weight" && worst[3][1] == "0.03125")
        let outcomes = try page.rows(under: "Outcomes").dropFirst()
        #expect(outcomes.compactMap { Int($0[1]) }.reduce(0, +) == 14, "\(outcomes)")
    }

    @Test func inspectTables() throws {
        let report = ReportPages.inspect(names)
        let page = try ParsedPage(report.page).root
        #expect(try page.rows(under: "Bits per weight")[2] == ["1", "9", "9"])
        let bytes = try page.rows(under: "Bytes by encoding").dropFirst().compactMap { Int($0[1]) }
        #expect(bytes.reduce(0, +) == report.tensors.reduce(0) { $0 + $1.byteCount })
        #expect(try page.rows(under: "Largest tensors").count == 1 + report.tensors.count)
    }

    @Test func quantizeTables() throws {
        let page = try ParsedPage(ReportPages.quantize(names).page).root
        #expect(try page.rows(under: "Bits per weight")[1] == ["0", "4.5", "4.5"])
        #expect(try page.rows(under: "Part of rounding’s error")[1] == ["0", "0.25", "0.25"])
        #expect(try page.rows(under: "Before and after")[1] == ["prose", "0.5", "0.25", "0.125"])
    }

    @Test func probeTables() throws {
        let report = ReportPages.probe(["<s>", " a", "b"])
        let page = try ParsedPage(report.page).root
        let norms = try page.rows(under: "Norms and largest numbers").dropFirst()
        #expect(norms.map { [Double($0[1])!, Double($0[2])!] } == report.layers.map { [$0.norm, $0.maximum] })
        let lens = try page.rows(under: "Next tokens, read off each layer")
        #expect(lens[1] == ["0", "<s>50.0 %", "␣a50.0 %", "b50.0 %"])
        let attention = try page.rows(under: "Layer 2, head 3")
        #expect(attention[3] == ["2 b", "0 <s> (33.3 %)", "1 ␣a (33.3 %)", "2 b (33.3 %)"])
    }

    /// Bars are as long as their values, and one below zero goes the other way.
    @Test func lengths() throws {
        let chart = BarChart(
            title: "t", series: ["a"],
            groups: [3, 1.5, -1.5, .nan].map { .init(name: "g", bars: [.init(value: $0)]) }, groupTitle: "g")
        let rects = ParsedPage.rects(chart)
        #expect(rects.count == 4)
        #expect(abs(rects[0].width / rects[1].width - 2) < 0.01 && abs(rects[1].width - rects[2].width) < 0.01)
        #expect(abs(rects[2].x + rects[2].width - rects[0].x) < 0.02 && rects[3].width == 0)
        let stack = StackedBar(
            title: "t", parts: [.init(name: "x", amount: 3), .init(name: "y", amount: 1)], partTitle: "p",
            amountTitle: "n", format: { "\($0)" })
        #expect(ParsedPage.rects(stack).filter { $0.height > 12 }.map(\.width) == [270, 90])
    }

    @Test func histogramsAreChecked() {
        func make(_ edges: [Double], _ counts: [Int]) -> Histogram? {
            Histogram(title: "t", edges: edges, counts: counts, unit: "nats")
        }
        #expect(make([0, 1, 2], [1, 2]) != nil)
        for (edges, counts) in [
            ([], []), ([0, 1], [1, 2]), ([1, 0], [1]), ([0, .nan], [1]), ([0, 1], [-1]), ([0, 1], [0]),
        ] as [([Double], [Int])] { #expect(make(edges, counts) == nil, "\(edges)") }
    }

    @Test func attentionIsChecked() {
        func make(_ weights: [[Double]]) -> AttentionMap? {
            AttentionMap(title: "t", tokens: ["a", "b"], weights: weights)
        }
        #expect(make([[1], [0.5, 0.5]]) != nil && make([[1, 0], [0.5, 0.5]]) != nil)
        for weights in [[], [[1]], [[1], [1]], [[1, 0, 0], [1, 0]], [[], [1, 0]]] as [[[Double]]] {
            #expect(make(weights) == nil, "\(weights)")
        }
    }

    /// Ticks are round, ascending and around all values, whatever these are.
    @Test func axes() {
        let values: [[Double]] = [
            [1, 2], [0.9981, 0.9999], [-5, 5], [0, 0], [3, 3], [1e-300, 1e-299], [-1e308, 1e308], [.nan, .infinity],
            [Double.leastNonzeroMagnitude], [], [1e9, 1e9 + 1],
        ]
        for values in values {
            for scale in [Axis.Scale.linear, .log] {
                let axis = Axis(scale, over: values)
                #expect(axis.lower < axis.upper && !axis.ticks.isEmpty && axis.ticks.count < 12, "\(values)")
                #expect(zip(axis.ticks, axis.ticks.dropFirst()).allSatisfy(<), "\(values)")
                for value in values + [.nan, -.infinity] {
                    #expect((0...1).contains(axis.position(value)), "\(value) of \(values)")
                }
            }
        }
        let axis = Axis(.linear, over: [0.9981, 0.9999])
        #expect(Set(axis.ticks.map(axis.label)).count == axis.ticks.count)
        #expect(Axis(.log, over: [0.02, 30]).ticks.map { Format.precise($0) } == ["0.01", "0.1", "1", "10", "100"])
    }

    @Test(
        arguments: [
            (0, "0"), (1, "1"), (-2.5, "-2.5"), (0.1, "0.1"), (1.0 / 3, "0.333333"), (123456.789, "123457"),
            (1e-7, "1e-7"), (1.5e-7, "1.5e-7"), (2e15, "2e15"), (9.9999999, "10"), (.infinity, "inf"),
        ] as [(Double, String)])
    func precise(_ value: Double, _ text: String) { #expect(Format.precise(value) == text) }

    @Test(
        arguments: [
            ("model.layers.12.mlp.experts.7.down_proj.weight", "model.layers", 12, "mlp.experts.down_proj"),
            ("blk.3.ffn_up.weight", "blk", 3, "ffn_up"),
            ("layers.0.attentionNorm.weight", "layers", 0, "attention norm"),
            ("layers.4.query.bias", "layers", 4, "query.bias"), ("token_embd.weight", "", nil, "token_embd"),
            ("3.weight", "", nil, "weight"), ("a.99999999999999999999.b", "", nil, "a.b"), ("", "", nil, ""),
        ] as [(String, String, Int?, String)])
    func places(_ name: String, _ stem: String, _ layer: Int?, _ role: String) {
        let place = TensorPlace(name)
        #expect(place.stem == stem && place.layer == layer && place.role == role, "\(place)")
    }

    @Test func cutsAndTokens() {
        #expect(PageText.cut("short", to: 20) == "short")
        let cut = PageText.cut("model.layers.0.self_attn.q_proj.weight", to: 12)
        #expect(cut.hasPrefix("model.la") && cut.hasSuffix("weight") && PageText.width(cut) <= 12)
        #expect(PageText.width(PageText.cut(String(repeating: "漢", count: 1000), to: 12)) <= 12)
        #expect(PageText.token(" a b") == "␣a␣b" && PageText.token("") == "(empty)" && PageText.token("\n") == "\\n")
        #expect(PageText.limited(String(repeating: "x", count: 30), to: 10) == "xxxxxxxxxx… (20 more characters)")
    }
}

extension ParsedPage {
    struct Rect {
        var x, width, height: Double
    }

    static func rects(_ chart: some Chart) -> [Rect] {
        chart.drawing.compactMap { piece in
            guard case .element(.rect, let attributes, _) = piece else { return nil }
            func value(_ name: Markup.Attribute.Name) -> Double {
                attributes.first { $0.name == name }.flatMap { Double($0.value) } ?? .nan
            }
            return Rect(x: value(.x), width: value(.width), height: value(.height))
        }
    }
}
