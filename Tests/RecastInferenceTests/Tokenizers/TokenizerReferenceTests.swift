import Foundation
import Recast
import Testing

@testable import RecastInference

/// Ids as other software computed them.
@Suite struct TokenizerReferenceTests {
    @Test(
        .enabled(if: TokenizerFixtures.golden != nil, "RECAST_GOLDEN is not set"),
        arguments: ["gpt-2", "llama-bpe", "qwen2"])
    func idsAreThoseOfLlamaCpp(name: String) throws {
        let file = TokenizerFixtures.golden!.appendingPathComponent("tokenizers/ggml-vocab-\(name).gguf")
        let tokenizer = try Tokenizer(vocabulary(ofGGUF: file))
        let texts = try String(contentsOf: URL(fileURLWithPath: file.path + ".inp"), encoding: .utf8)
            .components(separatedBy: "\n__ggml_vocab_test__\n")
        let lines = try String(contentsOf: URL(fileURLWithPath: file.path + ".out"), encoding: .utf8)
            .split(separator: "\n", omittingEmptySubsequences: false)
        try #require(texts.count > 40 && lines.count >= texts.count)
        for (text, line) in zip(texts, lines) {
            let ids = try tokenizer.encode(text, parsingSpecial: false)
            #expect(ids == line.split(separator: " ").map { Int32($0)! }, "\(text.debugDescription)")
            #expect(tokenizer.decode(ids).utf8.elementsEqual(text.utf8))
        }
    }

    @Test(
        .enabled(if: TokenizerFixtures.tinyModel != nil, "Fixtures/qwen2-tiny is missing"),
        arguments: ["prose", "code", "poetry"])
    func idsAreThoseOfTransformers(channel: String) throws {
        let folder = TokenizerFixtures.tinyModel!
        let tokenizer = try Tokenizer(vocabulary(ofTokenizerJSON: folder.appendingPathComponent("tokenizer.json")))
        let text = try String(contentsOf: folder.appendingPathComponent("text/\(channel).txt"), encoding: .utf8)
        let reference = try JSONSerialization.jsonObject(
            with: Data(contentsOf: folder.appendingPathComponent("reference.ids.json")))
        let expected = try #require((reference as? [String: [Int]])?[channel])
        let ids = try tokenizer.encode(text)
        #expect(ids == expected.map(Int32.init))
        #expect(tokenizer.decode(ids).utf8.elementsEqual(composed(text).utf8))
    }
}
