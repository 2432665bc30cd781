// The `tokenizer.*` keys of GGUF, as llama.cpp's converter writes them. Source: Specs/gguf.md §a.5, §d.4 and §d.5.

private let prefix = "tokenizer.ggml."

extension Vocabulary {
    /// The tokens as GGUF spells them: a NUL would end a token in llama.cpp, which puts a dragon in its place, and added
    /// tokens are looked for in text, where spaces are spaces.
    var ggufTokens: [String] {
        guard model != .byteLevelBPE else { return tokens }
        var tokens = tokens
        if let id = tokens.firstIndex(of: "\0") { tokens[id] = "🐉" }
        let contents = Dictionary(addedTokens.map { ($0.id, $0.content) }) { first, _ in first }
        for id in kinds.indices where kinds[id] == .userDefined {
            tokens[id] = (contents[id] ?? tokens[id]).replacing("\u{2581}", with: " ")
        }
        return tokens
    }

    /// Adds the `tokenizer.*` keys in the order of the reference converter.
    ///
    /// - Parameters:
    ///   - named: the pre-tokenizer's name, where the user says it.
    ///   - architecture: the model's, which may have a name for the pre-tokenizer, and its own way to join pieces.
    /// - Returns: what the keys do not say of this tokenizer, as warnings.
    /// - Throws: `unsupported` where no known pre-tokenizer name stands for this vocabulary's, and for merges that scores
    ///   cannot say.
    @discardableResult
    func write(
        into metadata: inout GGUFMetadata, preTokenizer named: String?, architecture: GGUFArchitecture? = nil
    ) throws(RecastError) -> [String] {
        let isMergedPieces =
            architecture?.joinsByMerges == true && model == .sentencePieceBPE && !merges.isEmpty
            && spaces.prefix == .none
        let tokens = ggufTokens
        if let (first, second) = Self.duplicate(in: tokens) {
            throw .unsupported(
                "the tokens \(first) and \(second) are both \"\(tokens[second])\", which llama.cpp refuses")
        }
        var warnings = remarks
        switch model {
        case .byteLevelBPE:
            warnings += try writeByteLevel(into: &metadata, preTokenizer: named, architecture: architecture)
        case .sentencePieceBPE where isMergedPieces: writeMergedPieces(tokens, into: &metadata)
        case .sentencePieceBPE, .unigram: try writePieces(tokens, into: &metadata)
        }
        for (key, path) in ggufSpecialKeys {
            if let id = special[keyPath: path].flatMap(UInt32.init(exactly:)) { metadata[prefix + key] = .u32(id) }
        }
        if isMergedPieces {
            metadata[prefix + "add_space_prefix"] = .bool(false)
            metadata[prefix + "add_bos_token"] = .bool(addsBOS ?? true)
            if let addsEOS, addsEOS { metadata[prefix + "add_eos_token"] = .bool(true) }
        } else {
            writeAdditions(into: &metadata)
        }
        for template in chatTemplates where template.name == nil {
            metadata["tokenizer.chat_template"] = .string(template.text)
        }
        let named = chatTemplates.filter { $0.name != nil }
        for template in named { metadata["tokenizer.chat_template.\(template.name!)"] = .string(template.text) }
        if !named.isEmpty { metadata["tokenizer.chat_templates"] = .array(.string(named.map { $0.name! })) }
        return warnings + unsaid(isMergedPieces: isMergedPieces)
    }

    /// What llama.cpp does otherwise than this tokenizer, whatever the keys are.
    private func unsaid(isMergedPieces: Bool) -> [String] {
        guard model != .byteLevelBPE else { return [] }
        var warnings: [String] = []
        if let id = tokens.firstIndex(of: "\0") {
            warnings.append("token \(id), a NUL, is written as 🐉, as llama.cpp's converter does: llama.cpp has no NUL")
        }
        guard model == .sentencePieceBPE else {
            if kinds.contains(.byte) {
                warnings.append(
                    "the tokenizer spells unknown text in bytes, which llama.cpp will not do with a unigram model")
            }
            return warnings
        }
        if !kinds.contains(.byte) {
            warnings.append(
                "the vocabulary has no tokens for bytes: what it cannot spell is <unk> here, and ends llama.cpp with an error"
            )
        }
        if isMergedPieces {
            if addsBOS == false {
                warnings.append(
                    "the tokenizer puts no BOS before texts, and llama.cpp does so for Gemma 4 whatever is said")
            }
        } else if scores.isEmpty {
            warnings.append(
                "no tokenizer.model has the tokenizer's scores: they are made from its merges, in the same order")
        }
        if !spaces.characterMap.isEmpty {
            warnings.append("the tokenizer replaces characters before it cuts text, which llama.cpp will not do")
        }
        if spaces.removesExtra {
            warnings.append("the tokenizer drops extra spaces, which llama.cpp will not do")
        }
        if spaces.splits {
            warnings.append("the tokenizer cuts text at every space, which llama.cpp will not do")
        }
        return warnings
    }

