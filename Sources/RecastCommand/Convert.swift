import ArgumentParser
import Recast

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a checkpoint in another layout, format or number type.",
        discussion: """
            The source's format is told by its content. Where nothing is said the target is GGUF if the destination ends
            in .gguf and Hugging Face otherwise, and a Hugging Face source is written in llama layout.

            EXAMPLES:
              recast convert Qwen2.5-0.5B Qwen2.5-0.5B-llama
              recast convert Qwen2.5-0.5B-llama back --family qwen2
              recast convert Qwen2.5-0.5B qwen.gguf --dtype bf16
              recast convert Qwen2.5-0.5B qwen-q4_0.gguf --encoding q4_0
              recast convert qwen.gguf Qwen2.5-0.5B-again
              recast convert big big-split --family same --max-shard-size 2GB --dry-run
            """)

    enum Target: String, CaseIterable, ExpressibleByArgument {
        case huggingface, gguf
    }

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var source: String

    @Argument(help: "The directory or file to write.")
    var destination: String

    @Option(help: "huggingface or gguf; by default gguf if DESTINATION ends in .gguf.")
    var to: Target?

    @Option(help: ArgumentHelp("Layout of a Hugging Face target; \"same\" keeps the source's.", valueName: "name"))
    var family: String?

    @Option(help: "Type of the weights.")
    var dtype: WeightType = .keep

    @Option(
        help: ArgumentHelp("Quantize on the way: q8_0, q6_k, q4_0, … as llama-quantize does.", valueName: "name"))
    var encoding: String?

    @Option(help: ArgumentHelp("Split the output into files of at most this size, such as 5GB.", valueName: "size"))
    var maxShardSize: ByteCount?

    @Flag(help: "Leave out tensors that the family does not know.")
    var allowUnknown = false

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

    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let checkpoint = try Checkpoint(path: source)
        let plan = try Planning(checkpoint, options(for: checkpoint)).plan(destination: destination)
        var conversion = Conversion(plan, to: destination)
        conversion.replaces = force
        conversion.resumes = resume
        conversion.allowsOverflow = allowOverflow
        conversion.verification = noVerify ? .none : verify ? .everything : .computed
        conversion.workers = workers
        if dryRun {
            try showPlan(plan, conversion)
            return
        }
        output.notes(plan.notes, warnings: plan.warnings)
        let display = output.quiet ? nil : ProgressDisplay("converting")
        let start = ContinuousClock.now
        defer { display?.finish() }
        let report = try conversion.run { display?.show($0) }
        display?.finish()
        show(report, plan, seconds: start.duration(to: .now).seconds)
    }

    private var target: Target {
        to ?? (Path.trimmed(destination).hasSuffix(".gguf") ? .gguf : .huggingface)
    }

    /// A worker holds a job of rows in the source's type, in float32 and in the target's.
    private var workers: Int {
        guard let limit = resources.maxMemory?.bytes else { return resources.jobs }
        return max(1, min(resources.jobs, limit / (32 << 20)))
    }

    private func options(for checkpoint: Checkpoint) throws -> ConversionOptions {
        var options: ConversionOptions
        switch target {
        case .gguf:
            if let family, family != "same" {
                throw ValidationError("--family is for Hugging Face targets; GGUF keeps the model's own architecture")
            }
            options = ConversionOptions(target: .gguf)
        case .huggingface:
            let byDefault = checkpoint.formatName == "huggingface" ? "llama" : "same"
            let chosen = family ?? byDefault
            options = ConversionOptions(target: .huggingFace(family: chosen == "same" ? nil : chosen))
        }
        options.dtype = dtype.dtype
        if target == .huggingface, let encoding { options.packing = try Packing.named(encoding) }
        if options.packing == nil { options.encoding = try encoding.map { try GGUFFileType.named($0) } }
        options.maximumShardSize = maxShardSize?.bytes
        options.tokenizer = tokenizer.tokenizer
        options.preTokenizer = tokenizer.preTokenizer
        options.allowsUnknown = allowUnknown
        return options
    }
}

