import ArgumentParser
import Recast
import RecastInference

/// What every command takes that writes a checkpoint.
struct ConversionArguments: ParsableArguments {
    enum Target: String, CaseIterable, ExpressibleByArgument {
        case huggingface, gguf, megatron
        case megatronDist = "megatron-dist"
    }

    @Argument(help: "A directory (Hugging Face or Megatron), a .safetensors or .gguf file, or a file of a set.")
    var source: String

    @Argument(help: "The directory or file to write.")
    var destination: String

    @Option(
        help: ArgumentHelp(
            "huggingface, gguf, megatron (a file for each rank) or megatron-dist (whole tensors, for any layout); by default "
                + "gguf if DESTINATION ends in .gguf, else huggingface.", valueName: "format"))
    var to: Target?

    @Option(
        help: ArgumentHelp(
            "Layout of a Hugging Face target: same (the default) is the model's own, llama what most programs know.",
            valueName: "name"))
    var family: String?

    @Option(help: ArgumentHelp("Split the output into files of at most this size, such as 5GB.", valueName: "size"))
    var maxShardSize: ByteCount?

    @Option(
        help: ArgumentHelp(
            "Layers for predicting further tokens (MTP): drop (the default), or keep, in the model's own layout and in GGUF.",
            valueName: "drop|keep"))
    var mtp: ConversionOptions.FurtherLayers?

    @Flag(help: "Leave out tensors that the family does not know.")
    var allowUnknown = false

    @Flag(help: "Write although the target will compute something else, and say what.")
    var allowInexact = false

    @Flag(help: "Let values that f16 or bf16 cannot hold become infinite.")
    var allowOverflow = false

    @Flag(help: "Show what would be written, and every problem, without reading tensors.")
    var dryRun = false

    @Flag(help: "Replace an existing destination.")
    var force = false

    @Flag(help: "Keep what is done when interrupted, and complete what an earlier run has kept.")
    var resume = false

    @Flag(help: "Do not read back what was written.")
    var noVerify = false

    @Flag(help: "Compare what was only copied with its source, too.")
    var verify = false

    @Flag(name: .customLong("errors"), help: "List how far each quantized tensor is from its source.")
    var showErrors = false

    @OptionGroup(title: "Megatron sources") var megatron: MegatronSourceOptions
    @OptionGroup(title: "Megatron targets") var layout: MegatronTargetOptions
    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    private var target: Target {
        to ?? (Path.trimmed(destination).hasSuffix(".gguf") ? .gguf : .huggingface)
    }

    /// A worker holds a job of rows in the source's type, in float32 and in the target's.
    private var workers: Int {
        guard let limit = resources.maxMemory?.bytes else { return resources.jobs }
        return max(1, min(resources.jobs, limit / (32 << 20)))
    }

    func validate() throws {
        if noVerify, verify { throw ValidationError("--no-verify and --verify contradict each other; use one") }
        if noVerify, showErrors {
            throw ValidationError("--errors are measured when what was written is read back: not with --no-verify")
        }
    }

    private func options() throws -> ConversionOptions {
        var options: ConversionOptions
        if let option = layout.given.first, target == .gguf || target == .huggingface {
            throw ValidationError("\(option) is for Megatron targets: --to megatron")
        }
        switch target {
        case .megatron, .megatronDist:
            if let family, family != "same" {
                throw ValidationError(
                    "--family is for Hugging Face targets; Megatron keeps the model's own architecture")
            }
            options = ConversionOptions(
                target: .megatron(try layout.target(target == .megatron ? .ranks : .distributed)))
        case .gguf:
            if let family, family != "same" {
                throw ValidationError("--family is for Hugging Face targets; GGUF keeps the model's own architecture")
            }
            options = ConversionOptions(target: .gguf)
        case .huggingface:
            options = ConversionOptions(target: .huggingFace(family: family == "same" ? nil : family))
            if family == nil { options.defaults.append("the layout is the model's own; --family names another") }
        }
        if to == nil, target == .huggingface {
            options.defaults.append(
                "the target is Hugging Face, as DESTINATION does not end in .gguf; --to names another")
        }
        if maxShardSize != nil, target == .megatron || target == .megatronDist {
            throw ValidationError("--max-shard-size is not for Megatron targets, whose files are those of ranks")
        }
        options.maximumShardSize = maxShardSize?.bytes
        options.tokenizer = tokenizer.tokenizer
        options.preTokenizer = tokenizer.preTokenizer
        options.allowsUnknown = allowUnknown
        options.allowsInexact = allowInexact
        options.furtherLayers = mtp
        options.huggingFaceConfiguration = megatron.hfConfig
        options.vocabularySize = megatron.vocabSize
        options.allowsRankMismatch = megatron.allowRankMismatch
        options.workers = workers
        return options
    }

