/// Reads the tokenizer files of a Hugging Face checkpoint: `tokenizer.json`, and what `tokenizer_config.json` and
/// `config.json` say about special tokens.
struct HuggingFaceTokenizer {
    let tokenizer: JSON
    /// The path of `tokenizer.json`, for messages.
    let file: String
    var tokenizerConfig: JSON?
    var configuration: JSON?
    /// Chat templates that lie in files of their own.
    var chatTemplates: [Vocabulary.ChatTemplate] = []

    /// - Parameters:
    ///   - size: rows of the embedding; ids beyond the tokenizer's are named `[PAD…]`.
    ///   - preTokenizer: what the user says is used instead of what the file says.
    func vocabulary(size: Int?, preTokenizer named: String?) throws(RecastError) -> Vocabulary {
        guard let model = tokenizer["model"]?.object else { throw .malformed(file, "has no \"model\"") }
        let type = model["type"]?.string ?? "BPE"
        guard type == "BPE" else { throw .unsupported("\(file): tokenizers of the type \(type) are not supported") }
        guard model["byte_fallback"]?.bool != true else {
            throw .unsupported("\(file): SentencePiece tokenizers (byte_fallback) are not supported yet")
        }
        let ids = try readIDs(model)
        let added = try readAddedTokens()
        let count = max((ids.map(\.id).max() ?? -1), (added.map(\.id).max() ?? -1)) + 1
        guard count <= size ?? count else {
            throw .malformed(file, "token id \(count - 1) has no row in an embedding of \(size ?? 0)")
        }
        guard count <= 2 * (ids.count + added.count) + 65_536 else {
            throw .malformed(file, "token id \(count - 1) is out of proportion to \(ids.count) tokens")
        }

        var vocabulary = Vocabulary(
            model: .byteLevelBPE, tokens: (0..<(size ?? count)).map { "[PAD\($0)]" },
            kinds: [Vocabulary.Kind](repeating: .unused, count: size ?? count),
            preTokenizer: PreTokenizer(steps: []))
        for (text, id) in ids {
            vocabulary.tokens[id] = text
            vocabulary.kinds[id] = .normal
        }
        for token in added {
            vocabulary.tokens[token.id] = token.content
            vocabulary.kinds[token.id] = token.isSpecial || Self.looksSpecial(token.content) ? .control : .userDefined
        }
        vocabulary.addedTokens = added
        vocabulary.merges = try readMerges(model)
        vocabulary.ignoresMerges = model["ignore_merges"]?.bool ?? false
        vocabulary.normalizer = try readNormalizer()
        if let named {
            vocabulary.preTokenizer = PreTokenizer.known(named)?.preTokenizer ?? PreTokenizer(steps: [])
        } else {
            var reader = PreTokenizerReader(file: file)
            try reader.read(tokenizer["pre_tokenizer"] ?? .null)
            vocabulary.preTokenizer = PreTokenizer(steps: reader.steps)
            vocabulary.addsPrefixSpace = reader.addsPrefixSpace
        }
        readSpecialTokens(into: &vocabulary)
        vocabulary.chatTemplates = readChatTemplates()
        return vocabulary
    }

    // MARK: The model

    private func readIDs(_ model: JSON.Object) throws(RecastError) -> [(text: String, id: Int)] {
        guard let members = model["vocab"]?.object?.members else { throw .malformed(file, "has no \"vocab\"") }
        var ids: [(text: String, id: Int)] = []
        var seen = Set<Int>()
        for member in members {
            guard let id = member.value.int, id >= 0, id < 1 << 31, seen.insert(id).inserted else {
                throw .malformed(file, "vocab: \"\(member.key)\" has no id of its own")
            }
            ids.append((member.key, id))
        }
        return ids
    }

    private func readMerges(_ model: JSON.Object) throws(RecastError) -> [Vocabulary.Merge] {
        var merges: [Vocabulary.Merge] = []
        for (rank, merge) in try list("merges", of: model).enumerated() {
            let halves: [String?]
            switch merge {
            case .string(let text):
                halves = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            case .array(let pair): halves = pair.map(\.string)
            default: halves = []
            }
            guard halves.count == 2, let left = halves[0], let right = halves[1], !left.isEmpty, !right.isEmpty else {
                throw .malformed(file, "merge \(rank) is not a pair: \(merge.text())")
            }
            merges.append(Vocabulary.Merge(left, right))
        }
        return merges
    }

    /// A member that is a list where it is there at all.
    private func list(_ key: String, of object: JSON.Object?) throws(RecastError) -> [JSON] {
        guard let value = object?[key], !value.isNull else { return [] }
        guard let list = value.array else { throw .malformed(file, "\"\(key)\" is not a list") }
        return list
    }

    private func readAddedTokens() throws(RecastError) -> [Vocabulary.AddedToken] {
        var added: [Vocabulary.AddedToken] = []
        for entry in try list("added_tokens", of: tokenizer.object) {
            guard let id = entry["id"]?.int, id >= 0, id < 1 << 31, let content = entry["content"]?.string else {
                throw .malformed(file, "an added token has no id or no content: \(entry.text())")
            }
            var token = Vocabulary.AddedToken(id: id, content: content, isSpecial: entry["special"]?.bool ?? false)
            token.stripsLeft = entry["lstrip"]?.bool ?? false
            token.stripsRight = entry["rstrip"]?.bool ?? false
            token.isSingleWord = entry["single_word"]?.bool ?? false
            token.isNormalized = entry["normalized"]?.bool ?? false
            added.append(token)
        }
        return added
    }

