import Foundation
import TestSupport
import Testing

@testable import Recast

struct TekkenTests {
    /// The bytes, two tokens that they make, and one beyond what is used.
    private static let sound = RankedWords.tekken(
        ["ab", "abab", "cd"], special: ["<unk>", "<s>", "</s>", "[INST]"], reserved: 6, total: 264)

    private func read(
        _ json: JSON, size: Int? = nil, preTokenizer: String? = nil, others: [(String, JSON)] = []
    ) throws -> Vocabulary? {
        let directory = TemporaryDirectory()
        directory.write("tekken.json", json.serialized())
        for (name, json) in others { directory.write(name, json.serialized()) }
        return try Checkpoint.vocabulary(in: Folder(path: directory.path), size: size, preTokenizer: preTokenizer)
    }

    @Test func specialTokensAreInFront() throws {
        let vocabulary = try #require(try read(Self.sound))
        #expect(vocabulary.tokens.count == 264)
        #expect(vocabulary.tokens.prefix(6) == ["<unk>", "<s>", "</s>", "[INST]", "<SPECIAL_4>", "<SPECIAL_5>"])
        #expect(vocabulary.kinds.prefix(7) == [.control, .control, .control, .control, .control, .control, .normal])
        #expect(vocabulary.addedTokens.allSatisfy { $0.isSpecial } && vocabulary.addedTokens.count == 6)
        #expect(vocabulary.tokens[6 + 97] == "a" && vocabulary.tokens.suffix(2) == ["ab", "abab"])
        #expect(vocabulary.merges == [.init("a", "b"), .init("ab", "ab")])
        let special = vocabulary.special
        #expect(special.unknown == 0 && special.bos == 1 && special.eos == 2 && special.padding == nil)
        #expect(vocabulary.addsBOS == true && vocabulary.addsEOS == false && vocabulary.normalizer == .none)
        #expect(vocabulary.preTokenizer == .tekken && vocabulary.preTokenizerName == "tekken")
        #expect(try read(Self.sound, size: 266)?.tokens.suffix(2) == ["[PAD264]", "[PAD265]"])
    }

    /// Files up to version 7 need not name their special tokens.
    @Test func usualSpecialTokens() throws {
        for version in ["v3", "v7"] {
            let json = RankedWords.tekken(["ab"], special: nil, reserved: 22, total: 279, version: version)
            let vocabulary = try #require(try read(json))
            #expect(vocabulary.tokens[11] == "<pad>" && vocabulary.special.padding == 11)
            #expect(vocabulary.tokens[19] == "[TOOL_CONTENT]" && vocabulary.tokens[20] == "<SPECIAL_20>")
        }
        for version in ["v11", "", "w"] {
            expectRejection("has no \"special_tokens\"", file: "tekken.json") {
                _ = try read(RankedWords.tekken([], special: nil, reserved: 22, total: 278, version: version))
            }
        }
    }

