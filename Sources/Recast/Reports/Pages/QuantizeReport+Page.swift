extension QuantizeReport {
    private var measured: [(name: String, value: Double)] {
        tensors.compactMap { tensor in tensor.error.map { (tensor.name, $0.relative) } }
    }

    public var page: ReportPage {
        let elements = tensors.reduce(0.0) { $0 + Double($1.elementCount) }
        let bytes = tensors.reduce(0.0) { $0 + Double($1.byteCount) }
        let bits = 8 * bytes / max(1, elements)
        let moved = tensors.count { $0.from != $0.to }
        var facts = [
            ReportPage.Fact("format", layout.isEmpty ? format : "\(format), \(layout)"),
            .init("numbers", exactness), .init("bytes", Format.bytes(byteCount)),
            .init("bits per weight", Format.fixed(bits, 2)),
            .init("tensors of other types", "\(moved) of \(tensors.count)"),
        ]
        if let worst = measured.min(by: TensorCharts.isWorse) {
            facts.append(.init("largest relative error", Format.significant(worst.value)))
        }
        return ReportPage(
            title: "\(Path.name(source)) quantized",
            subjects: [.init("from", source), .init("to", destination)],
            verdict: .init(
                outcome: isVerified ? .passed : .neutral,
                headline: (isVerified ? "Written and read back: " : "Written, and not read back: ")
                    + "\(Format.fixed(bits, 2)) bits per weight, \(Format.bytes(byteCount))",
                reasons: reasons + warnings), facts: facts,
            sections: [
                .init("Predictions", budgetBlocks),
                .init("Errors of outputs", calibrationBlocks),
                .init("Errors of weights", errorBlocks),
                .init(
                    "Bits",
                    [
                        TensorCharts.bits(
                            tensors.filter(\.isMatrix).map { ($0.name, $0.bits) },
                            vectors: tensors.count { !$0.isMatrix }),
                        .chart(TensorCharts.bytes(byType: sizes)), .chart(TensorCharts.bytes(byRole: sizes)),
                    ]),
                .init("Tensors", [.table(title: "All tensors", explanation: "", list)]),
                .init("Remarks", [notes.isEmpty ? nil : .notes(title: "Notes", notes)]),
            ], json: "--json, and for the types of all tensors of --dry-run --json", origin: origin)
    }

    private var reasons: [String] {
        var reasons: [String] = []
        if let chosen = candidates.first(where: \.isWritten) {
            reasons.append(
                "On texts held out, predictions are \(Format.significant(chosen.divergence)) nats from the original's, and "
                    + "the likeliest token is the same at \(Format.percent(chosen.sameTop)) of positions.")
        }
        if !calibrated.isEmpty {
            let better = calibrated.count { $0.error < $0.rounded }
            reasons.append(
                "Calibration made the output of \(better) of \(calibrated.count) weights nearer to the original than rounding."
            )
        }
        if let worst = measured.filter({ $0.value != 0 }).min(by: TensorCharts.isWorse) {
            reasons.append(
                "The farthest weight is \(worst.name), with a relative error of \(Format.significant(worst.value)).")
        }
        return reasons
    }

    private var sizes: [TensorCharts.Size] {
        tensors.map { TensorCharts.Size(name: $0.name, type: $0.to, byteCount: $0.byteCount) }
    }

    // MARK: Errors

    private var errorBlocks: [ReportPage.Block?] {
        guard !measured.isEmpty else {
            let isMissing = tensors.contains { $0.from != $0.to } && calibrated.isEmpty
            return isMissing && !isVerified
                ? [.notes(title: "Not measured", ["Errors are measured when what was written is read back."])] : []
        }
        return TensorCharts.errors(
            "Relative error",
            "The norm of the differences over the norm of the source. The stronger the shade, the farther.", measured)
    }

    private var list: DataTable {
        DataTable(
            [
                .code("tensor"), .text("to"), .number("bits per weight"), .number("relative error"), .number("rms"),
                .number("greatest"), .number("bytes"), .text("from"), .text("how"),
            ], tensors
        ) { tensor in
            [tensor.name, tensor.to, Format.precise(tensor.bits)]
                + [tensor.error?.relative, tensor.error?.rootMeanSquare, tensor.error?.maximum].map {
                    $0.map(Format.precise) ?? "–"
                } + ["\(tensor.byteCount)", tensor.from, tensor.treatment]
        }
    }

    // MARK: Calibration

    private var calibrationBlocks: [ReportPage.Block?] {
        guard !calibrated.isEmpty else { return [] }
        let map = TensorGrid(
            title: "Output error",
            explanation: "Of what is written, as a part of the output's mean square on the texts of the calibration.",
            calibrated.map { ($0.name, $0.error) })
        let gain = TensorGrid(
            title: "Part of rounding’s error",
            explanation: "What calibration leaves of the error of rounding to nearest: 1 is no gain, less is better.",
            calibrated.filter { $0.rounded > 0 }.map { ($0.name, $0.error / $0.rounded) }, scale: .linear)
        return [
            roleChart.map { .chart($0) }, map.map { .chart($0.map) }, gain.map { .chart($0.map) },
            .table(
                title: "Calibrated weights",
                explanation: "Output errors of rounding, of a search by importance, and of what is written.",
                DataTable(
                    [
                        .code("weight"), .text("encoding"), .number("tokens"), .number("damping"), .number("round"),
                        .number("search"), .number("written"),
                    ], calibrated
                ) { weight in
                    [
                        weight.name, weight.encoding, "\(weight.tokens)", Format.precise(weight.damping),
                        Format.precise(weight.rounded), Format.precise(weight.searched), Format.precise(weight.error),
                    ]
                }),
        ]
    }

    /// Means over the layers.
    private var roleChart: BarChart? {
        var roles: [String: (count: Double, sums: [Double])] = [:]
        var order: [String] = []
        for weight in calibrated {
            let role = TensorPlace(weight.name).role
            if roles[role] == nil { order.append(role) }
            var sums = roles[role]?.sums ?? [0, 0, 0]
            for (index, value) in [weight.rounded, weight.searched, weight.error].enumerated() { sums[index] += value }
            roles[role] = ((roles[role]?.count ?? 0) + 1, sums)
        }
        guard !order.isEmpty else { return nil }
        return BarChart(
            title: "Before and after", explanation: "Output errors of each role, the mean of its weights.",
            series: ["round to nearest", "search by importance", "written"],
            groups: order.map { role in
                .init(name: role, bars: roles[role]!.sums.map { .init(value: $0 / roles[role]!.count) })
            }, groupTitle: "role")
    }

    // MARK: Budget

    private var budgetBlocks: [ReportPage.Block?] {
        guard !candidates.isEmpty else { return [] }
        return [
            .chart(
                BarChart(
                    title: "Candidates on texts held out",
                    explanation:
                        "Mean KL divergence from the original’s predictions, in nats, with its standard error.",
                    series: ["KL divergence"],
                    groups: candidates.map {
                        .init(
                            name: $0.name + ($0.isWritten ? " (written)" : ""),
                            bars: [.init(value: $0.divergence, error: $0.divergenceError)])
                    }, groupTitle: "types by")),
            .table(
                title: "Candidates", explanation: "",
                DataTable(
                    [
                        .text("types by"), .number("positions"), .number("KL, nats"), .number("±"), .number("same top"),
                        .number("perplexity ratio"), .text(""),
                    ], candidates
                ) { candidate in
                    [
                        candidate.name, "\(candidate.scored)", Format.precise(candidate.divergence),
                        candidate.divergenceError.map(Format.precise) ?? "–", Format.percent(candidate.sameTop),
                        Format.precise(candidate.ratio), candidate.isWritten ? "written" : "",
                    ]
                }),
            units.isEmpty
                ? nil
                : .table(
                    title: "Types that were chosen",
                    explanation:
                        "Tensors that share a type, the error of their outputs, and what they alone do to the predictions.",
                    DataTable(
                        [.code("tensors"), .text("type"), .number("output error"), .number("alone, KL in nats")], units
                    ) { unit in
                        [
                            unit.tensors.joined(separator: ", "), unit.type, Format.precise(unit.error),
                            Format.precise(unit.divergence),
                        ]
                    }),
        ]
    }
}
