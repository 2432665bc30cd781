import Recast

/// What a model of sentencepiece replaces in text before anything else: the `precompiled_charsmap` of its normalizer.
///
/// Source: sentencepiece's `normalizer.cc` for the frame (the length of a trie, the trie, replacements that end with NUL);
/// darts-clone's `darts.h` for the bits of a trie's units. A damaged map is one that finds nothing: every step is checked.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]

    /// Throws where the lengths do not fit, or the last replacement does not end.
    init(_ bytes: [UInt8]) throws(RecastError) {
        let size = bytes.count < 4 ? 0 : bytes.withUnsafeBytes { Int($0.integer(at: 0, as: UInt32.self)) }
        guard size > 0, size % 4 == 0, size <= bytes.count - 4, bytes.count == size + 4 || bytes.last == 0 else {
            throw RecastError(
                .malformedInput, "the precompiled_charsmap of \(bytes.count) bytes is damaged: its trie has \(size)")
        }
        units = bytes.withUnsafeBytes { bytes in (0..<size / 4).map { bytes.integer(at: 4 + 4 * $0) } }
        replacements = Array(bytes[(4 + size)...])
    }

    /// The longest sequence at `start` that is replaced: where it ends, and by what.
    func match(at start: Int, in text: UnsafeBufferPointer<UInt8>) -> (end: Int, replacement: ArraySlice<UInt8>)? {
        var longest: (end: Int, value: UInt32)?
        var place = Self.offset(of: units[0])
        for offset in start..<text.count {
            place ^= Int(text[offset])
            guard place < units.count else { break }
            let unit = units[place]
            guard unit & 0x8000_00FF == UInt32(text[offset]) else { break }
            place ^= Self.offset(of: unit)
            if unit >> 8 & 1 == 1, place < units.count { longest = (offset + 1, units[place] & 0x7FFF_FFFF) }
        }
        guard let longest, Int(longest.value) < replacements.count else { return nil }
        return (longest.end, replacements[Int(longest.value)...].prefix { $0 != 0 })
    }

    private static func offset(of unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 1 << 9) >> 6) }
}
