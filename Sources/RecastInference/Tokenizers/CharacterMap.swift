import Recast

/// What a model of sentencepiece replaces in text before anything else: the `precompiled_charsmap` of its normalizer.
///
/// Source: sentencepiece's `normalizer.cc` for the frame (the length of a trie, the trie, replacements that end with NUL);
/// darts-clone's `darts.h` for the bits of a trie's units. A damaged map is one that finds nothing: every step is checked, and
/// what comes out is UTF-8 as what goes in.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]

    /// In bytes; the longest in a map that comes with sentencepiece is one of 33. Texts grow by no more than this.
    private static let longest = 256

    /// Throws where the lengths do not fit, the last replacement does not end, or one is too long.
    init(_ bytes: [UInt8]) throws(RecastError) {
        let size = bytes.count < 4 ? 0 : bytes.withUnsafeBytes { Int($0.integer(at: 0, as: UInt32.self)) }
        guard size > 0, size % 4 == 0, size <= bytes.count - 4, bytes.count == size + 4 || bytes.last == 0 else {
            throw RecastError(
                .malformedInput, "the precompiled_charsmap of \(bytes.count) bytes is damaged: its trie has \(size)")
        }
        units = bytes.withUnsafeBytes { bytes in (0..<size / 4).map { bytes.integer(at: 4 + 4 * $0) } }
        replacements = Array(bytes[(4 + size)...])
        guard replacements.split(separator: 0).allSatisfy({ $0.count <= Self.longest }) else {
            throw .unsupported("the precompiled_charsmap replaces text by more than \(Self.longest) bytes")
        }
        // What reads text steps through it without looking where it ends.
        guard String(validating: replacements, as: UTF8.self) != nil else {
            throw RecastError(.malformedInput, "the precompiled_charsmap replaces text by what is not UTF-8")
        }
    }

    /// The longest sequence at `start` that is replaced: where it ends, and by what.
    func match(at start: Int, in text: UnsafeBufferPointer<UInt8>) -> (end: Int, replacement: ArraySlice<UInt8>)? {
        var longest: (end: Int, value: UInt32)?
        var place = Self.offset(of: units[0])
        // A damaged trie may lead back to where it came from.
        for offset in start..<min(text.count, start + Self.longest) {
            place ^= Int(text[offset])
            guard place < units.count else { break }
            let unit = units[place]
            guard unit & 0x8000_00FF == UInt32(text[offset]) else { break }
            place ^= Self.offset(of: unit)
            let isWhole = offset + 1 == text.count || !UTF8.isContinuation(text[offset + 1])
            if unit >> 8 & 1 == 1, place < units.count, isWhole { longest = (offset + 1, units[place] & 0x7FFF_FFFF) }
        }
        guard let longest, Int(longest.value) < replacements.count,
            !UTF8.isContinuation(replacements[Int(longest.value)])
        else { return nil }
        return (longest.end, replacements[Int(longest.value)...].prefix { $0 != 0 })
    }

    private static func offset(of unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }
}
