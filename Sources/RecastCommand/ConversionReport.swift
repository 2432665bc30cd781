import Recast
import RecastInference

extension ConversionArguments {
    func show(
        _ report: Conversion.Report, _ plan: Plan, _ quantization: QuantizationReport?, seconds: Double
    ) throws(RecastError) {
        let rounded = zip(plan.transfers, report.tallies).filter {
            $1.roundedCount > 0 && !($0.encoding.dtype?.isQuantized ?? false)
        }
        output.notes(report.notes, warnings: report.warnings)
        let overflowing = zip(plan.transfers, report.tallies).filter { $1.overflowCount > 0 }
        for (transfer, tally) in overflowing {
            Console.warning("\(transfer.name): \(tally.overflowCount) values have become infinite")
        }
        if output.json {
            try Console.document([
                "source": .string(source), "destination": .string(destination), "format": .string(plan.format),
                "layout": .string(plan.layout), "types": plan.typesJSON, "bytes": .int(report.byteCount),
                "bits_per_weight": .double(plan.bitsPerWeight), "seconds": .double(seconds),
                "exactness": .string(report.exactness.rawValue),
                "tensors": .int(plan.transfers.count), "rounded_values": .int(report.tally.roundedCount),
                "overflowed_values": .int(report.tally.overflowCount),
                "errors": ErrorReport(plan, report).json, "calibration": quantization?.calibration.json ?? .null,
                "budget": quantization?.budget?.json ?? .null,
                "files": .strings(plan.outputs.map(\.name)), "notes": .strings(plan.notes + report.notes),
                "warnings": .strings(plan.allWarnings + report.warnings), "evidence": .array(plan.evidence.map(\.json)),
            ])
            return
        }
        let name =
            plan.form == .fileSet
            ? "\(plan.outputs[0].name) … \(plan.outputs[plan.outputs.count - 1].name)" : destination
        var text: TerminalText =
            "\(name): \(plan.summary), \(Format.bytes(report.byteCount)) in \(Format.fixed(seconds, 1)) s, "
        switch report.exactness {
        case .bit: text += "bit-exact"
        case .rounded:
            let count = rounded.reduce(0) { $0 + $1.1.roundedCount }
            text += count == 0 ? "no value needed rounding" : "\(count) values in \(rounded.count) tensors rounded"
        case .quantized:
            let count = plan.transfers.filter { $0.exactness == .quantized }.count
            text += "\(count) tensors quantized, \(Format.fixed(plan.bitsPerWeight, 2)) bits per weight"
            if let words = plan.methodWords { text += ", \(words)" }
        case .inexact: text += "inexact: the target computes something else"
        }
        let moved = plan.transfers.filter { $0.repacking != nil && $0.calibration == nil }.count
        if moved > 0 { text += ", \(moved) re-packed" }
        let errors = ErrorReport(plan, report)
        if !errors.isEmpty { text += ", \(errors.summary)" }
        try Console.result(text)
        if let quantization, !output.quiet {
            try Console.result("\n" + quantization.calibration.table)
            if let budget = quantization.budget { try Console.result("\n" + budget.tables) }
        }
        if showErrors, !errors.isEmpty { try Console.result("\n" + errors.table) }
    }

