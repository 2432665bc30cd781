/// Files that are embedded in GGUF under keys of our own, so that the way back is exact.
enum GGUFCompanions {
    /// `tokenizer.json` has a key that other tools know.
    private static let tokenizerKey = "tokenizer.huggingface.json"
    private static let filePrefix = "recast.file."
    static let configurationKey = filePrefix + "config.json"

    /// Which files of a Hugging Face checkpoint are embedded in a GGUF file: those that describe the model and its tokenizer.
    static func isEmbedded(_ name: String) -> Bool {
        let names = [
            "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
            "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "chat_template.json",
        ]
        return names.contains(name) || name.hasSuffix(".jinja") || TokenizerFileNames.isForeign(name)
    }

    /// Whether it is of the tokenizer.
    static func isTokenizerFile(_ name: String) -> Bool { isEmbedded(name) && name != "generation_config.json" }

    static func key(of name: String) -> String { name == "tokenizer.json" ? tokenizerKey : filePrefix + name }

    /// Text as a string, anything else as bytes.
    static func value(of bytes: [UInt8]) -> GGUFValue {
        String(validating: bytes, as: UTF8.self).map(GGUFValue.string) ?? .array(.u8(bytes))
    }

    /// The files that are embedded in a GGUF file, by name, without the configuration.
    ///
    /// Names with a path in them are not ours, and are left alone.
    static func files(in metadata: GGUFMetadata) -> [(name: String, bytes: [UInt8])] {
        metadata.pairs.compactMap { pair in
            guard pair.key != configurationKey, let bytes = bytes(of: pair.value) else { return nil }
            if pair.key == tokenizerKey { return ("tokenizer.json", bytes) }
            guard pair.key.hasPrefix(filePrefix) else { return nil }
            let name = String(pair.key.dropFirst(filePrefix.count))
            // `tokenizer.json` has its own key; a second one would be a second file of that name.
            return isEmbedded(name) && isSafe(name) && name != "tokenizer.json" ? (name, bytes) : nil
        }
    }

    private static func isSafe(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        let isKnownFolder = parts.count == 2 && parts[0] == "additional_chat_templates"
        return (parts.count == 1 || isKnownFolder) && !parts.contains { $0.isEmpty || $0.hasPrefix(".") }
    }

    private static func bytes(of value: GGUFValue) -> [UInt8]? {
        switch value {
        case .string(let text): Array(text.utf8)
        case .array(.u8(let bytes)): bytes
        default: nil
        }
    }
}

/// The types that tensors had in their original checkpoint, where GGUF keeps another.
package struct SourceTypes: Sendable, Hashable {
    static let key = "recast.source.types"

    /// By name in the GGUF file.
    package var types: [String: DType]

    init?(_ metadata: GGUFMetadata) {
        guard let entries = metadata[Self.key]?.strings else { return nil }
        types = [:]
        for entry in entries {
            let parts = entry.split(separator: "=")
            guard parts.count == 2, let dtype = DType(named: String(parts[1])) else { continue }
            types[String(parts[0])] = dtype
        }
    }

    /// The value for tensors that change their type.
    static func value(_ changes: [(name: String, dtype: DType)]) -> GGUFValue {
        .array(.string(changes.map { "\($0.name)=\($0.dtype)" }))
    }
}
