import Recast

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What makes one text of a conversation: a Jinja template, as transformers runs it.
///
/// A template is data from a file: it reads nothing but what it is given, and how long it runs and how much it writes is
/// bounded by the size of the conversation.
public struct ChatTemplate: Sendable {
    let statements: [TemplateStatement]
    private let specialTokens: [String: String]
    /// When it is to the template, in seconds since 1970: the same for all that is rendered.
    private let now: Int

    /// - Parameters:
    ///   - specialTokens: by their names in templates, such as `bos_token`.
    ///   - now: what `strftime_now` tells, in seconds since 1970; the time of the call by default.
    /// - Throws: `malformedInput` with the line and what was expected there; `unsupported` for what Jinja has and this has
    ///   not, by name.
    public init(source: String, specialTokens: [String: String] = [:], now: Int? = nil) throws(RecastError) {
        do {
            statements = try TemplateParser.statements(of: source)
        } catch {
            throw error.within("chat template")
        }
        self.specialTokens = specialTokens
        self.now = now ?? Int(time(nil))
    }

    /// The text of a conversation.
    ///
    /// - Parameter addingGenerationPrompt: whether it ends where an answer begins.
    /// - Throws: `malformedInput` with the line for what goes wrong in the template, and with what it says where it refuses
    ///   the conversation; `unsupported` for what is not supported, and for templates that do too much.
    package func render(
        _ conversation: Conversation, addingGenerationPrompt: Bool = false
    ) throws(RecastError) -> ChatText {
        do {
            var variables = specialTokens.mapValues { TemplateValue.text($0) }
            variables["messages"] = try TemplateValue(
                opaque: .array(conversation.messages.map(Conversation.normalized)))
            variables["tools"] = try TemplateValue(opaque: conversation.tools.map(JSON.array) ?? .null)
            variables["documents"] = try TemplateValue(opaque: conversation.documents.map(JSON.array) ?? .null)
            variables["add_generation_prompt"] = .bool(addingGenerationPrompt)
            for member in conversation.variables.members {
                variables[member.key] = try TemplateValue(opaque: member.value)
            }
            let renderer = TemplateRenderer(variables: variables, inputSize: conversation.size, now: now)
            return ChatText(try renderer.render(statements))
        } catch {
            throw error.within("chat template")
        }
    }

    /// Whether it says itself what a model writes.
    var hasGenerationBlocks: Bool { statements.contains(where: \.hasGenerationBlock) }
}

extension TemplateStatement {
    fileprivate var hasGenerationBlock: Bool {
        switch self {
        case .generation: true
        case .choice(let branches, let otherwise):
            branches.contains { $0.body.contains(where: \.hasGenerationBlock) }
                || otherwise.contains(where: \.hasGenerationBlock)
        case .loop(let loop): (loop.body + loop.otherwise).contains(where: \.hasGenerationBlock)
        case .setBlock(_, _, let body, _), .filterBlock(_, let body, _), .with(_, let body, _):
            body.contains(where: \.hasGenerationBlock)
        case .macro(let macro), .call(_, _, let macro): macro.body.contains(where: \.hasGenerationBlock)
        case .text, .output, .set, .break, .continue: false
        }
    }
}
