import TestSupport
import Testing

@testable import Recast

struct TokenizerFileRejectionTests {
    /// `tokenizer.json` of five tokens.
    private static let sound: JSON = [
        "added_tokens": [["id": 4, "content": "<|end|>", "special": true]],
        "normalizer": ["type": "NFC"],
        "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
        "model": ["type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2, "c": 3], "merges": [["a", "b"]]],
    ]

    private func read(
        _ tokenizer: JSON, size: Int? = 5, preTokenizer: String? = nil, configuration: [(String, JSON)] = []
    ) throws -> Vocabulary? {
        let directory = TemporaryDirectory()
        var model = SmallModel()
        for (key, value) in configuration { model.configuration[key] = value }
        model.files = [("tokenizer.json", tokenizer.serialized())]
        return try Checkpoint(path: model.write(to: directory)).vocabulary(preTokenizer: preTokenizer, size: size)
    }

    private func with(_ path: String, _ value: JSON?) -> JSON {
        var tokenizer = Self.sound.object!
        let parts = path.split(separator: ".").map(String.init)
        if parts.count == 1 {
            tokenizer[path] = value
        } else {
            var inner = tokenizer[parts[0]]!.object!
            inner[parts[1]] = value
            tokenizer[parts[0]] = .object(inner)
        }
        return .object(tokenizer)
    }

    /// Of two templates with one name the last counts, as in transformers.
    @Test func templatesOfOneName() throws {
        let directory = TemporaryDirectory()
        var model = SmallModel()
        let templates: JSON = [
            ["name": "default", "template": "a"], ["name": "tool", "template": "b"], ["name": "tool", "template": "c"],
            ["name": "default", "template": "d"],
        ]
        model.files = [
            ("tokenizer.json", Self.sound.serialized()),
            ("tokenizer_config.json", (["chat_template": templates] as JSON).serialized()),
        ]
        let vocabulary = try Checkpoint(path: model.write(to: directory)).vocabulary(size: 5)
        #expect(vocabulary?.chatTemplates == [.init(text: "d"), .init(name: "tool", text: "c")])
    }

    @Test func accepted() throws {
        let vocabulary = try #require(try read(Self.sound))
        #expect(vocabulary.tokens == ["a", "b", "ab", "c", "<|end|>"])
        #expect(vocabulary.kinds[4] == .control)
        #expect(try read(with("model.merges", ["a b"]))?.merges == vocabulary.merges)
        #expect(try read(Self.sound, size: 7)?.tokens.suffix(2) == ["[PAD5]", "[PAD6]"])
        #expect(try read(Self.sound, size: nil)?.tokens.count == 5)
    }

    static let cases: [(String, JSON?, RecastError.Code, String)] = [
        ("model", nil, .malformedInput, "has no \"model\""), ("model", [], .malformedInput, "has no \"model\""),
        ("model.type", "WordPiece", .unsupported, "WordPiece"),
        ("model.byte_fallback", true, .unsupported, "the normalizer {\"type\":\"NFC\"} is not supported with"),
        ("model.vocab", nil, .malformedInput, "has no \"vocab\""),
        (
            "pre_tokenizer", ["type": "Metaspace", "prepend_scheme": "often"], .unsupported,
            "the normalizer {\"type\":\"NFC\"} is not supported with SentencePiece's pieces"
        ),
        ("model.vocab", [["a", 0]], .malformedInput, "has no \"vocab\""),
        ("model.vocab", ["a": 0, "b": -1], .malformedInput, "\"b\" has no id of its own"),
        ("model.vocab", ["a": 0, "b": 0], .malformedInput, "\"b\" has no id of its own"),
        ("model.vocab", ["a": "0"], .malformedInput, "\"a\" has no id"),
        ("model.vocab", ["a": 1.5], .malformedInput, "\"a\" has no id"),
        ("model.vocab", ["a": .int(.max)], .malformedInput, "\"a\" has no id"),
        ("model.vocab", ["a": 5], .malformedInput, "token id 5 has no row in an embedding of 5"),
        ("model.merges", [["a", "b", "c"]], .malformedInput, "merge 0 is not a pair: [\"a\",\"b\",\"c\"]"),
        ("model.merges", [["a", "b"], ["a"]], .malformedInput, "merge 1 is not a pair"),
        ("model.merges", [["a", "b", 5]], .malformedInput, "merge 0 is not a pair"),
        ("model.merges", [["a", 5]], .malformedInput, "merge 0 is not a pair"),
        ("model.merges", ["a b c"], .malformedInput, "merge 0 is not a pair: \"a b c\""),
        ("model.merges", ["ab"], .malformedInput, "merge 0 is not a pair"),
        ("model.merges", ["a "], .malformedInput, "merge 0 is not a pair"),
        ("model.merges", [5], .malformedInput, "merge 0"),
        ("model.merges", "a b", .malformedInput, "\"merges\" is not a list"),
        ("added_tokens", [["content": "x"]], .malformedInput, "an added token has no id"),
        ("added_tokens", [["id": 4]], .malformedInput, "no content"), ("added_tokens", ["x"], .malformedInput, "no id"),
        ("added_tokens", [["id": -1, "content": "x"]], .malformedInput, "no id"),
        (
            "added_tokens", [["id": 4, "content": "x"], ["id": 5, "content": "y"]], .malformedInput,
            "token id 5 has no row"
        ),
        ("added_tokens", ["x": 5], .malformedInput, "\"added_tokens\" is not a list"),
        ("normalizer", ["type": "Lowercase"], .unsupported, "Lowercase"),
        ("pre_tokenizer", ["type": "Whitespace"], .unsupported, "--pre-tokenizer NAME takes one of qwen2, llama-bpe"),
        ("pre_tokenizer", ["type": "Split", "pattern": ["Regex": "a"], "behavior": "Merged"], .unsupported, "Merged"),
        ("pre_tokenizer", "ByteLevel", .unsupported, "pre-tokenizer"),
    ]

    @Test(arguments: cases.indices)
    func rejects(_ index: Int) {
        let (path, value, code, message) = Self.cases[index]
        expectRejection(code, message, file: "tokenizer.json") { _ = try read(with(path, value)) }
    }

    /// Ids that `tokenizers` 0.23.3 gives: (content, id that is said) to the id that is.
    @Test func idsOfAddedTokens() throws {
        // swift-format-ignore
        let cases: [([(String, Int)], [Int], remarks: Int)] = [
            ([("x", 4), ("y", 5)],               [4, 5],    0),
            ([("x", 9)],                         [4],       1),
            ([("x", 0), ("y", 1)],               [4, 5],    1),
            ([("b", 1)],                         [1],       0),
            ([("b", 7), ("x", 4)],               [1, 4],    1),
            ([("x", 4), ("b", 1), ("y", 5)],     [4, 1, 5], 0),
            ([("", 4), ("x", 4)],                [4],       0),
            ([("x", 4), ("x", 4)],               [4],       0),
        ]
        for (entries, ids, remarks) in cases {
            let added = entries.map { entry -> JSON in
                ["id": .int(entry.1), "content": .string(entry.0), "special": true]
            }
            let vocabulary = try #require(try read(with("added_tokens", .array(added)), size: 8))
            #expect(vocabulary.addedTokens.map(\.id) == ids && vocabulary.remarks.count == remarks, "\(entries)")
            for token in vocabulary.addedTokens {
                #expect(vocabulary.tokens[token.id] == token.content && vocabulary.kinds[token.id] == .control)
            }
        }
    }

    /// The mark makes one character with the space before it.
    @Test func mergesOfCombiningMarks() throws {
        let vocabulary = try read(with("model.merges", ["a \u{301}b"]))
        #expect(vocabulary?.merges == [.init("a", "\u{301}b")])
    }

    @Test func idsOutOfProportion() {
        expectRejection("out of proportion", file: "tokenizer.json") {
            _ = try read(with("model.vocab", ["a": .int(1 << 31 - 1)]), size: nil)
        }
    }

    /// A name that nobody here knows may still be one that llama.cpp knows.
    @Test func unknownName() throws {
        let directory = TemporaryDirectory()
        var model = SmallModel()
        model.files = [("tokenizer.json", with("pre_tokenizer", ["type": "Whitespace"]).serialized())]
        var options = ConversionOptions(target: .gguf)
        options.preTokenizer = "qwen9"
        let plan = try Planning(Checkpoint(path: model.write(to: directory)), options)
            .plan(destination: directory.file("a.gguf"))
        #expect(plan.warnings == ["the pre-tokenizer qwen9 is written as it was given; llama.cpp must know it"])
    }

    /// Configurations write -1 for a token that there is not.
    @Test(arguments: [-1, 24, Int.max, Int.min])
    func specialIDs(_ id: Int) throws {
        let keys = ["bos_token_id", "eos_token_id", "pad_token_id"].map { ($0, JSON.int(id)) }
        let special = try #require(try read(Self.sound, configuration: keys)).special
        #expect(special.bos == nil && special.eos == nil && special.padding == nil)

        let directory = TemporaryDirectory()
        var model = SmallModel()
        for (key, value) in keys { model.configuration[key] = value }
        model.files = [
            ("tokenizer.json", Self.sound.serialized()),
            ("generation_config.json", JSON.object(.init(keys)).serialized()),
        ]
        let plan = try Planning(Checkpoint(path: model.write(to: directory)), .init(target: .gguf))
            .plan(destination: directory.file("a.gguf"))
        _ = try Conversion(plan, to: directory.file("a.gguf")).run()
        #expect(try Checkpoint(path: directory.file("a.gguf")).vocabulary(size: nil)?.special.bos == nil)
    }

    @Test func damaged() throws {
        var random = SeededGenerator(seed: 5)
        let bytes = Self.sound.serialized()
        for _ in 0..<3000 {
            guard let tokenizer = try? JSON(parsing: bytes.damaged(&random), file: "") else { continue }
            do {
                _ = try read(tokenizer)
            } catch let error as RecastError {
                #expect([.malformedInput, .unsupported].contains(error.code), "\(error)")
            }
        }
    }
}

struct GGUFVocabularyRejectionTests {
    private func read(_ change: (inout [(String, [UInt8])]) -> Void) throws -> Vocabulary? {
        var pairs: [(String, [UInt8])] = [
            ("model", GGUFBuilder.string("gpt2")), ("pre", GGUFBuilder.string("qwen2")),
            ("tokens", GGUFBuilder.strings(["a", "b", "ab"])), ("token_type", GGUFBuilder.numbers([1, 1, 3])),
            ("merges", GGUFBuilder.strings(["a b"])),
        ]
        change(&pairs)
        var file = GGUFBuilder()
        for (key, value) in pairs { file.pair("tokenizer.ggml." + key, value) }
        let directory = TemporaryDirectory()
        return try Checkpoint(path: directory.write("a.gguf", file.bytes)).vocabulary(size: nil)
    }

