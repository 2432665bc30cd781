/// Reads the `tokenizer.json` of a Hugging Face checkpoint.
struct HuggingFaceTokenizer {
    let tokenizer: JSON
    /// The path of `tokenizer.json`, for messages.
    let file: String
    /// What lies beside it.
    var configuration = TokenizerConfiguration()

    /// - Parameters:
    ///   - size: rows of the embedding; ids beyond the tokenizer's are named `[PAD…]`.
    ///   - preTokenizer: what the user says is used instead of what the file says.
    func vocabulary(size: Int?, preTokenizer named: String?) throws(RecastError) -> Vocabulary {
        guard let model = tokenizer["model"]?.object else { throw .malformed(file, "has no \"model\"") }
        let type = model["type"]?.string ?? "BPE"
        guard type == "BPE" || type == "Unigram" else {
            throw .unsupported("\(file): tokenizers of the type \(type) are not supported")
        }
        let spaces = type == "Unigram" || isSentencePiece ? try readSpaces() : nil
        let ids = type == "Unigram" ? try readScoredPieces(model) : try readIDs(model)
        let (added, remarks) = try readAddedTokens(ids)
        let count = max((ids.map(\.id).max() ?? -1), (added.map(\.id).max() ?? -1)) + 1
        guard count <= size ?? count else {
            throw .malformed(file, "token id \(count - 1) has no row in an embedding of \(size ?? 0)")
        }
        guard count <= 2 * (ids.count + added.count) + 65_536 else {
            throw .malformed(file, "token id \(count - 1) is out of proportion to \(ids.count) tokens")
        }

        var vocabulary = Vocabulary(
            model: type == "Unigram" ? .unigram : spaces == nil ? .byteLevelBPE : .sentencePieceBPE,
            tokens: (0..<(size ?? count)).map { "[PAD\($0)]" },
            kinds: [Vocabulary.Kind](repeating: .unused, count: size ?? count),
            preTokenizer: PreTokenizer(steps: []))
        if type == "Unigram" { vocabulary.scores = [Float](repeating: Vocabulary.paddingScore, count: size ?? count) }
        let hasByteFallback = spaces != nil && model["byte_fallback"]?.bool == true
        for (text, id, score) in ids {
            vocabulary.tokens[id] = text
            vocabulary.kinds[id] = hasByteFallback && Vocabulary.byte(spelledBy: text) != nil ? .byte : .normal
            if let score { vocabulary.scores[id] = score }
        }
        let unknown = model["unk_id"]?.int ?? id(of: model["unk_token"]?.string, in: ids)
        vocabulary.spellsUnknown = unknown != nil
        if spaces != nil, let unknown, vocabulary.tokens.indices.contains(unknown) {
            vocabulary.kinds[unknown] = .unknown
            vocabulary.special.unknown = unknown
        }
        for token in added {
            vocabulary.tokens[token.id] = token.content
            vocabulary.kinds[token.id] = token.kind
        }
        vocabulary.addedTokens = added
        vocabulary.remarks = remarks
        vocabulary.merges = try readMerges(model)
        vocabulary.ignoresMerges = model["ignore_merges"]?.bool ?? false
        if let spaces {
            vocabulary.spaces = spaces
        } else if let named {
            vocabulary.normalizer = try readNormalizer()
            vocabulary.preTokenizer = PreTokenizer.known(named)?.preTokenizer ?? PreTokenizer(steps: [])
            vocabulary.sourcePreTokenizer = named
        } else {
            vocabulary.normalizer = try readNormalizer()
            var reader = PreTokenizerReader(file: file)
            try reader.read(tokenizer["pre_tokenizer"] ?? .null)
            vocabulary.preTokenizer = PreTokenizer(steps: reader.steps)
            vocabulary.addsPrefixSpace = reader.addsPrefixSpace
        }
        configuration.nameSpecialTokens(in: &vocabulary)
        if let template = readTemplate() {
            vocabulary.addsBOS = template.first != nil && template.first == vocabulary.special.bos
            vocabulary.addsEOS = template.last != nil && template.last == vocabulary.special.eos
        }
        vocabulary.chatTemplates = configuration.chatTemplates
        return vocabulary
    }

    // MARK: The model

    typealias Piece = (text: String, id: Int, score: Float?)

    private func id(of text: String?, in pieces: [Piece]) -> Int? {
        guard let key = text.map(ByteString.init) else { return nil }
        return pieces.first { ByteString($0.text) == key }?.id
    }

    private func readIDs(_ model: JSON.Object) throws(RecastError) -> [Piece] {
        guard let members = model["vocab"]?.object?.members else { throw .malformed(file, "has no \"vocab\"") }
        var ids: [Piece] = []
        var seen = Set<Int>()
        for member in members {
            guard let id = member.value.int, id >= 0, id < 1 << 31, seen.insert(id).inserted else {
                throw .malformed(file, "vocab: \"\(member.key)\" has no id of its own")
            }
            ids.append((member.key, id, nil))
        }
        return ids
    }

