import ArgumentParser
import Recast
import RecastInference

/// How large a file may be whose types are chosen.
struct BudgetArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Choose the type of each tensor so that the GGUF file, or the checkpoint, has at most this size, such as 1.5GB, and is "
                + "as near to the original as can be; needs --calibration, and for Hugging Face targets --encoding, among whose "
                + "widths it chooses.", valueName: "size"))
    var targetSize: ByteCount?

    @Option(
        help: ArgumentHelp("The same, for at most so many bits per weight of all tensors together.", valueName: "x"))
    var targetBitsPerWeight: Double?

    @Option(
        help: ArgumentHelp(
            "Types to choose from, such as q4_k,q6_k,q8_0 or mlx-int3,mlx-int4; by default all from IQ1_S to Q8_0, or all widths "
                + "of the format.", valueName: "types"))
    var targetTypes: String?

    @Option(
        help: ArgumentHelp(
            "How many tables of types are calibrated and measured, of which the best is written.", valueName: "n"))
    var candidates = 3

    @Option(
        help: ArgumentHelp(
            "Where the table of types is saved, to be used with --recipe; by default DESTINATION.recipe.",
            valueName: "file"))
    var saveRecipe: String?

    /// The part of the windows that candidates are judged on.
    static let heldOut = 0.125

    var isAsked: Bool { targetSize != nil || targetBitsPerWeight != nil }

    func validate() throws {
        if targetSize != nil, targetBitsPerWeight != nil {
            throw ValidationError("--target-size and --target-bits-per-weight are two limits; use one")
        }
        if let bits = targetBitsPerWeight, !(bits > 0 && bits <= 64) {
            throw ValidationError("--target-bits-per-weight takes a number above 0, and up to 64")
        }
        guard (1...3).contains(candidates) else { throw ValidationError("--candidates takes 1, 2 or 3") }
        guard !isAsked else { return }
        for (name, isGiven) in [
            ("--target-types", targetTypes != nil), ("--candidates", candidates != 3),
            ("--save-recipe", saveRecipe != nil),
        ] where isGiven {
            throw ValidationError("\(name) needs --target-size or --target-bits-per-weight")
        }
    }

    func options() throws -> Budget.Options {
        var options = Budget.Options(
            targetSize.map { .size($0.bytes) } ?? .bitsPerWeight(targetBitsPerWeight ?? 0))
        if let targetTypes {
            let types = try targetTypes.split(separator: ",").map { try WeightType(named: String($0)) }
            guard !types.isEmpty else { throw ValidationError("--target-types names no type") }
            options.types = types
        }
        options.candidateCount = candidates
        return options
    }

    /// Saves a table of types.
    func save(
        _ recipe: Recipe, of report: BudgetReport, _ options: ConversionOptions, _ conversion: ConversionArguments,
        _ calibration: CalibrationArguments, _ method: CalibrationOptions.Method
    ) throws(RecastError) {
        let chosen = report.candidates.first(where: \.isChosen)!
        let remarks = [
            "types of \(Path.name(conversion.destination)), chosen by \(chosen.name)",
            "mean KL divergence on texts held out: \(Format.fixed(chosen.score.divergence, 6))",
            "the same bytes again: recast quantize SOURCE DESTINATION --recipe THIS \(options.asked)--method \(method.rawValue) "
                + calibration.repeated(heldOut: Self.heldOut),
        ]
        _ = try saving(recipe, remarks, conversion).run()
        conversion.output.notes(
            ["the types are saved in \(recipePath(conversion)); --recipe uses them again"], warnings: [])
    }

    /// Sees whether a table could be saved, before hours of work.
    func check(_ conversion: ConversionArguments) throws(RecastError) {
        let path = recipePath(conversion)
        guard Path.trimmed(path) != Path.trimmed(conversion.destination) else {
            throw RecastError.usage("--save-recipe names the destination itself")
        }
        try saving(Recipe([]), [], conversion).check()
    }

    private func recipePath(_ conversion: ConversionArguments) -> String {
        saveRecipe ?? Path.trimmed(conversion.destination) + ".recipe"
    }

    private func saving(_ recipe: Recipe, _ remarks: [String], _ conversion: ConversionArguments) -> Conversion {
        let path = recipePath(conversion)
        var saving = Conversion(recipe.plan(destination: path, remarks: remarks), to: path)
        saving.replaces = conversion.force
        return saving
    }
}