    static let cases: [(String, [UInt8]?, RecastError.Code, String)] = [
        ("model", GGUFBuilder.u32(5), .malformedInput, "tokenizer.ggml.model is no string"),
        ("model", GGUFBuilder.string("bert"), .unsupported, "\"bert\""),
        ("pre", GGUFBuilder.string("qwen9"), .unsupported, "\"qwen9\" is not supported; known are qwen2, llama-bpe"),
        ("tokens", nil, .malformedInput, "tokenizer.ggml.tokens is missing"),
        ("tokens", GGUFBuilder.strings(["a", "b", "a"]), .malformedInput, "tokens: 0 and 2 are both \"a\""),
        ("tokens", GGUFBuilder.numbers([1, 2, 3]), .malformedInput, "no list of strings"),
        ("tokens", GGUFBuilder.string("a"), .malformedInput, "no list of strings"),
        ("token_type", GGUFBuilder.numbers([1, 1]), .malformedInput, "token_type is no list of 3 numbers"),
        ("token_type", GGUFBuilder.numbers([]), .malformedInput, "no list of 3"),
        ("token_type", GGUFBuilder.strings(["1", "1", "1"]), .malformedInput, "no list of 3"),
        (
            "scores", GGUFBuilder.array(type: 6, count: 1, [0, 0, 0, 0]), .malformedInput,
            "scores is no list of 3 numbers"
        ),
        ("scores", GGUFBuilder.numbers([0, 0, 0]), .malformedInput, "scores is no list of 3 numbers"),
        ("merges", nil, .malformedInput, "merges is missing"),
        ("merges", GGUFBuilder.strings(["a b", "ab"]), .malformedInput, "merges[1] is not two tokens: \"ab\""),
        ("merges", GGUFBuilder.strings(["a b c"]), .malformedInput, "merges[0]"),
        ("merges", GGUFBuilder.strings([" b"]), .malformedInput, "merges[0]"),
        ("merges", GGUFBuilder.strings(["a "]), .malformedInput, "merges[0]"),
        ("bos_token_id", GGUFBuilder.u32(3), .malformedInput, "bos_token_id is no id of one of the 3 tokens"),
        ("eos_token_id", GGUFBuilder.u32(.max), .malformedInput, "eos_token_id is no id"),
        ("padding_token_id", GGUFBuilder.i32(-1), .malformedInput, "padding_token_id is no id"),
        ("mask_token_id", GGUFBuilder.string("0"), .malformedInput, "mask_token_id is no id"),
    ]

