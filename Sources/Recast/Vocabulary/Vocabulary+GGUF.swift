// The `tokenizer.*` keys of GGUF. Source: Specs/gguf.md §a.5 and §d.5.

private let prefix = "tokenizer.ggml."

// swift-format-ignore
private nonisolated(unsafe) let specialKeys: [(key: String, path: WritableKeyPath<Vocabulary.SpecialTokens, Int?>)] = [
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
        guard let kind = metadata[prefix + "model"] else { return nil }
        guard let model = kind.string else { throw .malformed(file, "\(prefix)model is no string") }
        guard model != "no_vocab", model != "none" else { return nil }
        guard model == "gpt2" else {
            throw .unsupported(
                "\(file): tokenizers of the kind \"\(model)\" are not supported yet; --tokenizer DIR takes one "
                    + "from elsewhere")
        }
        guard let tokens = metadata[prefix + "tokens"]?.strings else {
            throw .malformed(file, "\(prefix)tokens is missing or no list of strings")
        }
        let kinds = try Self.kinds(metadata, count: tokens.count, file: file)
        if let (first, second) = Self.duplicate(in: tokens) {
            throw .malformed(file, "\(prefix)tokens: \(first) and \(second) are both \"\(tokens[second])\"")
        }
        let name = named ?? metadata[prefix + "pre"]?.string ?? "gpt-2"
        guard let known = PreTokenizer.known(name) else {
            throw .unsupported(
                "\(file): the pre-tokenizer \"\(name)\" is not supported; known are "
                    + PreTokenizer.known.map(\.name).joined(separator: ", "))
        }
        self.init(model: .byteLevelBPE, tokens: tokens, kinds: kinds, preTokenizer: known.preTokenizer)
        ignoresMerges = known.ignoresMerges
        merges = try Self.merges(metadata, file: file)
        if let value = metadata[prefix + "scores"] {
            guard let numbers = value.floats, numbers.count == tokens.count else {
                throw .malformed(file, "\(prefix)scores is no list of \(tokens.count) numbers")
            }
            scores = numbers
        }
        for (id, kind) in kinds.enumerated() where kind == .control || kind == .userDefined {
            addedTokens.append(AddedToken(id: id, content: tokens[id], isSpecial: kind == .control))
        }
        for (key, path) in specialKeys {
            guard let value = metadata[prefix + key] else { continue }
            guard let id = value.int, tokens.indices.contains(id) else {
                throw .malformed(file, "\(prefix)\(key) is no id of one of the \(tokens.count) tokens")
            }
            special[keyPath: path] = id
        }
        addsBOS = metadata[prefix + "add_bos_token"]?.bool ?? known.addsBOS
        addsEOS = metadata[prefix + "add_eos_token"]?.bool
        addsPrefixSpace = metadata[prefix + "add_space_prefix"]?.bool ?? false
        if let text = metadata["tokenizer.chat_template"]?.string { chatTemplates.append(ChatTemplate(text: text)) }
        for name in metadata["tokenizer.chat_templates"]?.strings ?? [] {
            guard let text = metadata["tokenizer.chat_template.\(name)"]?.string else { continue }
            chatTemplates.append(ChatTemplate(name: name, text: text))
        }
        if let text = metadata["tokenizer.huggingface.json"]?.string,
            let json = try? JSON(parsing: Array(text.utf8), file: file)
        {
            normalizer = json["normalizer"]?["type"]?.string == "NFC" ? .nfc : .none
        } else if name == "qwen2" {
            normalizer = .nfc
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

    /// Adds the `tokenizer.*` keys in the order of the reference converter.
    ///
    /// - Parameter named: the pre-tokenizer's name, where the user says it.
    /// - Throws: `unsupported` where no known pre-tokenizer name stands for this vocabulary's.
    func write(into metadata: inout GGUFMetadata, preTokenizer named: String?) throws(RecastError) {
        guard model == .byteLevelBPE else {
            throw .unsupported("only byte-level BPE vocabularies can be written to GGUF yet")
        }
        guard let name = named ?? preTokenizerName else {
            let patterns = preTokenizer.steps.map { step in
                switch step {
                case .split(let pattern): pattern
                case .digits(let individual): individual ? "each digit" : "digits"
                }
            }
            throw .unsupported(
                "GGUF has no known name for this pre-tokenizer:\n  \(patterns.joined(separator: "\n  "))\n"
                    + "  --pre-tokenizer NAME writes one of "
                    + PreTokenizer.known.map(\.name).joined(separator: ", "))
        }
        if let (first, second) = Self.duplicate(in: tokens) {
            throw .unsupported(
                "the tokens \(first) and \(second) are both \"\(tokens[second])\", which llama.cpp refuses")
        }
        metadata[prefix + "model"] = .string("gpt2")
        metadata[prefix + "pre"] = .string(name)
        metadata[prefix + "tokens"] = .array(.string(tokens))
        metadata[prefix + "token_type"] = .array(.i32(kinds.map(\.rawValue)))
        // A merge of a piece that holds a space spells it as the byte-level alphabet does.
        metadata[prefix + "merges"] = .array(
            .string(
                merges.map { Self.spelled($0.left) + " " + Self.spelled($0.right) }))
        for (key, path) in specialKeys {
            if let id = special[keyPath: path].flatMap(UInt32.init(exactly:)) { metadata[prefix + key] = .u32(id) }
        }
        // A name implies a default; only what differs, or is out of the ordinary, is said.
        if let addsBOS, addsBOS || PreTokenizer.known(name)?.addsBOS != false {
            metadata[prefix + "add_bos_token"] = .bool(addsBOS)
        }
        if let addsEOS, addsEOS { metadata[prefix + "add_eos_token"] = .bool(addsEOS) }
        if addsPrefixSpace { metadata[prefix + "add_space_prefix"] = .bool(true) }
        for template in chatTemplates where template.name == nil {
            metadata["tokenizer.chat_template"] = .string(template.text)
        }
        let named = chatTemplates.filter { $0.name != nil }
        for template in named { metadata["tokenizer.chat_template.\(template.name!)"] = .string(template.text) }
        if !named.isEmpty { metadata["tokenizer.chat_templates"] = .array(.string(named.map { $0.name! })) }
    }

    /// The ids of the first token that stands there twice.
    private static func duplicate(in tokens: [String]) -> (Int, Int)? {
        var ids: [ByteString: Int] = [:]
        ids.reserveCapacity(tokens.count)
        for (id, token) in tokens.enumerated() {
            if let first = ids.updateValue(id, forKey: ByteString(token)) { return (first, id) }
        }
        return nil
    }

    private static func spelled(_ piece: String) -> String {
        piece.utf8.contains(UInt8(ascii: " ")) ? piece.replacing(" ", with: "\u{120}") : piece
    }
}
