extension Checkpoint {
    /// The vocabulary that belongs to the checkpoint; nil where it has none.
    ///
    /// - Parameters:
    ///   - directory: a directory, or an archive of one, to read the tokenizer from instead.
    ///   - preTokenizer: a GGUF name to use in place of what the tokenizer says.
    ///   - size: rows of the embedding.
    public func vocabulary(
        directory: String? = nil, preTokenizer: String? = nil, size: Int?
    ) throws(RecastError) -> Vocabulary? {
        try vocabulary(
            in: directory.map { (path) throws(RecastError) in try Folder(path: path, places: sources.places) },
            preTokenizer: preTokenizer, size: size)
    }

    /// - Parameter folder: where the tokenizer is read from instead.
    func vocabulary(in folder: Folder?, preTokenizer: String?, size: Int?) throws(RecastError) -> Vocabulary? {
        guard let folder else { return try content.vocabulary(preTokenizer: preTokenizer, size: size) }
        return try Self.vocabulary(
            in: folder, configuration: content.tokenizerConfiguration, size: size, preTokenizer: preTokenizer)
    }

    /// The vocabulary of the tokenizer files in a directory or an archive, which need be no checkpoint; nil where there
    /// are none.
    ///
    /// - Parameter configuration: `config.json`, which names special tokens.
    package static func vocabulary(
        in folder: Folder, configuration: JSON? = nil, size: Int? = nil, preTokenizer: String? = nil
    ) throws(RecastError) -> Vocabulary? {
        var names = try folder.names()
        let additional = "additional_chat_templates"
        if names.contains(additional) {
            names += try folder.names(in: additional).map { Path.join(additional, $0) }
        }
        return try TokenizerFiles(
            names: names, model: configuration, path: { folder.path(of: $0) },
            contents: { (name) throws(RecastError) in try folder.contents(of: name) }
        ).vocabulary(size: size, preTokenizer: preTokenizer)
    }
}

extension Checkpoint {
    /// `generation_config.json`, from the checkpoint's directory or embedded in a GGUF file; nil where there is none.
    func generationConfiguration() throws(RecastError) -> JSON? { try content.generationConfiguration() }
}

extension Model {
    /// The tokens that end a text, by the configuration and by what is said about generation.
    public func stopTokens() throws(RecastError) -> [Int] {
        let eos = try checkpoint.generationConfiguration()?["eos_token_id"]
        let more = eos?.array?.compactMap(\.int) ?? eos?.int.map { [$0] } ?? []
        let known = Set(graph.configuration.eosTokens)
        return graph.configuration.eosTokens + more.filter { !known.contains($0) }
    }
}
