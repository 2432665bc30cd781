import ArgumentParser
import Recast
import RecastInference

struct Infer: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continues many prompts with a checkpoint.",
        discussion: """
            Each line of PROMPTS.jsonl is a JSON object with "prompt", a text to continue, or with "messages", a \
            conversation that goes through the model's chat template; or a string. Each line of \
            ANSWERS.jsonl is the answer to the line of the same number, with "index" from 0, the line's "id" if it has one, \
            "text", "prompt_tokens", "tokens" and "stopped_by"; or "error" with what is wrong with the line. Blank lines are \
            none. Lines are written as they are answered, in order; what an interrupted run has written is kept, and --resume \
            goes on behind it.

            --batch prompts are read together: what they begin with in common once, and each weight once for the next tokens \
            of all. --workers processes share the batches and the cores; each has the model in memory. Answers do not depend \
            on the number of workers; on the batch they may, in the last bits of sums.

            EXAMPLES:
              recast infer Qwen2.5-0.5B prompts.jsonl answers.jsonl --max-tokens 64
              recast infer Qwen2.5-0.5B-Instruct questions.jsonl answers.jsonl --chat --system "Answer in a sentence."
              recast infer qwen-q4_0.gguf prompts.jsonl answers.jsonl --workers 4 --batch 16 --stop $'\\n\\n'
              recast infer qwen-q4_0.gguf prompts.jsonl answers.jsonl --temperature 0.7 --top-p 0.9 --seed 1 --resume
            """)

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var checkpoint: String

    @Argument(help: "A file with a prompt in each line.")
    var prompts: String

    @Argument(help: "Where answers go, a line for each.")
    var answers: String

    @Option(help: ArgumentHelp("Processes, each with its own share of the cores.", valueName: "n"))
    var workers = 1

    @Option(help: ArgumentHelp("Prompts that are read together.", valueName: "n"))
    var batch = 8

    @Flag(help: "Go on behind the answers that are there.")
    var resume = false

    @Flag(help: "Replace answers that are there.")
    var force = false

    @OptionGroup(title: "Prompts") var reading: PromptOptions
    @OptionGroup(title: "Choice of tokens") var sampling: SamplingArguments
    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (1...256).contains(workers) else { throw ValidationError("--workers takes a number from 1 to 256") }
        guard (1...1024).contains(batch) else { throw ValidationError("--batch takes a number from 1 to 1024") }
        if resume, force { throw ValidationError("--resume keeps what --force replaces") }
    }

    func run() throws {
        let lines = PromptLine.lines(of: try FileSource.contents(of: prompts, limit: 1 << 32))
        guard !lines.isEmpty else { throw RecastError(.usage, "has no prompts", trail: [prompts]) }
        if let option = reading.idle(for: lines) {
            throw RecastError(
                .usage, "\(option) is for conversations, and no line is one; --chat takes prompts for what a user says",
                trail: [prompts])
        }
        let files = try Checkpoint(path: checkpoint)
        try files.verifyChecksums(workers: resources.jobs)
        let model = try Model(files)
        let loaded = try LoadedTokenizer(model, tokenizer)
        output.notes(model.notes + (try precision.notes(on: model)), warnings: model.warnings)

        let writer = try AnswerFile(
            answers, fingerprint: fingerprint(model), lines: lines,
            besides: [prompts] + model.sources.files.map(\.path), resumes: resume, replaces: force)
        let done = writer.count
        if done > 0 { output.notes(["\(done) of \(lines.count) prompts are answered"], warnings: []) }
        let batches = stride(from: 0, to: lines.count, by: batch)
            .map { Array(lines[$0..<min(lines.count, $0 + batch)]) }
            // Batches stay what they are, so that an answer is the same whether it is the first that is given or not.
            .filter { $0.last!.index >= done }
        let progress = AnswerProgress(total: lines.count, done: done, output)
        let start = ContinuousClock.now
        func take(_ found: [PromptAnswer]) throws(RecastError) {
            for answer in found where answer.index >= writer.count {
                try writer.append(answer)
                progress.add(answer)
            }
        }
        if workers == 1 || batches.count <= 1 {
            if !batches.isEmpty {
                let answerer = try PromptAnswerer(
                    model, loaded, sampling, reading, resources.passOptions(nil, precision))
                for batch in batches {
                    try Interruption.check()
                    try take(try answerer.answers(batch))
                }
            }
        } else {
            let pool = try AnswerPool(count: min(workers, batches.count), words: workerWords)
            try pool.run(batches, take)
        }
        progress.finish()
        try writer.finish()
        try show(
            progress, failures: (writer.failures + progress.failed).map { lines[$0].number },
            seconds: start.duration(to: .now).seconds)
    }

    /// What a worker is started with: this command, reading batches from a pipe.
    private var workerWords: [String] {
        let share = max(1, resources.jobs / workers)
        return ["infer-worker", checkpoint, "--jobs=\(share)"] + reading.words + sampling.words + precision.words
            + (tokenizer.tokenizer.map { ["--tokenizer=\($0)"] } ?? [])
            + (tokenizer.preTokenizer.map { ["--pre-tokenizer=\($0)"] } ?? [])
    }

    /// What answers depend on, besides the prompts.
    private func fingerprint(_ model: Model) -> String {
        var fingerprint = Fingerprint()
        fingerprint.add(filesOf: model.graph, model.sources)
        let options = reading.words + sampling.words + precision.words + ["\(batch)"]
        fingerprint.add(options.joined(separator: "|"))
        return String(fingerprint.value, radix: 16)
    }

    private func show(_ progress: AnswerProgress, failures: [Int], seconds: Double) throws(RecastError) {
        let rate = Double(progress.tokens) / max(seconds, 1e-9)
        if output.json {
            try Console.document([
                "model": .string(checkpoint), "answers": .string(answers), "prompts": .int(progress.total),
                "answered": .int(progress.answered), "failed": .int(failures.count),
                "precision": precision.json, "prompt_tokens": .int(progress.promptTokens),
                "tokens": .int(progress.tokens),
                "seconds": .double(seconds), "tokens_per_second": .double(rate),
            ])
        } else {
            try Console.result(
                "\(answers): \(progress.answered) answers, \(progress.promptTokens) tokens read and \(progress.tokens) written in \(Format.fixed(seconds, 1)) s, \(Format.fixed(rate, 1)) a second"
            )
        }
        guard !failures.isEmpty else { return }
        let places = failures.prefix(10).map(String.init).joined(separator: ", ")
        throw RecastError(
            .malformedInput,
            "\(failures.count) of \(progress.total) lines could not be answered (line \(places)\(failures.count > 10 ? ", …" : "")); \(answers) says why",
            trail: [prompts])
    }
}

/// What was done in this run.
final class AnswerProgress {
    let total: Int
    private(set) var answered = 0
    private(set) var promptTokens = 0
    private(set) var tokens = 0
    private(set) var failed: [Int] = []
    private let before: Int
    private let display: ProgressDisplay?

    init(total: Int, done: Int, _ output: OutputOptions) {
        self.total = total
        before = done
        display = output.quiet ? nil : ProgressDisplay("answering", unit: .fraction)
    }

    func add(_ answer: PromptAnswer) {
        switch answer.content {
        case .text(_, let promptTokens, let tokens, _):
            answered += 1
            self.promptTokens += promptTokens
            self.tokens += tokens
        case .failure: failed.append(answer.index)
        }
        display?.show(Progress(done: answered + failed.count, total: total - before, phase: .head))
    }

    func finish() { display?.finish() }
}
