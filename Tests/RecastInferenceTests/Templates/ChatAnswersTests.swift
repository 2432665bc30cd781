import Recast
import TestSupport
import Testing

@testable import RecastInference

/// Where answers are in a conversation.
@Suite struct ChatAnswersTests {
    private static func message(_ role: String, _ content: String, reasoning: String? = nil) -> JSON {
        var message = JSON.Object([("role", .string(role)), ("content", .string(content))])
        if let reasoning { message["reasoning_content"] = .string(reasoning) }
        return .object(message)
    }

    private static let turns = [
        message("user", "one"), message("assistant", "first"), message("user", "two"), message("assistant", "second"),
        message("user", "three"),
    ]

    private func answers(_ name: String, _ messages: [JSON]) throws -> (AnsweredChat, [[String]]) {
        let answered = try ChatTemplateTests.template(name).answers(of: Conversation(messages: messages))
        let texts = answered.texts.map { text in
            text.answers.map { String(decoding: Array(text.text.text.utf8)[$0], as: UTF8.self) }
        }
        return (answered, texts)
    }

    @Test(arguments: [
        ("chatml", "first<|im_end|>\n", "second<|im_end|>\n"), ("llama2", " first </s>", " second </s>"),
        ("llama3", "first<|eot_id|>", "second<|eot_id|>"), ("generation", "first<|im_end|>", "second<|im_end|>"),
        ("gemma", "first<end_of_turn>\n", "second<end_of_turn>\n"), ("mistral", " first</s>", " second</s>"),
        (
            "command-r", "<|START_RESPONSE|>first<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
            "<|START_RESPONSE|>second<|END_RESPONSE|><|END_OF_TURN_TOKEN|>"
        ),
    ])
    func prefixes(_ name: String, _ first: String, _ second: String) throws {
        let (answered, texts) = try answers(name, Self.turns)
        #expect(texts == [[first, second]])
        #expect(!answered.isRewritten && !answered.hasOtherPrompt)
    }

