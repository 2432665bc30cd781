import Recast

/// A question with some answers, of which a model is asked which it holds for the likeliest.
public struct ChoiceItem: Sendable, Hashable {
    /// What comes before the answer.
    public var context: String
    /// What may follow, without the space between.
    public var choices: [String]
    /// The right one.
    public var answer: Int
    /// The part of the task it belongs to, as MMLU's subject; nil for none.
    public var group: String?

    /// Whether answers are letters, whose length says nothing.
    public var hasLetters: Bool { choices.allSatisfy { $0.count == 1 } }
}

extension ChoiceItem {
    /// Reads a line of a task.
    ///
    /// | format | members |
    /// |---|---|
    /// | HellaSwag | `ctx` (or `activity_label`, `ctx_a`, `ctx_b`), `endings`, `label` |
    /// | ARC | `question`, `choices` with `text` and `label`, `answerKey`; also the original's `question.stem` |
    /// | MMLU | `question`, `choices`, `answer`, `subject` |
    /// | any | `context` (or `prompt`, `query`), `choices`, `answer` (or `gold`, `label`) |
    ///
    /// Questions are put as lm-evaluation-harness puts them without examples, so that results are those people quote.
    ///
    /// - Throws: `malformedInput` for anything else.
    package init(_ line: JSON) throws(RecastError) {
        if line["endings"] != nil {
            self = try .hellaSwag(line)
        } else if line["answerKey"] != nil {
            self = try .arc(line)
        } else if let question = line["question"]?.string, let choices = line["choices"]?.strings {
            self = try .mmlu(line, question, choices)
        } else if let context = ["context", "prompt", "query"].lazy.compactMap({ line[$0]?.string }).first,
            let choices = line["choices"]?.strings
        {
            let answer = line["answer"] ?? line["gold"] ?? line["label"]
            self = try ChoiceItem(context, choices, Self.number(answer, choices.count), group: line["group"]?.string)
        } else {
            throw RecastError(
                .malformedInput,
                "is no question of HellaSwag, ARC or MMLU, and has no \"context\", \"choices\" and \"answer\"")
        }
    }

    private init(_ context: String, _ choices: [String], _ answer: Int?, group: String? = nil) throws(RecastError) {
        guard choices.count > 1 else {
            throw RecastError(.malformedInput, "has \(choices.count) answers to choose from")
        }
        guard !choices.contains("") else { throw RecastError(.malformedInput, "has an empty answer") }
        guard let answer, choices.indices.contains(answer) else {
            throw RecastError(.malformedInput, "does not say which of its \(choices.count) answers is right")
        }
        self.context = context
        self.choices = choices
        self.answer = answer
        self.group = group
    }

    /// A place among the answers: a number from 0, or a letter.
    private static func number(_ json: JSON?, _ count: Int) -> Int? {
        if let number = json?.int { return number }
        guard let text = json?.string else { return nil }
        if let number = Int(text) { return number }
        guard text.utf8.count == 1, let letter = text.utf8.first, letter >= UInt8(ascii: "A") else { return nil }
        return Int(letter - UInt8(ascii: "A"))
    }

    // MARK: Formats

    private static func hellaSwag(_ line: JSON) throws(RecastError) -> ChoiceItem {
        guard let endings = line["endings"]?.strings else {
            throw RecastError(.malformedInput, "\"endings\" is no list of texts")
        }
        var context = line["ctx"]?.string
        if let first = line["ctx_a"]?.string {
            let second = line["ctx_b"]?.string ?? ""
            context = first + " " + second.prefix(1).uppercased() + second.dropFirst().lowercased()
        }
        guard var context else { throw RecastError(.malformedInput, "has no \"ctx\"") }
        if let activity = line["activity_label"]?.string { context = activity + ": " + context }
        return try ChoiceItem(
            cleaned(context), endings.map(cleaned), number(line["label"], endings.count))
    }

    /// WikiHow's articles have marks in brackets.
    private static func cleaned(_ text: String) -> String {
        var text = text.trimmed.replacing(" [title]", with: ". ")
        while let open = text.firstIndex(of: "["), let end = text[open...].firstIndex(of: "]") {
            // A bracket that another line ends is none.
            guard !text[open..<end].contains(where: \.isNewline) else { break }
            text.removeSubrange(open...end)
        }
        return text.replacing("  ", with: " ")
    }

    private static func arc(_ line: JSON) throws(RecastError) -> ChoiceItem {
        let stem = line["question"]?.string ?? line["question"]?["stem"]?.string
        let choices = line["choices"] ?? line["question"]?["choices"]
        let listed = choices?.array
        let texts = choices?["text"]?.strings ?? listed?.compactMap { $0["text"]?.string }
        let labels = choices?["label"]?.strings ?? listed?.compactMap { $0["label"]?.string }
        guard let stem, let texts, let labels, texts.count == labels.count, let key = line["answerKey"]?.string else {
            throw RecastError(.malformedInput, "is not as a question of ARC is")
        }
        return try ChoiceItem("Question: \(stem)\nAnswer:", texts, labels.firstIndex(of: key))
    }

    private static func mmlu(_ line: JSON, _ question: String, _ choices: [String]) throws(RecastError) -> ChoiceItem {
        guard choices.count <= 26 else { throw RecastError(.malformedInput, "has \(choices.count) answers") }
        let letters = choices.indices.map { String(UnicodeScalar(UInt8(ascii: "A") + UInt8($0))) }
        let subject = line["subject"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        var context = question.trimmed
        if let subject {
            let about = subject.replacing("_", with: " ")
            context = "The following are multiple choice questions (with answers) about \(about).\n\n" + context
        }
        for (letter, choice) in zip(letters, choices) { context += "\n\(letter). \(choice)" }
        return try ChoiceItem(
            context + "\nAnswer:", letters, number(line["answer"], choices.count), group: subject)
    }
}

extension JSON {
    fileprivate var strings: [String]? {
        guard let array else { return nil }
        let texts = array.compactMap(\.string)
        return texts.count == array.count ? texts : nil
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
