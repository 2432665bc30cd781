import Recast
import RecastInference

/// Documents on their way to tokens, with what there is to say of them afterwards.
struct TextReader {
    let tokenizer: Tokenizer
    let chat: ModelChat
    /// Whether special tokens are parsed where a text, or a message, spells them.
    var parsesSpecialInTexts = false
    var parsesSpecialInMessages = false
    /// Whether the answers of conversations are scored alone.
    var takesAnswers = false
    /// Whether the last line break of a file's text is left out, as llama.cpp leaves it.
    var trimsLastLineBreak = false
    /// Whether special tokens that are spelled out are counted.
    var countsSpecial = false

    private(set) var conversationCount = 0
    private(set) var rewrittenCount = 0
    private(set) var otherPromptCount = 0
    /// Special tokens by the file that spells them.
    private(set) var spelled: [(path: String, count: Int)] = []

    init(_ tokenizer: Tokenizer, _ chat: ModelChat) {
        self.tokenizer = tokenizer
        self.chat = chat
    }

    /// - Throws: `malformedInput` and others with the file and the line.
    mutating func channels(of file: TextFile, named name: String) throws(RecastError) -> [Channel] {
        var channels: [Channel] = []
        var count = 0
        for document in try file.documents(named: name) {
            if Interruption.hasCome { throw RecastError(.interrupted, "interrupted") }
            let documents = try self.documents(of: document, isLine: file.hasLines, &count)
            channels.add(documents, to: document.channel)
        }
        if count > 0 { spelled.append((file.path, count)) }
        return channels
    }

    private mutating func documents(
        of document: TextFile.Document, isLine: Bool, _ count: inout Int
    ) throws(RecastError) -> [Channel.Document] {
        switch document.content {
        case .text(var text):
            guard !takesAnswers else {
                throw RecastError(
                    .usage,
                    "is no conversation: --answers scores the answers of conversations, which are lines with "
                        + "\"messages\" in files that end in .jsonl", trail: [document.place])
            }
            if trimsLastLineBreak, !isLine, text.unicodeScalars.last == "\n" { text.unicodeScalars.removeLast() }
            if countsSpecial { count += try tokenizer.specialTokenCount(in: text) }
            return [Channel.Document(tokens: try tokenizer.encode(text, parsingSpecial: parsesSpecialInTexts))]
        case .conversation(let conversation):
            conversationCount += 1
            let template = try chat.template(for: conversation)
            do {
                return try documents(of: conversation, template, &count)
            } catch {
                throw error.within(document.place)
            }
        }
    }

    private mutating func documents(
        of conversation: Conversation, _ template: ChatTemplate, _ count: inout Int
    ) throws(RecastError) -> [Channel.Document] {
        guard takesAnswers else {
            let text = try template.render(conversation)
            if countsSpecial { count += try tokenizer.specialTokenCount(in: text) }
            return [
                Channel.Document(tokens: try tokenizer.encode(text, parsingAll: parsesSpecialInMessages), isWhole: true)
            ]
        }
        let answered = try template.answers(of: conversation)
        rewrittenCount += answered.isRewritten ? 1 : 0
        otherPromptCount += answered.hasOtherPrompt ? 1 : 0
        var documents: [Channel.Document] = []
        for text in answered.texts {
            if countsSpecial { count += try tokenizer.specialTokenCount(in: text.text) }
            let (ids, answers) = try tokenizer.encode(text, parsingAll: parsesSpecialInMessages)
            documents.append(Channel.Document(tokens: ids, answers: answers, isWhole: true))
        }
        return documents
    }

    /// What there is to say of all that was read.
    var notes: [String] {
        var notes = spelled.map { path, count in
            "\(path) spells out special tokens, \(count) in all: they are "
                + (parsesSpecialInTexts ? "parsed" : "text like any other; --special parses them")
        }
        if rewrittenCount > 0 {
            notes.append(
                "of \(rewrittenCount) of \(conversationCount) conversations the chat template rewrites earlier answers: each "
                    + "answer is scored in the text that a model sees when it gives it")
        }
        if otherPromptCount > 0 {
            notes.append(
                "in \(otherPromptCount) of \(conversationCount) conversations the text before some answer is not the "
                    + "generation prompt: the answer is scored from where the two part")
        }
        return notes
    }
}

extension [Channel] {
    /// Adds to the channel of a name, which is a new one if there is none.
    mutating func add(_ documents: [Channel.Document], to name: String) {
        if let index = firstIndex(where: { $0.name == name }) {
            self[index].documents += documents
        } else {
            append(Channel(name: name, documents: documents))
        }
    }
}
