import Recast

/// Text to token ids and back, as a vocabulary says.
///
/// A tokenizer is immutable: any number of threads may use one at the same time.
public struct Tokenizer: Sendable {
    /// How text between added tokens becomes ids.
    private enum Model: Sendable {
        case byteLevelBPE(ByteLevelBPE)
        case sentencePiece(SentencePiece)
    }

    private let model: Model
    private let normalizer: Vocabulary.Normalizer
    let rawTokens: AddedTokenMatcher
    private let normalizedTokens: AddedTokenMatcher
    private let addsBOS: Bool
    private let addsEOS: Bool
    let tokens: TokenBytes
    let isSpecialToken: [Bool]
    /// Whether a space is put before text, which goes away on the way back.
    let addsSpace: Bool
    /// Whether some special token is matched in normalised text.
    let normalizesSpecial: Bool
    /// The token ids with a meaning of their own.
    public let special: Vocabulary.SpecialTokens

    /// Throws `.unsupported` for a model or a pre-tokenizer that cannot be run, and `.malformedInput` where the parts
    /// of the vocabulary contradict each other.
    public init(_ vocabulary: Vocabulary) throws(RecastError) {
        try Self.check(vocabulary)
        let normalized = vocabulary.addedTokens.filter(\.isNormalized)
        let isMatchedBefore: Bool
        switch vocabulary.model {
        case .byteLevelBPE:
            let (tokens, isAdded) = Self.tokenBytes(of: vocabulary)
            self.tokens = tokens
            model = .byteLevelBPE(try ByteLevelBPE(vocabulary, tokens: tokens, isAdded: isAdded))
            isMatchedBefore = true
            addsSpace = false
        case .sentencePieceBPE, .unigram:
            tokens = Self.pieceBytes(of: vocabulary)
            model = .sentencePiece(
                try SentencePiece(vocabulary, tokens: tokens, normalizedTokens: normalized))
            isMatchedBefore = vocabulary.spaces.isMetaspace
            addsSpace = vocabulary.spaces.prefix != .none
        }
        var isSpecialToken = vocabulary.kinds.map { $0 == .control || $0 == .unknown }
        for token in vocabulary.addedTokens where token.isSpecial { isSpecialToken[token.id] = true }
        self.isSpecialToken = isSpecialToken
        normalizer = vocabulary.normalizer
        normalizesSpecial = normalized.contains(where: \.isSpecial)
        rawTokens = AddedTokenMatcher(vocabulary.addedTokens.filter { !$0.isNormalized })
        normalizedTokens = AddedTokenMatcher(
            (isMatchedBefore ? normalized : []).map { token in
                var token = token
                if vocabulary.normalizer == .nfc { token.content = composed(token.content) }
                return token
            })
        addsBOS = vocabulary.addsBOS ?? false
        addsEOS = vocabulary.addsEOS ?? false
        special = vocabulary.special
    }

    /// The ids of a text.
    ///
    /// - Parameters:
    ///   - parsingSpecial: Whether special tokens spelled out in the text are those tokens; if not, they are text like
    ///     any other. Added tokens that are not special are always found.
    ///   - addingSpecial: Whether to put BOS before and EOS after the text where the vocabulary wants and has them.
    /// - Throws: `.unsupported` where the engine behind an
    ///   uncommon pre-tokenizer gives up.
    public func encode(
        _ text: String, parsingSpecial: Bool = true, addingSpecial: Bool = false
    ) throws(RecastError) -> [Int32] {
        var text = text
        var output = EncodedText(byteCount: text.utf8.count)
        if addingSpecial, addsBOS, let bos = special.bos { output.ids.append(Int32(bos)) }
        text.withUTF8 { utf8 in
            rawTokens.forEachSegment(of: utf8, parsingSpecial: parsingSpecial) { segment in
                switch segment {
                case .token(let id): output.ids.append(id)
                case .text(let range):
                    normalize(
                        utf8.part(range), isFirst: range.lowerBound == 0, parsingSpecial: parsingSpecial, into: &output)
                }
            }
        }
        if let failure = output.failure { throw failure }
        if addingSpecial, addsEOS, let eos = special.eos { output.ids.append(Int32(eos)) }
        return output.ids
    }

    /// How many special tokens a text spells out.
    public func specialTokenCount(in text: String) throws(RecastError) -> Int {
        try encode(text, parsingSpecial: true).count { isSpecialToken[Int($0)] && Int($0) != special.unknown }
    }

    /// Text without tokens that are matched in the raw text.
    ///
    /// - Parameters:
    ///   - isFirst: whether the whole text begins with it.
    ///   - goesOn: whether other text is before it, without an added token between them.
    func normalize(
        _ text: UnsafeBufferPointer<UInt8>, isFirst: Bool, goesOn: Bool = false, parsingSpecial: Bool,
        into output: inout EncodedText
    ) {
        if normalizer == .none || Composition.isInert(text) {
            return encode(
                normalized: text, isFirst: isFirst, goesOn: goesOn, parsingSpecial: parsingSpecial, into: &output)
        }
        var composition = composed(String(decoding: text, as: UTF8.self))
        composition.withUTF8 {
            encode(normalized: $0, isFirst: isFirst, goesOn: goesOn, parsingSpecial: parsingSpecial, into: &output)
        }
    }

    private func encode(
        normalized text: UnsafeBufferPointer<UInt8>, isFirst: Bool, goesOn: Bool, parsingSpecial: Bool,
        into output: inout EncodedText
    ) {
        normalizedTokens.forEachSegment(of: text, parsingSpecial: parsingSpecial) { segment in
            switch segment {
            case .token(let id): output.ids.append(id)
            case .text(let range):
                switch model {
                case .byteLevelBPE(let model): model.encode(text.part(range), into: &output)
                case .sentencePiece(let model):
                    model.encode(
                        text.part(range), isFirst: isFirst && range.lowerBound == 0,
                        goesOn: goesOn && range.lowerBound == 0, parsingSpecial: parsingSpecial, into: &output)
                }
            }
        }
    }
}

extension Tokenizer {
    /// Checks what the tokenizer takes for granted about a vocabulary.
    private static func check(_ vocabulary: Vocabulary) throws(RecastError) {
        let count = vocabulary.tokens.count
        guard count <= Int(Int32.max) else { throw RecastError(.malformedInput, "a vocabulary of \(count) tokens") }
        guard vocabulary.kinds.count == count else {
            throw RecastError(.malformedInput, "\(count) tokens, but the kinds of \(vocabulary.kinds.count)")
        }
        for token in vocabulary.addedTokens where !(0..<count).contains(token.id) {
            throw RecastError(
                .malformedInput,
                "added token \"\(token.content)\" has id \(token.id) in a vocabulary of \(count) tokens")
        }
        for token in vocabulary.addedTokens where token.content.utf8.count > Vocabulary.longestPiece {
            throw .unsupported(Vocabulary.tooLong(token.id))
        }
        let special = vocabulary.special
        for (name, id) in [("BOS", special.bos), ("EOS", special.eos), ("unknown", special.unknown)] {
            guard let id, !(0..<count).contains(id) else { continue }
            throw RecastError(.malformedInput, "the \(name) token has id \(id) in a vocabulary of \(count) tokens")
        }
    }
}
