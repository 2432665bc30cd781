import Recast

/// The chat templates of a model, of which a conversation takes the one that transformers takes.
public struct ChatTemplates: Sendable {
    private let names: [String]
    /// What is wrong with a template matters where it is asked for.
    private let templates: [String: Result<ChatTemplate, RecastError>]

    /// - Parameter vocabulary: with its templates, and the special tokens that these name.
    public init(_ vocabulary: Vocabulary, now: Int? = nil) {
        let tokens = vocabulary.templateTokens
        names = vocabulary.chatTemplates.map { $0.name ?? Self.defaultName }
        templates = Dictionary(
            vocabulary.chatTemplates.map { template in
                let result = Result { () throws(RecastError) in
                    try ChatTemplate(source: template.text, specialTokens: tokens, now: now)
                }
                return (template.name ?? Self.defaultName, result)
            }
        ) { first, _ in first }
    }

    /// One template in the place of the model's own.
    ///
    /// - Throws: as `ChatTemplate` does.
    public init(source: String, for vocabulary: Vocabulary, now: Int? = nil) throws(RecastError) {
        names = [Self.defaultName]
        templates = [
            Self.defaultName: .success(
                try ChatTemplate(source: source, specialTokens: vocabulary.templateTokens, now: now))
        ]
    }

    private static let defaultName = "default"
    private static let toolsName = "tool_use"

    public var isEmpty: Bool { templates.isEmpty }

    /// The template for a conversation: with tools the one for these, if there is one.
    ///
    /// - Throws: `inputMissing` where there is none; as `ChatTemplate` does.
    package func template(for conversation: Conversation) throws(RecastError) -> ChatTemplate {
        let isForTools = conversation.tools != nil && templates[Self.toolsName] != nil
        guard let result = templates[isForTools ? Self.toolsName : Self.defaultName] else {
            throw RecastError(
                .inputMissing,
                isEmpty
                    ? "there is no chat template"
                    : "the chat templates have the names \(names.joined(separator: ", ")), and none is the default")
        }
        return try result.get()
    }
}

extension Vocabulary {
    /// Special tokens by the names that they have in templates.
    fileprivate var templateTokens: [String: String] {
        let ids = [
            ("bos_token", special.bos), ("eos_token", special.eos), ("unk_token", special.unknown),
            ("pad_token", special.padding), ("sep_token", special.separator), ("mask_token", special.mask),
        ]
        var tokens: [String: String] = [:]
        for (name, id) in ids {
            guard let id, self.tokens.indices.contains(id) else { continue }
            tokens[name] = addedTokens.first { $0.id == id }?.content ?? self.tokens[id]
        }
        return tokens
    }
}