    @Test(arguments: cases.indices)
    func rejects(_ index: Int) {
        let (key, value, code, message) = Self.cases[index]
        expectRejection(code, message, file: ".gguf") {
            _ = try read { pairs in
                pairs.removeAll { $0.0 == key }
                if let value { pairs.append((key, value)) }
            }
        }
    }

    /// What only SentencePiece's models need.
    @Test(arguments: ["llama", "t5"])
    func pieces(model: String) throws {
        let sound: [(String, [UInt8])] = [
            ("model", GGUFBuilder.string(model)), ("tokens", GGUFBuilder.strings(["<unk>", "a", "<0x41>"])),
            ("scores", GGUFBuilder.floats([0, -1, -2])), ("token_type", GGUFBuilder.numbers([2, 1, 6])),
        ]
        let vocabulary = try #require(try read { $0 = sound })
        #expect(vocabulary.kinds == [.unknown, .normal, .byte] && vocabulary.scores == [0, -1, -2])
        #expect(vocabulary.spaces.prefix == (model == "llama" ? .everySegment : .none))
        #expect(try read { $0 = Array(sound.dropLast()) }?.kinds == [.normal, .normal, .byte])
        let cases: [(String, [UInt8]?, String)] = [
            ("scores", nil, "scores is missing, without which nobody knows which pieces to join"),
            ("scores", GGUFBuilder.floats([0, -1]), "scores is no list of 3 numbers"),
            ("scores", GGUFBuilder.floats([0, .nan, 0]), "scores[1], of \"a\", is nan"),
            ("tokens", GGUFBuilder.strings(["<unk>", "a", "a"]), "1 and 2 are both \"a\""),
        ]
        for (key, value, message) in cases {
            expectRejection(message, file: ".gguf") {
                _ = try read { $0 = sound.filter { $0.0 != key } + (value.map { [(key, $0)] } ?? []) }
            }
        }
        if model == "t5" {
            expectRejection("precompiled_charsmap is no list of bytes", file: ".gguf") {
                _ = try read { $0 = sound + [("precompiled_charsmap", GGUFBuilder.string("x"))] }
            }
        }
    }

