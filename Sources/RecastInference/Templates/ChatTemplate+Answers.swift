import Recast

/// A conversation's texts, and where its answers are in them.
package struct AnsweredChat: Sendable {
    package struct Text: Sendable {
        package var text: ChatText
        /// Bytes of the text, in their order.
        package var answers: [Range<Int>]
    }

    package var texts: [Text] = []
    /// Whether the template writes an earlier answer otherwise once another one follows, as most that drop reasoning do.
    package var isRewritten = false
    /// Whether what stands before some answer is not what the template puts there to ask for one.
    package var hasOtherPrompt = false
}

extension ChatTemplate {
    /// The answers of a conversation (the assistant's turns), each in the text that a model sees when it gives it.
    ///
    /// Where the template marks them itself (`generation` blocks), there is one text with its marks. Otherwise an answer is
    /// what comes between the conversation up to it with the generation prompt, and the conversation with it: its end of
    /// turn, and whatever else the template puts there, belongs to it. One text holds all answers, unless the template
    /// rewrites earlier turns; then there are several. Where a generation prompt is not what stands before an answer
    /// (`<think>`, when the answer has no reasoning), the answer begins where both part, or with the answer's own words.
    ///
    /// - Throws: as `render` does; `malformedInput` for a conversation without answers; `unsupported` where what is before
    ///   an answer changes with it.
    package func answers(of conversation: Conversation) throws(RecastError) -> AnsweredChat {
        guard conversation.hasAnswer else {
            throw RecastError(.malformedInput, "no message is an answer, with the role assistant")
        }
        let messages = conversation.messages
        let whole = try render(conversation)
        if hasGenerationBlocks, !whole.generated.isEmpty {
            return AnsweredChat(texts: [.init(text: whole, answers: whole.generated)])
        }
        var result = AnsweredChat()
        for place in messages.indices where Conversation.isAnswer(messages[place]) {
            let text = place == messages.count - 1 ? whole : try render(conversation.prefix(place + 1))
            let start = try self.start(place, of: conversation, in: text, &result)
            let answer = text.bytes(start..<text.scalars.count)
            if let last = result.texts.last, text.hasPrefix(last.text) {
                result.texts[result.texts.count - 1].text = text
                result.texts[result.texts.count - 1].answers.append(answer)
            } else {
                if !result.texts.isEmpty { result.isRewritten = true }
                result.texts.append(.init(text: text, answers: [answer]))
            }
        }
        return result
    }

    /// The scalar of `text`, which ends with the answer at `place`, where that begins.
    private func start(
        _ place: Int, of conversation: Conversation, in text: ChatText, _ result: inout AnsweredChat
    ) throws(RecastError) -> Int {
        var (known, shared) = (0, 0)
        if place > 0 {
            let prompt = try render(conversation.prefix(place), addingGenerationPrompt: true)
            if text.hasPrefix(prompt) { return prompt.scalars.count }
            let before = try render(conversation.prefix(place))
            guard text.hasPrefix(before) else {
                throw .unsupported(
                    "the chat template writes what is before message \(place + 1) otherwise once that is there, so that "
                        + "the answer cannot be told apart; without --answers all of the text is scored")
            }
            (known, shared) = (before.scalars.count, text.commonPrefixCount(prompt))
        }
        result.hasOtherPrompt = true
        let own = text.scalars[known...].firstIndex { $0.isOpaque } ?? text.scalars.count
        // Without messages before it there is no prompt to compare with.
        return place == 0 ? own : min(max(known, shared), own)
    }
}
