import Recast

/// What becomes of text that no piece spells: the tokens of its bytes, or the unknown token.
struct UnknownText: Sendable {
    /// The token of each byte; -1 where there is none.
    private var byteTokens = [Int32](repeating: -1, count: 256)
    private let unknown: Int32?
    /// Whether unknown tokens beside each other become one: where bytes have tokens, none can be.
    let joins: Bool

    init(_ vocabulary: Vocabulary) {
        for (id, text) in vocabulary.tokens.enumerated() where vocabulary.kinds[id] == .byte {
            if let byte = Vocabulary.byte(spelledBy: text) { byteTokens[Int(byte)] = Int32(id) }
        }
        unknown = vocabulary.special.unknown.map(Int32.init)
        joins = byteTokens.contains(-1)
    }

    /// Calls `body` with the tokens of a character.
    @inline(__always)
    func forEachToken(
        of text: UnsafeBufferPointer<UInt8>, failure: inout RecastError?, _ body: (Int32) -> Void
    ) {
        if text.allSatisfy({ byteTokens[Int($0)] >= 0 }) {
            for byte in text { body(byteTokens[Int(byte)]) }
        } else if let unknown {
            body(unknown)
        } else {
            failure = .unsupported(
                "no token stands for \"\(String(decoding: text, as: UTF8.self))\", and none for the unknown")
        }
    }

    /// Appends the tokens of a character.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        var failure: RecastError?
        forEachToken(of: text, failure: &failure) { append($0, to: &output) }
        if let failure { output.failure = failure }
    }

    /// Appends a token, unless it is the unknown one after another.
    @inline(__always)
    func append(_ id: Int32, to output: inout EncodedText) {
        if joins, id == unknown, output.ids.count > output.segmentStart, output.ids.last == id { return }
        output.ids.append(id)
    }
}
