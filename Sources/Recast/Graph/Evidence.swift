/// Data that was read to make a decision: what was looked at (`the bias of the final norm is zero:`), and what was found.
public struct Evidence: Sendable, Hashable, Codable {
    public var question: String
    public var answer: String
    public var byteCount: Int

    public init(question: String, answer: String, byteCount: Int) {
        self.question = question
        self.answer = answer
        self.byteCount = byteCount
    }
}
