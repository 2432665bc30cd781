import ArgumentParser
import Recast
import RecastInference

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures how far a checkpoint's predictions are from those of another.",
        discussion: """
            Both models predict the same texts: a table for each text and for all gives perplexities, the KL divergence from \
            the reference's predictions to the candidate's in nats, how often both hold the same token for the likeliest, \
            and the root mean square of the difference in the probability of the token that follows; a second one the cosine \
            similarity and the relative error of the hidden states behind each layer, and with --tensors of what each weight \
            gives. The two may be of any formats and encodings; their tokens must be the same, unless with --by-text.

            --save-reference keeps the reference's predictions, so that many candidates need one pass of it: the file is \
            then given in its place. Files that llama.cpp has written with --kl-divergence-base are taken, too.

            A threshold that is passed is told, and ends the command with status 1.

            EXAMPLES:
              recast compare Qwen2.5-0.5B qwen-q4_0.gguf --text book.txt
              recast compare qwen.gguf qwen-q4.gguf --text prose=book.txt --text code=program.py \\
                  --max-kld 0.02 --min-top1 0.9
              recast compare qwen.gguf qwen-q4.gguf --text wiki.test.raw --window second-half --json
              recast compare Qwen2.5-0.5B qwen-q4_0.gguf --text book.txt --tensors --min-cosine 0.99 --report page.html
              recast compare Qwen2.5-0.5B --save-reference qwen.predictions --text book.txt
              recast compare qwen.predictions qwen-q4_0.gguf
              recast compare Llama-3.2-1B Qwen2.5-1.5B --text book.txt --by-text
            """)

    @Argument(help: "The checkpoint to compare with, or a file of predictions that were saved.")
    var reference: String

    @Argument(help: "The checkpoint that is compared with it; may be left out with --save-reference.")
    var candidate: String?

    @OptionGroup var texts: TextArguments
    @OptionGroup var windows: WindowArguments

    @Flag(help: "Compare what each weight gives, as well as each layer.")
    var tensors = false

    @Flag(help: "Compare likelihoods of the texts' bytes: for models whose tokens are not the same.")
    var byText = false

    @OptionGroup(title: "Thresholds") var thresholds: CompareThresholds

    @Option(help: ArgumentHelp("Keep the reference's predictions in this file.", valueName: "file"))
    var saveReference: String?

    @Flag(help: "Keep them as float32 numbers, instead of 16 bits.")
    var exactReference = false

    @OptionGroup(title: "Report") var report: ReportOptions

    @Flag(help: "Replace a file of --save-reference or --report that is there.")
    var force = false

    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if candidate == nil, saveReference == nil {
            throw ValidationError(
                "a candidate is needed, or --save-reference FILE, which keeps the reference's predictions")
        }
        if exactReference, saveReference == nil {
            throw ValidationError("--exact-reference is for --save-reference")
        }
        if force, saveReference == nil, report.report == nil {
            throw ValidationError("--force is for --save-reference and --report")
        }
        if candidate == nil, tensors || byText || report.report != nil || !thresholds.given.isEmpty {
            let option =
                (tensors ? ["--tensors"] : []) + (byText ? ["--by-text"] : [])
                + (report.report == nil ? [] : ["--report"]) + thresholds.given
            throw ValidationError("\(option[0]) is for a candidate")
        }
        guard byText else { return }
        if report.report != nil { throw ValidationError("--report shows divergences, which --by-text has none of") }
        if tensors { throw ValidationError("--tensors is for models with the same tokens, not for --by-text") }
        if saveReference != nil {
            throw ValidationError("--save-reference is for models with the same tokens, not for --by-text")
        }
        if let option = thresholds.given.first(where: { $0 != "--max-perplexity-ratio" }) {
            throw ValidationError("\(option) is for models with the same tokens, not for --by-text")
        }
    }

    func run() throws {
        if try SavedPredictions.recognizes(reference) { return try compareWithSaved() }
        if let saveReference { try checkReplaced(saveReference) }
        if byText { return try compareByText() }
        let models = try ([reference] + (candidate.map { [$0] } ?? [])).map(open)
        let sources = models.flatMap(\.sources.files)
        try report.check(replaces: force, besides: sources)
        let loaded = try LoadedTokenizer(models[0], tokenizer)
        let channels = try texts.channels(loaded, windows, output)
        if let candidate { try checkTokens(of: models[1], candidate, channels, loaded) }
        windows.warn(of: models[0])
        let saving = saveReference.map {
            SavedPredictionsOptions(path: $0, replaces: force, isExact: exactReference, name: reference)
        }
        let progress = JointProgress(candidate == nil ? "evaluating" : "comparing", passes: models.count, output)
        defer { progress.finish() }
        let passes = try models.enumerated().map { index, model in
            try ForwardPass(
                model.graph, files: model.sources,
                options: progress.options(index, resources, precision, share: models.count))
        }
        guard passes.count > 1 else {
            try passes[0].savePredictions(of: channels, windows.options(loaded), saving!)
            progress.finish()
            return try showSaved()
        }
        let obstacle = passes[1].obstacleToComparingLayers(with: passes[0])
        if let obstacle {
            if let option = tensors ? "--tensors" : thresholds.minCosine.map({ _ in "--min-cosine" }) {
                throw RecastError.unsupported("\(option) compares layers, but \(obstacle)")
            }
            output.notes(["layers are not compared: \(obstacle)"], warnings: [])
        }
        let result = try passes[1].divergence(
            from: passes[0], on: channels, windows.options(loaded),
            DivergenceOptions(comparesLinears: tensors, saving: saving))
        progress.finish()
        try show(
            result, context: windows.context, windows.window, sources,
            obstacle.map { ["layers are not compared: \($0)"] } ?? [],
            models.flatMap(\.warnings))
    }

    /// Prints what was found, writes its page, and holds it against the thresholds.
    private func show(
        _ result: Divergence, context: Int, _ window: WindowArguments.Windows, _ sources: [SourceFile],
        _ notes: [String], _ warnings: [String]
    ) throws {
        try report.showing(output, replaces: force, of: sources) {
            page(result, context: context, window.rawValue, notes, warnings)
        } _: {
            try show(result, context: context, window.rawValue)
        }
        try thresholds.check(result)
    }

    /// Nothing but predictions gives way to predictions, whatever --force is given with.
    private func checkReplaced(_ path: String) throws(RecastError) {
        try StagedFile.check(path, replaces: force)
        guard force, try POSIX.target(path) != nil, try !SavedPredictions.recognizes(path) else { return }
        throw RecastError(
            .destinationExists, "is no file of predictions, and is not replaced by one", trail: [path])
    }

    private func open(_ path: String) throws -> Model {
        let files = try Checkpoint(path: path)
        try files.verifyChecksums(workers: resources.jobs)
        let model = try Model(files)
        let notes = model.notes + (try precision.notes(on: model))
        output.notes(notes.map { "\(path): \($0)" }, warnings: model.warnings.map { "\(path): \($0)" })
        return model
    }

    // MARK: Saved predictions

    private func compareWithSaved() throws {
        let saved = try SavedPredictions(path: reference)
        let idle =
            (tensors ? ["--tensors"] : []) + (byText ? ["--by-text"] : [])
            + (saveReference == nil ? [] : ["--save-reference"]) + (thresholds.minCosine == nil ? [] : ["--min-cosine"])
        if let option = idle.first {
            throw RecastError.usage("\(option) needs the reference itself: \(reference) holds its predictions alone")
        }
        guard let candidate else { throw RecastError.usage("a candidate is needed") }
        let model = try open(candidate)
        try report.check(replaces: force, besides: model.sources.files)
        let loaded = try? LoadedTokenizer(model, tokenizer)
        if loaded == nil, saved.needsBOS {
            throw RecastError(
                .inputMissing,
                "has no tokenizer, which says what stands at the beginning of each window; --tokenizer DIR names one",
                trail: [candidate])
        }
        var cut = PerplexityOptions(
            context: windows.givenContext ?? saved.context, stride: windows.stride,
            scored: windows.givenWindow?.scored ?? saved.scored)
        cut.bosToken = loaded?.bosToken
        if texts.texts.isEmpty {
            let given = [
                ("--context", windows.givenContext != nil), ("--window", windows.givenWindow != nil),
                ("--stride", windows.stride != nil), ("--special", texts.special), ("--answers", windows.answers),
                ("--chat-template", texts.chat.chatTemplate != nil),
            ]
            if let option = given.first(where: \.1)?.0 {
                throw RecastError.usage("\(option) is for --text: \(reference) has its own texts")
            }
        } else {
            let loaded = try loaded ?? LoadedTokenizer(model, tokenizer)
            var windows = windows
            windows.givenWindow = saved.scored == .all ? .all : .secondHalf
            let channels = try texts.channels(loaded, windows, output)
            if let difference = try saved.difference(from: channels, cut) {
                throw RecastError(
                    .unsupported, "was made of other texts, other tokens or another context: \(difference)",
                    details: ["without --text its own are taken"], trail: [reference])
            }
        }
        if let made = saved.precision, made != precision.precision {
            let given = precision.fast ? "with --fast" : "without --fast"
            Console.warning(
                "\(reference) was made \(made == .fast ? "with" : "without") --fast, and the candidate runs \(given): what rounded activations change is part of what is found"
            )
        }
        let note = "layers are not compared: \(reference) holds predictions alone"
        output.notes([note], warnings: [])
        let progress = JointProgress("comparing", passes: 1, output)
        defer { progress.finish() }
        let pass = try ForwardPass(
            model.graph, files: model.sources, options: progress.options(0, resources, precision))
        let result = try pass.divergence(from: saved, bosToken: loaded?.bosToken)
        progress.finish()
        try show(
            result, context: saved.context, saved.scored == .all ? .all : .secondHalf, model.sources.files, [note],
            model.warnings)
    }

    private func showSaved() throws {
        let bytes = try POSIX.target(saveReference!)?.byteCount ?? 0
        if output.json {
            return try Console.document([
                "reference": .string(reference), "saved": .string(saveReference!), "bytes": .int(bytes),
                "context": .int(windows.context), "window": .string(windows.window.rawValue),
            ])
        }
        try Console.result("\(saveReference!): predictions of \(reference), \(Format.bytes(bytes))")
    }

    // MARK: Tokens

    /// A candidate with a tokenizer of its own must make the same tokens of the texts.
    private func checkTokens(
        of model: Model, _ candidate: String, _ channels: [Channel], _ reference: LoadedTokenizer
    ) throws {
        guard tokenizer.tokenizer == nil else { return }
        guard
            let vocabulary = try model.checkpoint.vocabulary(
                directory: nil, preTokenizer: tokenizer.preTokenizer,
                size: model.graph.configuration.vocabularySize)
        else { return }
        let own = try LoadedTokenizer(model, tokenizer)
        for channel in try texts.channels(by: own, like: reference, windows) {
            let other = channels.first { $0.name == channel.name }!
            guard
                let place = zip(channel.tokens, other.tokens).enumerated().first(where: { $1.0 != $1.1 })?.offset
                    ?? (channel.tokens.count == other.tokens.count
                        ? nil : min(channel.tokens.count, other.tokens.count))
            else { continue }
            let difference = reference.vocabulary.firstDifference(
                from: vocabulary, names: ("the reference", "the candidate"))
            throw RecastError(
                .unsupported,
                "makes other tokens of the text \(channel.name) than the reference, from token \(place) on: predictions of "
                    + "different tokens cannot be compared",
                details: (difference.map { ["of the vocabularies, \($0)"] } ?? [
                    "the vocabularies are the same; how a text is cut is not"
                ])
                    + ["--by-text compares how well each predicts the bytes of the texts"],
                trail: [candidate])
        }
        if own.bosToken != reference.bosToken {
            Console.warning("the two tokenizers differ in the token before a text; the reference's is used")
        }
    }

}
