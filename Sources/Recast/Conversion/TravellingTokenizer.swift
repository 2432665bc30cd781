/// The tokenizer of a GGUF file: what its keys say, and the original files that may travel with it.
///
/// The original knows more than keys can say. But keys can be edited by tools that do not know of the original, so they
/// must agree.
struct TravellingTokenizer {
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
        guard let keys, let tokenizer = files.first(where: { $0.name == "tokenizer.json" }) else {
            original = .none
            return
        }
        func json(_ name: String) -> JSON? {
            files.first { $0.name == name }.flatMap { try? JSON(parsing: $0.bytes, file: name) }
        }
        do throws(RecastError) {
            var reader = HuggingFaceTokenizer(tokenizer: try JSON(parsing: tokenizer.bytes, file: file), file: file)
            reader.tokenizerConfig = json("tokenizer_config.json")
            if let text = set.metadata[GGUFCompanions.configurationKey]?.string {
                reader.configuration = try JSON(parsing: Array(text.utf8), file: file)
            }
            if let template = files.first(where: { $0.name == "chat_template.jinja" }) {
                reader.chatTemplates = [.init(text: String(decoding: template.bytes, as: UTF8.self))]
            }
            var vocabulary = try reader.vocabulary(size: keys.tokens.count, preTokenizer: preTokenizer)
            if vocabulary.special.bos == nil { vocabulary.special.bos = keys.special.bos }
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
        tokens == keys.tokens && merges == keys.merges
            && [\SpecialTokens.bos, \.eos, \.padding, \.unknown].allSatisfy {
                special[keyPath: $0] == keys.special[keyPath: $0]
            }
            && chatTemplates.first { $0.name == nil } == keys.chatTemplates.first { $0.name == nil }
    }
}
