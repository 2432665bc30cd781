/// A file of tiktoken: on each line a token's bytes in base 64, a space, and its rank, which is its id.
///
/// Source: tiktoken's `load_tiktoken_bpe`.
struct TiktokenFile {
    let file: String
    /// By rank.
    private(set) var tokens: [[UInt8]] = []

    init(_ bytes: [UInt8], file: String) throws(RecastError) {
        self.file = file
        var ranks: [[UInt8]: Int] = [:]
        for (number, line) in bytes.split(separator: UInt8(ascii: "\n")).enumerated() {
            let parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            guard parts.count == 2, let token = Self.bytes(inBase64: parts[0]), !token.isEmpty,
                let rank = Int(String(decoding: parts[1].last == 13 ? parts[1].dropLast() : parts[1], as: UTF8.self))
            else { throw .malformed(file, "line \(number + 1) is not a token in base 64 and its rank") }
            // Ranks that leave none out and go up are what every such file has; ids would be holes otherwise.
            guard rank == tokens.count else {
                throw .malformed(file, "line \(number + 1) has the rank \(rank), where \(tokens.count) is the next")
            }
            if let first = ranks.updateValue(rank, forKey: token) {
                throw .malformed(file, "the tokens \(first) and \(rank) have the same bytes")
            }
            tokens.append(token)
        }
        for byte in UInt8.min...UInt8.max where ranks[[byte]] == nil {
            throw .malformed(
                file, "no token stands for the byte 0x\(String(byte, radix: 16)): the file is damaged or cut")
        }
    }

    /// Whether bytes look like such a file: GLM-4 calls its one `tokenizer.model`, as sentencepiece calls its own.
    static func recognizes(_ bytes: [UInt8]) -> Bool {
        let parts = bytes.prefix(4096).prefix { $0 != UInt8(ascii: "\n") }.split(separator: UInt8(ascii: " "))
        return parts.count == 2 && Self.bytes(inBase64: parts[0]) != nil && parts[1].allSatisfy { $0 < 0x80 }
    }

    private static func bytes(inBase64 text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        var (bits, count) = (UInt32(0), 0)
        let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard padding <= 2 else { return nil }
        for character in text.dropLast(padding) {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return nil
            }
            (bits, count) = (bits << 6 | UInt32(value), count + 6)
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
            }
        }
        return bytes
    }

    /// The vocabulary, without added tokens and special ids.
    ///
    /// tiktoken joins whichever pair makes the token of lowest rank. A token's bytes alone, joined by all ranks below
    /// its own, end up as two parts, and those are its merge: this is how llama.cpp and transformers derive merges too.
    func vocabulary(preTokenizer: PreTokenizer) throws(RecastError) -> Vocabulary {
        var vocabulary = Vocabulary(
            model: .byteLevelBPE, tokens: tokens.map { Vocabulary.byteLevelSpelling($0) },
            kinds: [Vocabulary.Kind](repeating: .normal, count: tokens.count), preTokenizer: preTokenizer)
        var joining = RankedJoining(tokens)
        for (rank, token) in tokens.enumerated() where token.count > 1 {
            guard token.count <= Vocabulary.longestPiece else { throw .malformed(file, Vocabulary.tooLong(rank)) }
            guard let middle = joining.middle(of: token, below: rank) else {
                // tiktoken takes a whole piece of text that is a token as it stands; only so is this one ever used.
                vocabulary.ignoresMerges = true
                continue
            }
            vocabulary.merges.append(
                .init(
                    Vocabulary.byteLevelSpelling(token[..<middle]), Vocabulary.byteLevelSpelling(token[middle...])))
        }
        return vocabulary
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
