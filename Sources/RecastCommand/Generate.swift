import ArgumentParser
import Recast
import RecastInference

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continues a text with a checkpoint.",
        discussion: """
            The likeliest token is taken each time, or one is drawn with --temperature; the same seed draws the same text.
            On a terminal, control characters that the model writes are shown as \\u001b is; a file or a pipe gets its bytes.

            EXAMPLES:
              recast generate Qwen2.5-0.5B --prompt "In the beginning"
              recast generate qwen-q4_0.gguf --prompt "def main():" --max-tokens 64 --temperature 0.7 --seed 1
              recast generate qwen-q4_0.gguf --prompt "Once upon a time" --beams 4
              recast generate qwen-q4_0.gguf --prompt "1. Paris" --stop $'\\n' --repeat-penalty 1.1 --repeat-last-n 64
              recast generate Qwen2.5-0.5B-Instruct --chat "What is a prime?" --system "Answer in one sentence."
            """)

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var checkpoint: String

    @Option(help: "The text to continue.")
    var prompt: String?

    @Option(
        name: .customLong("chat"),
        help: "What a user says to the model: it goes through the chat template, and only the answer is shown.")
    var turn: String?

    @Option(help: "With --chat, what the system says first.")
    var system: String?

    @OptionGroup var chat: ChatOptions

    @OptionGroup(title: "Choice of tokens") var sampling: SamplingArguments
    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        guard (prompt == nil) != (turn == nil) else {
            throw ValidationError(
                prompt == nil
                    ? "--prompt TEXT or --chat TEXT is needed"
                    : "--prompt is a text as it is, --chat goes through the template")
        }
        let chatOptions = [("--system", system != nil), ("--chat-template", chat.chatTemplate != nil)]
        if turn == nil, let option = chatOptions.first(where: \.1)?.0 {
            throw ValidationError("\(option) is for --chat: a --prompt is taken as it is")
        }
    }

    func run() throws {
        let files = try Checkpoint(path: checkpoint)
        try files.verifyChecksums(workers: resources.jobs)
        let model = try Model(files)
        let loaded = try LoadedTokenizer(model, tokenizer)
        let (prompt, ids) = try promptTokens(loaded)
        output.notes(model.notes + (try precision.notes(on: model)), warnings: model.warnings)
        let display = output.quiet ? nil : ProgressDisplay("reading", unit: .fraction)
        let generator = try Generator(
            model.graph, files: model.sources, options: resources.passOptions(display, precision))
        display?.finish()

        let special = loaded.vocabulary.special
        let stopTokens = try model.stopTokens() + [special.eos, special.endOfTurn].compactMap(\.self)
        let settings = sampling.settings(stopTokens: stopTokens)
        var text = ModelText()
        let showsText = !output.json
        func show(_ bytes: [UInt8]) throws(RecastError) {
            if Console.outputIsTerminal {
                try Console.stream(text.append(bytes))
            } else {
                try Console.streamToFile(bytes)
            }
        }
        if showsText, turn == nil { try show(Array(prompt.utf8)) }
        let start = ContinuousClock.now
        var stop = StopWords(sampling.stop)
        var bytes: [UInt8] = []
        func take(_ piece: [UInt8]) throws(RecastError) {
            bytes += piece
            if showsText { try show(piece) }
        }
        let continuation: Generator.Continuation
        var seen = ids
        do throws(RecastError) {
            if let beams = sampling.beams {
                let found = try generator.beamSearch(
                    after: ids, settings, beams: beams, lengthPenalty: sampling.lengthPenalty ?? 1,
                    isCancelled: { Interruption.hasCome })
                continuation = found.first?.continuation ?? .init(tokens: [], reason: .maximumTokens)
                try take(loaded.tokenizer.decodedBytes(continuation.tokens, skippingSpecial: true))
            } else {
                continuation = try generator.generate(after: ids, settings) { (token) throws(RecastError) in
                    seen.append(token)
                    try take(stop.append(loaded.tokenizer.decodedBytes([token], skippingSpecial: true)))
                    return !Interruption.hasCome && !stop.isStopped
                }
                try take(stop.end())
            }
        } catch {
            guard error.code == .malformedInput else { throw error }
            // It computes no numbers, and a pass over the text can say where they end.
            let pass = try ForwardPass(
                model.graph, files: model.sources, options: resources.passOptions(nil, precision))
            throw try pass.endOfNumbers(in: seen)
        }
        let seconds = start.duration(to: .now).seconds
        if output.json {
            try Console.document([
                "model": .string(checkpoint), "prompt": .string(prompt),
                "text": .string(String(decoding: bytes, as: UTF8.self)),
                "prompt_ids": .array(ids.map { .int(Int($0)) }),
                "ids": .array(continuation.tokens.map { .int(Int($0)) }),
                "stopped_by": .string(stop.isStopped ? "stopWord" : continuation.reason.rawValue),
                "precision": precision.json, "seconds": .double(seconds),
            ])
        } else {
            try Console.result(text.end())
            let rate = Double(continuation.tokens.count) / max(seconds, 1e-9)
            output.notes(["\(continuation.tokens.count) tokens, \(Format.fixed(rate, 1)) a second"], warnings: [])
        }
        if Interruption.hasCome { throw RecastError(.interrupted, "interrupted") }
    }

    /// What the model is given, as text and as tokens.
    private func promptTokens(_ loaded: LoadedTokenizer) throws -> (text: String, ids: [Int32]) {
        guard let turn else {
            let prompt = prompt ?? ""
            return (prompt, try loaded.tokenizer.encode(prompt, addingSpecial: true))
        }
        var messages: [JSON] = [["role": "user", "content": .string(turn)]]
        if let system { messages.insert(["role": "system", "content": .string(system)], at: 0) }
        let conversation = Conversation(messages: messages)
        let text = try loaded.chat(chat).template(for: conversation).render(conversation, addingGenerationPrompt: true)
        return (text.text, try loaded.tokenizer.encode(text))
    }
}
