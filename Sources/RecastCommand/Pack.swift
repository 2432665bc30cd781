import ArgumentParser
import Recast

struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Packs a checkpoint without loss into one smaller file that every command reads.",
        discussion: """
            A directory is packed with all that is in it, a file by itself, a file of a set with the others. The
            exponents of BF16, F16 and F32 weights are compressed, which brings a BF16 model to about two thirds;
            tensors that gain less than 3 % stay as they are. The archive is a safetensors file, can be read in part,
            and checks every byte that is read.

            EXAMPLES:
              recast pack Qwen2.5-0.5B Qwen2.5-0.5B.packed
              recast pack qwen-bf16.gguf qwen-bf16.packed
              recast perplexity Qwen2.5-0.5B.packed --text book.txt
              recast unpack Qwen2.5-0.5B.packed Qwen2.5-0.5B-again
            """)

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var checkpoint: String

    @Argument(help: "The file to write.")
    var archive: String

    @Flag(help: "Replace an existing file.")
    var force = false

    @Flag(help: "Do not read back what was written.")
    var noVerify = false

    @Option(help: ArgumentHelp("Workers to use; all processors by default.", valueName: "n"))
    var jobs: Int = ResourceOptions.processors

    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws { try ResourceOptions.check(jobs: jobs) }

    func run() throws {
        var archiving = try Archiving(checkpoint, to: archive)
        archiving.replaces = force
        archiving.workers = jobs
        archiving.verifies = !noVerify
        output.notes(archiving.notes, warnings: [])
        let display = output.quiet ? nil : ProgressDisplay("packing")
        let check = output.quiet ? nil : ProgressDisplay("reading back")
        let start = ContinuousClock.now
        defer {
            display?.finish()
            check?.finish()
        }
        let report = try archiving.run(progress: { display?.show($0) }, verification: { check?.show($0) })
        display?.finish()
        check?.finish()
        output.notes(report.notes, warnings: report.warnings)
        try show(report, notes: archiving.notes + report.notes, seconds: start.duration(to: .now).seconds)
    }

    private func show(_ report: Archiving.Report, notes: [String], seconds: Double) throws(RecastError) {
        let ratio = Double(report.byteCount) / Double(max(1, report.originalByteCount))
        if output.json {
            try Console.document([
                "source": .string(checkpoint), "destination": .string(archive), "bytes": .int(report.byteCount),
                "original_bytes": .int(report.originalByteCount), "ratio": .double(ratio),
                "seconds": .double(seconds), "files": .int(report.fileCount), "tensors": .int(report.tensorCount),
                "raw_tensors": .int(report.rawTensorCount), "notes": .strings(notes),
                "warnings": .strings(report.warnings),
            ])
            return
        }
        let raw =
            report.rawTensorCount == 0 ? "" : ", \(report.rawTensorCount) of \(report.tensorCount) tensors as they are"
        try Console.result(
            "\(archive): \(Format.bytes(report.byteCount)) of \(Format.bytes(report.originalByteCount)), "
                + "\(Format.fixed(100 * ratio, 1)) %, in \(Format.fixed(seconds, 1)) s\(raw)")
    }
}
