/// What lies beside a tokenizer in a Hugging Face checkpoint: `tokenizer_config.json`, `added_tokens.json`, and what
/// `config.json` says of special tokens.
struct TokenizerConfiguration {
    /// `tokenizer_config.json`, and its path for messages.
    var tokenizer: JSON?
    var file = "tokenizer_config.json"
    /// `config.json`.
    var model: JSON?
    /// `added_tokens.json`.
    var addedTokens: JSON?
    /// Chat templates that lie in files of their own.
    var chatTemplateFiles: [Vocabulary.ChatTemplate] = []

    var tokenizerClass: String? { tokenizer?["tokenizer_class"]?.string }

    /// How many tokens the model has, by `config.json`, where a wrapper says it of its text model.
    var vocabularySize: Int? { model?["vocab_size"]?.int ?? model?["text_config"]?["vocab_size"]?.int }

    /// Sets the ids of special tokens that are named here, and leaves the others.
    func nameSpecialTokens(in vocabulary: inout Vocabulary) {
        func id(_ name: String) -> Int? {
            let entry = tokenizer?[name + "_token"]
            if let content = entry?.string ?? entry?["content"]?.string {
                let key = ByteString(content)
                if let added = vocabulary.addedTokens.first(where: { ByteString($0.content) == key }) {
                    return added.id
                }
                if let index = vocabulary.tokens.firstIndex(where: { ByteString($0) == key }) { return index }
            }
            let fallback = model?[name + "_token_id"]
            // -1 stands for none in many configurations.
            return (fallback?.int ?? fallback?.array?.first?.int)
                .flatMap { vocabulary.tokens.indices.contains($0) ? $0 : nil }
        }
        vocabulary.special.bos = id("bos") ?? vocabulary.special.bos
        vocabulary.special.eos = id("eos") ?? vocabulary.special.eos
        vocabulary.special.unknown = id("unk") ?? vocabulary.special.unknown
        vocabulary.special.padding = id("pad") ?? vocabulary.special.padding
        vocabulary.special.separator = id("sep") ?? vocabulary.special.separator
        vocabulary.special.mask = id("mask") ?? vocabulary.special.mask
        vocabulary.addsBOS = tokenizer?["add_bos_token"]?.bool ?? vocabulary.addsBOS
        vocabulary.addsEOS = tokenizer?["add_eos_token"]?.bool ?? vocabulary.addsEOS
    }

    var chatTemplates: [Vocabulary.ChatTemplate] {
        if !chatTemplateFiles.isEmpty { return chatTemplateFiles }
        switch tokenizer?["chat_template"] {
        case .string(let text): return [Vocabulary.ChatTemplate(text: text)]
        case .array(let entries):
            var templates: [Vocabulary.ChatTemplate] = []
            var places: [ByteString: Int] = [:]
            for entry in entries {
                guard let name = entry["name"]?.string, let text = entry["template"]?.string else { continue }
                let template = Vocabulary.ChatTemplate(name: name == "default" ? nil : name, text: text)
                // As in transformers, which makes a dictionary of them, the last of a name counts.
                if let place = places[ByteString(name)] {
                    templates[place] = template
                } else {
                    places[ByteString(name)] = templates.count
                    templates.append(template)
                }
            }
            return templates
        default: return []
        }
    }

    /// The tokens that are added to a tokenizer that is no `tokenizer.json`, by id.
    func readAddedTokens() throws(RecastError) -> [Vocabulary.AddedToken] {
        var tokens: [Int: Vocabulary.AddedToken] = [:]
        for member in try object(addedTokens, named: "added_tokens.json") {
            guard let id = member.value.int, id >= 0, id < 1 << 31 else {
                throw .malformed(file, "added_tokens.json: \"\(member.key)\" has no id")
            }
            tokens[id] = .init(id: id, content: member.key, isSpecial: false)
        }
        for member in try object(tokenizer?["added_tokens_decoder"], named: "added_tokens_decoder") {
            guard let id = Int(member.key), id >= 0, id < 1 << 31 else {
                throw .malformed(file, "added_tokens_decoder: \"\(member.key)\" is no id")
            }
            tokens[id] = try Vocabulary.AddedToken(member.value, id: id, file: file)
            // Tokenizers that are no tokenizer.json look for all of them before anything is normalised.
            tokens[id]?.isNormalized = false
        }
        return tokens.values.sorted { $0.id < $1.id }
    }

    private func object(_ value: JSON?, named name: String) throws(RecastError) -> [JSON.Object.Member] {
        guard let value, !value.isNull else { return [] }
        guard let object = value.object else { throw .malformed(file, "\(name) is not an object") }
        return object.members
    }
}

extension Vocabulary.AddedToken {
    /// An entry of `added_tokens` in `tokenizer.json`, or of `added_tokens_decoder` in `tokenizer_config.json`.
    init(_ entry: JSON, id: Int?, file: String) throws(RecastError) {
        guard let id = id ?? entry["id"]?.int, id >= 0, id < 1 << 31, let content = entry["content"]?.string else {
            throw .malformed(file, "an added token has no id or no content: \(entry.text())")
        }
        self.init(id: id, content: content, isSpecial: entry["special"]?.bool ?? false)
        stripsLeft = entry["lstrip"]?.bool ?? false
        stripsRight = entry["rstrip"]?.bool ?? false
        isSingleWord = entry["single_word"]?.bool ?? false
        isNormalized = entry["normalized"]?.bool ?? false
    }

    /// Whether llama.cpp's converter takes it for a control token, whatever it is declared to be.
    var looksSpecial: Bool {
        ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(content)
            || [("<|", "|>"), ("<｜", "｜>"), ("<unused", ">")].contains {
                content.hasPrefix($0.0) && content.hasSuffix($0.1)
            }
    }

    /// What GGUF calls it.
    var kind: Vocabulary.Kind { isSpecial || looksSpecial ? .control : .userDefined }
}
