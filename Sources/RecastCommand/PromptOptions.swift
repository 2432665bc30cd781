import ArgumentParser

/// How lines of prompts become tokens.
struct PromptOptions: ParsableArguments {
    @Flag(help: "Take each prompt for what a user says: it goes through the chat template.")
    var chat = false

    @Option(help: "What the system says first, in conversations in which it says nothing.")
    var system: String?

    @Flag(help: "Find special tokens in the prompts; otherwise they are text like any other.")
    var special = false

    @OptionGroup var template: ChatOptions

    /// An option that would change nothing.
    func idle(for lines: [PromptLine]) -> String? {
        let given = [("--system", system != nil), ("--chat-template", template.chatTemplate != nil)]
        guard !chat, !lines.contains(where: \.isConversation) else { return nil }
        return given.first(where: \.1)?.0
    }

    /// The options as words, for a process that is to do the same.
    var words: [String] {
        (chat ? ["--chat"] : []) + (system.map { ["--system=\($0)"] } ?? []) + (special ? ["--special"] : [])
            + (template.chatTemplate.map { ["--chat-template=\($0)"] } ?? [])
    }
}
