import ArgumentParser
import Recast
import RecastInference

struct MeasurePerplexity: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity",
        abstract: "Measures how well a checkpoint predicts texts.",
        discussion: """
            A row for each text and a total: tokens scored, negative log-likelihood, perplexity and its standard error.
            Comparable only between runs with the same texts, tokenizer, --context and --window.

            A text is a file, or a line of a .jsonl file; a line with "messages" (or "conversations") is a conversation, which
            goes through the model's chat template. Texts of one name are one channel, and each is a document by itself.
            Special tokens are those that the template writes; --special parses what messages and texts spell as well.

            EXAMPLES:
              recast perplexity Qwen2.5-0.5B --text book.txt
              recast perplexity qwen-q4_0.gguf --text prose=book.txt --text code=program.py --context 1024
              recast perplexity qwen-q4_0.gguf --text wiki.test.raw --window second-half --json
              recast perplexity Qwen2.5-0.5B-Instruct --text talks.jsonl --answers --context 4096
            """)

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var checkpoint: String

    @OptionGroup var texts: TextArguments
    @OptionGroup var windows: WindowArguments
    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        let files = try Checkpoint(path: checkpoint)
        try files.verifyChecksums(workers: resources.jobs)
        let model = try Model(files)
        let loaded = try LoadedTokenizer(model, tokenizer)
        let options = windows.options(loaded)
        let channels = try texts.channels(loaded, windows, output)
        windows.warn(of: model)
        output.notes(model.notes + [try MatrixLibrary.loaded().hint].compactMap(\.self), warnings: model.warnings)

        let display = output.quiet ? nil : ProgressDisplay("evaluating", unit: .fraction)
        let pass = try ForwardPass(
            model.graph, files: model.sources, options: resources.passOptions(display))
        defer { display?.finish() }
        let start = ContinuousClock.now
        let result = try pass.perplexity(of: channels, options)
        display?.finish()
        try show(result, seconds: start.duration(to: .now).seconds)
    }

    private func show(_ result: Perplexity, seconds: Double) throws(RecastError) {
        if output.json {
            try Console.document([
                "model": .string(checkpoint), "context": .int(windows.context),
                "window": .string(windows.window.rawValue),
                "channels": .array(result.channels.map(\.json)), "total": result.total.json,
                "seconds": .double(seconds),
            ])
            return
        }
        let rows = (result.channels + (result.channels.count > 1 ? [result.total] : [])).map { score in
            [
                score.name, "\(score.tokens)", "\(score.scored)", Format.fixed(score.nll, 2),
                Format.fixed(score.perplexity, 4), score.error.map { "± " + Format.fixed($0, 4) } ?? "",
            ]
        }
        let header = ["text", "tokens", "scored", "nll", "perplexity", ""]
        try Console.result(Format.table([header] + rows, rightAligned: [1, 2, 3, 4]))
    }
}

extension Perplexity.Score {
    fileprivate var json: JSON {
        [
            "name": .string(name), "tokens": .int(tokens), "scored": .int(scored), "nll": .double(nll),
            "perplexity": .double(perplexity), "error": error.map(JSON.double) ?? .null,
        ]
    }
}

extension ResourceOptions {
    /// Hidden states get the memory the user allows, the rest of the pass being small.
    func passOptions(_ display: ProgressDisplay?) -> PassOptions {
        var options = PassOptions(workers: jobs)
        if let limit = maxMemory?.bytes { options.maximumMemory = limit }
        options.progress = { display?.show($0) }
        options.isCancelled = { Interruption.hasCome }
        return options
    }
}
