import ArgumentParser
import Recast
import RecastInference

/// How conversations become texts.
struct ChatOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Take the chat template from this file, not from the model.", valueName: "file"))
    var chatTemplate: String?

    /// - Parameter path: whose vocabulary it is, for messages.
    func chat(_ vocabulary: Vocabulary, of path: String) throws(RecastError) -> ModelChat {
        guard let chatTemplate else { return ModelChat(templates: ChatTemplates(vocabulary), path: path) }
        let bytes = try FileSource.contents(of: chatTemplate)
        guard let source = String(validating: bytes, as: UTF8.self) else {
            throw .malformed(chatTemplate, "is not UTF-8")
        }
        let templates = try step(chatTemplate) { () throws(RecastError) in
            try ChatTemplates(source: source, for: vocabulary)
        }
        return ModelChat(templates: templates, path: chatTemplate)
    }
}

/// A model's chat templates.
struct ModelChat {
    let templates: ChatTemplates
    /// Where they are from.
    let path: String

    /// - Throws: `inputMissing` where there is none, with what helps.
    func template(for conversation: Conversation) throws(RecastError) -> ChatTemplate {
        do {
            return try templates.template(for: conversation)
        } catch {
            var error = error
            if error.code == .inputMissing {
                error.details.append(
                    "--chat-template FILE names one, --tokenizer DIR a folder that has one; base models have none")
            }
            throw error.within(path)
        }
    }
}

extension LoadedTokenizer {
    func chat(_ options: ChatOptions) throws(RecastError) -> ModelChat { try options.chat(vocabulary, of: path) }
}
