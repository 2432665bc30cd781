/// The tokenizer files of a checkpoint, wherever they lie: in a directory, in an archive, or travelling in a GGUF file.
struct TokenizerFiles {
    typealias Names = TokenizerFileNames

    let names: [String]
    /// The path that stands for a file, for messages.
    let path: (String) -> String
    let contents: (String) throws(RecastError) -> [UInt8]
    var configuration = TokenizerConfiguration()

    /// Reads what lies beside the tokenizer.
    init(
        names: [String], model: JSON?, path: @escaping (String) -> String,
        contents: @escaping (String) throws(RecastError) -> [UInt8]
    ) throws(RecastError) {
        (self.names, self.path, self.contents) = (names, path, contents)
        configuration.model = model
        configuration.file = path("tokenizer_config.json")
        configuration.tokenizer = try json("tokenizer_config.json")
        configuration.addedTokens = try json("added_tokens.json")
        if names.contains("chat_template.jinja") {
            configuration.chatTemplateFiles.append(.init(text: try text("chat_template.jinja")))
        }
        let folder = "additional_chat_templates/"
        for name in names where name.hasPrefix(folder) && name.hasSuffix(".jinja") {
            configuration.chatTemplateFiles.append(
                .init(name: String(name.dropFirst(folder.count).dropLast(6)), text: try text(name)))
        }
        // That of processors for images and sounds, where the tokenizer has none of its own.
        if configuration.chatTemplates.isEmpty, let text = try json("chat_template.json")?["chat_template"]?.string {
            configuration.chatTemplateFiles.append(.init(text: text))
        }
    }

    /// The vocabulary; nil where there is no tokenizer.
    ///
    /// `tokenizer.json` is what transformers reads, and comes first. A model of sentencepiece beside it that has the same
    /// tokens adds the scores that GGUF wants. Mistral's `tekken.json` leads where there is none, as in mistral-common.
    ///
    /// - Parameters:
    ///   - size: rows of the embedding; ids beyond the tokenizer's are named `[PAD…]`.
    ///   - preTokenizer: a GGUF name to use in place of what the tokenizer says.
    func vocabulary(size: Int?, preTokenizer: String?) throws(RecastError) -> Vocabulary? {
        if let tokenizer = try json("tokenizer.json") {
            let reader = HuggingFaceTokenizer(
                tokenizer: tokenizer, file: path("tokenizer.json"), configuration: configuration)
            var vocabulary = try reader.vocabulary(size: size, preTokenizer: preTokenizer)
            if vocabulary.model == .sentencePieceBPE, names.contains("tokenizer.model"),
                let model = try? SentencePieceModel(contents("tokenizer.model"), file: path("tokenizer.model"))
            {
                vocabulary.takeScores(of: model)
            }
            return vocabulary
        }
        if let json = try json(Names.tekken) {
            return try vocabulary(
                of: TekkenFile(json, file: path(Names.tekken)), size: size, preTokenizer: preTokenizer)
        }
        if names.contains("tokenizer.model") {
            return try vocabulary(ofModel: "tokenizer.model", size: size, preTokenizer: preTokenizer)
        }
        if Names.hasMerges(names) { return try vocabularyOfMerges(size: size, preTokenizer: preTokenizer) }
        if let name = names.first(where: Names.isTiktoken) {
            return try vocabulary(
                of: TiktokenFile(contents(name), file: path(name)).tokens, named: name, size: size,
                preTokenizer: preTokenizer)
        }
        let versions = Names.versionedModels(among: names)
        guard let name = versions.last else { return nil }
        var vocabulary = try vocabulary(ofModel: name, size: size, preTokenizer: preTokenizer)
        if versions.count > 1 {
            vocabulary.remarks.append(
                "\(path(name)): taken of \(versions.joined(separator: ", ")), as the last version")
        }
        return vocabulary
    }

