/// What `tokenizer.json` says of spaces, where the model is one of SentencePiece's: by normalizers that put a space before
/// the text and spell spaces as U+2581, or by the pre-tokenizer Metaspace.
extension HuggingFaceTokenizer {
    private static let space = "\u{2581}"

    /// Whether pieces are spelled as SentencePiece spells them, not in the byte-level alphabet.
    var isSentencePiece: Bool {
        tokenizer["model"]?["byte_fallback"]?.bool == true
            || steps(of: "pre_tokenizer", within: "pretokenizers").contains { $0["type"]?.string == "Metaspace" }
            || steps(of: "normalizer", within: "normalizers").contains { $0["content"]?.string == Self.space }
    }

    /// - Throws: `unsupported` for every step that is not one of these.
    func readSpaces() throws(RecastError) -> Vocabulary.Spaces {
        var spaces = Vocabulary.Spaces()
        var replaces = false
        for step in steps(of: "normalizer", within: "normalizers") {
            switch step["type"]?.string {
            case "Prepend" where step["prepend"]?.string == Self.space && !replaces: spaces.prefix = .everySegment
            case "Replace" where step["pattern"]?["String"]?.string == " " && step["content"]?.string == Self.space:
                replaces = true
            default: throw unsupported("normalizer", step)
            }
        }
        for step in steps(of: "pre_tokenizer", within: "pretokenizers") {
            switch step["type"]?.string {
            case "Metaspace" where (step["replacement"]?.string ?? Self.space) == Self.space && !spaces.isMetaspace:
                guard spaces.prefix == .none else { throw unsupported("pre-tokenizer", step) }
                spaces.prefix = try readPrefix(of: step)
                spaces.isMetaspace = true
                spaces.splits = step["split"]?.bool ?? true
                replaces = true
            // Cuts at what no longer is in the text (Gemma).
            case "Split" where replaces && step["pattern"]?["String"]?.string == " ": break
            default: throw unsupported("pre-tokenizer", step)
            }
        }
        guard replaces else {
            throw .unsupported("\(file): pieces are SentencePiece's, but nothing spells spaces as U+2581 for them")
        }
        return spaces
    }

    /// Versions of `tokenizers` before 0.15 say `add_prefix_space`, with true as the default.
    private func readPrefix(of step: JSON) throws(RecastError) -> Vocabulary.Spaces.Prefix {
        switch step["prepend_scheme"]?.string {
        case "always": return .everySegment
        case "first": return .first
        case "never": return .none
        case nil: return step["add_prefix_space"]?.bool ?? true ? .everySegment : .none
        default: throw unsupported("pre-tokenizer", step)
        }
    }

    private func steps(of key: String, within list: String) -> [JSON] {
        guard let step = tokenizer[key], !step.isNull else { return [] }
        guard step["type"]?.string == "Sequence" else { return [step] }
        return step[list]?.array ?? []
    }

    private func unsupported(_ what: String, _ step: JSON) -> RecastError {
        .unsupported("\(file): the \(what) \(step.text()) is not supported with SentencePiece's pieces")
    }
}
