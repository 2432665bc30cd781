import ArgumentParser
import Recast

struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares two checkpoints tensor by tensor, whatever their formats.",
        discussion: """
            Tensors are matched by their role in the model. The exit status is 0 where every number is equal, else 1.
            A bias that is missing in one and zero in the other is no difference.

            EXAMPLES:
              recast diff Qwen2.5-0.5B Qwen2.5-0.5B-llama
              recast diff Qwen2.5-0.5B qwen-q4_0.gguf
              recast diff model.gguf again.gguf --json
              recast diff Qwen2.5-0.5B qwen-q4_0.gguf --report diff.html
            """)

    @Argument(help: "The reference.")
    var a: String

    @Argument(help: "The checkpoint to compare with it.")
    var b: String

    @Flag(help: "List equal tensors too.")
    var all = false

    @OptionGroup(title: "Report") var report: ReportFileOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let sources = FilePool()
        let checkpoints = (try Checkpoint(path: a, sources: sources), try Checkpoint(path: b, sources: sources))
        try report.check(besides: sources.files)
        let display = output.quiet ? nil : ProgressDisplay("comparing", unit: .fraction)
        let difference: GraphDifference
        var (notes, warnings) = ([String](), [String]())
        if let name = checkpoints.0.unknownArchitecture, checkpoints.1.unknownArchitecture != nil {
            difference = try GraphDifference(byName: checkpoints.0, checkpoints.1) { display?.show($0) }
            notes.append("\(name) is no family that is known: tensors are compared by name")
            warnings = checkpoints.0.warnings + checkpoints.1.warnings
        } else {
            let (first, second) = (try Model(checkpoints.0), try Model(checkpoints.1))
            difference = try GraphDifference(first, second) { display?.show($0) }
            warnings = first.warnings + second.warnings
        }
        display?.finish()
        try report.showing(output, of: sources.files) {
            page(difference, notes, warnings)
        } _: {
            if output.json { try showJSON(difference) } else { try showText(difference) }
        }
        output.notes(notes, warnings: warnings)
        if !difference.isEqual { throw ExitCode(RecastError.Code.comparisonFailed.exitStatus) }
    }

    private func page(_ difference: GraphDifference, _ notes: [String], _ warnings: [String]) -> ReportPage {
        var report = DiffReport(difference, a: a, b: b)
        report.notes = notes
        report.warnings = warnings
        report.origin = ReportOptions.origin
        return report.page
    }

    private func showText(_ difference: GraphDifference) throws(RecastError) {
        var rows = [["tensor", "A", "B", "", "max |a−b|", "relative"]]
        var equal = 0
        for row in difference.rows {
            let start = [row.name, row.types.0, row.types.1]
            switch row.outcome {
            case .compared(let d) where d.isEqual:
                equal += 1
                if all { rows.append(start + [d.isIdentical ? "same bits" : "equal", "0", "0"]) }
            case .compared(let d):
                rows.append(start + ["differs", Format.short(d.maximumAbsolute), Format.short(d.relative)])
            case .zeroOrMissing:
                equal += 1
                if all { rows.append(start + ["zero or missing", "0", "0"]) }
            case .shapes(let a, let b): rows.append(start + ["shapes \(a) and \(b)"])
            case .onlyInFirst: rows.append(start + ["missing in B"])
            case .onlyInSecond: rows.append(start + ["missing in A"])
            }
        }
        for setting in difference.settings {
            try Console.result("\(setting.name): \(setting.first) and \(setting.second)")
        }
        if rows.count > 1 { try Console.result(Format.table(rows, rightAligned: [4, 5])) }
        try Console.result("\(equal) of \(difference.rows.count) tensors are equal")
    }

    private func showJSON(_ difference: GraphDifference) throws(RecastError) {
        let tensors = difference.rows.map { row -> JSON in
            var object = JSON.Object([
                ("role", .string(row.name)), ("a", .string(row.types.0)), ("b", .string(row.types.1)),
            ])
            switch row.outcome {
            case .compared(let d):
                object["status"] = .string(d.isIdentical ? "identical" : d.isEqual ? "equal" : "differs")
                object["max_abs"] = .double(d.maximumAbsolute)
                object["relative"] = .double(d.relative)
            case .zeroOrMissing: object["status"] = "zero_or_missing"
            case .shapes: object["status"] = "shapes_differ"
            case .onlyInFirst: object["status"] = "missing_in_b"
            case .onlyInSecond: object["status"] = "missing_in_a"
            }
            return .object(object)
        }
        try Console.document([
            "a": .string(a), "b": .string(b), "equal": .bool(difference.isEqual),
            "settings": .array(
                difference.settings.map {
                    ["name": .string($0.name), "a": .string($0.first), "b": .string($0.second)]
                }), "tensors": .array(tensors),
        ])
    }
}

extension Format {
    /// Three digits, in powers of ten where that is shorter.
    static func short(_ value: Double) -> String {
        guard value.isFinite, value != 0 else { return described(value) }
        var exponent = 0
        var mantissa = abs(value)
        while mantissa >= 9.995 {
            mantissa /= 10
            exponent += 1
        }
        while mantissa < 0.9995 {
            mantissa *= 10
            exponent -= 1
        }
        let sign = value < 0 ? "-" : ""
        if (-3...3).contains(exponent) { return fixed(value, 2 - min(exponent, 2)) }
        return sign + fixed(mantissa, 2) + "e\(exponent)"
    }
}
