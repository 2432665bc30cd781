import ArgumentParser
import Recast
import RecastInference

struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the token ids of texts.",
        discussion: """
            One line of ids for each file. Special tokens that a text spells out are text like any other, unless --special
            is given; BOS and EOS are added with --special where the tokenizer wants them.

            EXAMPLES:
              recast tokenize Qwen2.5-0.5B book.txt
              recast tokenize vocabulary.gguf a.txt b.txt --special --json
            """)

    @Argument(help: "A checkpoint, or a directory with the files of a tokenizer.")
    var tokenizer: String

    @Argument(help: "Files with text.")
    var texts: [String]

    @Flag(help: "Find special tokens in the texts, and add those that the tokenizer adds.")
    var special = false

    @Option(help: ArgumentHelp("The pre-tokenizer's name in GGUF, where it is not recognised.", valueName: "name"))
    var preTokenizer: String?

    @OptionGroup(title: "Output") var output: OutputOptions

    func run() throws {
        guard let found = try vocabulary() else {
            throw RecastError(.inputMissing, "has no tokenizer", trail: [tokenizer])
        }
        found.remarks.forEach(Console.warning)
        let tokenizer = try Tokenizer(found)
        var results: [JSON] = []
        for path in texts {
            guard let text = String(validating: try FileSource.contents(of: path), as: UTF8.self) else {
                throw RecastError.malformed(path, "is not UTF-8")
            }
            output.notes(SpecialTokensNote.notes(tokenizer, text, of: path, areParsed: special), warnings: [])
            let ids = try step(path) { () throws(RecastError) in
                try tokenizer.encode(text, parsingSpecial: special, addingSpecial: special)
            }
            if output.json {
                results.append(["text": .string(path), "ids": .array(ids.map { .int(Int($0)) })])
            } else {
                try Console.result("\(ids.map(String.init).joined(separator: " "))")
            }
        }
        if output.json { try Console.document(["tokenizer": .string(self.tokenizer), "texts": .array(results)]) }
    }

    private func vocabulary() throws -> Vocabulary? {
        let checkpoint: Checkpoint
        do throws(RecastError) { checkpoint = try Checkpoint(path: tokenizer) } catch {
            // No checkpoint that is read; the tokenizer's files alone will do.
            guard error.code == .inputMissing || error.code == .unsupported,
                let place = try Places.standard.found(at: tokenizer),
                let found = try Checkpoint.vocabulary(in: Folder(place), preTokenizer: preTokenizer)
            else { throw error }
            return found
        }
        return try checkpoint.vocabulary(preTokenizer: preTokenizer, size: nil)
    }
}
