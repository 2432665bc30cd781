import Recast

extension Tokenizer {
    /// The ids of a conversation. Special tokens are what the template wrote; a message that spells one out has it as text.
    ///
    /// - Parameter parsingAll: whether special tokens are parsed in messages as well.
    package func encode(_ chat: ChatText, parsingAll: Bool = false) throws(RecastError) -> [Int32] {
        try encode(MarkedText(chat.text, opaque: parsingAll ? [] : chat.opaque)).ids
    }

    /// The ids of a conversation, and which of them are answers.
    ///
    /// What is before an answer has the ids that it has as a prompt. Where the template does not mark answers itself, one
    /// ends with its last special token, if nothing but white space comes after that: no model is asked for what follows
    /// its end of turn. If there is none and one comes next, as where a turn ends with the beginning of another, it is that.
    package func encode(
        _ chat: AnsweredChat.Text, parsingAll: Bool = false
    ) throws(RecastError) -> (ids: [Int32], answers: [Range<Int>]) {
        let cuts = chat.answers.flatMap { [$0.lowerBound, $0.upperBound] }
        let (ids, places) = try encode(
            MarkedText(chat.text.text, opaque: parsingAll ? [] : chat.text.opaque, cuts: cuts))
        let answers = chat.answers.indices.compactMap { index -> Range<Int>? in
            let range = places[2 * index]..<places[2 * index + 1]
            let answer = chat.text.generated.isEmpty ? range.lowerBound..<turnEnd(of: range, in: ids) : range
            return answer.isEmpty ? nil : answer
        }
        return (ids, answers)
    }

    private func turnEnd(of range: Range<Int>, in ids: [Int32]) -> Int {
        if let last = ids[range].lastIndex(where: isSpecial) {
            let rest = String(decoding: decodedBytes(Array(ids[(last + 1)..<range.upperBound])), as: UTF8.self)
            return rest.unicodeScalars.allSatisfy(\.isPythonSpace) ? last + 1 : range.upperBound
        }
        let isFollowed = range.upperBound < ids.count && isSpecial(ids[range.upperBound])
        return range.upperBound + (isFollowed ? 1 : 0)
    }

    /// How many special tokens the messages of a conversation spell out.
    package func specialTokenCount(in chat: ChatText) throws(RecastError) -> Int {
        func count(_ ids: [Int32]) -> Int { ids.count { isSpecial($0) && Int($0) != special.unknown } }
        return try count(encode(chat, parsingAll: true)) - count(encode(chat))
    }
}
