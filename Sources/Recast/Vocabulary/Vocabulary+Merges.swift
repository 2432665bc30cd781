/// Merges and scores of SentencePiece's BPE models say the same thing: which two pieces are joined next. GGUF and
/// `tokenizer.model` give every piece a score, `tokenizer.json` gives pairs a rank.
extension Vocabulary {
    /// The merges that join pieces as their scores do, highest first.
    ///
    /// Any two pieces that make a third are merged. Of several pairs that make the same piece, the one with the longer
    /// left half comes first, as transformers' converter has it; sentencepiece goes from left to right through the text.
    ///
    /// - Throws: `unsupported` where pieces are too long, or made of others in too many ways.
    func mergesOfScores() throws(RecastError) -> [Merge] {
        let order = tokens.indices.filter { isMerged($0) }.sorted { scores[$0] > scores[$1] }
        var pieces = PieceIndex(capacity: order.count)
        for id in order {
            var text = tokens[id]
            text.withUTF8 { pieces.insert($0, id: Int32(truncatingIfNeeded: id)) }
        }
        var merges: [Merge] = []
        for id in order {
            var text = tokens[id]
            guard text.utf8.count <= Self.longestPiece else { throw .unsupported(Self.tooLong(id)) }
            text.withUTF8 { bytes in
                pieces.select(bytes)
                for middle in stride(from: bytes.count - 1, to: 0, by: -1) where bytes[middle] & 0xC0 != 0x80 {
                    guard pieces.id(of: 0..<middle) != nil, pieces.id(of: middle..<bytes.count) != nil else { continue }
                    merges.append(
                        .init(
                            String(decoding: bytes[..<middle], as: UTF8.self),
                            String(decoding: bytes[middle...], as: UTF8.self)))
                }
            }
            guard merges.count <= mostPairs else { throw .unsupported(tooManyPairs) }
        }
        return merges
    }

    /// How many pairs may make the pieces: sentencepiece's have 16 characters at most, unless it is told otherwise.
    ///
    /// Pairs of long pieces that are made of each other are out of all proportion to the file.
    public var mostPairs: Int { 65_536 + 16 * tokens.count }

    public var tooManyPairs: String {
        "more than \(mostPairs) pairs of pieces make the \(tokens.count) pieces of the tokenizer"
    }

    /// Whether a token can come out of merges: it is neither special nor spelled with a space, which no text has left
    /// by then.
    public func isMerged(_ id: Int) -> Bool {
        switch kinds[id] {
        case .normal, .userDefined, .unused: !tokens[id].utf8.contains(UInt8(ascii: " "))
        case .unknown, .control, .byte: false
        }
    }

    /// Scores that join pieces as the merges do: the earlier its merge, the higher a piece's score.
    ///
    /// - Throws: `unsupported` where scores cannot say what the merges say: they allow every pair that makes a piece.
    func scoresOfMerges() throws(RecastError) -> [Float] {
        var ids: [ByteString: Int] = [:]
        for (id, token) in tokens.enumerated() { ids[ByteString(token)] = id }
        var scores = [Float](repeating: Self.paddingScore, count: tokens.count)
        var isScored = [Bool](repeating: false, count: tokens.count)
        var rank = 0
        for merge in merges {
            guard let id = ids[ByteString(merge.left + merge.right)], !isScored[id] else { continue }
            (scores[id], isScored[id]) = (Float(-rank), true)
            rank += 1
        }
        // Pieces that nothing is merged into follow, as in models of sentencepiece; bytes have no score there.
        for id in tokens.indices where !isScored[id] && kinds[id] == .normal {
            scores[id] = Float(-rank)
            rank += 1
        }
        for id in tokens.indices where kinds[id] == .byte || kinds[id] == .unknown { scores[id] = 0 }
        for token in addedTokens { scores[token.id] = Self.addedScore }
        var scored = self
        scored.scores = scores
        let (said, given) = (Set(merges), Set(try scored.mergesOfScores()))
        if let merge = given.first(where: { !said.contains($0) }) {
            throw .unsupported(
                "\"\(merge.left)\" and \"\(merge.right)\" make a piece, but the tokenizer's merges do not join them: scores, "
                    + "which GGUF has instead, cannot say that; --tokenizer DIR takes another tokenizer")
        }
        return scores
    }
}
