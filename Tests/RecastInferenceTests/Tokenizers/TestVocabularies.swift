import Foundation
import Recast

// For the time being: to be replaced by the readers of tokenizer.json and GGUF.

/// The vocabulary of a Hugging Face `tokenizer.json`, as far as the fixture needs it.
func vocabulary(ofTokenizerJSON url: URL) throws -> Vocabulary {
    let root = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as! [String: Any]
    let model = root["model"] as! [String: Any]
    let added = root["added_tokens"] as! [[String: Any]]
    var texts: [Int: String] = [:]
    // The byte-level alphabet has no combining marks, so no two keys are canonically equivalent.
    for (text, id) in model["vocab"] as! [String: Int] { texts[id] = text }
    let count = max(texts.keys.max()!, added.map { $0["id"] as! Int }.max() ?? 0) + 1
    let split = ((root["pre_tokenizer"] as! [String: Any])["pretokenizers"] as! [[String: Any]])[0]
    var result = Vocabulary(
        model: .byteLevelBPE, tokens: (0..<count).map { texts[$0] ?? "" },
        kinds: Array(repeating: .normal, count: count),
        preTokenizer: PreTokenizer(pattern: (split["pattern"] as! [String: Any])["Regex"] as! String))
    result.merges = (model["merges"] as! [[String]]).map { Vocabulary.Merge($0[0], $0[1]) }
    result.normalizer = (root["normalizer"] as? [String: Any])?["type"] as? String == "NFC" ? .nfc : .none
    for token in added {
        let isSpecial = token["special"] as! Bool
        let entry = Vocabulary.AddedToken(
            id: token["id"] as! Int, content: token["content"] as! String, isSpecial: isSpecial)
        result.addedTokens.append(entry)
        result.tokens[entry.id] = entry.content
        result.kinds[entry.id] = isSpecial ? .control : .userDefined
    }
    return result
}

/// The vocabulary of a little-endian GGUF file, as far as the golden files need it.
func vocabulary(ofGGUF url: URL) throws -> Vocabulary {
    var reader = GGUFKeys(bytes: [UInt8](try Data(contentsOf: url)))
    let values = reader.values()
    let tokens = values["tokenizer.ggml.tokens"] as! [String]
    let name = values["tokenizer.ggml.pre"] as! String
    let preTokenizers: [String: PreTokenizer] = ["gpt-2": .gpt2, "llama-bpe": .llama3, "qwen2": .qwen2]
    var result = Vocabulary(
        model: .byteLevelBPE, tokens: tokens,
        kinds: (values["tokenizer.ggml.token_type"] as! [Int]).map { Vocabulary.Kind(rawValue: Int32($0))! },
        preTokenizer: preTokenizers[name]!)
    result.merges = (values["tokenizer.ggml.merges"] as! [String]).map { text in
        let space = text.utf8.index(after: text.utf8.startIndex)
        let halves = text[space...].utf8.firstIndex(of: UInt8(ascii: " "))!
        return Vocabulary.Merge(String(text[..<halves]), String(text.utf8[text.utf8.index(after: halves)...])!)
    }
    result.ignoresMerges = name == "llama-bpe"
    for (id, kind) in result.kinds.enumerated() where kind == .control || kind == .userDefined {
        result.addedTokens.append(.init(id: id, content: tokens[id], isSpecial: kind == .control))
    }
    return result
}

/// The metadata of a GGUF file (specification: ggml, docs/gguf.md).
private struct GGUFKeys {
    let bytes: [UInt8]
    var offset = 8

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func values() -> [String: Any] {
        offset += 8
        var values: [String: Any] = [:]
        for _ in 0..<integer(8) {
            let key = text()
            values[key] = value(ofType: integer(4))
        }
        return values
    }

    private mutating func integer(_ size: Int) -> Int {
        defer { offset += size }
        return (0..<size).reduce(0) { $0 | Int(truncatingIfNeeded: UInt64(bytes[offset + $1]) << (8 * $1)) }
    }

    private mutating func text() -> String {
        let count = integer(8)
        defer { offset += count }
        return String(decoding: bytes[offset..<(offset + count)], as: UTF8.self)
    }

    private mutating func value(ofType type: Int) -> Any {
        switch type {
        case 8: return text()
        case 9:
            let element = integer(4)
            let count = integer(8)
            if element == 8 { return (0..<count).map { _ in text() } }
            return (0..<count).map { _ in value(ofType: element) as! Int }
        default: return integer([1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][type])
        }
    }
}
