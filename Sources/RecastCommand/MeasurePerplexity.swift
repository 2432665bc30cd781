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

            --task is for questions with several answers, a JSON object in each line, as HellaSwag, ARC and MMLU have them, or \
            with "context", "choices" and "answer": the part of the questions whose right answer is the likeliest, and the \
            likeliest for each character, with standard errors. Questions are put without examples, as \
            lm-evaluation-harness puts them.

            EXAMPLES:
              recast perplexity Qwen2.5-0.5B --text book.txt
              recast perplexity qwen-q4_0.gguf --text prose=book.txt --text code=program.py --context 1024
              recast perplexity qwen-q4_0.gguf --text wiki.test.raw --window second-half --json
              recast perplexity Qwen2.5-0.5B --text wiki.test.raw --context 1024 --stride 512
              recast perplexity Qwen2.5-0.5B --task hellaswag.jsonl --task mmlu=mmlu.jsonl
              recast perplexity Qwen2.5-0.5B-Instruct --text talks.jsonl --answers --context 4096
            """)

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var checkpoint: String

    @OptionGroup var texts: TextArguments
    @OptionGroup var windows: WindowArguments

    @Option(
        name: .customLong("task"),
        help: ArgumentHelp(
            "A file of questions with answers to choose from. May be repeated.", valueName: "[name=]file"))
    var tasks: [String] = []
    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard !tasks.isEmpty else { return }
        let idle = [
            ("--text", !texts.texts.isEmpty), ("--context", windows.givenContext != nil),
            ("--stride", windows.stride != nil), ("--window", windows.givenWindow != nil), ("--special", texts.special),
            ("--answers", windows.answers), ("--chat-template", texts.chat.chatTemplate != nil),
        ]
        if let option = idle.first(where: \.1)?.0 { throw ValidationError("\(option) is not for --task") }
    }

    func run() throws {
        if !tasks.isEmpty { return try answerTasks() }
        let files = try Checkpoint(path: checkpoint)
        try files.verifyChecksums(workers: resources.jobs)
        let model = try Model(files)
        let loaded = try LoadedTokenizer(model, tokenizer)
        let options = windows.options(loaded)
        let channels = try texts.channels(loaded, windows, output)
        windows.warn(of: model)
        output.notes(model.notes + (try precision.notes(on: model)), warnings: model.warnings)

        let display = output.quiet ? nil : ProgressDisplay("evaluating", unit: .fraction)
        let pass = try ForwardPass(
            model.graph, files: model.sources, options: resources.passOptions(display, precision))
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
                "window": .string(windows.window.rawValue), "precision": precision.json,
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
    func passOptions(_ display: ProgressDisplay?, _ precision: PrecisionOptions? = nil) -> PassOptions {
        var options = PassOptions(workers: jobs, precision: precision?.precision ?? .exact)
        if let limit = maxMemory?.bytes { options.maximumMemory = limit }
        options.progress = { display?.show($0) }
        options.isCancelled = { Interruption.hasCome }
        return options
    }
}
