import Foundation
import Recast
import TestSupport
import Testing

struct TiktokenRejectionTests {
    /// All bytes, then some words.
    private static let words = (UInt8.min...UInt8.max).map { [$0] } + ["ab", "abab", "xyz"].map { Array($0.utf8) }

    private static func lines(_ words: [[UInt8]] = words) -> [String] {
        words.enumerated().map { "\(Data($1).base64EncodedString()) \($0)" }
    }

    private func read(
        _ lines: [String], name: String = "qwen.tiktoken", configuration: JSON = [:], preTokenizer: String? = nil
    ) throws -> Vocabulary? {
        let directory = TemporaryDirectory()
        directory.write(name, Array(lines.joined(separator: "\n").utf8))
        directory.write("tokenizer_config.json", configuration.serialized())
        return try Checkpoint.vocabulary(in: Folder(path: directory.path), preTokenizer: preTokenizer)
    }

    @Test func qwen() throws {
        let vocabulary = try #require(try read(Self.lines()))
        #expect(vocabulary.model == .byteLevelBPE && vocabulary.preTokenizer == .qwen2)
        #expect(vocabulary.normalizer == .nfc && vocabulary.preTokenizerName == nil)
        #expect(vocabulary.merges == [.init("a", "b"), .init("ab", "ab")])
        // Nothing makes "xyz", but as a whole word it is a token.
        #expect(vocabulary.ignoresMerges)
        #expect(vocabulary.tokens.count == 259 + 208 && vocabulary.tokens[259] == "<|endoftext|>")
        #expect(vocabulary.tokens[261] == "<|im_end|>" && vocabulary.tokens.last == "<|extra_204|>")
        #expect(vocabulary.special.eos == 259 && vocabulary.kinds.last == .control)
        #expect(vocabulary.tokens[10] == "\u{10A}" && vocabulary.tokens[32] == "\u{120}")
        let sound = try #require(try read(Self.lines(Self.words.dropLast()) + [""]))
        #expect(sound.preTokenizerName == "qwen2")
    }

    @Test func glm4() throws {
        let added: JSON = [
            "258": ["content": "<|endoftext|>", "special": true], "259": ["content": "<|user|>", "special": true],
        ]
        let vocabulary = try #require(
            try read(
                Self.lines(Self.words.dropLast()), name: "tokenizer.model",
                configuration: ["tokenizer_class": "ChatGLM4Tokenizer", "added_tokens_decoder": added]))
        #expect(vocabulary.preTokenizer == .llama3 && vocabulary.normalizer == .none)
        #expect(vocabulary.special.eos == 258 && vocabulary.special.endOfTurn == 259)
        #expect(vocabulary.preTokenizerName == "chatglm-bpe")
    }

    @Test func rejects() {
        let lines = Self.lines()
        let cases: [([String], String)] = [
            (["YQ= 0"] + lines.dropFirst(), "line 1 is not a token in base 64 and its rank"),
            (["Y!== 0"] + lines.dropFirst(), "line 1 is not a token"),
            ([" 0"] + lines.dropFirst(), "line 1 is not a token"),
            (["AA== x"] + lines.dropFirst(), "line 1 is not a token"),
            (["AA=="] + lines.dropFirst(), "line 1 is not a token"),
            (lines + ["YWJj 259 1"], "line 260 is not a token"),
            (lines + ["YWJj 300"], "line 260 has the rank 300, where 259 is the next"),
            (lines + ["YWJj -1"], "line 260 has the rank -1"),
            (lines + ["YWJj 99999999999999999999"], "line 260 is not a token"),
            (lines + ["YWI= 259"], "the tokens 256 and 259 have the same bytes"),
            (Array(lines.prefix(200)), "no token stands for the byte 0xc8: the file is damaged or cut"),
            ([], "no token stands for the byte 0x0"),
            (
                lines + ["\(Data(repeating: 97, count: 5000).base64EncodedString()) 259"],
                "token 259 is longer than 4096 bytes"
            ),
        ]
        for (lines, message) in cases {
            expectRejection(message, file: "qwen.tiktoken") { _ = try read(lines) }
        }
    }

    @Test func unknownFlavors() throws {
        expectRejection(.unsupported, "--pre-tokenizer NAME takes one of", file: "other.tiktoken") {
            _ = try read(Self.lines(), name: "other.tiktoken")
        }
        #expect(
            try read(Self.lines(), name: "other.tiktoken", preTokenizer: "llama-bpe")?.preTokenizer == .llama3)
        expectRejection(.inputMissing, "tokenizer_config.json has no added_tokens_decoder", file: "tokenizer.model") {
            _ = try read(
                Self.lines(), name: "tokenizer.model", configuration: ["tokenizer_class": "ChatGLM4Tokenizer"])
        }
    }
}