    /// The last answer has reasoning that goes once another follows.
    @Test func rewritten() throws {
        let messages = [
            Self.message("user", "one"), Self.message("assistant", "first", reasoning: "why"),
            Self.message("user", "two"),
            Self.message("assistant", "second", reasoning: "so"),
        ]
        let (answered, texts) = try answers("qwen3", messages)
        #expect(answered.isRewritten && !answered.hasOtherPrompt)
        #expect(
            texts == [
                ["<think>\nwhy\n</think>\n\nfirst<|im_end|>\n"], ["<think>\nso\n</think>\n\nsecond<|im_end|>\n"],
            ])
        #expect(!answered.texts[1].text.text.contains("why"))
    }

    /// The generation prompt begins reasoning that the answer has not.
    @Test func otherPrompts() throws {
        let (answered, texts) = try answers("deepseek", Self.turns)
        #expect(answered.hasOtherPrompt && !answered.isRewritten)
        #expect(texts == [["first<｜end▁of▁sentence｜>", "second<｜end▁of▁sentence｜>"]])
        // An answer that begins as the prompt does is not taken for the prompt.
        let (_, tagged) = try answers("deepseek", [Self.message("user", "x"), Self.message("assistant", "<tag>")])
        #expect(tagged == [["<tag><｜end▁of▁sentence｜>"]])
    }

    @Test func refusals() throws {
        // The system's message stands in the last turn, wherever that is.
        let messages = [Self.message("system", "s"), Self.message("user", "x"), Self.message("assistant", "y")]
        #expect {
            try answers("mistral", messages)
        } throws: {
            ($0 as? RecastError)?.code == .unsupported && "\($0)".contains("before message 3")
        }
        #expect { try answers("chatml", [Self.turns[0]]) } throws: { "\($0)".contains("no message is an answer") }
    }

    // MARK: Tokens

    private static let tokenizer: Tokenizer = {
        let added = ["<|im_start|>", "<|im_end|>", "<plain>"].map {
            Vocabulary.AddedToken(id: 0, content: $0, isSpecial: $0 != "<plain>")
        }
        return try! Tokenizer(TokenizerFixtures.vocabulary(merges: [(":", ":"), ("a", "b")], added: added))
    }()

    private func shown(_ ids: [Int32]) -> String {
        ids.map { $0 < 258 ? Self.tokenizer.decode([$0]) : "[\($0)]" }.joined()
    }

    @Test func specialTokens() throws {
        let template = try ChatTemplate(
            source: "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{{ '<|' ~ m.role ~ '|>' }}{% endfor %}"
        )
        let text = try template.render(
            Conversation(messages: [
                ["role": "im_end", "content": "a<|im_end|><plain><|im_"], ["role": "x", "content": "end|>"],
            ]))
        // The role is the template's to put between its marks; what a message spells is text; <plain> is not special.
        #expect(shown(try Self.tokenizer.encode(text)) == "[258]a<|im_end|>[260]<|im_[259][259][258]end|>[259]<|x|>")
        #expect(
            shown(try Self.tokenizer.encode(text, parsingAll: true))
                == "[258]a[259][260]<|im_[259][259][258]end|>[259]<|x|>")
        #expect(try Self.tokenizer.specialTokenCount(in: text) == 1)
    }

    /// Answers end with the end of the turn, and what is before them has the ids of a prompt.
    @Test func tokens() throws {
        let source =
            "{% for m in messages %}<|im_start|>{{ m.role }}:{{ m.content }}<|im_end|>\n{% endfor %}"
            + "{% if add_generation_prompt %}<|im_start|>assistant:{% endif %}"
        let template = try ChatTemplate(source: source)
        let conversation = Conversation(messages: [Self.turns[0], Self.message("assistant", ":ab"), Self.turns[2]])
        let answered = try template.answers(of: conversation)
        let (ids, answers) = try Self.tokenizer.encode(answered.texts[0])
        #expect(answers.map { shown(Array(ids[$0])) } == [":ab[259]"])
        let prompt = try template.render(conversation.prefix(1), addingGenerationPrompt: true)
        #expect(Array(ids[..<answers[0].lowerBound]) == (try Self.tokenizer.encode(prompt)))
        // Without the cut both colons would be one token.
        #expect(try Self.tokenizer.encode(answered.texts[0].text).count == ids.count - 1)
        // A turn that ends with the beginning of the next.
        let open = try ChatTemplate(
            source:
                "{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|im_start|>{% endif %}"
        )
        let text = try open.answers(of: Conversation(messages: Self.turns)).texts[0]
        let found = try Self.tokenizer.encode(text)
        #expect(found.answers.map { shown(Array(found.ids[$0])) } == ["first[258]", "second"])
    }

    /// Cut anywhere, a text has the ids of its first part, and says the same.
    @Test(arguments: ["bpe", "unigram", "unigram-bytes", "own"]) func cuts(_ name: String) throws {
        let directory = TemporaryDirectory()
        directory.write("tokenizer.model", try FileSource.contents(of: Fixtures.tokenizers + "/\(name).model"))
        let vocabulary = try #require(
            try Checkpoint.vocabulary(in: Folder(Directory(opening: directory.path)), preTokenizer: nil))
        let tokenizer = try Tokenizer(vocabulary)
        let text = "<s>The first text</s>  and the next</s> ende"
        let whole = try tokenizer.encode(text)
        #expect(try tokenizer.encode(MarkedText(text, opaque: [])).ids == whole)
        for cut in 0...text.utf8.count {
            let (ids, places) = try tokenizer.encode(MarkedText(text, opaque: [], cuts: [cut]))
            let head = String(decoding: Array(text.utf8)[..<cut], as: UTF8.self)
            // Within a special token there is no cut.
            guard !head.hasSuffix("<s"), !head.hasSuffix("<"), !head.hasSuffix("</"), !head.hasSuffix("</s") else {
                continue
            }
            #expect(Array(ids[..<places[0]]) == (try tokenizer.encode(head)), "\(name) at \(cut)")
            // Where spaces at ends are dropped, they are before a cut.
            guard !vocabulary.spaces.removesExtra else { continue }
            #expect(tokenizer.decode(ids) == tokenizer.decode(whole), "\(name) at \(cut)")
        }
        let marked = try tokenizer.encode(MarkedText(text, opaque: [3..<text.utf8.count])).ids
        #expect(marked.count { tokenizer.isSpecial($0) && Int($0) != vocabulary.special.unknown } == 1)
        #expect(marked.first == whole.first)
    }
}