    /// The pieces of a Unigram model, which are numbered by their places.
    private func readScoredPieces(_ model: JSON.Object) throws(RecastError) -> [Piece] {
        var pieces: [Piece] = []
        for (id, entry) in try list("vocab", of: model).enumerated() {
            guard let pair = entry.array, pair.count == 2, let text = pair[0].string, !text.isEmpty,
                let score = pair[1].double.map({ Float($0) }), score.isFinite
            else { throw .malformed(file, "vocab[\(id)] is not a piece and its score: \(entry.text())") }
            pieces.append((text, id, score))
        }
        return pieces
    }

    private func readMerges(_ model: JSON.Object) throws(RecastError) -> [Vocabulary.Merge] {
        var merges: [Vocabulary.Merge] = []
        for (rank, merge) in try list("merges", of: model).enumerated() {
            let halves: [String?]
            switch merge {
            case .string(let text):
                // By bytes: a combining mark after a space makes one character with it.
                halves = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
                    .map { String(Substring($0)) }
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

    /// The added tokens with the ids that `tokenizers` gives them: that of the model's token with the same content, and
    /// numbers from the size of the model's vocabulary on for those that the model has not. What the entry says does not
    /// matter there.
    ///
    /// Source: `AddedVocabulary::add_tokens`.
    private func readAddedTokens(
        _ pieces: [Piece]
    ) throws(RecastError) -> (tokens: [Vocabulary.AddedToken], remarks: [String]) {
        var entries: [Vocabulary.AddedToken] = []
        for entry in try list("added_tokens", of: tokenizer.object) {
            entries.append(try Vocabulary.AddedToken(entry, id: nil, file: file))
        }
        var ids: [ByteString: Int?] = [:]
        for entry in entries { ids[ByteString(entry.content)] = .some(nil) }
        for piece in pieces {
            let key = ByteString(piece.text)
            if ids[key] != nil { ids[key] = piece.id }
        }
        var added: [Vocabulary.AddedToken] = []
        var places: [Int: Int] = [:]
        var next = pieces.count
        var remarks: [String] = []
        for var entry in entries where !entry.content.isEmpty {
            let key = ByteString(entry.content)
            let id = (ids[key] ?? nil) ?? next
            ids[key] = id
            next = max(next, id + 1)
            if id != entry.id, remarks.isEmpty {
                remarks.append(
                    "\(file): the added token \"\(entry.content)\" has the id \(entry.id) there, and \(id) for the "
                        + "tokenizers library, which numbers tokens that the model's vocabulary has not: taken as \(id)"
                )
            }
            entry.id = id
            if let place = places.updateValue(places[id] ?? added.count, forKey: id) {
                added[place] = entry
            } else {
                added.append(entry)
            }
        }
        return (added, remarks)
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
}

/// The pre-tokenizer of `tokenizer.json` as a sequence of splits.
private struct PreTokenizerReader {
    let file: String
    var steps: [PreTokenizer.Step] = []
    var addsPrefixSpace = false
    /// Of steps behind ByteLevel, which has spelled the text in its alphabet by then.
    private var stepsOfBytes: [PreTokenizer.Step] = []
    private var isSpelledInBytes = false

    init(file: String) { self.file = file }

    /// Whether an expression matches ASCII's digits alone: such as `[0-9][0-9][0-9]` and `[0-9]{1,3}`.
    private static func isOfDigits(_ pattern: String) -> Bool {
        let digit = "[0-9]"
        return pattern.hasPrefix(digit)
            && pattern.split(separator: digit, omittingEmptySubsequences: false).dropFirst().allSatisfy { ending in
                if ending.isEmpty || ending == "+" { return true }
                guard ending.hasPrefix("{"), ending.hasSuffix("}") else { return false }
                return ending.dropFirst().dropLast().split(separator: ",").allSatisfy { Int($0) != nil }
            }
    }

    mutating func read(_ value: JSON) throws(RecastError) {
        try add(value)
        // ASCII's digits are the same in both, and every split by them may come first.
        steps += stepsOfBytes
        stepsOfBytes = []
    }

    private mutating func add(_ value: JSON) throws(RecastError) {
        switch value["type"]?.string {
        case nil where value.isNull: break
        case "Sequence": for part in value["pretokenizers"]?.array ?? [] { try add(part) }
        case "Split":
            guard
                value["behavior"]?.string == "Isolated" && value["invert"]?.bool != true
                    || value["behavior"]?.string == "Removed" && value["invert"]?.bool == true,
                let pattern = value["pattern"]?["Regex"]?.string
            else { throw unknown(value) }
            guard !isSpelledInBytes || Self.isOfDigits(pattern) else { throw unknown(value) }
            steps.append(.split(pattern: PreTokenizer.spellingLineBreaks(pattern)))
        case "Punctuation":
            let behavior = value["behavior"]?.string ?? "Isolated"
            guard behavior == "Isolated" || behavior == "Contiguous", !isSpelledInBytes else { throw unknown(value) }
            steps.append(.split(pattern: PreTokenizer.punctuation(isContiguous: behavior == "Contiguous")))
        case "Digits":
            let individual = value["individual_digits"]?.bool ?? false
            if isSpelledInBytes {
                stepsOfBytes.append(.byteDigits(individual: individual))
            } else {
                steps.append(.digits(individual: individual))
            }
        case "ByteLevel":
            guard !isSpelledInBytes else { throw unknown(value) }
            isSpelledInBytes = true
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
