import Recast

/// The alphabet in which byte-level vocabularies spell bytes, read backwards.
enum ByteLevelAlphabet {
    /// The byte a scalar stands for, by scalar value; -1 where it stands for none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 256 + 68)
        for (byte, scalar) in Vocabulary.byteLevelAlphabet.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
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