    /// A file whose name sentencepiece and tiktoken both use.
    private func vocabulary(ofModel name: String, size: Int?, preTokenizer: String?) throws(RecastError) -> Vocabulary {
        let (bytes, file) = (try contents(name), path(name))
        return TiktokenFile.recognizes(bytes)
            ? try vocabulary(
                of: TiktokenFile(bytes, file: file).tokens, named: name, size: size, preTokenizer: preTokenizer)
            : try vocabulary(of: SentencePieceModel(bytes, file: file), size: size)
    }

    private func vocabulary(of model: SentencePieceModel, size: Int?) throws(RecastError) -> Vocabulary {
        var vocabulary = model.vocabulary
        // transformers puts a space before all text between added tokens, unless it is told not to (`legacy`).
        if vocabulary.spaces.prefix != .none, configuration.tokenizer?["legacy"]?.bool ?? true {
            vocabulary.spaces.prefix = .everySegment
        }
        switch configuration.tokenizer?["add_prefix_space"]?.bool {
        case false?: vocabulary.spaces.prefix = .none
        case true? where vocabulary.spaces.prefix == .none: vocabulary.spaces.prefix = .everySegment
        default: break
        }
        // Control pieces are for callers that ask for them, in text as everywhere else.
        for id in vocabulary.tokens.indices where vocabulary.kinds[id] == .control || vocabulary.kinds[id] == .unknown {
            vocabulary.addedTokens.append(.init(id: id, content: vocabulary.tokens[id], isSpecial: true))
        }
        // What LlamaTokenizer does when nothing is said, and llama.cpp too.
        vocabulary.addsBOS = true
        vocabulary.addsEOS = false
        var added = try configuration.readAddedTokens()
        if configuration.tokenizerClass == "ChatGLMTokenizer" {
            // Source: tokenization_chatglm.py of chatglm3-6b, where they follow the model's pieces.
            vocabulary.addsBOS = false
            vocabulary.sourcePreTokenizer = "chatglm-spm"
            let names = [
                "[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>",
                "<|observation|>",
            ]
            let declared = Set(added.map(\.id))
            for (id, name) in zip(model.pieces.count..., names) where !declared.contains(id) {
                added.append(.init(id: id, content: name, isSpecial: true))
            }
        }
        try finish(&vocabulary, adding: added, size: size, file: model.file)
        return vocabulary
    }

