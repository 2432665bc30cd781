/// `tokenizer.json` of SentencePiece's models, as transformers' own converter writes it.
extension Vocabulary {
    private static let space = "\u{2581}"

    /// - Throws: `unsupported` for models that replace characters or drop spaces, which `tokenizers` does in another way.
    func pieceParts() throws(RecastError) -> TokenizerParts {
        guard spaces.characterMap.isEmpty, !spaces.removesExtra else {
            throw .unsupported(
                "this tokenizer \(spaces.removesExtra ? "drops extra spaces" : "replaces characters"), which a "
                    + "tokenizer.json cannot say exactly; --tokenizer DIR takes the original")
        }
        let replace: JSON = ["type": "Replace", "pattern": ["String": " "], "content": .string(Self.space)]
        let prepend: JSON = ["type": "Prepend", "prepend": .string(Self.space)]
        var steps: [JSON] = [
            ["type": "Replace", "pattern": ["String": .string(Self.space)], "content": " "],
            ["type": "ByteFallback"], ["type": "Fuse"],
        ]
        if spaces.prefix != .none { steps.append(["type": "Strip", "content": " ", "start": 1, "stop": 0]) }
        return TokenizerParts(
            normalizer: spaces.prefix == .none
                ? replace : ["type": "Sequence", "normalizers": [prepend, replace]],
            preTokenizer: .null, decoder: ["type": "Sequence", "decoders": .array(steps)],
            model: model == .unigram ? unigramModel : try pieceModel())
    }

    private func pieceModel() throws(RecastError) -> JSON {
        let merges = merges.isEmpty ? try mergesOfScores() : merges
        return [
            "type": "BPE", "dropout": .null, "unk_token": special.unknown.map { .string(tokens[$0]) } ?? .null,
            "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": true,
            "byte_fallback": .bool(kinds.contains(.byte)), "ignore_merges": false,
            "vocab": modelVocabulary,
            "merges": .array(merges.map { [.string($0.left), .string($0.right)] }),
        ]
    }

    /// Ids are places here, so every token is there, unused ones too.
    private var unigramModel: JSON {
        [
            "type": "Unigram", "unk_id": special.unknown.map { .int($0) } ?? .null,
            "vocab": .array(tokens.indices.map { [.string(tokens[$0]), .double(Double(scores[$0]))] }),
            "byte_fallback": .bool(kinds.contains(.byte)),
        ]
    }
}
