import Foundation
import TestSupport
import Testing

@testable import Recast
@testable import RecastInference

/// Models that sentencepiece trained on the texts of the fixture, and the ids that it gives (`make_tokenizers.py`).
@Suite struct SentencePieceTests {
    private static let folder = Fixtures.tokenizers

    /// The tokenizer of a fixture's model, with whatever lies beside it.
    private func tokenizer(
        _ name: String, beside files: [(String, JSON)] = [("tokenizer_config.json", ["legacy": false])]
    ) throws -> Tokenizer {
        try Tokenizer(vocabulary(name, beside: files))
    }

    private func vocabulary(_ name: String, beside files: [(String, JSON)]) throws -> Vocabulary {
        let directory = TemporaryDirectory()
        directory.write("tokenizer.model", try FileSource.contents(of: "\(Self.folder)/\(name).model"))
        for (file, content) in files { directory.write(file, content.serialized()) }
        return try #require(try Checkpoint.vocabulary(in: Folder(path: directory.path)))
    }

    private static func reference(_ name: String) throws -> [(text: String, ids: [Int32])] {
        let path = folder + "/reference.json"
        let entries = try #require(try JSON(parsing: FileSource.contents(of: path), file: path).array)
        return try entries.map { entry in
            (try #require(entry["text"]?.string), try #require(entry[name]?.array).map { Int32($0.int!) })
        }
    }

    @Test(arguments: ["bpe", "own", "unigram", "unigram-bytes"])
    func idsAreThoseOfSentencepiece(name: String) throws {
        let tokenizer = try tokenizer(name)
        let reference = try Self.reference(name)
        #expect(reference.count > 60)
        for (text, ids) in reference {
            #expect(try tokenizer.encode(text, parsingSpecial: false) == ids, "\(text.debugDescription)")
        }
    }

    @Test(arguments: ["bpe", "unigram-bytes"])
    func textComesBack(name: String) throws {
        let tokenizer = try tokenizer(name)
        for (text, ids) in try Self.reference(name) where !text.contains("\u{2581}") {
            #expect(tokenizer.decode(ids).utf8.elementsEqual(text.utf8), "\(text.debugDescription)")
        }
    }

    /// Ids of text after an added token: with a space before it, unless `legacy` is false.
    @Test func spaceAfterAddedTokens() throws {
        let added: JSON = ["1200": ["content": "<x>", "special": false]]
        let legacy = try tokenizer("bpe", beside: [("tokenizer_config.json", ["added_tokens_decoder": added])])
        let first = try tokenizer(
            "bpe", beside: [("tokenizer_config.json", ["added_tokens_decoder": added, "legacy": false])])
        let never = try tokenizer(
            "bpe", beside: [("tokenizer_config.json", ["added_tokens_decoder": added, "add_prefix_space": false])])
        #expect(try legacy.encode("the<x>the") == legacy.encode("the") + [1200] + legacy.encode("the"))
        #expect(try first.encode("the<x>the") == legacy.encode("the") + [1200] + never.encode("the"))
        #expect(try first.encode("<x>the") == [1200] + never.encode("the"))
        #expect(try never.encode(" the") == legacy.encode("the"))
        #expect(try never.encode("the") != legacy.encode("the"))
    }

    @Test func specialTokensAreOnlyFoundOnDemand() throws {
        let tokenizer = try tokenizer("bpe")
        let ids = try tokenizer.encode("<s>a</s>", parsingSpecial: true)
        #expect(ids.first == 1 && ids.last == 2)
        #expect(try !tokenizer.encode("<s>a</s>", parsingSpecial: false).contains { $0 < 3 })
        #expect(try tokenizer.encode("a", addingSpecial: true).first == 1)
        #expect(tokenizer.decode(ids, skippingSpecial: true) == "a")
    }

    @Test(arguments: ["bpe", "own", "unigram"], [" ", "a", "the", "字", "🙂"])
    func longTextsEnd(name: String, unit: String) throws {
        let tokenizer = try tokenizer(name)
        _ = try tokenizer.encode(String(repeating: unit, count: 100_000 / unit.utf8.count))
    }

    /// Sums that are counted anew at every other character: looking at all of the text then would take hours.
    @Test func scoresFarFromZero() throws {
        var vocabulary = Vocabulary(
            model: .unigram, tokens: ["<unk>", "a", "b"], kinds: [.unknown, .normal, .normal],
            preTokenizer: PreTokenizer(steps: []))
        vocabulary.scores = [0, -60_000, -70_000]
        vocabulary.special.unknown = 0
        vocabulary.addsScoresInSinglePrecision = true
        let ids = try Tokenizer(vocabulary).encode(String(repeating: "ab", count: 1 << 19))
        #expect(ids.count == 1 << 20 && ids.starts(with: [1, 2, 1]))
    }

    /// By way of GGUF, of its keys alone, and of the `tokenizer.json` that is made of them.
    @Test func everyFormHasTheSameIDs() throws {
        let directory = TemporaryDirectory()
        var model = SmallModel("llama")
        let config: JSON = ["added_tokens_decoder": ["1200": ["content": "<\u{2581}x>", "special": false]]]
        model.configuration["vocab_size"] = 1210
        for name in ["model.embed_tokens.weight", "lm_head.weight"] {
            model.remove(name)
            model.add(name, [1210, 32])
        }
        model.files = [
            ("tokenizer.model", try FileSource.contents(of: Self.folder + "/bpe.model")),
            ("tokenizer_config.json", config.serialized()),
        ]
        let source = try Checkpoint(path: model.write(to: directory))
        let gguf = try convert(source, to: directory.file("a.gguf"), .gguf)
        let foreign = try #require(try foreignVocabulary(of: gguf))
        #expect(foreign.tokens[1200] == "< x>" && foreign.kinds[1200] == .userDefined && foreign.scores[1200] == -1000)
        #expect(foreign.tokens[1209] == "[PAD1209]" && foreign.kinds[1209] == .unused)
        #expect(foreign.scores[1209] == -10_000 && foreign.special.bos == 1 && foreign.special.unknown == 0)
        for (name, json) in try foreign.huggingFaceFiles() { directory.write("back/" + name, json.serialized()) }
        let forms = [
            try #require(try source.vocabulary(size: 1210)), try #require(try gguf.vocabulary(size: nil)), foreign,
            try #require(try Checkpoint.vocabulary(in: Folder(path: directory.file("back")))),
        ]
        // What is left are merges, of which scores can be made again.
        var metadata = GGUFMetadata()
        let warnings = try forms[3].write(into: &metadata, preTokenizer: nil)
        #expect(warnings.count == 1 && warnings[0].contains("they are made from its merges"))
        let scored = try #require(try Vocabulary(metadata, file: "b.gguf"))
        let tokenizers = try (forms + [scored]).map { try Tokenizer($0) }
        for (text, _) in try Self.reference("bpe") {
            let ids = try tokenizers.map { try $0.encode(text, addingSpecial: true) }
            #expect(ids.allSatisfy { $0 == ids[0] }, "\(text.debugDescription)")
        }
        // The model goes back as it came.
        let back = try convert(gguf, to: directory.file("again"), .huggingFace(family: nil))
        #expect(
            try FileSource.contents(of: directory.file("again/tokenizer.model"))
                == FileSource.contents(of: Self.folder + "/bpe.model"))
        #expect(try back.vocabulary(size: 1210) == forms[0])
    }

