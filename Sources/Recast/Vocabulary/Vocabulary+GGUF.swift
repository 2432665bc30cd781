// The `tokenizer.*` keys of GGUF. Source: Specs/gguf.md §a.5 and §d.5.

private let prefix = "tokenizer.ggml."

// swift-format-ignore
nonisolated(unsafe) let ggufSpecialKeys: [(key: String, path: WritableKeyPath<Vocabulary.SpecialTokens, Int?>)] = [
    ("eos_token_id",       \.eos),
    ("padding_token_id",   \.padding),
    ("bos_token_id",       \.bos),
    ("eot_token_id",       \.endOfTurn),
    ("unknown_token_id",   \.unknown),
    ("seperator_token_id", \.separator),
    ("mask_token_id",      \.mask),
]

extension Vocabulary {
    /// The vocabulary of a GGUF file; nil where it says it has none.
    ///
    /// - Throws: `malformedInput` for lists of different lengths, ids without a token and merges that are no pairs,
    ///   `unsupported` for tokenizers of another kind.
    init?(_ metadata: GGUFMetadata, file: String, preTokenizer named: String? = nil) throws(RecastError) {
        guard let value = metadata[prefix + "model"] else { return nil }
        guard let model = value.string else { throw .malformed(file, "\(prefix)model is no string") }
        guard model != "no_vocab", model != "none" else { return nil }
        guard let kind = Self.models[model] else {
            throw .unsupported(
                "\(file): tokenizers of the kind \"\(model)\" are not supported; --tokenizer DIR takes one from "
                    + "elsewhere")
        }
        guard let tokens = metadata[prefix + "tokens"]?.strings else {
            throw .malformed(file, "\(prefix)tokens is missing or no list of strings")
        }
        let kinds = try Self.kinds(metadata, count: tokens.count, file: file)
        if let (first, second) = Self.duplicate(in: tokens) {
            throw .malformed(file, "\(prefix)tokens: \(first) and \(second) are both \"\(tokens[second])\"")
        }
        self.init(
            model: kind, tokens: tokens, kinds: kinds, preTokenizer: PreTokenizer(steps: []))
        if let value = metadata[prefix + "scores"] {
            guard let numbers = value.floats, numbers.count == tokens.count else {
                throw .malformed(file, "\(prefix)scores is no list of \(tokens.count) numbers")
            }
            scores = numbers
        }
        for (id, kind) in self.kinds.enumerated() where kind == .control || kind == .userDefined {
            addedTokens.append(AddedToken(id: id, content: tokens[id], isSpecial: kind == .control))
        }
        if self.model == .byteLevelBPE {
            try readByteLevel(metadata, file: file, preTokenizer: named)
        } else if model == "gemma4" {
            try readMergedPieces(metadata, file: file)
        } else {
            try readPieces(metadata, file: file)
        }
        for (key, path) in ggufSpecialKeys {
            guard let value = metadata[prefix + key] else { continue }
            guard let id = value.int, tokens.indices.contains(id) else {
                throw .malformed(file, "\(prefix)\(key) is no id of one of the \(tokens.count) tokens")
            }
            special[keyPath: path] = id
        }
        addsBOS = metadata[prefix + "add_bos_token"]?.bool ?? addsBOS
        addsEOS = metadata[prefix + "add_eos_token"]?.bool ?? addsEOS
        if let text = metadata["tokenizer.chat_template"]?.string { chatTemplates.append(ChatTemplate(text: text)) }
        // A name that is there again stands for the same text, which would be there again with it.
        var names = Set<ByteString>()
        for name in metadata["tokenizer.chat_templates"]?.strings ?? [] where names.insert(ByteString(name)).inserted {
            guard let text = metadata["tokenizer.chat_template.\(name)"]?.string else { continue }
            chatTemplates.append(ChatTemplate(name: name, text: text))
        }
    }

    private static let models: [String: Model] = [
        "gpt2": .byteLevelBPE, "llama": .sentencePieceBPE, "gemma4": .sentencePieceBPE, "t5": .unigram,
    ]

    /// Gemma 4's pieces of sentencepiece, which are joined by merges: the scores that there are say nothing.
    private mutating func readMergedPieces(_ metadata: GGUFMetadata, file: String) throws(RecastError) {
        merges = try Self.merges(metadata, file: file)
        scores = []
        if metadata[prefix + "add_space_prefix"]?.bool == true { spaces.prefix = .everySegment }
    }

