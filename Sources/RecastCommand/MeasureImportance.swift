import ArgumentParser
import Recast
import RecastInference

struct MeasureImportance: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "importance",
        abstract: "Measures which columns of a checkpoint's weights matter, for llama-quantize or recast quantize.",
        discussion: """
            The model is run on the texts, and the squares of what each column of each weight is multiplied with are added \
            up: an importance matrix ("imatrix") as llama-imatrix writes it, usable by llama-quantize and by \
            recast quantize --importance. Texts are cut into chunks of --context tokens as llama-imatrix does it; what is \
            left at the end of a text is not used.

            The model may be larger than memory: each layer is read once for all texts.

            EXAMPLES:
              recast importance Qwen2.5-0.5B qwen.imatrix.gguf --text calibration.txt
              recast importance qwen.gguf qwen.imatrix.gguf --text book.txt --text code.txt --chunks 200
              recast importance qwen.gguf all.imatrix.gguf --text code.txt --merge old.imatrix.gguf
              recast importance big-00001-of-00009.gguf big.imatrix.gguf --text calibration.txt --resume
            """)

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var checkpoint: String

    @Argument(help: "The importance file to write.")
    var destination: String

    @OptionGroup var texts: TextArguments

    @Option(help: ArgumentHelp("Tokens of a chunk.", valueName: "n"))
    var context = 512

    @Option(help: ArgumentHelp("Use at most so many chunks, in the order of the texts.", valueName: "n"))
    var chunks: Int?

    @Option(
        name: .customLong("merge"),
        help: ArgumentHelp("Add what is in this importance file. May be repeated.", valueName: "file"))
    var merged: [String] = []

    @Flag(help: "Replace an existing destination, or what an interrupted run has kept.")
    var force = false

    @Flag(help: "Keep each finished layer when interrupted, and go on with what an earlier run has kept.")
    var resume = false

    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard context >= 2 else { throw ValidationError("--context takes a number from 2 on") }
        if let chunks, chunks < 1 { throw ValidationError("--chunks takes a positive number") }
    }

    func run() throws {
        let files = try Checkpoint(path: checkpoint)
        try files.verifyChecksums(workers: resources.jobs)
        let model = try Model(files)
        let loaded = try LoadedTokenizer(model, tokenizer)
        let others = try merged.map { try Importance(path: $0) }
        let documents = try texts.channels(
            loaded, try loaded.chat(texts.chat), answers: false, trimsLastLineBreak: true, output
        ).flatMap(\.documents)
        var pieces: [[Int32]] = []
        var unused = 0
        for document in documents {
            let own = ChunkedText.chunks(
                of: document.tokens, size: context, bos: document.isWhole ? nil : loaded.bosToken)
            pieces += own
            unused += own.isEmpty ? 1 : 0
        }
        if unused > 0, unused < documents.count {
            Console.warning(
                "\(unused) of \(documents.count) documents are shorter than one chunk of \(context) tokens, and are not used"
            )
        }
        if let chunks { pieces = Array(pieces.prefix(chunks)) }
        guard !pieces.isEmpty else {
            throw RecastError(
                .usage, "the texts are shorter than one chunk of \(context) tokens; --context makes it shorter")
        }
        output.notes(model.notes + [try MatrixLibrary.loaded().hint].compactMap(\.self), warnings: model.warnings)

        let display = output.quiet ? nil : ProgressDisplay("measuring", unit: .fraction)
        defer { display?.finish() }
        let measurement = try ImportanceMeasurement(model, options: resources.passOptions(display))
        let excluded = measurement.excluded
        if !excluded.isEmpty {
            Console.warning(
                "not measured, as GGUF stores something else than the model multiplies with: \(excluded.joined(separator: ", "))"
            )
        }
        // What would be refused in the end is refused before hours of work.
        var check = Conversion(try ImportanceSums.empty.plan(destination: destination), to: destination)
        check.replaces = force
        try check.check()
        let start = ContinuousClock.now
        let work = CalibrationWork(destination: destination, resumes: resume, replaces: force)
        let sums = try measurement.run(on: pieces, datasets: texts.paths, work) { (sums) throws(RecastError) in
            var sums = sums
            for other in others { try sums.merge(other) }
            var conversion = Conversion(try sums.plan(destination: destination), to: destination)
            conversion.replaces = force
            _ = try conversion.run()
            return sums
        }
        display?.finish()
        try show(sums, tokens: pieces.reduce(0) { $0 + $1.count }, seconds: start.duration(to: .now).seconds)
    }

    private func show(_ sums: ImportanceSums, tokens: Int, seconds: Double) throws(RecastError) {
        let partial = sums.entries.filter { $0.counts.contains(0) }
        if output.json {
            return try Console.document([
                "importance": .string(destination), "chunks": .int(sums.chunkCount), "context": .int(context),
                "tokens": .int(tokens), "seconds": .double(seconds),
                "weights": .array(
                    sums.entries.map { entry in
                        [
                            "name": .string(entry.name), "columns": .int(entry.sums.count / max(1, entry.counts.count)),
                            "counts": .array(entry.counts.map { .double(Double($0)) }),
                        ]
                    }),
            ])
        }
        for entry in partial {
            let unseen = entry.counts.indices.filter { entry.counts[$0] == 0 }
            Console.warning(
                "\(entry.name): \(unseen.count) of \(entry.counts.count) experts were not used by the texts "
                    + "(\(unseen.prefix(8).map(String.init).joined(separator: ", "))\(unseen.count > 8 ? ", …" : ""))")
        }
        try Console.result(
            "\(destination): importance of \(sums.entries.count) weights on \(tokens) tokens in \(sums.chunkCount) chunks, \(Format.fixed(seconds, 1)) s"
        )
    }
}
