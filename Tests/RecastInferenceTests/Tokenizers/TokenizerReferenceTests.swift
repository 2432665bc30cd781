import Foundation
import Recast
import TestSupport
import Testing

@testable import RecastInference

/// Ids as other software computed them.
@Suite struct TokenizerReferenceTests {
    @Test(
        .enabled(if: Fixtures.hasGolden, "RECAST_GOLDEN is not set"),
        arguments: ["gpt-2", "llama-bpe", "qwen2", "llama-spm"])
    func idsAreThoseOfLlamaCpp(name: String) throws {
        let file = Fixtures.golden("tokenizers/ggml-vocab-\(name).gguf")
        let tokenizer = try tokenizer(of: file)
        let texts = try String(contentsOfFile: file + ".inp", encoding: .utf8)
            .components(separatedBy: "\n__ggml_vocab_test__\n")
        let lines = try String(contentsOfFile: file + ".out", encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false)
        try #require(texts.count > 40 && lines.count >= texts.count)
        for (text, line) in zip(texts, lines) {
            let ids = try tokenizer.encode(text, parsingSpecial: false)
            #expect(ids == line.split(separator: " ").map { Int32($0)! }, "\(text.debugDescription)")
            #expect(tokenizer.decode(ids).utf8.elementsEqual(text.utf8))
        }
    }

    @Test(arguments: ["prose", "code", "poetry"])
    func idsAreThoseOfTransformers(channel: String) throws {
        let tokenizer = try tokenizer(of: Fixtures.tinyModel)
        let text = try String(contentsOfFile: Fixtures.tinyModel + "/text/\(channel).txt", encoding: .utf8)
        let path = Fixtures.tinyModel + "/reference.ids.json"
        let reference = try JSON(parsing: FileSource.contents(of: path), file: path)
        let list: [Int]? = reference[channel]?.array?.compactMap(\.int)
        let expected = try #require(list)
        let ids = try tokenizer.encode(text)
        #expect(ids == expected.map(Int32.init))
        #expect(tokenizer.decode(ids).utf8.elementsEqual(composed(text).utf8))
    }

    private func tokenizer(of checkpoint: String) throws -> Tokenizer {
        let vocabulary = try Checkpoint(path: checkpoint).vocabulary(size: nil)
        return try Tokenizer(#require(vocabulary))
    }
}
