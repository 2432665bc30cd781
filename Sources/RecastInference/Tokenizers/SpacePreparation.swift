import Recast

/// Text as SentencePiece's pieces see it, except that a space stays a space here: pieces and text both have one where
/// sentencepiece has U+2581, so that nothing is lost and everything is shorter.
struct SpacePreparation: Sendable {
    private let spaces: Vocabulary.Spaces
    private let map: CharacterMap?
    /// Pieces that are taken as they are, even where they would be replaced.
    private let kept: [String]
    private let finder: StringFinder

    init(_ spaces: Vocabulary.Spaces, keeping kept: [String]) throws(RecastError) {
        self.spaces = spaces
        self.kept = kept
        finder = StringFinder(kept)
        map = spaces.characterMap.isEmpty ? nil : try CharacterMap(spaces.characterMap)
    }

    /// - Parameters:
    ///   - isFirst: whether the text is what the whole text begins with.
    ///   - goesOn: whether other text is before it, without an added token between them.
    func prepared(_ text: UnsafeBufferPointer<UInt8>, isFirst: Bool, goesOn: Bool = false) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.count + 1)
        let addsPrefix = !goesOn && (spaces.prefix == .everySegment || spaces.prefix == .first && isFirst)
        if map != nil || spaces.removesExtra {
            replace(in: text, addingPrefix: addsPrefix, goesOn: goesOn, to: &output)
        } else if !text.isEmpty {
            if addsPrefix, !(spaces.isMetaspace && Self.startsWithSpace(text)) { output.append(UInt8(ascii: " ")) }
            Self.append(text, to: &output)
        }
        return output
    }

    /// What sentencepiece's `Normalizer::Normalize` does, character by character.
    private func replace(
        in text: UnsafeBufferPointer<UInt8>, addingPrefix: Bool, goesOn: Bool, to output: inout [UInt8]
    ) {
        let space = UInt8(ascii: " ")
        var isAfterSpace = spaces.removesExtra && !goesOn
        var hasBegun = goesOn
        var offset = 0
        var matches = finder.matches(in: text)
        while offset < text.count {
            while let match = matches.last, match.start < offset { matches.removeLast() }
            let piece = matches.last.flatMap { $0.start == offset ? kept[Int($0.value)] : nil }
            let chunk = self.chunk(at: offset, in: text, kept: piece)
            offset = chunk.end
            var bytes = chunk.bytes
            if !hasBegun {
                if spaces.removesExtra, bytes.elementsEqual([space]) { continue }
                hasBegun = true
                if addingPrefix { output.append(space) }
            }
            if isAfterSpace { bytes = bytes.drop { $0 == space } }
            guard !bytes.isEmpty else { continue }
            bytes.withUnsafeBufferPointer { Self.append($0, to: &output) }
            isAfterSpace = spaces.removesExtra && bytes.last == space
        }
        if spaces.removesExtra { while output.last == space { output.removeLast() } }
    }

    private func chunk(
        at start: Int, in text: UnsafeBufferPointer<UInt8>, kept piece: String?
    ) -> (end: Int, bytes: ArraySlice<UInt8>) {
        if let piece { return (start + piece.utf8.count, ArraySlice(piece.utf8)) }
        if let match = map?.match(at: start, in: text) { return (match.end, match.replacement) }
        let end = text.scalar(at: start).next
        return (end, ArraySlice(text[start..<end]))
    }

    private static func startsWithSpace(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.first == UInt8(ascii: " ") || text.starts(with: spelledSpace)
    }

    private static let spelledSpace: [UInt8] = [0xE2, 0x96, 0x81]

    /// Appends text with spaces for every U+2581, which says the same to pieces.
    static func append(_ text: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
        var start = 0
        var offset = 0
        while offset + 2 < text.count {
            if text[offset] == 0xE2, text[offset + 1] == 0x96, text[offset + 2] == 0x81 {
                output.append(contentsOf: text[start..<offset])
                output.append(UInt8(ascii: " "))
                offset += 3
                start = offset
            } else {
                offset += 1
            }
        }
        output.append(contentsOf: text[start...])
    }
}
