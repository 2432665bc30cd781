import Foundation
import Recast

/// Where the data of the tokenizer tests is, and vocabularies made by hand.
enum TokenizerFixtures {
    /// The folder of golden data; nil where it is not there.
    static let golden: URL? = ProcessInfo.processInfo.environment["RECAST_GOLDEN"].map { URL(fileURLWithPath: $0) }

    /// The small trained model with its tokenizer, texts and reference ids.
    static let tinyModel: URL? = {
        let repository = (0..<4).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
        let candidates = [
            repository.appendingPathComponent("Fixtures/qwen2-tiny"),
            golden?.deletingLastPathComponent().appendingPathComponent("models/qwen2-tiny"),
        ]
        return candidates.compactMap { $0 }.first {
            FileManager.default.fileExists(atPath: $0.appendingPathComponent("tokenizer.json").path)
        }
    }()

    /// GPT-2's name for each byte, written down anew as a check on the one under test.
    static let byteNames: [String] = {
        var other: UInt32 = 256
        return (UInt32(0)...255).map { byte in
            if (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte) {
                return String(Unicode.Scalar(byte)!)
            }
            defer { other += 1 }
            return String(Unicode.Scalar(other)!)
        }
    }()

    static func spelled(_ text: String) -> String { text.utf8.map { byteNames[Int($0)] }.joined() }

    /// A vocabulary of all bytes (byte = id), then one token per merge.
    static func vocabulary(
        merges: [(String, String)] = [], added: [Vocabulary.AddedToken] = [], preTokenizer: PreTokenizer = .gpt2
    ) -> Vocabulary {
        var vocabulary = Vocabulary(
            model: .byteLevelBPE, tokens: byteNames, kinds: Array(repeating: .normal, count: 256),
            preTokenizer: preTokenizer)
        for (left, right) in merges {
            let merge = Vocabulary.Merge(spelled(left), spelled(right))
            vocabulary.merges.append(merge)
            vocabulary.tokens.append(merge.left + merge.right)
            vocabulary.kinds.append(.normal)
        }
        for token in added {
            var token = token
            token.id = vocabulary.tokens.count
            vocabulary.addedTokens.append(token)
            vocabulary.tokens.append(token.content)
            vocabulary.kinds.append(token.isSpecial ? .control : .userDefined)
        }
        return vocabulary
    }
}

/// A repeatable source of random numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
