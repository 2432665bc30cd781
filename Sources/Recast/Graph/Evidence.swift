/// Data that was read to make a decision.
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