    func show(_ plan: Plan, _ conversion: Conversion) throws {
        var problem: RecastError?
        do throws(RecastError) { try conversion.check() } catch { problem = error }
        if output.json {
            try Console.document([
                "source": .string(source), "destination": .string(destination), "format": .string(plan.format),
                "layout": .string(plan.layout), "types": plan.typesJSON, "bytes": .int(plan.byteCount),
                "bits_per_weight": .double(plan.bitsPerWeight), "exactness": .string(plan.exactness.rawValue),
                "files": .array(plan.outputs.map { ["name": .string($0.name), "bytes": .int($0.byteCount)] }),
                "tensors": .array(
                    plan.transfers.map { transfer in
                        [
                            "name": .string(transfer.name), "shape": .array(transfer.source.shape.map(JSON.int)),
                            "from": .string(transfer.source.encodingName), "to": .string(transfer.encoding.name),
                            "exactness": .string(transfer.exactness.rawValue), "treatment": .string(transfer.treatment),
                            "bytes": .int(transfer.byteCount),
                            "bits_per_weight": .double(transfer.bitsPerWeight), "reason": .optional(transfer.remark),
                        ]
                    }),
                "notes": .strings(plan.notes), "warnings": .strings(plan.allWarnings),
                "problems": .strings(problem.map { [$0.description] } ?? []),
                "evidence": .array(plan.evidence.map(\.json)),
            ])
        } else {
            let rows = plan.transfers.map { transfer -> [String] in
                [
                    transfer.name, transfer.source.shape.map(String.init).joined(separator: "×"),
                    transfer.source.encodingName, "→ \(transfer.encoding.name)", "\(transfer.byteCount)",
                    Format.fixed(transfer.bitsPerWeight, 2), transfer.treatment, transfer.remark ?? "",
                ]
            }
            try Console.result(Format.table(rows, rightAligned: [4, 5]))
            try Console.result("")
            try Console.result(Format.table(plan.outputs.map { [$0.name, "\($0.byteCount)"] }, rightAligned: [1]))
            try Console.result(
                "\(plan.summary), \(plan.byteCount) bytes in \(plan.outputs.count) files, "
                    + "\(Format.fixed(plan.bitsPerWeight, 2)) bits per weight, \(plan.exactness.rawValue)")
            output.notes(plan.notes, warnings: plan.allWarnings)
            for evidence in plan.evidence where !output.quiet {
                Console.note(
                    "checked: \(evidence.question) \(evidence.answer) (\(Format.bytes(evidence.byteCount)) read)")
            }
        }
        if let problem { throw problem }
    }
}

extension Evidence {
    var json: JSON {
        ["question": .string(question), "answer": .string(answer), "bytes": .int(byteCount)]
    }
}

extension Transfer {
    fileprivate var bitsPerWeight: Double { 8 * Double(byteCount) / Double(max(1, source.elementCount)) }
}

extension Plan {
    /// How codes were chosen: no name of an encoding promises more.
    fileprivate var methodWords: String? {
        let quantized = transfers.filter { $0.exactness == .quantized }
        if let method = quantized.compactMap(\.calibration).first {
            let count = quantized.count { $0.calibration != nil }
            return "\(method) by calibration" + (count < quantized.count ? " in \(count)" : "")
        }
        // Block types of GGUF are their own method, unless they weigh columns.
        guard quantized.contains(where: { $0.encoding.dtype == nil && $0.repacking == nil }) else { return nil }
        return quantized.contains { $0.method == .search }
            ? "search, no calibration" : "round to nearest, no calibration"
    }

    /// `Hugging Face safetensors, llama layout, BF16 × 51`.
    fileprivate var summary: String {
        "\(format), \(layout), " + types.map { "\($0.name) × \($0.count)" }.joined(separator: ", ")
    }

    /// How many tensors are written in each encoding, those with the most numbers first.
    private var types: [(name: String, count: Int)] {
        var sizes: [String: (tensors: Int, elements: Int)] = [:]
        for transfer in transfers where transfer.isTensor {
            sizes[transfer.encoding.name, default: (0, 0)].tensors += 1
            sizes[transfer.encoding.name]!.elements += transfer.source.elementCount
        }
        return sizes.sorted { ($1.value.elements, $0.key) < ($0.value.elements, $1.key) }
            .map { ($0.key, $0.value.tensors) }
    }

    fileprivate var typesJSON: JSON { .object(JSON.Object(types.map { ($0.name, .int($0.count)) })) }

    /// What the target computes otherwise comes first.
    var allWarnings: [String] { inexactness.map { "inexact: \($0)" } + warnings }
}
