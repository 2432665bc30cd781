/// The alphabet in which byte-level vocabularies spell bytes: printable Latin-1 bytes stand for themselves, the other
/// 68 are numbered from U+0100 on (GPT-2, `bytes_to_unicode`).
enum ByteLevelAlphabet {
    /// The byte a scalar stands for, by scalar value; -1 where it stands for none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 256 + 68)
        var next = 256
        for byte in 0..<256 {
            switch byte {
            case 33...126, 161...172, 174...255:
                bytes[byte] = Int16(byte)
            default:
                bytes[next] = Int16(byte)
                next += 1
            }
        }
        return bytes
    }()

    /// Appends the bytes that `text` spells; false, with `output` as it was, where a scalar is not in the alphabet.
    static func appendBytes(spelledBy text: String, to output: inout [UInt8]) -> Bool {
        let bytes = Self.bytes
        let start = output.count
        var text = text
        let isComplete = text.withUTF8 { utf8 in
            var offset = 0
            while offset < utf8.count {
                let (scalar, next) = utf8.scalar(at: offset)
                guard scalar < bytes.count, bytes[Int(scalar)] >= 0 else { return false }
                output.append(UInt8(truncatingIfNeeded: bytes[Int(scalar)]))
                offset = next
            }
            return true
        }
        if !isComplete { output.removeSubrange(start...) }
        return isComplete
    }
}
