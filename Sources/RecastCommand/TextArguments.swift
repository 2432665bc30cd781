import ArgumentParser
import Recast
import RecastInference

/// Texts that a model is run on.
struct TextArguments: ParsableArguments {
    @Option(
        name: .customLong("text"),
        help: ArgumentHelp(
            "A text file, a directory of them, or a .jsonl file whose lines have \"text\" or \"messages\", and perhaps a "
                + "\"channel\". May be given a name, and be repeated.", valueName: "[name=]file"))
    var texts: [String] = []

    @Flag(help: "Find special tokens in the texts; otherwise they are text like any other.")
    var special = false

    @OptionGroup var chat: ChatOptions

    var paths: [String] { texts.map { NamedFile($0).path } }

    /// The texts to score, as tokens; texts of one name are one channel.
    func channels(
        _ loaded: LoadedTokenizer, _ windows: WindowArguments, _ output: OutputOptions
    ) throws -> [Channel] {
        if windows.answers, windows.window == .secondHalf {
            throw ValidationError(
                "--answers scores answers from their first token on, which --window second-half leaves out")
        }
        let channels = try channels(
            loaded, try loaded.chat(chat), answers: windows.answers, trimsLastLineBreak: windows.window == .secondHalf,
            output)
        let options = windows.options(loaded)
        try options.validate()
        for channel in channels {
            let (unscored, count) = (channel.unscoredCount(options), channel.documents.count)
            if unscored > 0, unscored < count {
                Console.warning(
                    "\(unscored) of \(count) documents of \(channel.name) are left out: they are too short, or cut so that "
                        + "none of their tokens is scored")
            }
            let long = channel.documents.count { $0.isWhole && $0.tokens.count > options.context }
            if long > 0 {
                output.notes(
                    [
                        "\(long) of \(count) conversations of \(channel.name) are longer than \(options.context) tokens, "
                            + "and are cut: --context \(channel.documents.map(\.tokens.count).max() ?? 0) keeps each whole"
                    ], warnings: [])
            }
        }
        return channels
    }

    /// The same texts by another tokenizer, through the same templates; nothing is said of them again.
    func channels(
        by tokenizer: LoadedTokenizer, like loaded: LoadedTokenizer, _ windows: WindowArguments
    ) throws -> [Channel] {
        try channels(
            tokenizer, try loaded.chat(chat), answers: windows.answers,
            trimsLastLineBreak: windows.window == .secondHalf, nil)
    }

    /// - Parameters:
    ///   - trimsLastLineBreak: whether a text's last line break is left out, as llama.cpp leaves it.
    ///   - output: nil to say nothing.
    func channels(
        _ loaded: LoadedTokenizer, _ chat: ModelChat, answers: Bool, trimsLastLineBreak: Bool, _ output: OutputOptions?
    ) throws -> [Channel] {
        guard !texts.isEmpty else { throw RecastError.usage("at least one --text is needed") }
        var reader = TextReader(loaded.tokenizer, chat)
        (reader.parsesSpecialInTexts, reader.parsesSpecialInMessages) = (special, special)
        reader.takesAnswers = answers
        reader.trimsLastLineBreak = trimsLastLineBreak
        reader.countsSpecial = output?.quiet == false
        var channels: [Channel] = []
        for argument in texts {
            let (files, skipped) = try NamedFile(argument).files()
            if !skipped.isEmpty {
                let names = skipped.prefix(5).joined(separator: ", ") + (skipped.count > 5 ? ", …" : "")
                output?.notes(
                    ["\(argument): \(skipped.count) entries are no texts by their names, and are skipped: \(names)"],
                    warnings: [])
            }
            for file in files {
                for channel in try reader.channels(of: try TextFile(path: file.path), named: file.name) {
                    channels.add(channel.documents, to: channel.name)
                }
            }
        }
        if self.chat.chatTemplate != nil, reader.conversationCount == 0 {
            throw ValidationError("--chat-template is for conversations: the texts have none")
        }
        output?.notes(reader.notes, warnings: [])
        return channels
    }
}

/// What is said of special tokens that a text spells out.
enum SpecialTokensNote {
    static func notes(_ tokenizer: Tokenizer, _ text: String, of path: String, areParsed: Bool) -> [String] {
        guard let count = try? tokenizer.specialTokenCount(in: text), count > 0 else { return [] }
        return [
            "\(path) spells out special tokens, \(count) in all: they are "
                + (areParsed ? "parsed" : "text like any other; --special parses them")
        ]
    }
}

/// How texts are cut into windows, and which tokens of these are scored.
struct WindowArguments: ParsableArguments {
    enum Windows: String, CaseIterable, ExpressibleByArgument {
        case all
        case secondHalf = "second-half"

        var scored: PerplexityOptions.Scored { self == .all ? .all : .secondHalf }
    }

    @Option(name: .customLong("context"), help: ArgumentHelp("Tokens of a window; 512 by default.", valueName: "n"))
    var givenContext: Int?

    @Option(help: ArgumentHelp("Tokens from one window to the next; the context by default.", valueName: "n"))
    var stride: Int?

    @Option(
        name: .customLong("window"),
        help: "Tokens that are scored: all but each window's first, which is the default, or llama.cpp's second halves."
    )
    var givenWindow: Windows?

    var context: Int { givenContext ?? 512 }
    var window: Windows { givenWindow ?? .all }

    @Flag(help: "Score the answers of conversations, and nothing else.")
    var answers = false

    func options(_ tokenizer: LoadedTokenizer) -> PerplexityOptions {
        var options = PerplexityOptions(context: context, stride: stride)
        options.scored = window.scored
        options.bosToken = tokenizer.bosToken
        return options
    }

    func warn(of model: Model) {
        if context > model.graph.configuration.contextLength {
            Console.warning("the model was made for \(model.graph.configuration.contextLength) tokens of context")
        }
    }
}
