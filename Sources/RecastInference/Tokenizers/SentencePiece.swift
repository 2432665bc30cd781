import Recast

/// SentencePiece's models: text without added tokens in, ids out.
struct SentencePiece: Sendable {
    private enum Engine: Sendable {
        case merges(PieceMerges)
        case lattice(PieceLattice)
    }

    private let engine: Engine
    private let unknown: UnknownText
    private let preparation: SpacePreparation
    /// Tokens that are found in prepared text: the user's own pieces in a model, and added tokens that are matched in
    /// normalised text where the space before it is put there by a normalizer.
    private let ownTokens: AddedTokenMatcher
    /// Whether text can be cut before spaces.
    private let isCut: Bool
    private let splits: Bool
    /// The scalars that a space follows within some piece: no cut is between them.
    private var reaching: Set<UInt32> = []

    /// `tokens` are indexed; throws where the vocabulary is not usable.
    init(
        _ vocabulary: Vocabulary, tokens: TokenBytes, normalizedTokens: [Vocabulary.AddedToken]
    ) throws(RecastError) {
        unknown = UnknownText(vocabulary)
        splits = vocabulary.spaces.splits
        var own: [Vocabulary.AddedToken] = []
        var kept: [String] = []
        let added = Set(vocabulary.addedTokens.map(\.id))
        for id in tokens.indices where vocabulary.kinds[id] == .userDefined && !added.contains(id) {
            let text = String(decoding: tokens[id], as: UTF8.self)
            own.append(.init(id: id, content: text, isSpecial: false))
            kept.append(vocabulary.tokens[id])
        }
        preparation = try SpacePreparation(vocabulary.spaces, keeping: kept)
        // A unigram model finds its user's pieces itself.
        if vocabulary.model == .unigram { own = [] }
        for token in normalizedTokens where !vocabulary.spaces.isMetaspace {
            var (token, content) = (token, token.content)
            content = content.withUTF8 { [preparation] text in
                String(decoding: preparation.prepared(text, isFirst: true), as: UTF8.self)
            }
            token.content = content
            own.append(token)
        }
        ownTokens = AddedTokenMatcher(own, strippingSpaces: false)
        if vocabulary.model == .unigram {
            engine = .lattice(try PieceLattice(vocabulary, tokens: tokens, unknown: unknown))
            // Where sums are rounded, what comes before a cut matters.
            isCut = !vocabulary.addsScoresInSinglePrecision || splits
        } else {
            engine = .merges(try PieceMerges(vocabulary, tokens: tokens, unknown: unknown))
            isCut = true
        }
        for id in tokens.indices where isCut {
            Array(tokens[id]).withUnsafeBufferPointer { piece in
                for (offset, byte) in piece.enumerated() where offset > 0 && byte == UInt8(ascii: " ") {
                    reaching.insert(piece.scalar(before: offset).value)
                }
            }
        }
    }

    /// Appends the ids of `text`.
    ///
    /// - Parameters:
    ///   - isFirst: whether the whole text begins with it.
    ///   - goesOn: whether other text is before it, without an added token between them.
    func encode(
        _ text: UnsafeBufferPointer<UInt8>, isFirst: Bool, goesOn: Bool, parsingSpecial: Bool,
        into output: inout EncodedText
    ) {
        output.segmentStart = output.ids.count
        preparation.prepared(text, isFirst: isFirst, goesOn: goesOn).withUnsafeBufferPointer { text in
            ownTokens.forEachSegment(of: text, parsingSpecial: parsingSpecial) { segment in
                switch segment {
                case .token(let id):
                    output.ids.append(id)
                    output.segmentStart = output.ids.count
                case .text(let range): encodeWords(of: text.part(range), into: &output)
                }
            }
        }
    }

    private func encodeWords(of text: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        var start = 0
        while start < text.count {
            let end = isCut ? wordEnd(from: start, in: text) : text.count
            if output.hasEnded(before: end - start) { return }
            // Unknown tokens depend on what is before them.
            if unknown.joins {
                encodeNewPiece(text.part(start..<end), into: &output)
            } else {
                output.encodePiece(text, start..<end) { encodeNewPiece($0, into: &$1) }
            }
            start = end
        }
    }

    /// The next place where no piece can lie across: before a space after something that no piece has before a space.
    private func wordEnd(from start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        var end = start + 1
        while end < text.count {
            if text[end] == UInt8(ascii: " "), splits || !reaching.contains(text.scalar(before: end).value) {
                return end
            }
            end += 1
        }
        return end
    }

    private func encodeNewPiece(_ piece: UnsafeBufferPointer<UInt8>, into output: inout EncodedText) {
        switch engine {
        case .merges(let engine): engine.encode(piece, into: &output)
        case .lattice(let engine): engine.encode(piece, into: &output)
        }
    }
}
