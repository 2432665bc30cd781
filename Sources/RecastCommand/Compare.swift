import ArgumentParser
import Recast
import RecastInference

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures how far a checkpoint's predictions are from those of another.",
        discussion: """
            Both models predict the same texts: a table for each text and for all gives perplexities, the KL divergence from \
            the reference's predictions to the candidate's in nats, how often both hold the same token for the likeliest, \
            and the root mean square of the difference in the probability of the token that follows. The two may be of any \
            formats and encodings; their tokens must be the same.

            A threshold that is passed is told, and ends the command with status 1.

            EXAMPLES:
              recast compare Qwen2.5-0.5B qwen-q4_0.gguf --text book.txt
              recast compare qwen.gguf qwen-q4.gguf --text prose=book.txt --text code=program.py \\
                  --max-kld 0.02 --min-top1 0.9
              recast compare qwen.gguf qwen-q4.gguf --text wiki.test.raw --window second-half --json
            """)

    @Argument(help: "The checkpoint to compare with.")
    var reference: String

    @Argument(help: "The checkpoint that is compared with it.")
    var candidate: String

    @OptionGroup var texts: TextArguments
    @OptionGroup var windows: WindowArguments

    @Option(help: ArgumentHelp("Fail above this mean divergence, in nats.", valueName: "x"))
    var maxKld: Double?

    @Option(help: ArgumentHelp("Fail above this ratio of perplexities.", valueName: "x"))
    var maxPerplexityRatio: Double?

    @Option(
        name: .customLong("min-top1"),
        help: ArgumentHelp("Fail below this part of positions with the same likeliest token, 0 to 1.", valueName: "x"))
    var minTop1: Double?

    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        if let minTop1, !(0...1).contains(minTop1) { throw ValidationError("--min-top1 takes a number from 0 to 1") }
    }

    func run() throws {
        let models = try [reference, candidate].map { path in
            let files = try Checkpoint(path: path)
            try files.verifyChecksums(workers: resources.jobs)
            return try Model(files)
        }
        let loaded = try LoadedTokenizer(models[0], tokenizer)
        let channels = try texts.channels(loaded, windows, output)
        try checkTokens(of: models[1], channels, loaded)
        windows.warn(of: models[0])
        for (model, path) in zip(models, [reference, candidate]) {
            output.notes(model.notes.map { "\(path): \($0)" }, warnings: model.warnings.map { "\(path): \($0)" })
        }
        output.notes([try MatrixLibrary.loaded().hint].compactMap(\.self), warnings: [])

        let titles = ["reference", "candidate"]
        let displays = titles.map { output.quiet ? nil : ProgressDisplay($0, unit: .fraction) }
        defer { displays.forEach { $0?.finish() } }
        let passes = try zip(models, displays).map { model, display in
            var options = resources.passOptions(display)
            // Both models' hidden states are there at the same time.
            options.maximumMemory /= 2
            return try ForwardPass(model.graph, files: model.sources, options: options)
        }
        let result = try passes[1].divergence(from: passes[0], on: channels, windows.options(loaded))
        displays.forEach { $0?.finish() }
        try show(result)
        try check(result.total)
    }

    /// A candidate with a tokenizer of its own must make the same tokens of the texts.
    private func checkTokens(of model: Model, _ channels: [Channel], _ reference: LoadedTokenizer) throws {
        guard tokenizer.tokenizer == nil else { return }
        guard
            try model.checkpoint.vocabulary(
                directory: nil, preTokenizer: tokenizer.preTokenizer,
                size: model.graph.configuration.vocabularySize) != nil
        else { return }
        let own = try LoadedTokenizer(model, tokenizer)
        for channel in try texts.channels(by: own, like: reference, windows) {
            let other = channels.first { $0.name == channel.name }!
            guard
                let place = zip(channel.tokens, other.tokens).enumerated().first(where: { $1.0 != $1.1 })?.offset
                    ?? (channel.tokens.count == other.tokens.count
                        ? nil : min(channel.tokens.count, other.tokens.count))
            else { continue }
            throw RecastError(
                .unsupported,
                "makes other tokens of the text \(channel.name) than the reference, from token \(place) on: predictions of "
                    + "different tokens cannot be compared", trail: [candidate])
        }
        if own.bosToken != reference.bosToken {
            Console.warning("the two tokenizers differ in the token before a text; the reference's is used")
        }
    }

    // MARK: Output

    private func show(_ result: Divergence) throws(RecastError) {
        if output.json {
            return try Console.document([
                "reference": .string(reference), "candidate": .string(candidate), "context": .int(windows.context),
                "window": .string(windows.window.rawValue), "channels": .array(result.channels.map(\.json)),
                "total": result.total.json,
            ])
        }
        let scores = result.channels + (result.channels.count > 1 ? [result.total] : [])
        let rows: [(String, (Divergence.Score) -> String)] = [
            ("tokens scored", { "\($0.scored)" }),
            ("perplexity, reference", { Self.perplexity($0.reference) }),
            ("perplexity, candidate", { Self.perplexity($0.candidate) }),
            ("ratio", { Format.fixed($0.ratio, 5) }),
            (
                "KL divergence, mean",
                { score in
                    Format.fixed(score.divergence.mean, 6)
                        + (score.divergence.error.map { " ± " + Format.fixed($0, 6) } ?? "")
                }
            ),
            ("  median", { Format.fixed($0.divergence.median, 6) }),
            ("  90 %", { Format.fixed($0.divergence.p90, 6) }),
            ("  95 %", { Format.fixed($0.divergence.p95, 6) }),
            ("  99 %", { Format.fixed($0.divergence.p99, 6) }),
            ("  99.9 %", { Format.fixed($0.divergence.p999, 6) }),
            ("  maximum", { Format.fixed($0.divergence.maximum, 6) }),
            ("same top token", { Format.fixed(100 * $0.sameTop, 3) + " %" }),
            ("RMS Δp", { Format.fixed(100 * $0.rootMeanSquareDeltaP, 3) + " %" }),
        ]
        let table = [[""] + scores.map(\.name)] + rows.map { title, value in [title] + scores.map(value) }
        try Console.result(Format.table(table, rightAligned: Set(1...scores.count)))
    }

    private static func perplexity(_ likelihood: Divergence.Likelihood) -> String {
        Format.fixed(likelihood.perplexity, 4) + (likelihood.error.map { " ± " + Format.fixed($0, 4) } ?? "")
    }

    /// - Throws: `comparisonFailed` with each threshold that is passed.
    private func check(_ total: Divergence.Score) throws {
        func above(_ value: Double, _ limit: Double?) -> Bool { limit.map { !(value <= $0) } ?? false }
        let failures = [
            above(total.divergence.mean, maxKld)
                ? "the mean divergence \(Format.fixed(total.divergence.mean, 6)) is above \(maxKld!)" : nil,
            above(total.ratio, maxPerplexityRatio)
                ? "the ratio of perplexities \(Format.fixed(total.ratio, 5)) is above \(maxPerplexityRatio!)" : nil,
            above(-total.sameTop, minTop1.map { -$0 })
                ? "the likeliest token is the same at \(Format.fixed(total.sameTop, 5)) of positions, below \(minTop1!)"
                : nil,
        ].compactMap(\.self)
        if let first = failures.first {
            throw RecastError(.comparisonFailed, first, details: Array(failures.dropFirst()))
        }
    }
}

extension Divergence.Score {
    fileprivate var json: JSON {
        [
            "name": .string(name), "tokens": .int(tokens), "scored": .int(scored), "reference": reference.json,
            "candidate": candidate.json, "ratio": .double(ratio), "kld": divergence.json, "top1": .double(sameTop),
            "dp_rms": .double(rootMeanSquareDeltaP),
        ]
    }
}

extension Divergence.Likelihood {
    fileprivate var json: JSON {
        ["nll": .double(nll), "perplexity": .double(perplexity), "error": error.map(JSON.double) ?? .null]
    }
}

extension Divergence.Distribution {
    fileprivate var json: JSON {
        [
            "mean": .double(mean), "error": error.map(JSON.double) ?? .null, "median": .double(median),
            "p90": .double(p90), "p95": .double(p95), "p99": .double(p99), "p999": .double(p999),
            "max": .double(maximum),
        ]
    }
}