    private mutating func readByteLevel(
        _ metadata: GGUFMetadata, file: String, preTokenizer named: String?
    ) throws(RecastError) {
        let said = named ?? metadata[prefix + "pre"]?.string
        if said == nil {
            remarks.append(
                "\(file): does not say how text is cut (tokenizer.ggml.pre): llama.cpp's \"default\" is taken, which is right for few "
                    + "models; --pre-tokenizer NAME says it")
        }
        let name = said ?? "default"
        guard let known = PreTokenizer.known(name) else {
            throw .unsupported(
                "\(file): the pre-tokenizer \"\(name)\" is not supported; known are "
                    + PreTokenizer.known.map(\.name).joined(separator: ", "))
        }
        preTokenizer = known.preTokenizer
        sourcePreTokenizer = name
        ignoresMerges = known.ignoresMerges
        addsBOS = known.addsBOS
        merges = try Self.merges(metadata, file: file)
        addsPrefixSpace = metadata[prefix + "add_space_prefix"]?.bool ?? false
        if let text = metadata["tokenizer.huggingface.json"]?.string,
            let json = try? JSON(parsing: Array(text.utf8), file: file)
        {
            normalizer = json["normalizer"]?["type"]?.string == "NFC" ? .nfc : .none
        } else {
            normalizer = known.normalizer
        }
    }

    /// What llama.cpp takes for granted of SentencePiece's models where the file says nothing.
    private mutating func readPieces(_ metadata: GGUFMetadata, file: String) throws(RecastError) {
        guard !scores.isEmpty else {
            throw .malformed(
                file,
                "\(prefix)scores is missing, without which nobody knows which pieces to join; --tokenizer DIR takes "
                    + "a tokenizer from elsewhere")
        }
        if let id = scores.firstIndex(where: { !$0.isFinite }) {
            throw .malformed(file, "\(prefix)scores[\(id)], of \"\(tokens[id])\", is \(scores[id])")
        }
        if metadata[prefix + "token_type"] == nil {
            for id in tokens.indices where Self.byte(spelledBy: tokens[id]) != nil { kinds[id] = .byte }
        }
        for (id, kind) in kinds.enumerated() where kind == .unknown {
            addedTokens.append(AddedToken(id: id, content: tokens[id], isSpecial: true))
        }
        func known(_ id: Int) -> Int? { tokens.indices.contains(id) ? id : nil }
        if model == .sentencePieceBPE {
            (special.unknown, special.bos, special.eos) = (known(0), known(1), known(2))
        } else {
            (special.padding, special.eos, special.unknown) = (known(0), known(1), known(2))
        }
        (addsBOS, addsEOS) = (model == .sentencePieceBPE, model == .unigram)
        let addsPrefix = metadata[prefix + "add_space_prefix"]?.bool ?? (model == .sentencePieceBPE)
        spaces.prefix = addsPrefix ? .everySegment : .none
        if model == .unigram {
            spaces.removesExtra = metadata[prefix + "remove_extra_whitespaces"]?.bool ?? false
            switch metadata[prefix + "precompiled_charsmap"] {
            case .array(.u8(let bytes))?: spaces.characterMap = bytes
            case .array(.i8(let bytes))?: spaces.characterMap = bytes.map { UInt8(bitPattern: $0) }
            case nil: break
            default: throw .malformed(file, "\(prefix)precompiled_charsmap is no list of bytes")
            }
        }
    }

    private static func kinds(_ metadata: GGUFMetadata, count: Int, file: String) throws(RecastError) -> [Kind] {
        guard let value = metadata[prefix + "token_type"] else { return [Kind](repeating: .normal, count: count) }
        guard let numbers = value.ints, numbers.count == count else {
            throw .malformed(file, "\(prefix)token_type is no list of \(count) numbers")
        }
        return numbers.map { Int32(exactly: $0).flatMap(Kind.init(rawValue:)) ?? .normal }
    }

    private static func merges(_ metadata: GGUFMetadata, file: String) throws(RecastError) -> [Merge] {
        guard let texts = metadata[prefix + "merges"]?.strings else {
            throw .malformed(file, "\(prefix)merges is missing or no list of strings")
        }
        var merges: [Merge] = []
        merges.reserveCapacity(texts.count)
        for (rank, text) in texts.enumerated() {
            let halves = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else {
                throw .malformed(file, "\(prefix)merges[\(rank)] is not two tokens: \"\(text)\"")
            }
            merges.append(Merge(String(Substring(halves[0])), String(Substring(halves[1]))))
        }
        return merges
    }

    /// The ids of the first token that stands there twice.
    static func duplicate(in tokens: [String]) -> (Int, Int)? {
        var ids: [ByteString: Int] = [:]
        ids.reserveCapacity(tokens.count)
        for (id, token) in tokens.enumerated() {
            if let first = ids.updateValue(id, forKey: ByteString(token)) { return (first, id) }
        }
        return nil
    }
}