    /// Gemma 4's pieces are joined by merges, and its scores are none.
    @Test func mergedPieces() throws {
        let vocabulary = try #require(
            try read { pairs in
                pairs = [
                    ("model", GGUFBuilder.string("gemma4")), ("merges", GGUFBuilder.strings(["\u{2581} a", "a a"])),
                    ("tokens", GGUFBuilder.strings(["<unk>", "a", "\u{2581}", "\u{2581}a", "aa", "<0x41>", "<x>"])),
                    ("scores", GGUFBuilder.floats([Float](repeating: -1000, count: 7))),
                    ("token_type", GGUFBuilder.numbers([3, 1, 1, 1, 1, 6, 4])),
                    ("unknown_token_id", GGUFBuilder.u32(0)),
                ]
            })
        #expect(vocabulary.model == .sentencePieceBPE && vocabulary.scores.isEmpty && vocabulary.merges.count == 2)
        #expect(vocabulary.spaces.prefix == .none && vocabulary.special.unknown == 0 && vocabulary.special.bos == nil)
        expectRejection("merges is missing", file: ".gguf") {
            _ = try read { $0 = [("model", GGUFBuilder.string("gemma4")), ("tokens", GGUFBuilder.strings(["a"]))] }
        }
    }

    /// A name that is there 50 000 times stands for one template.
    @Test func templatesOfOneName() throws {
        func templates(_ names: [String]) throws -> [Vocabulary.ChatTemplate] {
            var file = GGUFBuilder()
            file.pair("tokenizer.ggml.model", GGUFBuilder.string("gpt2"))
            file.pair("tokenizer.ggml.tokens", GGUFBuilder.strings(["a"]))
            file.pair("tokenizer.ggml.merges", GGUFBuilder.strings([]))
            file.pair("tokenizer.chat_template", GGUFBuilder.string("default"))
            file.pair("tokenizer.chat_template.a", GGUFBuilder.string("text of a"))
            file.pair("tokenizer.chat_template.\u{E9}", GGUFBuilder.string("text of \u{E9}"))
            file.pair("tokenizer.chat_template.e\u{301}", GGUFBuilder.string("text of e\u{301}"))
            file.pair("tokenizer.chat_templates", GGUFBuilder.strings(names))
            let directory = TemporaryDirectory()
            let checkpoint = try Checkpoint(path: directory.write("a.gguf", file.bytes))
            return try checkpoint.vocabulary(size: nil)?.chatTemplates ?? []
        }
        #expect(try templates([String](repeating: "a", count: 50_000)).map(\.text) == ["default", "text of a"])
        let texts = try templates(["e\u{301}", "a", "none", "\u{E9}", "a"]).dropFirst().map { Array($0.text.utf8) }
        #expect(texts == ["text of e\u{301}", "text of a", "text of \u{E9}"].map { Array($0.utf8) })
    }

