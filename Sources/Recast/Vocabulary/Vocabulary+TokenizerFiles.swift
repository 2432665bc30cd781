extension Vocabulary {
    /// `tokenizer.json` and `tokenizer_config.json` with the same content, for vocabularies that came without them.
    ///
    /// - Throws: `unsupported` for what `tokenizer.json` cannot say.
    func huggingFaceFiles() throws(RecastError) -> [(name: String, json: JSON)] {
        let parts =
            switch model {
            case .byteLevelBPE: byteLevelParts
            case .sentencePieceBPE, .unigram: try pieceParts()
            }
        return [("tokenizer.json", tokenizerJSON(parts)), ("tokenizer_config.json", tokenizerConfiguration)]
    }

    /// What differs between models in `tokenizer.json`.
    struct TokenizerParts {
        var normalizer: JSON
        var preTokenizer: JSON
        var decoder: JSON
        var model: JSON
    }

    /// The tokens of the model, and with them the added ones: `tokenizers` numbers those anew that are not here, whatever
    /// id they are given elsewhere.
    var modelVocabulary: JSON {
        let added = Set(addedTokens.map(\.id))
        let members = tokens.indices.filter { added.contains($0) || kinds[$0] != .unused }
            .map { JSON.Object.Member(key: tokens[$0], value: .int($0)) }
        return .object(JSON.Object(uniqueMembers: members))
    }

    private var byteLevelParts: TokenizerParts {
        let byteLevel: JSON = [
            "type": "ByteLevel", "add_prefix_space": .bool(addsPrefixSpace), "trim_offsets": false, "use_regex": false,
        ]
        var (steps, stepsOfBytes): ([JSON], [JSON]) = ([], [])
        for step in preTokenizer.steps {
            switch step {
            case .split(let pattern):
                steps.append([
                    "type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false,
                ])
            case .digits(let individual): steps.append(["type": "Digits", "individual_digits": .bool(individual)])
            case .byteDigits(let individual):
                stepsOfBytes.append(["type": "Digits", "individual_digits": .bool(individual)])
            }
        }
        return TokenizerParts(
            normalizer: normalizer == .nfc ? ["type": "NFC"] : .null,
            preTokenizer: ["type": "Sequence", "pretokenizers": .array(steps + [byteLevel] + stepsOfBytes)],
            decoder: ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true],
            model: [
                "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
                "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": .bool(ignoresMerges), "vocab": modelVocabulary,
                "merges": .array(merges.map { [.string($0.left), .string($0.right)] }),
            ])
    }

    private func tokenizerJSON(_ parts: TokenizerParts) -> JSON {
        [
            "version": "1.0", "truncation": .null, "padding": .null,
            "added_tokens": .array(
                addedTokens.map { token in
                    [
                        "id": .int(token.id), "content": .string(token.content),
                        "single_word": .bool(token.isSingleWord), "lstrip": .bool(token.stripsLeft),
                        "rstrip": .bool(token.stripsRight), "normalized": .bool(token.isNormalized),
                        "special": .bool(token.isSpecial),
                    ]
                }),
            "normalizer": parts.normalizer, "pre_tokenizer": parts.preTokenizer, "post_processor": postProcessor,
            "decoder": parts.decoder, "model": parts.model,
        ]
    }

    private var postProcessor: JSON {
        let byteLevel: JSON = ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true]
        let before = addsBOS == true ? special.bos : nil
        let after = addsEOS == true ? special.eos : nil
        guard before != nil || after != nil else { return model == .byteLevelBPE ? byteLevel : .null }
        func piece(_ id: Int) -> JSON { ["SpecialToken": ["id": .string(tokens[id]), "type_id": 0]] }
        let single =
            (before.map { [piece($0)] } ?? []) + [["Sequence": ["id": "A", "type_id": 0]]]
            + (after.map { [piece($0)] } ?? [])
        let second: [JSON] =
            (before.map { [piece($0)] } ?? []) + [["Sequence": ["id": "B", "type_id": 1]]]
            + (after.map { [piece($0)] } ?? [])
        var named = JSON.Object()
        for id in [before, after].compactMap(\.self) {
            named[tokens[id]] = [
                "id": .string(tokens[id]), "ids": [.int(id)], "tokens": [.string(tokens[id])],
            ]
        }
        let template: JSON = [
            "type": "TemplateProcessing", "single": .array(single), "pair": .array(single + second),
            "special_tokens": .object(named),
        ]
        return model == .byteLevelBPE ? ["type": "Sequence", "processors": [byteLevel, template]] : template
    }

    private var tokenizerConfiguration: JSON {
        func text(_ id: Int?) -> JSON { id.map { .string(tokens[$0]) } ?? .null }
        var object = JSON.Object([
            ("tokenizer_class", "PreTrainedTokenizerFast"),
            ("add_prefix_space", .bool(addsPrefixSpace)),
            ("clean_up_tokenization_spaces", false),
            ("bos_token", text(special.bos)),
            ("eos_token", text(special.eos)),
            ("pad_token", text(special.padding)),
            ("unk_token", text(special.unknown)),
        ])
        if let addsBOS { object["add_bos_token"] = .bool(addsBOS) }
        if let addsEOS { object["add_eos_token"] = .bool(addsEOS) }
        if let template = chatTemplates.first(where: { $0.name == nil }), chatTemplates.count == 1 {
            object["chat_template"] = .string(template.text)
        } else if !chatTemplates.isEmpty {
            object["chat_template"] = .array(
                chatTemplates.map { ["name": .string($0.name ?? "default"), "template": .string($0.text)] })
        }
        return .object(object)
    }
}
