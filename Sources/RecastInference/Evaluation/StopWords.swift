/// Ends a text at the first of some words, which is no part of it.
public struct StopWords: Sendable {
    private let words: [[UInt8]]
    /// What could be the beginning of a word, and is not given away before that is known.
    private var held: [UInt8] = []
    public private(set) var isStopped = false

    public init(_ words: [String]) { self.words = words.map { Array($0.utf8) }.filter { !$0.isEmpty } }

    /// Takes the next bytes of the text.
    ///
    /// - Returns: those that are known to be part of it.
    public mutating func append(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        guard !isStopped else { return [] }
        held += bytes
        if words.isEmpty {
            defer { held = [] }
            return held
        }
        for start in held.indices {
            let rest = held[start...]
            if words.contains(where: { rest.starts(with: $0) }) {
                defer { (held, isStopped) = ([], true) }
                return Array(held[..<start])
            }
            if words.contains(where: { $0.starts(with: rest) }) {
                defer { held = Array(rest) }
                return Array(held[..<start])
            }
        }
        defer { held = [] }
        return held
    }

    /// What was held back when the text ends by itself.
    public mutating func end() -> [UInt8] {
        defer { held = [] }
        return held
    }
}
