/// Bytes in base 64 (RFC 4648, section 4), as files of tokens spell theirs.
enum Base64 {
    /// The bytes that a text spells; nil where it is not whole groups of four characters of the alphabet.
    static func bytes(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        let count = text.count
        let padding = text.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        guard count % 4 == 0, padding <= 2 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count / 4 * 3)
        var (bits, held) = (UInt32(0), 0)
        for character in text.dropLast(padding) {
            guard let value = value(of: character) else { return nil }
            (bits, held) = (bits << 6 | UInt32(value), held + 6)
            if held >= 8 {
                held -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
            }
        }
        return bytes
    }

    private static func value(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