    @Test func accepted() throws {
        #expect(try read { _ in }?.kinds == [.normal, .normal, .control])
        #expect(try read { $0.removeAll { $0.0 == "token_type" } }?.kinds == [.normal, .normal, .normal])
        #expect(try read { $0[0].1 = GGUFBuilder.string("no_vocab") } == nil)
        #expect(try read { $0 = [] } == nil)
    }

    /// Every token that GGUF has is one of the model in `tokenizer.json`: an added one that is not gets another id from
    /// `tokenizers`, which numbers it from the size of the model's vocabulary on.
    @Test(arguments: ["gpt2", "llama", "t5"])
    func specialTokensInFront(model: String) throws {
        let tokens = ["<unk>", "<|im_start|>", "<|im_end|>", "a", "b", "ab", "<own>", "[PAD7]", "c"]
        let vocabulary = try #require(
            try read { pairs in
                pairs = [
                    ("model", GGUFBuilder.string(model)), ("pre", GGUFBuilder.string("qwen2")),
                    ("tokens", GGUFBuilder.strings(tokens)), ("merges", GGUFBuilder.strings(["a b"])),
                    ("token_type", GGUFBuilder.numbers([2, 3, 3, 1, 1, 1, 4, 5, 1])),
                    ("scores", GGUFBuilder.floats([0, 0, 0, -2, -3, -1, 0, 0, -4])),
                ]
            })
        let json = try #require(try vocabulary.huggingFaceFiles().first { $0.name == "tokenizer.json" }).json
        let list = json["model"]?["vocab"]
        var ids: [String: Int] = [:]
        for member in list?.object?.members ?? [] { ids[member.key] = member.value.int }
        for (id, entry) in (list?.array ?? []).enumerated() { ids[try #require(entry.array?[0].string)] = id }
        let added = try #require(json["added_tokens"]?.array)
        #expect(added.count == (model == "gpt2" ? 3 : 4))
        for token in added {
            let content = try #require(token["content"]?.string)
            #expect(ids[content] == tokens.firstIndex(of: content) && ids[content] == token["id"]?.int)
        }
        let directory = TemporaryDirectory()
        directory.write("tokenizer.json", json.serialized())
        let back = try #require(try Checkpoint.vocabulary(in: Folder(path: directory.path)))
        #expect(back.tokens == tokens && back.remarks.isEmpty)
        #expect(back.addedTokens.map(\.id).sorted() == vocabulary.addedTokens.map(\.id).sorted())
    }
}
