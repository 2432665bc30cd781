import Recast
import RecastInference

/// A calibration between a plan and its conversion.
struct CalibratedQuantization {
    private let arguments: CalibrationArguments
    private let method: CalibrationOptions.Method

    init(_ arguments: CalibrationArguments, _ method: CalibrationOptions.Method) {
        self.arguments = arguments
        self.method = method
    }

    /// - Parameter convert: is given the weights.
    func run(
        _ planning: Planning, _ model: Model, _ conversion: ConversionArguments,
        _ convert: (CalibratedWeights, CalibrationReport) throws -> Void
    ) throws {
        let loaded = try LoadedTokenizer(model, conversion.tokenizer)
        let (selection, texts) = try arguments.selection(loaded)
        let output = conversion.output
        let kernels = try MatrixLibrary.loaded()
        output.notes(
            selection.channels.map { "calibrating on \($0.used) of \($0.total) tokens of \($0.name)" }
                + ["matrices are multiplied by OpenBLAS with its \(kernels.kernels) kernels"]
                + [kernels.hint].compactMap(\.self), warnings: [])
        let display = output.quiet ? nil : ProgressDisplay("calibrating", unit: .fraction)
        defer { display?.finish() }
        let calibration = try Calibration(
            planning, files: model.sources, arguments.options(method),
            passOptions: conversion.resources.passOptions(display))
        output.notes(calibration.notes, warnings: calibration.warnings)
        let work = CalibrationWork(
            destination: conversion.destination, resumes: conversion.resume, replaces: conversion.force)
        try calibration.run(on: selection.chunks, texts, context: arguments.calibrationContext, work) { outcome in
            display?.finish()
            output.notes([], warnings: outcome.report.warnings)
            try convert(outcome.weights, outcome.report)
        }
    }
}

extension CalibrationReport {
    /// A row for each weight: relative output errors of rounding, of a search, and of what is written.
    var table: TerminalText {
        let header = ["weight", "encoding", "tokens", "damping", "round", "search", "chosen"]
        let rows = weights.map { weight -> [String] in
            let errors = [weight.rounded, weight.searched, weight.error].map { Format.significant($0) }
            return ["\(weight.slot)", weight.encoding, "\(weight.tokens)", Format.significant(weight.damping)] + errors
        }
        return Format.table([header] + rows, rightAligned: [2, 3, 4, 5, 6])
    }

    var json: JSON {
        .array(
            weights.map { weight in
                [
                    "weight": .string("\(weight.slot)"), "encoding": .string(weight.encoding),
                    "tokens": .int(weight.tokens), "damping": .double(weight.damping),
                    "round_error": .double(weight.rounded), "search_error": .double(weight.searched),
                    "error": .double(weight.error), "remarks": .strings(weight.remarks),
                ]
            })
    }
}
