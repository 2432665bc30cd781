import ArgumentParser
import Recast
import RecastInference

struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Shows the token ids of texts.",
        discussion: """
            One line of ids for each file. Special tokens that a text spells out are text like any other, unless --special
            is given; BOS and EOS are added with --special where the tokenizer wants them.

            With --chat files are .jsonl with a conversation in each line ("messages", and perhaps "tools", "documents" and
            "chat_template_kwargs"), and there is a line of ids for each: those of the text that the chat template makes of
            it, which --rendered shows. Special tokens are those that the template writes.

            EXAMPLES:
              recast tokenize Qwen2.5-0.5B book.txt
              recast tokenize Qwen2.5-0.5B-Instruct talks.jsonl --chat --rendered --generation-prompt
              recast tokenize vocabulary.gguf a.txt b.txt --special --json
            """)

    @Argument(help: "A checkpoint, or a directory with the files of a tokenizer.")
    var tokenizer: String

    @Argument(help: "Files with text.")
    var texts: [String]

    @Flag(help: "Find special tokens in the texts, and add those that the tokenizer adds.")
    var special = false

    @Flag(help: "Read conversations, and put them through the chat template.")
    var chat = false

    @Flag(help: "With --chat, show the text instead of the ids.")
    var rendered = false

    @Flag(help: "With --chat, end each text where an answer begins.")
    var generationPrompt = false

    @OptionGroup var chatOptions: ChatOptions

    @Option(help: ArgumentHelp("The pre-tokenizer's name in GGUF, where it is not recognised.", valueName: "name"))
    var preTokenizer: String?

    @OptionGroup(title: "Output") var output: OutputOptions

    func validate() throws {
        let options = [
            ("--rendered", rendered), ("--generation-prompt", generationPrompt),
            ("--chat-template", chatOptions.chatTemplate != nil),
        ]
        if rendered, output.json { throw ValidationError("--json has the text of each conversation beside the ids") }
        if !chat, let option = options.first(where: \.1)?.0 {
            throw ValidationError("\(option) is for conversations: --chat reads them")
        }
    }

    func run() throws {
        guard let found = try vocabulary() else {
            throw RecastError(.inputMissing, "has no tokenizer", trail: [tokenizer])
        }
        found.remarks.forEach(Console.warning)
        let tokenizer = try Tokenizer(found)
        if chat { return try showConversations(tokenizer, chatOptions.chat(found, of: self.tokenizer)) }
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

    private func showConversations(_ tokenizer: Tokenizer, _ chat: ModelChat) throws {
        var results: [JSON] = []
        for path in texts {
            for document in try TextFile(path: path).documents(named: path) {
                guard case .conversation(let conversation) = document.content else {
                    throw RecastError(.malformedInput, "is no conversation", trail: [document.place])
                }
                let template = try chat.template(for: conversation)
                let (text, ids) = try step(document.place) { () throws(RecastError) in
                    let text = try template.render(conversation, addingGenerationPrompt: generationPrompt)
                    return (text.text, try tokenizer.encode(text, parsingAll: special))
                }
                if output.json {
                    results.append([
                        "text": .string(document.place), "rendered": .string(text),
                        "ids": .array(ids.map { .int(Int($0)) }),
                    ])
                } else if rendered, !Console.outputIsTerminal {
                    try Console.streamToFile(Array((text + "\n").utf8))
                } else if rendered {
                    try Console.result(TerminalText(escapingProse: text))
                } else {
                    try Console.result("\(ids.map(String.init).joined(separator: " "))")
                }
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
