import TestSupport
import Testing

@testable import Recast
@testable import RecastInference

/// What tokenizers of single families do as no others do.
struct FamilyTokenizerTests {
    /// As falcon-7b's `tokenizer.json` has it.
    private static let falcon: JSON = [
        "type": "Sequence",
        "pretokenizers": [
            ["type": "Punctuation", "behavior": "Contiguous"],
            ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true],
            ["type": "Digits", "individual_digits": false],
            ["type": "Split", "pattern": ["Regex": "[0-9][0-9][0-9]"], "behavior": "Isolated", "invert": false],
        ],
    ]

    private static func tokenizer(_ preTokenizer: JSON) -> [UInt8] {
        let pairs: [([UInt8], [UInt8])] = [
            ([0xC2], [0xBD]), ([0x20], [0x31]), ([0x31], [0x32]), ([0x31, 0x32], [0x33]), ([0x31, 0x32, 0x33], [0x34]),
            ([0x20], [0xC2]), ([0x21], [0x21]), ([0xC2], [0xB2]), ([0xB2], [0xBD]),
        ]
        func spelled(_ bytes: [UInt8]) -> String { bytes.map { TokenizerFixtures.byteNames[Int($0)] }.joined() }
        var ids = JSON.Object(TokenizerFixtures.byteNames.enumerated().map { ($1, .int($0)) })
        for (place, pair) in pairs.enumerated() { ids[spelled(pair.0 + pair.1)] = .int(256 + place) }
        let json: JSON = [
            "added_tokens": [], "normalizer": .null, "pre_tokenizer": preTokenizer,
            "model": [
                "type": "BPE", "vocab": .object(ids),
                "merges": .array(pairs.map { [.string(spelled($0.0)), .string(spelled($0.1))] }),
            ],
        ]
        return json.serialized()
    }

    private static func vocabulary(_ files: [(String, [UInt8])]) throws -> Vocabulary {
        let directory = TemporaryDirectory()
        for (name, bytes) in files { directory.write("t/" + name, bytes) }
        return try #require(try Checkpoint.vocabulary(in: Folder(path: directory.file("t"))))
    }

    /// Ids by tokenizers 0.22 of the file above: behind ByteLevel, digits are those of its alphabet, also within a character.
    @Test func digitsBehindByteLevelAreBytes() throws {
        let vocabulary = try Self.vocabulary([("tokenizer.json", Self.tokenizer(Self.falcon))])
        // swift-format-ignore
        let expected: [String: [Int32]] = [
            "1½2 12 1234 a½½ ²½": [49, 194, 189, 50, 32, 258, 32, 259, 52, 32, 97, 194, 189, 194, 189, 261, 178, 194, 189],
            "!!?! 12": [262, 63, 33, 32, 258],
        ]
        var again = Vocabulary(model: .byteLevelBPE, tokens: [], kinds: [], preTokenizer: .gpt2)
        again = try Self.vocabulary(vocabulary.huggingFaceFiles().map { ($0.name, $0.json.serialized()) })
        for (text, ids) in expected {
            #expect(try Tokenizer(vocabulary).encode(text) == ids)
            #expect(try Tokenizer(again).encode(text) == ids, "written and read again")
        }
        #expect(vocabulary.preTokenizerName == "falcon" && again.preTokenizer == vocabulary.preTokenizer)
    }

    @Test(
        arguments: [
            ["type": "Split", "pattern": ["Regex": "a"], "behavior": "Isolated"],
            ["type": "Split", "pattern": ["Regex": "[0-9]-"], "behavior": "Isolated"], ["type": "Punctuation"],
            ["type": "ByteLevel"],
        ] as [JSON])
    func otherStepsBehindByteLevelAreRefused(step: JSON) throws {
        let json = Self.tokenizer(["type": "Sequence", "pretokenizers": [["type": "ByteLevel"], step]])
        #expect(throws: RecastError.self) { try Self.vocabulary([("tokenizer.json", json)]) }
    }

    @Test func punctuationIsCutByItselfOrInRuns() throws {
        for (behavior, expected) in [("Isolated", ["a", "!", "$", "“", " b"]), ("Contiguous", ["a", "!$“", " b"])] {
            let json = Self.tokenizer(["type": "Punctuation", "behavior": .string(behavior)])
            let steps = try Self.vocabulary([("tokenizer.json", json)]).preTokenizer
            #expect(try SplitterTests.pieces("a!$“ b", steps) == expected)
        }
    }

    @Test func everyKnownNameCutsTexts() throws {
        let text = "In 2026: 12345 words, “été” 東京 Ⅻ!\n\n\tif x >= 7:  pass"
        for known in PreTokenizer.known {
            let pieces = try SplitterTests.pieces(text, known.preTokenizer)
            #expect(pieces.joined() == text && pieces.count > 3, "\(known.name)")
        }
        #expect(Set(PreTokenizer.known.map(\.name)).count == PreTokenizer.known.count)
    }

    @Test func architecturesHaveTheirNames() throws {
        var vocabulary = TokenizerFixtures.vocabulary(preTokenizer: .llama3)
        vocabulary.ignoresMerges = true
        let names = ["lfm2moe", "falcon-h1", "glm-dsa", "llama"].map { vocabulary.preTokenizerName(architecture: $0) }
        #expect(names == ["lfm2", "falcon-h1", "glm5", "llama-bpe"])
        // What cuts text in another way has not the name of the architecture.
        #expect(TokenizerFixtures.vocabulary().preTokenizerName(architecture: "lfm2") == "gpt-2")
    }

    /// A tokenizer that says nothing of BOS puts none; llama.cpp does with some names.
    @Test func noBOSIsSaidWhereTheNameImpliesOne() throws {
        var vocabulary = TokenizerFixtures.vocabulary(preTokenizer: .llama3)
        vocabulary.ignoresMerges = true
        for (name, adds, written) in [
            ("llama-bpe", nil, false), ("llama-bpe", true, true), ("glm4", nil, nil), ("glm4", false, nil),
            ("glm4", true, true),
        ] as [(String, Bool?, Bool?)] {
            var metadata = GGUFMetadata()
            (vocabulary.sourcePreTokenizer, vocabulary.addsBOS) = (name, adds)
            try vocabulary.write(into: &metadata, preTokenizer: nil)
            #expect(metadata["tokenizer.ggml.add_bos_token"]?.bool == written, "\(name)")
        }
    }

    @Test func aNameThatTakesTokensOtherwiseIsWrittenWithAWarning() throws {
        var metadata = GGUFMetadata()
        let warnings = try TokenizerFixtures.vocabulary(preTokenizer: .tekken).write(into: &metadata, preTokenizer: nil)
        #expect(metadata["tokenizer.ggml.pre"]?.string == "tekken")
        #expect(warnings.contains { $0.contains("tekken") && $0.contains("as they stand") })
    }

    @Test(arguments: ["gpt2", "opt", "gptj", "codegen"]) func modelsOfMergesNeedNoTokenizerClass(type: String) throws {
        let directory = TemporaryDirectory()
        directory.write("t/vocab.json", [UInt8](#"{"a": 0, "b": 1, "ab": 2, "</s>": 3}"#.utf8))
        directory.write("t/merges.txt", [UInt8]("#version: 0.2\na b\n".utf8))
        func read(_ model: JSON) throws -> Vocabulary? {
            try TokenizerFiles(
                names: ["vocab.json", "merges.txt"], model: model, path: { $0 },
                contents: { name throws(RecastError) in try FileSource.contents(of: directory.file("t/" + name)) }
            ).vocabulary(size: nil, preTokenizer: nil)
        }
        let vocabulary = try #require(try read(["model_type": .string(type), "eos_token_id": 3]))
        #expect(vocabulary.preTokenizer == .gpt2 && vocabulary.special.eos == 3)
        #expect(try Tokenizer(vocabulary).encode("abb") == [2, 1])
        #expect(throws: RecastError.self) { try read(["model_type": "llama"]) }
    }

    // MARK: Gemma 4

    private static let pieces: JSON = [
        "added_tokens": [
            ["id": 0, "content": "<pad>", "special": true], ["id": 1, "content": "<bos>", "special": true],
            ["id": 2, "content": "<unk>", "special": true], ["id": 3, "content": "<|channel>", "special": true],
        ],
        "normalizer": ["type": "Replace", "pattern": ["String": " "], "content": "▁"],
        "pre_tokenizer": [
            "type": "Split", "pattern": ["String": " "], "behavior": "MergedWithPrevious", "invert": false,
        ],
        "model": [
            "type": "BPE", "unk_token": "<unk>", "byte_fallback": true,
            "vocab": [
                "<pad>": 0, "<bos>": 1, "<unk>": 2, "<|channel>": 3, "<0x41>": 4, "<0x0A>": 5, "▁": 6, "a": 7, "b": 8,
                "ab": 9, "▁a": 10, "▁▁": 11,
            ],
            "merges": [["▁", "a"], ["a", "b"], ["▁", "▁"]],
        ],
    ]

    @Test func piecesOfGemma4AreWrittenWithTheirMerges() throws {
        let config: JSON = ["bos_token": "<bos>", "pad_token": "<pad>", "unk_token": "<unk>"]
        let vocabulary = try Self.vocabulary([
            ("tokenizer.json", Self.pieces.serialized()), ("tokenizer_config.json", config.serialized()),
        ])
        var metadata = GGUFMetadata()
        let warnings = try vocabulary.write(into: &metadata, preTokenizer: nil, architecture: .gemma4)
        #expect(warnings.filter { $0.contains("scores") }.isEmpty)
        // By llama.cpp's converter, `Gemma4Model.set_vocab`.
        #expect(metadata["tokenizer.ggml.model"]?.string == "gemma4" && metadata["tokenizer.ggml.pre"] == nil)
        #expect(metadata["tokenizer.ggml.merges"]?.strings == ["▁ a", "a b", "▁ ▁"])
        #expect(metadata["tokenizer.ggml.scores"]?.floats == [Float](repeating: -1000, count: 12))
        #expect(metadata["tokenizer.ggml.token_type"]?.ints == [3, 3, 3, 4, 6, 6, 1, 1, 1, 1, 1, 1])
        #expect(metadata["tokenizer.ggml.add_bos_token"]?.bool == true)
        #expect(metadata["tokenizer.ggml.add_space_prefix"]?.bool == false)
        let read = try #require(try Vocabulary(metadata, file: "a.gguf"))
        for text in ["ab ab  b", "A\n", " a b", "", "<|channel>ab"] {
            #expect(try Tokenizer(read).encode(text) == Tokenizer(vocabulary).encode(text), "\(text)")
        }
        // Everything else has scores.
        var others = GGUFMetadata()
        #expect(try vocabulary.write(into: &others, preTokenizer: nil, architecture: .gemma3).count > warnings.count)
        #expect(others["tokenizer.ggml.model"]?.string == "llama")
    }

    @Test func aMissingBOSIsSaid() throws {
        var vocabulary = try Self.vocabulary([("tokenizer.json", Self.pieces.serialized())])
        vocabulary.addsBOS = false
        var metadata = GGUFMetadata()
        let warnings = try vocabulary.write(into: &metadata, preTokenizer: nil, architecture: .gemma4)
        #expect(warnings.contains { $0.contains("BOS") })
        #expect(metadata["tokenizer.ggml.add_bos_token"]?.bool == false)
    }
}
