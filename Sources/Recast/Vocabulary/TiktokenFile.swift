/// A file of tiktoken: on each line a token's bytes in base 64, a space, and its rank, which is its id.
///
/// Source: tiktoken's `load_tiktoken_bpe`.
struct TiktokenFile {
    private(set) var tokens: RankedTokens

    init(_ bytes: [UInt8], file: String) throws(RecastError) {
        tokens = RankedTokens(file: file)
        for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
            let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard parts.count == 2, let token = Base64.bytes(parts[0]), !token.isEmpty,
                let rank = Int(String(decoding: parts[1].last == 13 ? parts[1].dropLast() : parts[1], as: UTF8.self))
            else { throw .malformed(file, "line \(number + 1) is not a token in base 64 and its rank") }
            // Ranks that leave none out and go up are what every such file has; ids would be holes otherwise.
            guard rank == tokens.tokens.count else {
                throw .malformed(
                    file, "line \(number + 1) has the rank \(rank), where \(tokens.tokens.count) is the next")
            }
            try tokens.append(token)
        }
        try tokens.checkBytes()
    }

    /// Whether bytes look like such a file: GLM-4 and Llama 3 call theirs `tokenizer.model`, as sentencepiece calls its own.
    static func recognizes(_ bytes: [UInt8]) -> Bool {
        let parts = bytes.prefix(4096).prefix { $0 != UInt8(ascii: "\n") }.split(separator: UInt8(ascii: " "))
        return parts.count == 2 && Base64.bytes(parts[0]) != nil && parts[1].allSatisfy { $0 < 0x80 }
    }
}

extension Vocabulary {
    /// The longest piece that is taken: a text may be compared with a piece at each of its places.
    public static let longestPiece = 4096

    public static func tooLong(_ id: Int) -> String {
        "token \(id) is longer than \(longestPiece) bytes, which no known one is"
    }

    /// Bytes in the alphabet of byte-level vocabularies.
    static func byteLevelSpelling(_ bytes: some Sequence<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        for byte in bytes { text.append(byteLevelAlphabet[Int(byte)]) }
        return String(text)
    }

    /// The scalars that bytes are spelled with: printable bytes of Latin-1 stand for themselves, the other 68 are numbered
    /// from U+0100 on (GPT-2, `bytes_to_unicode`).
    public static let byteLevelAlphabet: [Unicode.Scalar] = {
        var other: UInt32 = 256
        return (UInt32(0)..<256).map { byte in
            switch byte {
            case 33...126, 161...172, 174...255: return Unicode.Scalar(byte)!
            default:
                defer { other += 1 }
                return Unicode.Scalar(other)!
            }
        }
    }()
}
