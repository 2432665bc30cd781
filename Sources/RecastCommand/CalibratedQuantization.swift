import Recast
import RecastInference

/// A calibration between a plan and its conversion.
struct CalibratedQuantization {
    let arguments: CalibrationArguments
    let method: CalibrationOptions.Method
    /// Where types are chosen, too.
    let budget: BudgetArguments?

    init(_ arguments: CalibrationArguments, _ method: CalibrationOptions.Method, budget: BudgetArguments? = nil) {
        self.arguments = arguments
        self.method = method
        self.budget = budget
    }

    func options(_ conversion: ConversionArguments) -> CalibrationOptions {
        var options = arguments.options(method)
        options.longestWindow = arguments.context
        options.maximumMemory = conversion.resources.maxMemory?.bytes
        return options
    }

    /// Whether the plan is known beforehand.
    var choosesTypes: Bool { budget != nil }

    /// - Parameter convert: is given the plan's options and the weights.
    func run(
        _ planning: Planning, _ model: Model, _ conversion: ConversionArguments,
        _ convert: (ConversionOptions, CalibratedWeights, QuantizationReport) throws -> Void
    ) throws {
        let output = conversion.output
        let passOptions = conversion.resources.passOptions(nil)
        // What would be refused is refused before texts are read.
        let search = try budget.map { budget in
            try Budget(
                planning, files: model.sources, budget.options(), options(conversion), passOptions: passOptions)
        }
        if let search {
            try budget!.check(conversion)
            try conversion.conversion(try search.extremes(destination: conversion.destination).smallest).check()
            output.notes(search.notes, warnings: [])
        }
        let loaded = try LoadedTokenizer(model, conversion.tokenizer)
        let (selection, heldOut, texts) = try arguments.selection(
            loaded, holdingOut: arguments.holdOut ?? (budget == nil ? 0 : BudgetArguments.heldOut))
        let kernels = try MatrixLibrary.loaded()
        output.notes(
            selection.channels.map { "calibrating on \($0.used) of \($0.total) tokens of \($0.name)" }
                + ["matrices are multiplied by OpenBLAS with its \(kernels.kernels) kernels"]
                + [kernels.hint].compactMap(\.self), warnings: [])
        let work = CalibrationWork(
            destination: conversion.destination, resumes: conversion.resume, replaces: conversion.force)
        if let search, let budget {
            return try chooseTypes(search, budget, selection.chunks, heldOut, texts, work, conversion, convert)
        }
        let display = output.quiet ? nil : ProgressDisplay("calibrating", unit: .fraction)
        defer { display?.finish() }
        let calibration = try Calibration(
            planning, files: model.sources, options(conversion),
            passOptions: conversion.resources.passOptions(display))
        output.notes(calibration.notes, warnings: calibration.warnings)
        try calibration.run(on: selection.chunks, texts, context: arguments.context, work) { outcome in
            display?.finish()
            output.notes([], warnings: outcome.report.warnings)
            try convert(planning.options, outcome.weights, QuantizationReport(calibration: outcome.report))
        }
    }

    private func chooseTypes(
        _ search: Budget, _ budget: BudgetArguments, _ chunks: [[Int32]], _ heldOut: [[Int32]],
        _ texts: [CalibrationRecord.Text], _ work: CalibrationWork, _ conversion: ConversionArguments,
        _ convert: (ConversionOptions, CalibratedWeights, QuantizationReport) throws -> Void
    ) throws {
        let output = conversion.output
        var display: ProgressDisplay?
        defer { display?.finish() }
        func show(_ stage: Budget.Stage) -> (@Sendable (Progress) -> Void)? {
            display?.finish()
            display = nil
            if output.quiet { return nil }
            let next = ProgressDisplay(stage.title, unit: .fraction)
            display = next
            return { next.show($0) }
        }
        let result = try search.run(
            on: chunks, heldOut: heldOut, texts, context: arguments.context, work, show)
        display?.finish()
        output.notes(result.notes, warnings: result.warnings + result.outcome.report.warnings)
        do {
            let report = QuantizationReport(calibration: result.outcome.report, budget: result.report)
            try budget.save(
                result.recipe, of: result.report, result.planning.options, conversion, arguments, method)
            try convert(result.planning.options, result.outcome.weights, report)
            result.discard()
        } catch let error as RecastError { throw result.ended(by: error, keeps: work.resumes) }
    }
}

/// What is told of a quantization beside its plan.
struct QuantizationReport {
    var calibration: CalibrationReport
    var budget: BudgetReport?
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