extension Budget.Stage {
    /// For a progress display.
    var title: String {
        switch self {
        case .errors: "measuring errors of types"
        case .sensitivities: "measuring sensitivities"
        case .candidate(let number, let count): "calibrating candidate \(number) of \(count)"
        case .judging(let number, let count): "judging candidate \(number) of \(count)"
        }
    }
}

extension BudgetReport {
    /// A row for each group of tensors, and one for each candidate.
    var tables: TerminalText {
        let header = ["tensors", "type", "output error", "alone, KL"]
        let rows = units.map { unit in
            [
                unit.tensors.joined(separator: ", "), unit.type.name, Format.significant(unit.error),
                Format.significant(unit.divergence),
            ]
        }
        let candidateHeader = ["types by", "KL, held out", "±", "same top", "perplexity ratio", ""]
        let candidateRows = candidates.map { candidate in
            [
                candidate.name, Format.fixed(candidate.score.divergence, 6),
                candidate.score.error.map { Format.fixed($0, 6) } ?? "",
                Format.fixed(candidate.score.sameTop * 100, 2) + " %",
                Format.fixed(candidate.score.ratio, 5), candidate.isChosen ? "written" : "",
            ]
        }
        return Format.table([header] + rows, rightAligned: [2, 3]) + "\n"
            + Format.table([candidateHeader] + candidateRows, rightAligned: [1, 2, 3, 4])
    }

    var json: JSON {
        [
            "units": .array(
                units.map { unit in
                    [
                        "tensors": .strings(unit.tensors), "type": .string(unit.type.name),
                        "error": .double(unit.error), "kld": .double(unit.divergence),
                    ]
                }),
            "candidates": .array(
                candidates.map { candidate in
                    [
                        "types_by": .string(candidate.name), "scored": .int(candidate.score.scored),
                        "kld": .double(candidate.score.divergence),
                        "kld_error": candidate.score.error.map(JSON.double) ?? .null,
                        "top1": .double(candidate.score.sameTop), "ratio": .double(candidate.score.ratio),
                        "written": .bool(candidate.isChosen),
                    ]
                }),
        ]
    }
}

extension CalibratedQuantization {
    /// What a dry run can say before anything is measured.
    func showChoices(_ planning: Planning, _ model: Model, _ conversion: ConversionArguments) throws {
        let search = try Budget(
            planning, files: model.sources, budget!.options(), arguments.options(method),
            passOptions: conversion.resources.passOptions(nil))
        let (smallest, largest) = try search.extremes(destination: conversion.destination)
        conversion.output.notes(search.notes, warnings: smallest.allWarnings)
        if conversion.output.json {
            return try Console.document([
                "smallest_bytes": .int(smallest.byteCount), "largest_bytes": .int(largest.byteCount),
                "notes": .strings(search.notes), "warnings": .strings(smallest.allWarnings),
            ])
        }
        try Console.result(
            "types are chosen by measuring; with those there are, the file may have \(smallest.byteCount) to "
                + "\(largest.byteCount) bytes. --recipe FILE --dry-run shows a table that was saved")
    }
}

extension ConversionOptions {
    /// The options that ask for the format of a Hugging Face target, each with a space behind it.
    fileprivate var asked: String {
        guard let packing else { return "" }
        let choices = packing.choices
        var words = ["--encoding", packing.name]
        if let dtype { words += ["--dtype", dtype.name.lowercased()] }
        if let per = choices.per { words += ["--per", per.rawValue] }
        if let size = choices.groupSize { words += ["--group-size", "\(size)"] }
        if let isSymmetric = choices.isSymmetric { words.append(isSymmetric ? "--symmetric" : "--asymmetric") }
        if choices.hasActOrder { words.append("--act-order") }
        return words.map { $0 + " " }.joined()
    }
}
