import ArgumentParser
import Recast

struct Unpack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restores what was packed, byte for byte.",
        discussion: """
            Every frame is checked against its CRC-32 before it is written, and the destination appears when all of it
            is there. A file that was packed by itself becomes a file again, all else a directory.

            EXAMPLES:
              recast unpack Qwen2.5-0.5B.packed Qwen2.5-0.5B
              recast unpack qwen-bf16.packed qwen-bf16.gguf --force
            """)

    @Argument(help: "A file written by pack.")
    var archive: String

    @Argument(help: "The file or directory to write.")
    var destination: String

    @Flag(help: "Replace an existing destination.")
    var force = false

    @Flag(help: "Keep what is done when interrupted, and complete what an earlier run has kept.")
    var resume = false

    @Option(help: ArgumentHelp("Workers to use; all processors by default.", valueName: "n"))
    var jobs: Int = ResourceOptions.processors

    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws { try ResourceOptions.check(jobs: jobs) }

    func run() throws {
        let packed = try Archive(path: archive)
        var conversion = try Extraction(packed, to: destination).conversion
        conversion.replaces = force
        conversion.resumes = resume
        conversion.workers = jobs
        let display = output.quiet ? nil : ProgressDisplay("unpacking")
        let start = ContinuousClock.now
        defer { display?.finish() }
        let report = try conversion.run { display?.show($0) }
        display?.finish()
        let seconds = start.duration(to: .now).seconds
        output.notes(report.notes, warnings: report.warnings)
        if output.json {
            try Console.document([
                "source": .string(archive), "destination": .string(destination), "bytes": .int(report.byteCount),
                "packed_bytes": .int(packed.byteCount), "seconds": .double(seconds), "files": .strings(packed.names),
                "notes": .strings(report.notes), "warnings": .strings(report.warnings),
            ])
        } else {
            let files = packed.names.count == 1 ? "" : "\(packed.names.count) files, "
            try Console.result(
                "\(destination): \(files)\(Format.bytes(report.byteCount)) in \(Format.fixed(seconds, 1)) s, "
                    + "every checksum right")
        }
    }
}
