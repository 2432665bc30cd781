/// The tokenizer of a GGUF file: what its keys say, and the original files that may travel with it.
///
/// The original knows more than keys can say. But keys can be edited by tools that do not know of the original, so they
/// must agree.
struct EmbeddedTokenizer {
    enum Original {
        case none
        case agrees(Vocabulary)
        case contradicts
    }

    /// By the keys; nil where the file has no vocabulary.
    let keys: Vocabulary?
    let original: Original

    init(_ set: GGUFSet, preTokenizer: String? = nil) throws(RecastError) {
        let file = set.paths[0]
        keys = try Vocabulary(set.metadata, file: file, preTokenizer: preTokenizer)
        let files = GGUFCompanions.files(in: set.metadata)
        guard let keys, files.contains(where: { TokenizerFiles.areTokenizers([$0.name]) }) else {
            original = .none
            return
        }
        let contents = Dictionary(files.map { (ByteString($0.name), $0.bytes) }) { first, _ in first }
        do throws(RecastError) {
            let configuration = set.metadata[GGUFCompanions.configurationKey]?.string
            let found = try TokenizerFiles(
                names: files.map(\.name),
                model: configuration.map { (text) throws(RecastError) in try JSON(parsing: Array(text.utf8), file: file)
                },
                path: { _ in file }, contents: { (name) in contents[ByteString(name)] ?? [] }
            ).vocabulary(size: keys.tokens.count, preTokenizer: preTokenizer)
            guard var vocabulary = found else {
                original = .none
                return
            }
            if vocabulary.special.bos == nil { vocabulary.special.bos = keys.special.bos }
            // What is put around texts is what the keys say, which people set; a tokenizer's own files may not say it at all.
            if let adds = set.metadata["tokenizer.ggml.add_bos_token"]?.bool { vocabulary.addsBOS = adds }
            if let adds = set.metadata["tokenizer.ggml.add_eos_token"]?.bool { vocabulary.addsEOS = adds }
            original = vocabulary.agrees(with: keys) ? .agrees(vocabulary) : .contradicts
        } catch {
            original = .contradicts
        }
    }

    var contradictsOriginal: Bool { if case .contradicts = original { true } else { false } }

    /// The one that knows most.
    var vocabulary: Vocabulary? {
        if case .agrees(let vocabulary) = original { vocabulary } else { keys }
    }
}

extension Vocabulary {
    /// Whether the keys of a GGUF file say nothing else about what both can say.
    fileprivate func agrees(with keys: Vocabulary) -> Bool {
        let saysMerges = model == .byteLevelBPE || !keys.merges.isEmpty
        return ggufTokens == keys.tokens && (saysMerges ? merges : []) == keys.merges && model == keys.model
            && (saysMerges || scores.isEmpty || scores == keys.scores)
            && [\SpecialTokens.bos, \.eos, \.padding, \.unknown].allSatisfy {
                special[keyPath: $0] == keys.special[keyPath: $0]
            }
            && chatTemplates.first { $0.name == nil } == keys.chatTemplates.first { $0.name == nil }
    }
}
