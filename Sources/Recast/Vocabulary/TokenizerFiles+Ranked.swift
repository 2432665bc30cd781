/// Tokenizers whose tokens have ranks, as tiktoken joins them.
extension TokenizerFiles {
    func vocabulary(of tekken: TekkenFile, size: Int?, preTokenizer: String?) throws(RecastError) -> Vocabulary {
        let known = preTokenizer.flatMap { PreTokenizer.known($0) }
        var vocabulary = try tekken.vocabulary(preTokenizer: known?.preTokenizer)
        vocabulary.sourcePreTokenizer = preTokenizer ?? "tekken"
        let declared = try configuration.readAddedTokens()
        let ids = Set(declared.map(\.id))
        try finish(
            &vocabulary, adding: tekken.addedTokens.filter { !ids.contains($0.id) } + declared, size: size,
            file: tekken.tokens.file)
        return vocabulary
    }

    func vocabulary(
        of tokens: RankedTokens, named name: String, size: Int?, preTokenizer: String?
    ) throws(RecastError) -> Vocabulary {
        let file = tokens.file
        let flavor = TiktokenFlavor(
            name: name, count: tokens.tokens.count, size: size ?? configuration.vocabularySize, configuration)
        if case .glm4 = flavor, preTokenizer == nil, configuration.tokenizer?["added_tokens_decoder"]?.object == nil {
            throw RecastError(
                .inputMissing, "its special tokens are missing: tokenizer_config.json has no added_tokens_decoder",
                trail: [file])
        }
        guard let known = (preTokenizer ?? flavor?.preTokenizerName).flatMap({ PreTokenizer.known($0) }) else {
            throw .unsupported(
                "\(file): a file of tiktoken does not say how text is cut, and neither tokenizer_config.json (QWenTokenizer, "
                    + "ChatGLM4Tokenizer, TikTokenTokenizer) nor its size (Llama 3, 4) does; --pre-tokenizer NAME takes "
                    + "one of " + PreTokenizer.known.map(\.name).joined(separator: ", "))
        }
        var vocabulary = try tokens.vocabulary(preTokenizer: known.preTokenizer)
        // A whole piece that is a token is taken in any case; where merges make it too, this says so to GGUF's readers.
        if known.ignoresMerges { vocabulary.ignoresMerges = true }
        vocabulary.normalizer = flavor?.normalizer ?? known.normalizer
        vocabulary.sourcePreTokenizer = known.name
        var added = flavor?.specialTokens(from: tokens.tokens.count) ?? []
        let declared = try configuration.readAddedTokens()
        let ids = Set(declared.map(\.id))
        added.removeAll { ids.contains($0.id) }
        try finish(&vocabulary, adding: added + declared, size: size, file: file)
        flavor?.nameSpecialTokens(in: &vocabulary)
        if let remark = flavor?.remark(onFileOf: tokens.tokens.count) {
            vocabulary.remarks.append("\(file): \(remark)")
        }
        return vocabulary
    }

    /// The file of a tokenizer that transformers does not read by itself; nil where it reads another that is here.
    func foreignFile() throws(RecastError) -> String? {
        if names.contains("tokenizer.json") { return nil }
        if names.contains(Names.tekken) { return Names.tekken }
        if names.contains("tokenizer.model") {
            return TiktokenFile.recognizes(try contents("tokenizer.model")) ? "tokenizer.model" : nil
        }
        return Names.hasMerges(names)
            ? nil : names.first(where: Names.isTiktoken) ?? Names.versionedModels(among: names).last
    }
}
