import Recast
import RecastInference

/// A line of a file of prompts.
struct PromptLine {
    /// From 0; blank lines do not count.
    let index: Int
    /// Of the file, from 1.
    let number: Int
    /// What the line calls itself, which the answer is called, too.
    let id: JSON?
    let content: Content
    /// The line as it stands.
    let source: String

    enum Content {
        case text(String)
        /// For the model's chat template.
        case conversation(Conversation)
        /// Why it is no prompt.
        case bad(String)
    }

    var isConversation: Bool { if case .conversation = content { true } else { false } }

    /// Never fails: a bad line is answered with what is wrong with it.
    init(_ bytes: some Sequence<UInt8>, index: Int, number: Int) {
        let bytes = Array(bytes)
        self.index = index
        self.number = number
        source = String(decoding: bytes, as: UTF8.self)
        do throws(RecastError) {
            let json = try JSON(parsing: bytes, file: "line \(number)")
            id = json["id"]
            content = Self.content(of: json)
        } catch {
            id = nil
            content = .bad("is no JSON: \(error.summary)")
        }
    }

    private static func content(of json: JSON) -> Content {
        do throws(RecastError) {
            if let text = json.string ?? json["prompt"]?.string { return .text(text) }
            if let conversation = try Conversation(json) { return .conversation(conversation) }
            return .bad(
                json["prompt"] == nil ? "has neither \"prompt\" nor \"messages\"" : "its \"prompt\" is no text")
        } catch { return .bad(error.summary) }
    }

    /// The lines of a file; blank ones are none.
    static func lines(of bytes: [UInt8]) -> [PromptLine] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
            .filter { !$0.element.allSatisfy { [0x20, 0x09, 0x0D].contains($0) } }
            .enumerated().map { PromptLine($1.element, index: $0, number: $1.offset + 1) }
    }
}

/// What becomes of a prompt.
struct PromptAnswer {
    var index: Int
    var id: JSON?
    var content: Content

    enum Content {
        case text(String, promptTokens: Int, tokens: Int, stoppedBy: String)
        case failure(String)
    }

    var isFailure: Bool { if case .failure = content { true } else { false } }

    /// A line of the file of answers.
    var line: JSON {
        var members: [(String, JSON)] = [("index", .int(index))]
        if let id { members.append(("id", id)) }
        switch content {
        case .text(let text, let promptTokens, let tokens, let stoppedBy):
            members += [
                ("text", .string(text)), ("prompt_tokens", .int(promptTokens)), ("tokens", .int(tokens)),
                ("stopped_by", .string(stoppedBy)),
            ]
        case .failure(let message): members.append(("error", .string(message)))
        }
        return .object(JSON.Object(members))
    }

    init(index: Int, id: JSON?, _ content: Content) {
        self.index = index
        self.id = id
        self.content = content
    }

    /// - Returns: nil for what is no such line.
    init?(_ line: JSON) {
        guard let index = line["index"]?.int else { return nil }
        (self.index, id) = (index, line["id"])
        if let text = line["text"]?.string, let promptTokens = line["prompt_tokens"]?.int,
            let tokens = line["tokens"]?.int, let stoppedBy = line["stopped_by"]?.string
        {
            content = .text(text, promptTokens: promptTokens, tokens: tokens, stoppedBy: stoppedBy)
        } else if let message = line["error"]?.string {
            content = .failure(message)
        } else {
            return nil
        }
    }
}