    /// Tokens that llama.cpp's converter takes for control tokens whatever they are declared to be.
    private static func looksSpecial(_ text: String) -> Bool {
        ["<|", "<｜"].contains { text.hasPrefix($0) } && ["|>", "｜>"].contains { text.hasSuffix($0) }
    }

    private func readNormalizer() throws(RecastError) -> Vocabulary.Normalizer {
        let normalizer = tokenizer["normalizer"] ?? .null
        let type = normalizer["type"]?.string
        if normalizer.isNull { return .none }
        if type == "NFC" { return .nfc }
        if type == "Sequence", let parts = normalizer["normalizers"]?.array {
            if parts.isEmpty { return .none }
            if parts.count == 1, parts[0]["type"]?.string == "NFC" { return .nfc }
        }
        throw .unsupported("\(file): the normalizer \(normalizer.text()) is not supported")
    }

    // MARK: Special tokens

    private func readSpecialTokens(into vocabulary: inout Vocabulary) {
        func id(_ name: String) -> Int? {
            let entry = tokenizerConfig?[name + "_token"]
            if let content = entry?.string ?? entry?["content"]?.string {
                let key = ByteString(content)
                if let added = vocabulary.addedTokens.first(where: { ByteString($0.content) == key }) {
                    return added.id
                }
                if let index = vocabulary.tokens.firstIndex(where: { ByteString($0) == key }) { return index }
            }
            let fallback = configuration?[name + "_token_id"]
            // -1 stands for none in many configurations.
            return (fallback?.int ?? fallback?.array?.first?.int)
                .flatMap { vocabulary.tokens.indices.contains($0) ? $0 : nil }
        }
        vocabulary.special.bos = id("bos")
        vocabulary.special.eos = id("eos")
        vocabulary.special.unknown = id("unk")
        vocabulary.special.padding = id("pad")
        vocabulary.special.separator = id("sep")
        vocabulary.special.mask = id("mask")
        let template = readTemplate()
        vocabulary.addsBOS = template.map { $0.first != nil && $0.first == vocabulary.special.bos }
        vocabulary.addsEOS = template.map { $0.last != nil && $0.last == vocabulary.special.eos }
        if template == nil {
            vocabulary.addsBOS = tokenizerConfig?["add_bos_token"]?.bool
            vocabulary.addsEOS = tokenizerConfig?["add_eos_token"]?.bool
        }
    }

    /// The special tokens before and after a single text, by the post-processor; nil where it does not say.
    private func readTemplate() -> (first: Int?, last: Int?)? {
        let processor = tokenizer["post_processor"]
        let candidates = processor?["processors"]?.array ?? processor.map { [$0] } ?? []
        guard let template = candidates.first(where: { $0["type"]?.string == "TemplateProcessing" }),
            let single = template["single"]?.array
        else { return nil }
        func id(_ piece: JSON?) -> Int? {
            guard let name = piece?["SpecialToken"]?["id"]?.string else { return nil }
            return template["special_tokens"]?[name]?["ids"]?.array?.first?.int
        }
        return (id(single.first), single.count > 1 ? id(single.last) : nil)
    }

    private func readChatTemplates() -> [Vocabulary.ChatTemplate] {
        if !chatTemplates.isEmpty { return chatTemplates }
        switch tokenizerConfig?["chat_template"] {
        case .string(let text): return [Vocabulary.ChatTemplate(text: text)]
        case .array(let entries):
            return entries.compactMap { entry in
                guard let name = entry["name"]?.string, let text = entry["template"]?.string else { return nil }
                return Vocabulary.ChatTemplate(name: name == "default" ? nil : name, text: text)
            }
        default: return []
        }
    }
}

/// The pre-tokenizer of `tokenizer.json` as a sequence of splits.
private struct PreTokenizerReader {
    let file: String
    var steps: [PreTokenizer.Step] = []
    var addsPrefixSpace = false

    mutating func read(_ value: JSON) throws(RecastError) {
        switch value["type"]?.string {
        case nil where value.isNull: break
        case "Sequence": for part in value["pretokenizers"]?.array ?? [] { try read(part) }
        case "Split":
            guard
                value["behavior"]?.string == "Isolated" && value["invert"]?.bool != true
                    || value["behavior"]?.string == "Removed" && value["invert"]?.bool == true,
                let pattern = value["pattern"]?["Regex"]?.string
            else { throw unknown(value) }
            steps.append(.split(pattern: pattern))
        case "Digits": steps.append(.digits(individual: value["individual_digits"]?.bool ?? false))
        case "ByteLevel":
            if value["use_regex"]?.bool ?? true { steps.append(.split(pattern: PreTokenizer.gpt2Pattern)) }
            if value["add_prefix_space"]?.bool ?? true { addsPrefixSpace = true }
        default: throw unknown(value)
        }
    }

    private func unknown(_ value: JSON) -> RecastError {
        .unsupported(
            "\(file): the pre-tokenizer \(value.text()) is not supported; --pre-tokenizer NAME takes one of "
                + PreTokenizer.known.map(\.name).joined(separator: ", ") + " instead")
    }
}
