/// What a name given to `--encoding` stands for: the one place where such names are looked up.
package enum EncodingName: Sendable, Hashable {
    /// A file type of GGUF targets, with its own choice for each tensor.
    case fileType(GGUFFileType)
    /// An encoding of Hugging Face targets by its name, with choices of its own.
    case packing(String)

    /// Every name with its meaning; a kind of encodings is a line.
    static var known: [(name: String, meaning: EncodingName)] {
        GGUFFileType.allCases.map { ($0.name, .fileType($0)) }
            + GGUFFileType.aliases.map { ($0.name, .fileType($0.type)) }
            + Packing.names.map { ($0, .packing($0)) }
    }

    /// - Parameter text: a name in either case.
    /// - Throws: `usage` with the nearest names.
    package init(_ text: String) throws(RecastError) {
        self = try Self.meaning(of: text, among: Self.known, what: "encoding")
    }

    /// The meaning of a name in either case.
    ///
    /// - Throws: `usage` with the nearest names.
    static func meaning<Meaning>(
        of text: String, among known: [(name: String, meaning: Meaning)], what: String
    ) throws(RecastError) -> Meaning {
        let name = text.lowercased()
        if let match = known.first(where: { $0.name == name }) { return match.meaning }
        // Mistyped, or a part of one, or with more around it.
        let names = known.map(\.name)
        let mistyped = NearestName.ranked(name, among: names)
        let longer = name.count < 3 ? [] : names.filter { $0.contains(name) }
        let shorter = mistyped.isEmpty ? names.filter { $0.count > 2 && name.contains($0) } : []
        let nearest = (longer + mistyped + shorter).unique.prefix(longer.isEmpty ? 3 : 6)
        let hint = nearest.isEmpty ? "; --help lists them" : "; did you mean \(nearest.joined(separator: ", "))?"
        throw .usage("unknown \(what) \"\(text)\"\(hint)")
    }
}

extension GGUFFileType {
    /// - Throws: `usage` with the nearest names.
    package static func named(_ name: String) throws(RecastError) -> GGUFFileType {
        switch try EncodingName(name) {
        case .fileType(let type): return type
        case .packing(let name): throw .usage("\(name) is no file type of GGUF but an encoding of Hugging Face targets")
        }
    }
}

extension DType {
    /// The type of a GGUF tensor by its name in either case: `q4_k`, `bf16`.
    ///
    /// - Throws: `usage` with the nearest names.
    public static func weight(named name: String) throws(RecastError) -> DType {
        try EncodingName.meaning(of: name, among: weightNames, what: "tensor type")
    }

    /// The types of GGUF tensors that have fractions; the two of activations never are in files.
    static var weightNames: [(name: String, meaning: DType)] {
        ggufNumbers.map(\.1).filter { $0.kind != .integer && ![.f64, .q8_1, .q8_k].contains($0) }
            .map { ($0.name.lowercased(), $0) }
    }
}