    /// The files that slow tokenizers of byte-level merges have. How text is cut is in the program of their class.
    private func vocabularyOfMerges(size: Int?, preTokenizer named: String?) throws(RecastError) -> Vocabulary {
        let kind = configuration.tokenizerClass ?? ""
        let slow = kind.hasSuffix("Fast") ? String(kind.dropLast(4)) : kind
        let type = configuration.model?["model_type"]?.string ?? ""
        let name =
            named ?? Self.preTokenizersOfClasses[kind.isEmpty ? Self.classesOfModels[type] ?? "" : slow]
        guard let name else {
            throw .unsupported(
                "\(path("vocab.json")) and merges.txt do not say how text is cut, and the tokenizer_class "
                    + "\(kind.isEmpty ? "" : "\(kind) ")is none that is known; --pre-tokenizer NAME says it")
        }
        guard let vocabulary = try json("vocab.json") else { throw .malformed(path("vocab.json"), "is not there") }
        let merges = try text("merges.txt").split(whereSeparator: \.isNewline).map(String.init)
            .filter { !$0.hasPrefix("#version") }
        let added = try configuration.readAddedTokens().map { token -> JSON in
            [
                "id": .int(token.id), "content": .string(token.content), "special": .bool(token.isSpecial),
                "normalized": .bool(token.isNormalized), "lstrip": .bool(token.stripsLeft),
                "rstrip": .bool(token.stripsRight), "single_word": .bool(token.isSingleWord),
            ]
        }
        let isComposed = PreTokenizer.known(name)?.normalizer == .nfc
        let tokenizer: JSON = [
            "normalizer": isComposed ? ["type": "NFC"] : .null, "added_tokens": .array(added),
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false],
            "model": ["type": "BPE", "vocab": vocabulary, "merges": .array(merges.map(JSON.string))],
        ]
        var result = try HuggingFaceTokenizer(
            tokenizer: tokenizer, file: path("vocab.json"), configuration: configuration
        ).vocabulary(size: size, preTokenizer: name)
        result.addsBOS = configuration.tokenizer?["add_bos_token"]?.bool
        return result
    }

    /// By the classes of transformers' tokenizers.
    private static let preTokenizersOfClasses = [
        "Qwen2Tokenizer": "qwen2", "GPT2Tokenizer": "gpt-2", "CodeGenTokenizer": "gpt-2",
    ]
    /// What models have that name no class. Source: transformers, `tokenization_auto.py`.
    private static let classesOfModels = [
        "gpt2": "GPT2Tokenizer", "gptj": "GPT2Tokenizer", "opt": "GPT2Tokenizer", "codegen": "CodeGenTokenizer",
    ]

    /// Adds tokens and what is said about special ones.
    func finish(
        _ vocabulary: inout Vocabulary, adding added: [Vocabulary.AddedToken], size: Int?, file: String
    ) throws(RecastError) {
        let count = max(vocabulary.tokens.count, (added.map(\.id).max() ?? -1) + 1)
        guard count <= size ?? count else {
            throw .malformed(file, "token id \(count - 1) has no row in an embedding of \(size ?? 0)")
        }
        guard count <= 2 * (vocabulary.tokens.count + added.count) + 65_536 else {
            throw .malformed(file, "token id \(count - 1) is out of proportion to \(vocabulary.tokens.count) tokens")
        }
        vocabulary.pad(to: size ?? count)
        vocabulary.add(added)
        configuration.nameSpecialTokens(in: &vocabulary)
        vocabulary.chatTemplates = configuration.chatTemplates
    }

    /// Whether one of these files holds a tokenizer.
    static func areTokenizers(_ names: [String]) -> Bool {
        Names.hasMerges(names)
            || names.contains { $0 == "tokenizer.json" || $0 == "tokenizer.model" || Names.isForeign($0) }
    }

    private func json(_ name: String) throws(RecastError) -> JSON? {
        names.contains(name) ? try JSON(parsing: contents(name), file: path(name)) : nil
    }

    private func text(_ name: String) throws(RecastError) -> String {
        guard let text = String(validating: try contents(name), as: UTF8.self) else {
            throw .malformed(path(name), "is not UTF-8")
        }
        return text
    }
}

extension Vocabulary {
    // The scores llama.cpp's converter gives to what no model of sentencepiece has a score for.
    static let paddingScore: Float = -10_000
    static let addedScore: Float = -1000

    /// Names the ids up to `count` that have no token.
    fileprivate mutating func pad(to count: Int) {
        for id in tokens.count..<max(count, tokens.count) {
            tokens.append("[PAD\(id)]")
            kinds.append(.unused)
            if !scores.isEmpty { scores.append(Self.paddingScore) }
        }
    }

    /// Puts added tokens in the places of whatever has their ids; of several with one id the last counts.
    fileprivate mutating func add(_ added: [AddedToken]) {
        let last = Dictionary(added.enumerated().map { ($1.id, $0) }) { $1 }
        addedTokens.removeAll { last[$0.id] != nil }
        addedTokens += added.enumerated().filter { last[$1.id] == $0 }.map(\.element)
        for token in added {
            tokens[token.id] = token.content
            kinds[token.id] = token.kind
            if !scores.isEmpty { scores[token.id] = Self.addedScore }
        }
    }

    /// Takes over what a model of sentencepiece says of the tokens, if it has the same.
    fileprivate mutating func takeScores(of model: SentencePieceModel) {
        let added = Set(addedTokens.map(\.id))
        let isSame = model.pieces.indices.allSatisfy { id in
            added.contains(id) || id < tokens.count && ByteString(tokens[id]) == ByteString(model.pieces[id].text)
        }
        guard isSame, model.vocabulary.model == .sentencePieceBPE else { return }
        scores = tokens.indices.map { added.contains($0) ? Self.addedScore : Self.paddingScore }
        for (id, piece) in model.pieces.enumerated() where !added.contains(id) {
            (scores[id], kinds[id]) = (piece.score, piece.kind)
        }
    }
}