    /// Plans and converts, or with `--dry-run` shows the plan.
    ///
    /// - Parameters:
    ///   - title: what is being done, for the progress display.
    ///   - refine: sets the options that only the command knows.
    ///   - reporting: where a page is asked for.
    func convert(
        title: String, refine: (inout ConversionOptions) throws -> Void,
        with calibration: CalibratedQuantization? = nil, reporting: ReportOptions? = nil
    ) throws {
        let start = ContinuousClock.now
        let checkpoint = try Checkpoint(path: source)
        if let reporting { try check(reporting, checkpoint) }
        var options = try options()
        try refine(&options)
        options.isCalibrated = calibration != nil
        guard let calibration else {
            let plan = try Planning(checkpoint, options).plan(destination: destination)
            return try run(plan, title: title, reporting: reporting, since: start)
        }
        let model = try Planning(checkpoint, options).model()
        if calibration.choosesTypes {
            if dryRun { return try calibration.showChoices(Planning(model, options), model, self) }
        } else {
            let plan = try Planning(model, options).plan(destination: destination)
            if dryRun { return try show(plan, conversion(plan)) }
            // What would be refused in the end is refused before hours of work.
            try conversion(plan).check()
        }
        try calibration.run(Planning(model, options), model, self) { (options, weights, report) in
            var options = options
            options.calibrated = weights
            try run(
                try Planning(model, options).plan(destination: destination), title: title, report,
                reporting: reporting, since: start)
        }
    }

    func conversion(_ plan: Plan) -> Conversion {
        var conversion = Conversion(plan, to: destination)
        conversion.replaces = force
        conversion.resumes = resume
        conversion.allowsOverflow = allowOverflow
        conversion.verification = noVerify ? .none : verify ? .everything : .computed
        conversion.workers = workers
        return conversion
    }

    private func run(
        _ plan: Plan, title: String, _ quantization: QuantizationReport? = nil, reporting: ReportOptions?,
        since start: ContinuousClock.Instant
    ) throws {
        let conversion = conversion(plan)
        if dryRun {
            try show(plan, conversion)
            return
        }
        output.notes(plan.notes, warnings: plan.allWarnings)
        let display = output.quiet ? nil : ProgressDisplay(title)
        defer { display?.finish() }
        let report = try conversion.run { display?.show($0) }
        display?.finish()
        let seconds = start.duration(to: .now).seconds
        guard let reporting else { return try show(report, plan, quantization, seconds: seconds) }
        try reporting.showing(output, replaces: force, of: plan.sources) {
            page(report, plan, quantization)
        } _: {
            try show(report, plan, quantization, seconds: seconds)
        }
    }

    /// A page has a place of its own, beside the destination.
    private func check(_ reporting: ReportOptions, _ checkpoint: Checkpoint) throws {
        guard let report = reporting.report else { return }
        let (page, destination) = (Path.trimmed(report), Path.trimmed(destination))
        guard page != destination, !page.hasPrefix(destination + "/") else {
            throw RecastError.usage("--report names the destination itself, or a file in it")
        }
        try reporting.check(replaces: force, besides: checkpoint.files)
    }
}

extension ConversionOptions.FurtherLayers: ExpressibleByArgument {}