    /// Another expression than Mistral's has no name in GGUF, unless the user gives one.
    @Test func expressions() throws {
        var json = Self.sound.object!
        json["config"] = JSON.object(
            .init(
                uniqueMembers: json["config"]!.object!.members.map { member in
                    member.key == "pattern" ? .init(key: "pattern", value: #"\p{L}+"#) : member
                }))
        let vocabulary = try #require(try read(.object(json)))
        #expect(vocabulary.preTokenizer == PreTokenizer(pattern: #"\p{L}+"#) && vocabulary.preTokenizerName == nil)
        #expect(try read(.object(json), preTokenizer: "llama-bpe")?.preTokenizerName == "llama-bpe")
    }

    /// `tokenizer.json` leads, and `tokenizer.model` follows.
    @Test func order() throws {
        let other: JSON = [
            "added_tokens": [], "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false],
            "model": ["type": "BPE", "vocab": ["a": 0], "merges": []],
        ]
        #expect(try read(Self.sound, others: [("tokenizer.json", other)])?.tokens == ["a"])
        #expect(try read(Self.sound, others: [("tokenizer.model", "none")])?.tokens.count == 264)
        let configuration: JSON = ["pad_token": "[INST]", "added_tokens_decoder": ["4": ["content": "[NEW]"]]]
        let named = try #require(try read(Self.sound, others: [("tokenizer_config.json", configuration)]))
        #expect(named.tokens[4] == "[NEW]" && named.special.padding == 3)
    }

    static let cases: [(String, JSON?, String)] = [
        ("config", nil, "has no \"config\""),
        ("config", 3, "has no \"config\""),
        ("config.pattern", nil, "config has no \"pattern\""),
        ("config.default_vocab_size", nil, "config has no \"default_vocab_size\" that is a size"),
        ("config.default_vocab_size", -1, "config has no \"default_vocab_size\""),
        ("config.default_vocab_size", 5, "default_vocab_size is 5, where 6 special tokens and 259 others are"),
        ("config.default_vocab_size", 266, "default_vocab_size is 266, where 6 special tokens and 259 others are"),
        ("config.default_vocab_size", .int(.max), "default_vocab_size is 9223372036854775807"),
        ("config.default_vocab_size", 261, "no token stands for the byte 0xff"),
        ("config.default_num_special_tokens", "6", "config has no \"default_num_special_tokens\""),
        ("config.default_num_special_tokens", 3, "4 special tokens, where default_num_special_tokens is 3"),
        ("config.default_num_special_tokens", .int(.max), "where at most 65536 are supported"),
        ("special_tokens", 5, "\"special_tokens\" is no list"),
        ("special_tokens", [["rank": 0]], "special_tokens[0] has no token_str"),
        ("special_tokens", [["rank": 1, "token_str": "<s>"]], "special_tokens[0] has no token_str, or a rank"),
        (
            "special_tokens", [["rank": 0, "token_str": "<SPECIAL_2>"]],
            "the special tokens 0 and 2 are both \"<SPECIAL_2>\""
        ),
        ("vocab", nil, "\"vocab\" is no list"),
        ("vocab", [], "default_vocab_size is 264, where 6 special tokens and 0 others are"),
    ]

    private func with(_ path: String, _ value: JSON?) -> JSON {
        let parts = path.split(separator: ".").map(String.init)
        var json = Self.sound.object!
        if parts.count == 1 {
            json[path] = value
        } else {
            var inner = json[parts[0]]!.object!
            inner[parts[1]] = value
            json[parts[0]] = .object(inner)
        }
        return .object(json)
    }

    @Test(arguments: cases.indices)
    func rejects(_ index: Int) {
        let (path, value, message) = Self.cases[index]
        expectRejection(message, file: "tekken.json") { _ = try read(with(path, value)) }
    }

    @Test func rejectsTokens() {
        let cases: [(Int, JSON, String)] = [
            (0, ["rank": 1, "token_bytes": "AA=="], "vocab[0] has the rank 1, which is not its place"),
            (3, ["token_bytes": "AA=="], "vocab[3] has the rank null"),
            (3, ["rank": 3, "token_bytes": "A"], "vocab[3] has no token_bytes in base 64"),
            (3, ["rank": 3, "token_bytes": ""], "vocab[3] has no token_bytes"),
            (3, ["rank": 3, "token_bytes": 1], "vocab[3] has no token_bytes"),
            (3, ["rank": 3, "token_bytes": "AA=="], "the tokens 0 and 3 have the same bytes"),
            (3, ["rank": 3, "token_bytes": "AAA="], "no token stands for the byte 0x3"),
        ]
        for (place, entry, message) in cases {
            var entries = Self.sound["vocab"]!.array!
            entries[place] = entry
            expectRejection(message, file: "tekken.json") { _ = try read(with("vocab", .array(entries))) }
        }
        expectRejection("token id 263 has no row in an embedding of 263", file: "tekken.json") {
            _ = try read(Self.sound, size: 263)
        }
    }

    @Test func damaged() throws {
        var random = SeededGenerator(seed: 8)
        let bytes = Self.sound.serialized()
        for _ in 0..<500 {
            guard let json = try? JSON(parsing: bytes.damaged(&random), file: "") else { continue }
            do {
                _ = try read(json)
            } catch let error as RecastError {
                #expect([.malformedInput, .unsupported].contains(error.code), "\(error)")
            }
        }
    }
}

/// Files of tokens by rank: all bytes, and then words.
enum RankedWords {
    static func tokens(_ words: [String]) -> [[UInt8]] {
        (UInt8.min...UInt8.max).map { [$0] } + words.map { Array($0.utf8) }
    }

    /// As tiktoken has them.
    static func lines(_ words: [String]) -> [UInt8] {
        let lines = tokens(words).enumerated().map { "\(Data($1).base64EncodedString()) \($0)\n" }
        return Array(lines.joined().utf8)
    }

    /// - Parameters:
    ///   - reserved: ids for special tokens.
    ///   - total: ids altogether.
    static func tekken(
        _ words: [String], special: [String]?, reserved: Int, total: Int, version: String = "v13"
    ) -> JSON {
        let entries = tokens(words).enumerated().map { rank, bytes -> JSON in
            ["rank": .int(rank), "token_bytes": .string(Data(bytes).base64EncodedString()), "token_str": .null]
        }
        let names = special?.enumerated().map { rank, name -> JSON in
            ["rank": .int(rank), "token_str": .string(name), "is_control": true]
        }
        return [
            "config": [
                "pattern": .string(PreTokenizer.tekkenPattern), "num_vocab_tokens": .int(entries.count),
                "default_vocab_size": .int(total), "default_num_special_tokens": .int(reserved),
                "version": .string(version),
            ],
            "vocab": .array(entries), "special_tokens": names.map(JSON.array) ?? .null,
        ]
    }
}
