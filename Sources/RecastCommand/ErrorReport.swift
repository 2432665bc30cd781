import Recast

/// How far the quantized tensors of a finished conversion are from their source.
struct ErrorReport {
    private let rows: [(transfer: Transfer, error: QuantizationError, roundedScales: Int)]

    init(_ plan: Plan, _ report: Conversion.Report) {
        rows = zip(plan.transfers, report.tallies).compactMap { transfer, tally in
            // Of what was chosen beforehand the calibration has its own table.
            tally.error.count > 0 && transfer.calibration == nil
                ? (transfer, tally.error, tally.roundedScaleCount) : nil
        }
    }

    var isEmpty: Bool { rows.isEmpty }

    /// `relative error 0.0712, at most 0.0913 (blk.3.ffn_down.weight)`.
    var summary: String {
        var total = QuantizationError()
        for row in rows { total += row.error }
        let worst = rows.max { $0.error.relative < $1.error.relative }
        return "relative error \(Format.significant(total.relative))"
            + (worst.map { ", at most \(Format.significant($0.error.relative)) (\($0.transfer.name))" } ?? "")
    }

    /// A line for each tensor.
    var table: TerminalText {
        let header = ["tensor", "encoding", "how", "relative", "rms", "greatest"]
        let lines = rows.map { transfer, error, _ in
            [
                transfer.name, transfer.encoding.name, transfer.treatment, Format.significant(error.relative),
                Format.significant(error.rootMeanSquare), Format.significant(Double(error.maximum)),
            ]
        }
        return Format.table([header] + lines, rightAligned: [3, 4, 5])
    }

    var json: JSON {
        .array(
            rows.map { transfer, error, roundedScales in
                [
                    "name": .string(transfer.name), "encoding": .string(transfer.encoding.name),
                    "treatment": .string(transfer.treatment), "relative_error": .double(error.relative),
                    "rms_error": .double(error.rootMeanSquare), "maximum_error": .double(Double(error.maximum)),
                    "rounded_scales": .int(roundedScales),
                ]
            })
    }
}
