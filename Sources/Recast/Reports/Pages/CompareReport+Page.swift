extension CompareReport {
    public var page: ReportPage {
        let failed = thresholds.filter { !$0.isPassed }
        let headline =
            thresholds.isEmpty
            ? "Mean divergence \(Format.significant(total.divergence.value)) nats, perplexity × \(Format.fixed(total.ratio, 4))"
            : failed.isEmpty
                ? "Passed: \(thresholds.count == 1 ? "the threshold is" : "all \(thresholds.count) thresholds are") kept"
                : "Failed: \(failed.count) of \(thresholds.count) thresholds \(failed.count == 1 ? "is" : "are") not kept"
        return ReportPage(
            title: "\(Path.name(candidate)) beside \(Path.name(reference))",
            subjects: [.init("reference", reference), .init("candidate", candidate)],
            verdict: .init(
                outcome: thresholds.isEmpty ? .neutral : failed.isEmpty ? .passed : .failed, headline: headline,
                reasons: (failed + thresholds.filter(\.isPassed)).map(\.sentence) + warnings), facts: facts,
            sections: [
                .init("Perplexity", [.chart(perplexities), .chart(changes)]),
                .init("Divergence", divergenceBlocks),
                .init("By layer", layerBlocks),
                .init("By weight", linearBlocks),
                .init("Texts", [.table(title: "All numbers", explanation: "", numbers), conditionTable]),
                .init("Remarks", [notes.isEmpty ? nil : .notes(title: "Notes", notes)]),
            ], origin: origin)
    }

    private var facts: [ReportPage.Fact] {
        [
            .init("tokens scored", "\(total.scored)"),
            .init("perplexity, reference", Self.text(total.referencePerplexity)),
            .init("perplexity, candidate", Self.text(total.candidatePerplexity)),
            .init("ratio", Format.fixed(total.ratio, 5)), .init("KL divergence, nats", Self.text(total.divergence)),
            .init("same likeliest token", Format.fixed(100 * total.sameTop, 2) + " %"),
            .init("RMS Δp", Format.fixed(100 * total.rootMeanSquareDeltaP, 3) + " %"),
        ]
    }

    /// As many digits as the error has two of.
    private static func text(_ estimate: Estimate) -> String {
        guard let error = estimate.error, error > 0, error.isFinite, estimate.value.isFinite else {
            return Format.precise(estimate.value)
        }
        var digits = 1
        var scaled = error
        while scaled < 1, digits < 12 { (scaled, digits) = (scaled * 10, digits + 1) }
        return "\(Format.fixed(estimate.value, digits)) ± \(Format.fixed(error, digits))"
    }

    private var all: [Channel] { channels.count == 1 ? channels : [total] + channels }

    // MARK: Perplexity

    private var perplexities: BarChart {
        BarChart(
            title: "Perplexity", explanation: "Of each text, with its standard error.",
            series: ["reference", "candidate"],
            groups: all.map { channel in
                .init(
                    name: channel.name,
                    bars: [channel.referencePerplexity, channel.candidatePerplexity].map {
                        .init(value: $0.value, error: $0.error)
                    })
            }, groupTitle: "text", format: { Format.fixed($0, $0 < 1000 ? 2 : 0) })
    }

    private var changes: BarChart {
        BarChart(
            title: "Change of perplexity", explanation: "From the reference to the candidate, in percent.",
            series: ["change, %"],
            groups: all.map { .init(name: $0.name, bars: [.init(value: 100 * ($0.ratio - 1))]) }, groupTitle: "text",
            format: { ($0 > 0 ? "+" : "") + Format.significant($0) + " %" }, firstColour: 1)
    }

    // MARK: Divergence

    private var divergenceBlocks: [ReportPage.Block?] {
        [
            histogram,
            .chart(
                BarChart(
                    title: "Mean divergence",
                    explanation: "KL(reference ‖ candidate) in nats, with its standard error.",
                    series: ["KL divergence"],
                    groups: all.map {
                        .init(name: $0.name, bars: [.init(value: $0.divergence.value, error: $0.divergence.error)])
                    }, groupTitle: "text", firstColour: 2)),
            quantileTable,
        ]
    }

    private var histogram: ReportPage.Block? {
        guard let divergences else { return nil }
        return Histogram(
            title: "Divergence at each position",
            explanation: "How many positions diverge by how much; lines mark quantiles.",
            edges: divergences.edges, counts: divergences.counts, unit: "nats",
            marks: total.quantiles.filter { [0.5, 0.9, 0.99, 0.999].contains($0.part) }.map {
                (Self.name(ofPart: $0.part), $0.value)
            }
        ).map { .chart($0) }
    }

    private static func name(ofPart part: Double) -> String {
        part == 0.5 ? "median" : part >= 1 ? "maximum" : Format.trimmed(100 * part, 2) + " %"
    }

    private var quantileTable: ReportPage.Block? {
        let parts = total.quantiles.map(\.part)
        guard !parts.isEmpty else { return nil }
        return .table(
            title: "Quantiles of the divergence", explanation: "In nats: so many of the positions lie below.",
            DataTable([.text("text"), .number("mean")] + parts.map { .number(Self.name(ofPart: $0)) }, all) { channel in
                [channel.name, Format.precise(channel.divergence.value)]
                    + parts.map { part in
                        channel.quantiles.first { $0.part == part }.map { Format.precise($0.value) } ?? "–"
                    }
            })
    }

    // MARK: Layers

    private var layerBlocks: [ReportPage.Block?] {
        guard !layers.isEmpty else { return [] }
        let sorted = layers.sorted { $0.layer < $1.layer }
        let limit = minimumCosine.map { (name: "at least", value: $0) }
        return [
            .chart(
                LineChart(
                    title: "Cosine by layer",
                    explanation: "Between the hidden states of both models behind each layer: 1 is the same direction.",
                    series: [.init(name: "cosine", values: sorted.map(\.cosine))], places: sorted.map(\.layer),
                    limit: limit)),
            .chart(
                LineChart(
                    title: "Relative error by layer",
                    explanation: "The norm of the difference of the hidden states over the norm of the reference’s.",
                    series: [.init(name: "relative error", values: sorted.map(\.relativeError))],
                    places: sorted.map(\.layer), scale: .log, firstColour: 1)),
        ]
    }

    private var linearBlocks: [ReportPage.Block?] {
        guard !linears.isEmpty else { return [] }
        let named = linears.map { ("layers.\($0.layer).\($0.role.isEmpty ? "?" : $0.role)", $0) }
        let errors = TensorGrid(
            title: "Relative error of outputs",
            explanation: "Of each linear layer. The stronger the shade, the farther.",
            named.map { ($0.0, $0.1.relativeError) })
        let angles = TensorGrid(
            title: "1 − cosine of outputs",
            explanation: "How far the outputs turn. The stronger the shade, the farther.",
            named.map { ($0.0, max(0, 1 - $0.1.cosine)) })
        return [
            errors.map { .chart($0.map) }, angles.map { .chart($0.map) },
            .table(
                title: "Weights, the farthest first", explanation: "",
                DataTable(
                    [.code("weight"), .number("cosine"), .number("relative error")],
                    named.sorted {
                        TensorCharts.isWorse(($0.0, $0.1.relativeError), ($1.0, $1.1.relativeError))
                    }
                ) { [$0.0, Format.precise($0.1.cosine), Format.precise($0.1.relativeError)] }),
        ]
    }

    // MARK: Tables

    private var numbers: DataTable {
        DataTable(
            [
                .text("text"), .number("tokens"), .number("scored"), .number("perplexity, reference"), .number("±"),
                .number("candidate"), .number("±"), .number("ratio"), .number("KL, nats"), .number("±"),
                .number("same top token"), .number("RMS Δp"),
            ], all
        ) { channel in
            let estimates = [channel.referencePerplexity, channel.candidatePerplexity].flatMap {
                [Format.precise($0.value), $0.error.map(Format.precise) ?? "–"]
            }
            return [channel.name, "\(channel.tokens)", "\(channel.scored)"] + estimates + [
                Format.precise(channel.ratio), Format.precise(channel.divergence.value),
                channel.divergence.error.map(Format.precise) ?? "–", Format.precise(channel.sameTop),
                Format.precise(channel.rootMeanSquareDeltaP),
            ]
        }
    }

    private var conditionTable: ReportPage.Block? {
        conditions.isEmpty
            ? nil
            : .table(
                title: "How it was measured", explanation: "",
                DataTable([.text("what"), .text("value")], conditions) { [$0.name, $0.value] })
    }
}

extension CompareReport.Threshold {
    fileprivate var sentence: String {
        let relation = isMinimum ? "at least" : "at most"
        return
            "\(isPassed ? "Kept" : "Not kept"): \(name) \(relation) \(Format.precise(limit)); it is \(Format.precise(value))."
    }
}