    /// sentencepiece takes pieces that are not to be used apart again, in one of several ways.
    @Test func unusedPieces() throws {
        var vocabulary = try vocabulary("bpe", beside: [])
        let id = try #require(vocabulary.tokens.firstIndex(of: "\u{2581}the"))
        vocabulary.kinds[id] = .unused
        let error = #expect(throws: RecastError.self) { try Tokenizer(vocabulary) }
        #expect(error?.code == .unsupported && error?.message.contains("piece \(id)") == true)
    }

    /// Whatever a vocabulary is, there are ids or there is an error.
    @Test(arguments: [Vocabulary.Model.sentencePieceBPE, .unigram])
    func oddVocabularies(model: Vocabulary.Model) throws {
        var random = SeededGenerator(seed: 17)
        let parts = ["", " ", "\u{2581}", "a", "b", "ab", "é", "字", "🙂", "<0x41>", "<0xC3>", "\0", "[PAD1]"]
        let kinds: [Vocabulary.Kind] = [.normal, .normal, .normal, .userDefined, .byte, .control, .unknown, .unused]
        var encoded = 0
        for _ in 0..<400 {
            let count = Int.random(in: 0...12, using: &random)
            let tokens = (0..<count).map { _ in
                (0..<Int.random(in: 0...2, using: &random)).map { _ in parts.randomElement(using: &random)! }.joined()
            }
            var vocabulary = Vocabulary(
                model: model, tokens: tokens, kinds: tokens.map { _ in kinds.randomElement(using: &random)! },
                preTokenizer: PreTokenizer(steps: []))
            vocabulary.scores = tokens.map { _ in Float(Int.random(in: -3...0, using: &random)) }
            vocabulary.spaces.removesExtra = .random(using: &random)
            vocabulary.spaces.prefix = .random(using: &random) ? .first : .everySegment
            vocabulary.spaces.splits = .random(using: &random)
            vocabulary.spaces.isMetaspace = .random(using: &random)
            vocabulary.spaces.characterMap = .random(using: &random) ? [] : [4, 0, 0, 0, 255, 255, 255, 255]
            vocabulary.special.unknown = .random(using: &random) ? nil : tokens.indices.randomElement(using: &random)
            if let id = tokens.indices.randomElement(using: &random) {
                vocabulary.addedTokens = [.init(id: id, content: tokens[id], isSpecial: .random(using: &random))]
                vocabulary.addedTokens[0].isNormalized = .random(using: &random)
            }
            guard let tokenizer = try? Tokenizer(vocabulary) else { continue }
            for text in ["", "a", "  ab  é字🙂\0 ", "\u{2581}aab bab"] {
                guard let ids = try? tokenizer.encode(text) else { continue }
                #expect(ids.allSatisfy { tokens.indices.contains(Int($0)) })
                _ = tokenizer.decode(ids)
                encoded += 1
            }
        }
        #expect(encoded > 200)
    }

