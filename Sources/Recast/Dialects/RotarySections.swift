/// How many rotary pairs each dimension of a position turns (M-RoPE): time, height and width, and in GGUF a fourth. In text the
/// first three are all alike.
///
/// transformers splits the pairs by them, and llama.cpp takes them for borders in a row of pairs: both need as many as there are.
/// Source: transformers 5.23, `recomposition_frequencies`; llama.cpp, `ggml_rope_multi`; Specs/families.md §5.
struct RotarySections {
    /// What a key says.
    struct Stated {
        /// With the objects around it.
        var key: String
        /// nil for what is no list of integers.
        var counts: [Int]?
        /// For messages.
        var text: String
    }

    /// By dimension of a position.
    let counts: [Int]

    /// - Throws: `malformedInput` for anything but `count` numbers from 0 that add up to the pairs.
    init(_ stated: Stated, count: Int, of rope: Rope, file: String) throws(RecastError) {
        let text = stated.text.count > 80 ? stated.text.prefix(80) + "…" : stated.text
        func failure(_ what: String) -> RecastError { .malformed(file, "\"\(stated.key)\" is \(text): \(what)") }
        guard let counts = stated.counts, counts.count == count, counts.allSatisfy({ $0 >= 0 }) else {
            throw failure("these are not \(count) integers from 0, the rotary pairs of each dimension of a position")
        }
        var sum = 0
        for count in counts {
            let (next, overflows) = sum.addingReportingOverflow(count)
            sum = overflows ? .max : next
        }
        guard sum == rope.pairCount else {
            throw failure(
                "these are \(sum) rotary pairs, and the rotary dimension of \(rope.dimensions) has \(rope.pairCount)")
        }
        self.counts = counts
    }
}

extension RotarySections.Stated {
    static let name = "mrope_section"

    /// What an object of rotary parameters says.
    ///
    /// - Parameter path: the keys that lead to it.
    init?(in rope: JSON.Object, path: [String]) {
        guard let value = rope[Self.name], value != .null else { return nil }
        let counts = value.array?.map(\.int)
        self.init(
            key: (path + [Self.name]).joined(separator: "."),
            counts: counts.flatMap { $0.contains(nil) ? nil : $0.compactMap(\.self) }, text: value.text())
    }
}