    private func writeByteLevel(
        into metadata: inout GGUFMetadata, preTokenizer named: String?, architecture: GGUFArchitecture?
    ) throws(RecastError) -> [String] {
        var warnings: [String] = []
        let name: String
        if let known = named ?? preTokenizerName(architecture: architecture?.name) {
            name = known
        } else {
            name = try nearestPreTokenizerName(architecture: architecture?.name)
            warnings.append(
                "llama.cpp's pre-tokenizer \(name), which cuts text as this tokenizer does, "
                    + (ignoresMerges ? "merges words that are tokens" : "takes words that are tokens as they stand")
                    + ", and this tokenizer does not: other tokens come of words that merges do not make")
        }
        metadata[prefix + "model"] = .string("gpt2")
        metadata[prefix + "pre"] = .string(name)
        metadata[prefix + "tokens"] = .array(.string(tokens))
        metadata[prefix + "token_type"] = .array(.i32(kinds.map(\.rawValue)))
        // A merge of a piece that holds a space spells it as the byte-level alphabet does.
        metadata[prefix + "merges"] = .array(
            .string(
                merges.map { Self.spelled($0.left) + " " + Self.spelled($0.right) }))
        return warnings
    }

    /// A name that cuts text alike and says otherwise whether tokens are taken as they stand.
    private func nearestPreTokenizerName(architecture: String?) throws(RecastError) -> String {
        if let name = preTokenizerName(architecture: architecture, ignoresMerges: !ignoresMerges) { return name }
        let patterns = preTokenizer.steps.map { step in
            switch step {
            case .split(let pattern): pattern
            case .digits(let individual), .byteDigits(let individual): individual ? "each digit" : "digits"
            }
        }
        throw .unsupported(
            "GGUF has no known name for this pre-tokenizer:",
            details: patterns + [
                "--pre-tokenizer NAME writes one of " + PreTokenizer.known.map(\.name).joined(separator: ", ")
            ])
    }

    private func writePieces(_ tokens: [String], into metadata: inout GGUFMetadata) throws(RecastError) {
        metadata[prefix + "model"] = .string(model == .unigram ? "t5" : "llama")
        metadata[prefix + "pre"] = .string(sourcePreTokenizer ?? "default")
        metadata[prefix + "tokens"] = .array(.string(tokens))
        metadata[prefix + "scores"] = .array(.f32(scores.isEmpty ? try scoresOfMerges() : scores))
        // llama.cpp's converter takes pieces that the model itself calls the user's own for normal ones, and then spells them
        // letter by letter.
        metadata[prefix + "token_type"] = .array(.i32(kinds.map(\.rawValue)))
    }

    /// Pieces that are joined by merges, whose scores say nothing: the converter's are all the same.
    ///
    /// Source: `Gemma4Model.set_vocab` of llama.cpp's converter.
    private func writeMergedPieces(_ tokens: [String], into metadata: inout GGUFMetadata) {
        metadata[prefix + "model"] = .string("gemma4")
        metadata[prefix + "tokens"] = .array(.string(tokens))
        metadata[prefix + "scores"] = .array(.f32([Float](repeating: Self.addedScore, count: tokens.count)))
        let types = tokens.indices.map { id -> Kind in
            switch kinds[id] {
            case .control where Self.shownTokens.contains(tokens[id]): .userDefined
            case .unknown: .control
            default: kinds[id]
            }
        }
        metadata[prefix + "token_type"] = .array(.i32(types.map(\.rawValue)))
        metadata[prefix + "merges"] = .array(.string(merges.map { $0.left + " " + $0.right }))
    }

    /// Tokens of Gemma 4 that programs read in what the model says, so that llama.cpp shows them though they are special.
    private static let shownTokens: Set = [
        "<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", "<|\"|>",
    ]

    /// What a name or a model implies for a loader is only said where it is otherwise, or out of the ordinary.
    private func writeAdditions(into metadata: inout GGUFMetadata) {
        if model == .byteLevelBPE {
            let known = metadata[prefix + "pre"]?.string.flatMap { PreTokenizer.known($0) }
            // Where nothing is said, there is none.
            if addsBOS == true || known?.addsBOS == true || known == nil && addsBOS != nil {
                metadata[prefix + "add_bos_token"] = .bool(addsBOS ?? false)
            }
            if let addsEOS, addsEOS { metadata[prefix + "add_eos_token"] = .bool(addsEOS) }
            if addsPrefixSpace { metadata[prefix + "add_space_prefix"] = .bool(true) }
            return
        }
        // llama.cpp has other defaults.
        metadata[prefix + "add_bos_token"] = .bool(addsBOS ?? false)
        metadata[prefix + "add_eos_token"] = .bool(addsEOS ?? false)
        if model == .unigram || spaces.prefix == .none {
            metadata[prefix + "add_space_prefix"] = .bool(spaces.prefix != .none)
        }
        guard model == .unigram else { return }
        metadata[prefix + "remove_extra_whitespaces"] = .bool(spaces.removesExtra)
        if !spaces.characterMap.isEmpty {
            metadata[prefix + "precompiled_charsmap"] = .array(.u8(spaces.characterMap))
        }
    }

    private static func spelled(_ piece: String) -> String {
        piece.utf8.contains(UInt8(ascii: " ")) ? piece.replacing(" ", with: "\u{120}") : piece
    }
}
