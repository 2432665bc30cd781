/// What files of tokenizers are called.
enum TokenizerFileNames {
    static let tekken = "tekken.json"

    /// Whether a file holds a tokenizer that is none of transformers' own: Mistral's, or one that comes with code.
    static func isForeign(_ name: String) -> Bool {
        name == tekken || isTiktoken(name) || !versionedModels(among: [name]).isEmpty
    }

    static func isTiktoken(_ name: String) -> Bool { name.hasSuffix(".tiktoken") || name == "tiktoken.model" }

    static func hasMerges(_ names: [String]) -> Bool { names.contains("vocab.json") && names.contains("merges.txt") }

    /// Mistral's models of sentencepiece, whose names end in a version, as in `tokenizer.model.v3` or, where images are
    /// taken, `tokenizer.model.v7m1`; the last version last.
    static func versionedModels(among names: [String]) -> [String] {
        var found: [(version: [Int], name: String)] = []
        for name in names {
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count > 2, parts[parts.count - 2] == "model", parts.last!.first == "v" else { continue }
            let numbers = parts.last!.dropFirst().split(separator: "m", omittingEmptySubsequences: false).map {
                Int($0)
            }
            guard numbers.count <= 2, !numbers.contains(nil) else { continue }
            found.append((numbers.compactMap(\.self), name))
        }
        return found.sorted { $0.version.lexicographicallyPrecedes($1.version) }.map(\.name)
    }
}
