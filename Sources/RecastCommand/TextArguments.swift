import ArgumentParser
import Recast
import RecastInference

/// Texts that a model is run on.
struct TextArguments: ParsableArguments {
    @Option(
        name: .customLong("text"),
        help: ArgumentHelp("A text file, which may be given a name. May be repeated.", valueName: "[name=]file"))
    var texts: [String] = []

    @Flag(help: "Find special tokens in the texts; otherwise they are text like any other.")
    var special = false

    var paths: [String] { texts.map { NamedFile($0).path } }

    func channels(_ tokenizer: Tokenizer, _ windows: WindowArguments, _ output: OutputOptions) throws -> [Channel] {
        try self.texts(tokenizer, trimsLastLineBreak: windows.window == .secondHalf, output)
    }

    /// - Parameter trimsLastLineBreak: whether a text's last line break is left out, as llama.cpp leaves it.
    func texts(_ tokenizer: Tokenizer, trimsLastLineBreak: Bool, _ output: OutputOptions) throws -> [Channel] {
        guard !texts.isEmpty else { throw RecastError.usage("at least one --text is needed") }
        return try texts.map { argument in
            let named = NamedFile(argument)
            let bytes = try FileSource.contents(of: named.path, limit: 1 << 32)
            guard var text = String(validating: bytes, as: UTF8.self) else {
                throw RecastError(.malformedInput, "is not UTF-8", trail: [named.path])
            }
            if trimsLastLineBreak, text.unicodeScalars.last == "\n" { text.unicodeScalars.removeLast() }
            output.notes(SpecialTokensNote.notes(tokenizer, text, of: named.path, areParsed: special), warnings: [])
            return Channel(name: named.name, tokens: try tokenizer.encode(text, parsingSpecial: special))
        }
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

/// `name=file`, or a file that is its own name.
struct NamedFile {
    let name: String
    let path: String
    let isNamed: Bool

    init(_ argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
        isNamed = parts.count == 2 && !parts[0].contains("/")
        path = isNamed ? parts[1] : argument
        name = isNamed ? parts[0] : Path.name(path)
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