// MARK: What is shown

extension Convert {
    private func show(_ report: Conversion.Report, _ plan: Plan, seconds: Double) {
        let rounded = zip(plan.transfers, report.tallies).filter {
            $1.roundedCount > 0 && !($0.encoding.dtype?.isQuantized ?? false)
        }
        let overflowing = zip(plan.transfers, report.tallies).filter { $1.overflowCount > 0 }
        for (transfer, tally) in overflowing {
            Console.warning("\(transfer.name): \(tally.overflowCount) values have become infinite")
        }
        if output.json {
            Console.result([
                "source": .string(source), "destination": .string(destination), "bytes": .int(report.byteCount),
                "seconds": .double(seconds), "exactness": .string(report.exactness.rawValue),
                "tensors": .int(plan.transfers.count), "rounded_values": .int(report.tally.roundedCount),
                "overflowed_values": .int(report.tally.overflowCount),
                "errors": ErrorReport(plan, report).json,
                "files": .strings(plan.outputs.map(\.name)), "notes": .strings(plan.notes),
                "warnings": .strings(plan.warnings), "evidence": .array(plan.evidence.map(\.json)),
            ])
            return
        }
        let name =
            plan.form == .fileSet
            ? "\(plan.outputs[0].name) … \(plan.outputs[plan.outputs.count - 1].name)" : destination
        var text = "\(name): \(Format.bytes(report.byteCount)) in \(Format.fixed(seconds, 1)) s, "
        switch report.exactness {
        case .bit: text += "bit-exact"
        case .rounded:
            let count = rounded.reduce(0) { $0 + $1.1.roundedCount }
            text += count == 0 ? "no value needed rounding" : "\(count) values in \(rounded.count) tensors rounded"
        case .quantized:
            let count = plan.transfers.filter { $0.exactness == .quantized }.count
            text += "\(count) tensors quantized"
        }
        let errors = ErrorReport(plan, report)
        if !errors.isEmpty { text += ", \(errors.summary)" }
        Console.result(text)
    }

    private func showPlan(_ plan: Plan, _ conversion: Conversion) throws {
        var problem: RecastError?
        do throws(RecastError) { try conversion.check() } catch { problem = error }
        if output.json {
            Console.result([
                "source": .string(source), "destination": .string(destination), "bytes": .int(plan.byteCount),
                "exactness": .string(plan.exactness.rawValue),
                "files": .array(plan.outputs.map { ["name": .string($0.name), "bytes": .int($0.byteCount)] }),
                "tensors": .array(
                    plan.transfers.map { transfer in
                        [
                            "name": .string(transfer.name), "shape": .array(transfer.source.shape.map(JSON.int)),
                            "from": .string(transfer.source.dtype.name), "to": .optional(transfer.encoding.dtype?.name),
                            "exactness": .string(transfer.exactness.rawValue),
                        ]
                    }),
                "notes": .strings(plan.notes), "warnings": .strings(plan.warnings),
                "problems": .strings(problem.map { [$0.description] } ?? []),
                "evidence": .array(plan.evidence.map(\.json)),
            ])
        } else {
            let rows = plan.transfers.map { transfer -> [String] in
                [
                    transfer.name, transfer.source.shape.map(String.init).joined(separator: "×"),
                    transfer.source.dtype.name, "→ \(transfer.encoding.dtype?.name ?? "")", transfer.exactness.rawValue,
                ]
            }
            Console.result(Format.table(rows))
            Console.result("")
            Console.result(Format.table(plan.outputs.map { [$0.name, "\($0.byteCount)"] }, rightAligned: [1]))
            Console.result("\(plan.byteCount) bytes in \(plan.outputs.count) files, \(plan.exactness.rawValue)")
            output.notes(plan.notes, warnings: plan.warnings)
            for evidence in plan.evidence where !output.quiet {
                Console.note("\(evidence.question) \(evidence.answer) (\(Format.bytes(evidence.byteCount)) read)")
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