    /// Whatever a map of characters is, what it finds are whole characters, and what it puts in their place is UTF-8.
    @Test func damagedMaps() throws {
        var random = SeededGenerator(seed: 31)
        let sound = try vocabulary("unigram", beside: []).spaces.characterMap
        let size = sound.withUnsafeBytes { Int($0.integer(at: 0, as: UInt32.self)) }
        let text = Array("ﬁ Ａ ① e\u{301} \u{A0}\u{2028}ｶﾞ字🙂".utf8)
        let starts = text.indices.filter { !UTF8.isContinuation(text[$0]) }
        var found = 0
        for _ in 0..<300 {
            var bytes = sound
            // Replacements that are not text are refused; here the trie is wrong, and places within them.
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                bytes[.random(in: 4..<4 + size, using: &random)] = .random(in: 0...255, using: &random)
            }
            for place in stride(from: 4, to: 4 + size, by: 4) where bytes[place + 3] & 0x80 != 0 {
                guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
                let value = UInt32.random(in: 0..<UInt32(sound.count - 4 - size), using: &random) | 0x8000_0000
                withUnsafeBytes(of: value.littleEndian) { bytes.replaceSubrange(place..<place + 4, with: $0) }
            }
            let map = try CharacterMap(bytes)
            text.withUnsafeBufferPointer { text in
                for start in starts {
                    guard let match = map.match(at: start, in: text) else { continue }
                    #expect(match.end == text.count || !UTF8.isContinuation(text[match.end]))
                    #expect(String(validating: match.replacement, as: UTF8.self) != nil)
                    found += 1
                }
            }
        }
        #expect(found > 300)
    }

    @Test func mapsThatAreNoText() throws {
        let trie: [UInt8] = [4, 0, 0, 0, 0, 0, 0, 0]
        for (replacements, code, message) in [
            ([0xE5, 0], .malformedInput, "is not UTF-8"),
            ([UInt8](repeating: 97, count: 257) + [0], .unsupported, "256"),
            ([97], .malformedInput, "is damaged"),
        ] as [([UInt8], RecastError.Code, String)] {
            let error = #expect(throws: RecastError.self) { try CharacterMap(trie + replacements) }
            #expect(error?.code == code && error?.message.contains(message) == true)
        }
        #expect(throws: Never.self) { try CharacterMap(trie + [97, 0]) }
    }

    /// Pieces that are made of each other in so many ways that the pairs would fill the memory.
    @Test func piecesOfPieces() throws {
        let runs = (1...1200).map { String(repeating: "a", count: $0) }
        var vocabulary = Vocabulary(
            model: .sentencePieceBPE, tokens: ["<unk>"] + runs,
            kinds: [.unknown] + runs.map { _ in .normal }, preTokenizer: PreTokenizer(steps: []))
        vocabulary.special.unknown = 0
        vocabulary.scores = vocabulary.tokens.indices.map { -Float($0) }
        let error = try #require(throws: RecastError.self) { try Tokenizer(vocabulary) }
        #expect(error.code == .unsupported && error.message.contains("pairs of pieces"))
        #expect(throws: error) { try vocabulary.mergesOfScores() }
    }

    @Test func mergesThatScoresCannotSay() throws {
        var vocabulary = try vocabulary("bpe", beside: [])
        vocabulary.merges = try vocabulary.mergesOfScores()
        vocabulary.scores = []
        vocabulary.merges.removeLast()
        var metadata = GGUFMetadata()
        let error = #expect(throws: RecastError.self) { try vocabulary.write(into: &metadata, preTokenizer: nil) }
        #expect(
            error?.code == .unsupported && error?.message.contains("make a piece, but the tokenizer's merges") == true)
    }

    /// `tokenizer.json` is believed; a model beside it that is another one is left alone.
    @Test func modelBesideTokenizerJSON() throws {
        var vocabulary = try vocabulary("bpe", beside: [])
        let files = try vocabulary.huggingFaceFiles().map { ($0.name, $0.json) }
        // The first three are added tokens there.
        #expect(try self.vocabulary("bpe", beside: files).scores[3...] == vocabulary.scores[3...])
        #expect(try self.vocabulary("own", beside: files).scores.isEmpty)
        vocabulary.merges = try self.vocabulary("own", beside: files).merges
        #expect(try Tokenizer(vocabulary).encode("the end") == tokenizer("bpe").encode("the end"))
    }

    /// What the keys of a GGUF file say, without the files that travel in it.
    private func foreignVocabulary(of checkpoint: Checkpoint) throws -> Vocabulary? {
        var metadata = try #require(checkpoint.ggufSet).metadata
        for pair in metadata.pairs where pair.key.hasPrefix("recast.") { metadata[pair.key] = nil }
        return try Vocabulary(metadata, file: "a.gguf")
    }

    private func convert(
        _ source: Checkpoint, to path: String, _ target: ConversionOptions.Target
    ) throws -> Checkpoint {
        _ = try Conversion(Planning(source, ConversionOptions(target: target)).plan(destination: path), to: path).run()
        return try Checkpoint(path: path)
    }
}
