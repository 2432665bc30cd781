/// Mistral's `tekken.json`: tokens by rank, the special tokens that have the ids before theirs, and the expression that cuts
/// text.
///
/// Source: mistral-common's `Tekkenizer.from_file`.
struct TekkenFile {
    private(set) var tokens: RankedTokens
    /// By id; `<SPECIAL_n>` where the file names none.
    let specialTokens: [String]
    /// What is done before bytes are joined: text is cut by this expression.
    let pattern: String

    /// - Throws: `malformedInput` for sizes that contradict each other or the lists, for ranks that are not places, and for
    ///   tokens that are there twice or whose bytes cannot be read.
    init(_ json: JSON, file: String) throws(RecastError) {
        guard let configuration = json["config"], configuration.object != nil else {
            throw .malformed(file, "has no \"config\"")
        }
        guard let pattern = configuration["pattern"]?.string else {
            throw .malformed(file, "config has no \"pattern\"")
        }
        self.pattern = PreTokenizer.spellingLineBreaks(pattern)
        let total = try Self.size("default_vocab_size", configuration, file: file)
        let reserved = try Self.size("default_num_special_tokens", configuration, file: file)
        // Each of them is made here, whatever the file says of them.
        guard reserved <= Self.mostSpecialTokens else {
            throw .malformed(
                file, "default_num_special_tokens is \(reserved), where at most \(Self.mostSpecialTokens) are supported"
            )
        }
        specialTokens = try Self.specialTokens(json, configuration, count: reserved, file: file)
        guard let entries = json["vocab"]?.array else { throw .malformed(file, "\"vocab\" is no list") }
        guard total >= reserved, total - reserved <= entries.count else {
            throw .malformed(
                file, "default_vocab_size is \(total), where \(reserved) special tokens and \(entries.count) others are"
            )
        }
        tokens = RankedTokens(file: file)
        // Further ones are only there for larger vocabularies.
        for (rank, entry) in entries.prefix(total - reserved).enumerated() {
            guard entry["rank"]?.int == rank else {
                throw .malformed(
                    file, "vocab[\(rank)] has the rank \(entry["rank"]?.text() ?? "null"), which is not its place")
            }
            guard let text = entry["token_bytes"]?.string, let bytes = Base64.bytes(Array(text.utf8)), !bytes.isEmpty
            else { throw .malformed(file, "vocab[\(rank)] has no token_bytes in base 64") }
            try tokens.append(bytes)
        }
        try tokens.checkBytes()
    }

    /// Known files have 1000.
    private static let mostSpecialTokens = 65_536

    private static func size(_ name: String, _ configuration: JSON, file: String) throws(RecastError) -> Int {
        guard let size = configuration[name]?.int, size >= 0 else {
            throw .malformed(file, "config has no \"\(name)\" that is a size")
        }
        return size
    }

    private static func specialTokens(
        _ json: JSON, _ configuration: JSON, count: Int, file: String
    ) throws(RecastError) -> [String] {
        var names: [String]
        if let value = json["special_tokens"], !value.isNull {
            guard let entries = value.array else { throw .malformed(file, "\"special_tokens\" is no list") }
            names = []
            for (id, entry) in entries.enumerated() {
                guard let name = entry["token_str"]?.string, !name.isEmpty, entry["rank"]?.int == id else {
                    throw .malformed(file, "special_tokens[\(id)] has no token_str, or a rank that is not its place")
                }
                names.append(name)
            }
        } else {
            let version = configuration["version"]?.string ?? ""
            guard let number = Int(version.drop { $0 == "v" }), number <= 7 else {
                throw .malformed(file, "has no \"special_tokens\", which files of the version \"\(version)\" must have")
            }
            names = usualSpecialTokens
        }
        guard names.count <= count else {
            throw .malformed(file, "\(names.count) special tokens, where default_num_special_tokens is \(count)")
        }
        names += (names.count..<count).map { "<SPECIAL_\($0)>" }
        if let (first, second) = Vocabulary.duplicate(in: names) {
            throw .malformed(file, "the special tokens \(first) and \(second) are both \"\(names[second])\"")
        }
        return names
    }

    /// Those of files that name none.
    private static let usualSpecialTokens = [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
        "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ]

    /// The vocabulary, with its special tokens, and BOS before texts: Mistral's models are trained that way.
    ///
    /// - Parameter preTokenizer: what the user says text is cut by; nil for the file's expression.
    func vocabulary(preTokenizer: PreTokenizer?) throws(RecastError) -> Vocabulary {
        var vocabulary = try tokens.vocabulary(
            after: specialTokens, preTokenizer: preTokenizer ?? PreTokenizer(pattern: pattern))
        // As tiktoken does in any case, and GGUF's name for it implies.
        vocabulary.ignoresMerges = true
        let ids = Dictionary(uniqueKeysWithValues: specialTokens.enumerated().map { (ByteString($1), $0) })
        vocabulary.special.unknown = ids[ByteString("<unk>")]
        vocabulary.special.bos = ids[ByteString("<s>")]
        vocabulary.special.eos = ids[ByteString("</s>")]
        vocabulary.special.padding = ids[ByteString("<pad>")]
        (vocabulary.addsBOS, vocabulary.addsEOS) = (true, false)
        return vocabulary
    }

    /// Special tokens as text has them when a caller asks for it.
    var addedTokens: [Vocabulary.AddedToken] {
        specialTokens.enumerated().map { .init(id: $0, content: $1, isSpecial: true) }
    }
}
