import Recast
import TestSupport
import Testing

@testable import RecastInference

/// Conversations through templates of the kinds that models have, against transformers.
@Suite struct ChatTemplateTests {
    static let tokens = ["bos_token": "<s>", "eos_token": "</s>"]

    static func source(_ name: String) throws -> String {
        try String(contentsOfFile: Fixtures.templates + "/\(name).jinja", encoding: .utf8)
    }

    static func template(_ name: String) throws -> ChatTemplate {
        try ChatTemplate(source: source(name), specialTokens: tokens, now: 0)
    }

    static let names = [
        "alpaca", "channels", "chatml", "command-r", "deepseek", "gemma", "generation", "glm", "granite", "llama2",
        "llama3",
        "mistral", "phi", "qwen3",
    ]

    @Test(arguments: names) func rendered(_ name: String) throws {
        let conversations = try Fixtures.lines(Fixtures.templates + "/conversations.jsonl")
        let outcomes = try Fixtures.lines(Fixtures.templates + "/rendered.jsonl")
            .first { $0["template"]?.string == name }!["outcomes"]!.array!
        #expect(conversations.count == outcomes.count && conversations.count > 30)
        let source = try Self.source(name)
        for (line, outcome) in zip(conversations, outcomes) {
            let conversation = try #require(try Conversation(line))
            let (text, error) = TemplateLanguageTests.outcome(
                source, conversation, prompt: line["prompt"]!.bool!, tokens: Self.tokens)
            if let expected = outcome["text"]?.string {
                #expect(text == expected, "\(line["name"]!.string!): \(error?.description ?? "")")
            } else {
                let said = outcome["error"]!.string!
                #expect(error != nil && (said.isEmpty || error!.message.contains(said)), "\(line["name"]!.string!)")
            }
        }
    }

    // MARK: Conversations

    private func failure(_ json: JSON) -> String? {
        do throws(RecastError) {
            _ = try Conversation(json)
            return nil
        } catch { return error.message }
    }

    @Test func kinds() throws {
        let turns: JSON = [
            "conversations": [["from": "human", "value": "a"], ["from": "gpt", "value": "b"]],
            "tools": "[{\"name\": \"f\"}]",
        ]
        let conversation = try #require(try Conversation(turns))
        #expect(conversation.messages == [["role": "user", "content": "a"], ["role": "assistant", "content": "b"]])
        #expect(conversation.tools == [["name": "f"]] && conversation.hasAnswer)
        #expect(try Conversation(["text": "a"]) == nil)
        #expect(failure(["messages": []]) == "a conversation without messages")
        #expect(failure(["messages": "x"]) == "messages is no array")
        #expect(failure(["messages": [["content": "x"]]]) == "message 1 has no role")
        #expect(failure(["conversations": [["from": "x", "value": "y"]]])?.contains("turn 1 is from \"x\"") == true)
        #expect(failure(["conversations": [["from": "gpt"]]]) == "turn 1 has no value")
        #expect(failure(["messages": [["role": "user"]], "tools": 1]) == "tools is no array")
        #expect(failure(["messages": [["role": "user"]], "chat_template_kwargs": []])?.contains("no object") == true)
    }

    @Test func named() throws {
        var vocabulary = TokenizerFixtures.vocabulary(added: [.init(id: 0, content: "<e>", isSpecial: true)])
        vocabulary.special.eos = 256
        let plain = Conversation(messages: [["role": "user", "content": "a"]])
        let calling = Conversation(messages: plain.messages, tools: [])
        func text(_ conversation: Conversation) throws -> String {
            try ChatTemplates(vocabulary).template(for: conversation).render(conversation).text
        }
        #expect(ChatTemplates(vocabulary).isEmpty)
        #expect(throws: RecastError(.inputMissing, "there is no chat template")) { try text(plain) }
        vocabulary.chatTemplates = [.init(text: "plain{{ eos_token }}"), .init(name: "rag", text: "{{")]
        #expect(try text(plain) == "plain<e>" && text(calling) == "plain<e>")
        vocabulary.chatTemplates.append(.init(name: "tool_use", text: "tools"))
        #expect(try text(plain) == "plain<e>" && text(calling) == "tools")
        vocabulary.chatTemplates[0].name = "default"
        #expect(try text(plain) == "plain<e>")
        vocabulary.chatTemplates[0].text = "{% if %}"
        #expect(throws: RecastError.self) { try text(plain) }
        #expect(try text(calling) == "tools")
        vocabulary.chatTemplates.removeFirst()
        #expect(
            throws: RecastError(
                .inputMissing, "the chat templates have the names rag, tool_use, and none is the default")
        ) {
            try text(plain)
        }
    }
}
