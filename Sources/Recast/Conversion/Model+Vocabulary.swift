extension Checkpoint {
    /// The vocabulary that belongs to the checkpoint; nil where it has none.
    ///
    /// - Parameters:
    ///   - directory: a directory, or an archive of one, to read `tokenizer.json` from instead.
    ///   - preTokenizer: a GGUF name to use in place of what the tokenizer says.
    ///   - size: rows of the embedding.
    public func vocabulary(
        directory: String? = nil, preTokenizer: String? = nil, size: Int?
    ) throws(RecastError) -> Vocabulary? {
        switch content {
        case .gguf(let set) where directory == nil:
            return try TravellingTokenizer(set, preTokenizer: preTokenizer).vocabulary
        case .gguf:
            guard let directory else { return nil }
            return try Self.vocabulary(
                in: Folder(path: directory), configuration: nil, size: size, preTokenizer: preTokenizer)
        case .megatron(let files):
            // Megatron's own files hold none.
            guard let directory = directory ?? files.companions else { return nil }
            return try Self.vocabulary(
                in: Folder(path: directory), configuration: nil, size: size, preTokenizer: preTokenizer)
        case .huggingFace(let files):
            return try Self.vocabulary(
                in: directory.map { (path) throws(RecastError) in try Folder(path: path) } ?? files.folder,
                configuration: files.configuration.map(JSON.object), size: size, preTokenizer: preTokenizer)
        }
    }

    private static func vocabulary(
        in folder: Folder, configuration: JSON?, size: Int?, preTokenizer: String?
    ) throws(RecastError) -> Vocabulary? {
        let names = try folder.names()
        func json(_ name: String) throws(RecastError) -> JSON? {
            names.contains(name) ? try JSON(parsing: folder.contents(of: name), file: folder.path(of: name)) : nil
        }
        func text(_ name: String) throws(RecastError) -> String {
            guard let text = String(validating: try folder.contents(of: name), as: UTF8.self) else {
                throw .malformed(folder.path(of: name), "is not UTF-8")
            }
            return text
        }
        guard let tokenizer = try json("tokenizer.json") else {
            if let other = names.first(where: { $0 == "tokenizer.model" || $0.hasSuffix(".tiktoken") }) {
                throw .unsupported(
                    "\(folder.path(of: other)): only tokenizers with a tokenizer.json can be read yet")
            }
            return nil
        }
        var reader = HuggingFaceTokenizer(tokenizer: tokenizer, file: folder.path(of: "tokenizer.json"))
        reader.tokenizerConfig = try json("tokenizer_config.json")
        reader.configuration = configuration
        if names.contains("chat_template.jinja") {
            reader.chatTemplates.append(.init(text: try text("chat_template.jinja")))
        }
        let additional = "additional_chat_templates"
        if names.contains(additional) {
            for name in try folder.names(in: additional) where name.hasSuffix(".jinja") {
                reader.chatTemplates.append(
                    .init(name: String(name.dropLast(6)), text: try text(Path.join(additional, name))))
            }
        }
        return try reader.vocabulary(size: size, preTokenizer: preTokenizer)
    }
}

extension Checkpoint {
    /// `generation_config.json`, from the checkpoint's directory or travelling in a GGUF file; nil where there is none.
    func generationConfiguration() throws(RecastError) -> JSON? {
        let name = "generation_config.json"
        switch content {
        case .huggingFace(let files):
            guard files.companions.contains(name) else { return nil }
            return try JSON(parsing: files.folder.contents(of: name), file: files.folder.path(of: name))
        case .gguf(let set):
            guard let file = GGUFCompanions.files(in: set.metadata).first(where: { $0.name == name }) else {
                return nil
            }
            return try JSON(parsing: file.bytes, file: "\(set.paths[0]): \(name)")
        case .megatron: return nil
        }
    }
}

extension Model {
    /// The tokens that end a text, by the configuration and by what is said about generation.
    public func stopTokens() throws(RecastError) -> [Int] {
        let eos = try checkpoint.generationConfiguration()?["eos_token_id"]
        let more = eos?.array?.compactMap(\.int) ?? eos?.int.map { [$0] } ?? []
        return graph.configuration.eosTokens + more.filter { !graph.configuration.eosTokens.contains($0) }
    }
}
