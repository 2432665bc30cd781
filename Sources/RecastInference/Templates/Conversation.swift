import Recast

/// Messages, and what else a chat template is given.
package struct Conversation: Sendable {
    /// Objects with a `role`.
    package var messages: [JSON]
    package var tools: [JSON]?
    package var documents: [JSON]?
    /// Further variables of the template, such as `enable_thinking`.
    package var variables = JSON.Object()

    package init(messages: [JSON], tools: [JSON]? = nil) {
        self.messages = messages
        self.tools = tools
    }

    /// A conversation as data sets have it: `messages` with roles and contents, or `conversations` with `from` and `value`;
    /// with `tools`, `documents` and `chat_template_kwargs` where there are any. Nil for an object without messages.
    ///
    /// - Throws: `malformedInput` for what is there and makes no sense.
    package init?(_ json: JSON) throws(RecastError) {
        if let value = json["messages"] {
            messages = try Self.array(value, "messages")
        } else if let value = json["conversations"] {
            messages = []
            for (index, turn) in try Self.array(value, "conversations").enumerated() {
                messages.append(try Self.message(turn, index))
            }
        } else {
            return nil
        }
        for (index, message) in messages.enumerated() where message["role"]?.string == nil {
            throw RecastError(.malformedInput, "message \(index + 1) has no role")
        }
        if messages.isEmpty { throw RecastError(.malformedInput, "a conversation without messages") }
        tools = try Self.optionalArray(json["tools"], "tools")
        documents = try Self.optionalArray(json["documents"], "documents")
        if let value = json["chat_template_kwargs"], !value.isNull {
            guard let object = value.object else {
                throw RecastError(.malformedInput, "chat_template_kwargs is no object")
            }
            variables = object
        }
    }

    private static func array(_ json: JSON, _ name: String) throws(RecastError) -> [JSON] {
        guard let array = json.array else { throw RecastError(.malformedInput, "\(name) is no array") }
        return array
    }

    private static func optionalArray(_ json: JSON?, _ name: String) throws(RecastError) -> [JSON]? {
        guard let json, !json.isNull else { return nil }
        // Data sets in columns have what has no fixed shape as JSON in a string.
        if let text = json.string { return try array(JSON(parsing: Array(text.utf8), file: name), name) }
        return try array(json, name)
    }

    /// A turn as ShareGPT has it.
    private static func message(_ turn: JSON, _ index: Int) throws(RecastError) -> JSON {
        let roles = [
            "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system",
            "tool": "tool", "observation": "tool",
        ]
        guard let from = turn["from"]?.string, let role = roles[from] else {
            throw RecastError(
                .malformedInput,
                "turn \(index + 1) is from \(turn["from"]?.string.map { "\"\($0)\"" } ?? "nobody"), "
                    + "not from human, gpt, system or tool")
        }
        guard let value = turn["value"] else {
            throw RecastError(.malformedInput, "turn \(index + 1) has no value")
        }
        return ["role": .string(role), "content": value]
    }

    /// The first messages.
    func prefix(_ count: Int) -> Conversation {
        var copy = self
        copy.messages = Array(messages.prefix(count))
        return copy
    }

    package var hasAnswer: Bool { messages.contains(where: Self.isAnswer) }

    static func isAnswer(_ message: JSON) -> Bool { message["role"]?.string == "assistant" }

    /// A message as transformers gives it to a template: without what is null, and with reasoning under each of its names.
    static func normalized(_ message: JSON) -> JSON {
        guard let object = message.object else { return message }
        let members = object.members.filter { !$0.value.isNull }
        let names = ["reasoning_content", "thinking", "reasoning"]
        let reasoning = names.lazy.compactMap { name in members.first { $0.key == name }?.value }.first
        guard let reasoning else { return .object(JSON.Object(uniqueMembers: members)) }
        var result = JSON.Object([("thinking", reasoning)])
        for member in members { result[member.key] = member.value }
        result["reasoning_content"] = reasoning
        return .object(result)
    }

    /// Characters of all strings, or so.
    var size: Int {
        ([JSON.array(messages), .array(tools ?? []), .array(documents ?? []), .object(variables)]).reduce(0) {
            $0 + Self.size(of: $1)
        }
    }

    private static func size(of json: JSON) -> Int {
        switch json {
        case .string(let text): text.utf8.count
        case .array(let elements): elements.reduce(elements.count) { $0 + size(of: $1) }
        case .object(let object): object.members.reduce(0) { $0 + $1.key.utf8.count + 1 + size(of: $1.value) }
        default: 8
        }
    }
}
