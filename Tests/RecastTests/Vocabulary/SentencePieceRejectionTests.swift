import Recast
import TestSupport
import Testing

struct SentencePieceRejectionTests {
    private typealias Piece = SentencePieceBuilder.Piece

    private func read(_ bytes: [UInt8], beside files: [(String, JSON)] = []) throws -> Vocabulary? {
        let directory = TemporaryDirectory()
        directory.write("tokenizer.model", bytes)
        for (name, json) in files { directory.write(name, json.serialized()) }
        return try Checkpoint.vocabulary(in: Folder(path: directory.path))
    }

    @Test func accepted() throws {
        let vocabulary = try #require(try read(SentencePieceBuilder().bytes))
        #expect(vocabulary.model == .sentencePieceBPE && vocabulary.spaces.prefix == .everySegment)
        #expect(vocabulary.tokens == ["<unk>", "<s>", "</s>", "ab", "\u{2581}", "a", "b"])
        #expect(vocabulary.kinds == [.unknown, .control, .control, .normal, .normal, .normal, .normal])
        #expect(vocabulary.scores == [0, 0, 0, -1, -2, -3, -4])
        #expect(vocabulary.special.unknown == 0 && vocabulary.special.bos == 1 && vocabulary.special.eos == 2)
        var model = SentencePieceBuilder()
        model.trainer = [(4, 32000)]
        #expect(try read(model.bytes)?.model == .unigram)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var code = RecastError.Code.malformedInput
        var message: String
        var change: @Sendable (inout SentencePieceBuilder) -> Void
        var testDescription: String { message }

        init(
            _ message: String, _ code: RecastError.Code = .malformedInput,
            _ change: @escaping @Sendable (inout SentencePieceBuilder) -> Void
        ) {
            (self.message, self.code, self.change) = (message, code, change)
        }
    }

    static let cases: [Case] = [
        Case("holds no pieces") { $0.pieces = [] },
        Case("piece 7 is not UTF-8") { $0.pieces.append(.init(bytes: [0x61, 0xFF])) },
        Case("piece 7 is not UTF-8") { $0.pieces.append(.init(bytes: [0xED, 0xA0, 0x80])) },
        Case("piece 7 is empty") { $0.pieces.append(.init("")) },
        Case("the pieces 3 and 7 are both \"ab\"") { $0.pieces.append(.init("ab", -9)) },
        Case("the pieces 1 and 7 are both \"<s>\"") { $0.pieces.append(.init("<s>")) },
        Case("piece 7, \"x\", has no finite score") { $0.pieces.append(.init("x", .nan)) },
        Case("piece 7, \"x\", has no finite score") { $0.pieces.append(.init("x", -.infinity)) },
        Case("piece 7 has the type 7") { $0.pieces.append(.init("x", type: 7)) },
        Case("piece 7 has the type 18446744073709551615") { $0.pieces.append(.init("x", type: .max)) },
        Case("0 pieces stand for the unknown") { $0.pieces.removeFirst() },
        Case("2 pieces stand for the unknown") { $0.pieces.append(.init("x", type: 2)) },
        Case("1 pieces stand for bytes, where none may") { $0.pieces.append(.init("<0x41>", type: 6)) },
        Case("0 pieces stand for bytes, where 256 must") { $0.trainer.append((35, 1)) },
        Case("\"<0x4>\" is said to stand for a byte") { $0.pieces.append(.init("<0x4>", type: 6)) },
        Case("\"<0x0a>\" is said to stand for a byte") { $0.pieces.append(.init("<0x0a>", type: 6)) },
        Case("\"<0x+4>\" is said to stand for a byte") { $0.pieces.append(.init("<0x+4>", type: 6)) },
        Case("of words", .unsupported) { $0.trainer = [(3, 3)] },
        Case("of characters", .unsupported) { $0.trainer = [(3, 4)] },
        Case("of the type 9", .unsupported) { $0.trainer = [(3, 9)] },
        Case("treat_whitespace_as_suffix", .unsupported) { $0.trainer.append((24, 1)) },
        Case("escape_whitespaces", .unsupported) { $0.normalizer.append((5, 0)) },
        Case("denormalizer_spec", .unsupported) { model in
            var settings = ProtobufBuilder()
            settings.bytes(2, [1])
            var message = ProtobufBuilder()
            message.bytes(5, settings.bytes)
            model.rest = message.bytes
        },
        Case("field 1 has 200 bytes, where 2 are left") { $0.rest = [0x0A, 200, 1, 0, 0] },
        Case("field 1 has 18446744073709551615 bytes") {
            $0.rest = [0x0A] + [UInt8](repeating: 0xFF, count: 9) + [1]
        },
        Case("a number has more than 64 bits") { $0.rest = [UInt8](repeating: 0xFF, count: 10) + [1] },
        Case("a number has more than 64 bits") { $0.rest = [0x08] + [UInt8](repeating: 0xFF, count: 9) + [2] },
        Case("a number does not end") { $0.rest = [0x08, 0x80] },
        Case("a number does not end") { $0.rest = [0x0D, 0, 0, 0] },
        Case("a number does not end") { $0.rest = [0x09, 0, 0, 0, 0] },
        Case("field 0 cannot be") { $0.rest = [0] },
        Case("field 1 has the wire type 3") { $0.rest = [0x0B] },
        Case("field 1 has the wire type 7") { $0.rest = [0x0F] },
        Case("piece 7: field 1 is of another type") { $0.rest = [0x0A, 2, 0x08, 0] },
        Case("piece 7: field 2 is of another type") { $0.rest = [0x0A, 2, 0x10, 0] },
        Case("bos_piece is not UTF-8") { $0.rest = [0x12, 4, 0xF2, 2, 1, 0xFF] },
    ]

    @Test(arguments: cases)
    func rejects(_ rejection: Case) {
        var model = SentencePieceBuilder()
        rejection.change(&model)
        expectRejection(rejection.code, rejection.message, file: "tokenizer.model") { _ = try read(model.bytes) }
    }

    /// A file that ends too early is said to, wherever it ends; what ends between two fields is not whole either.
    @Test func truncated() throws {
        let bytes = SentencePieceBuilder().bytes
        for count in 0..<bytes.count {
            do {
                let vocabulary = try #require(try read(Array(bytes[..<count])))
                #expect(vocabulary.tokens.count <= 7)
            } catch let error as RecastError {
                #expect(error.code == .malformedInput && error.description.contains("tokenizer.model"), "\(error)")
            }
        }
    }

    @Test func damaged() throws {
        var random = SeededGenerator(seed: 3)
        let bytes = SentencePieceBuilder().bytes
        for _ in 0..<3000 {
            do {
                _ = try read(bytes.damaged(&random))
            } catch let error as RecastError {
                #expect([.malformedInput, .unsupported].contains(error.code), "\(error)")
            }
        }
    }

    @Test func addedTokens() throws {
        let cases: [(String, JSON, String)] = [
            ("added_tokens.json", ["<x>": -1], "\"<x>\" has no id"),
            ("added_tokens.json", ["<x>": "8"], "\"<x>\" has no id"),
            ("added_tokens.json", [], "added_tokens.json is not an object"),
            ("added_tokens.json", ["<x>": 1_000_000], "token id 1000000 is out of proportion to 7 tokens"),
            ("tokenizer_config.json", ["added_tokens_decoder": ["x": ["content": "<x>"]]], "\"x\" is no id"),
            ("tokenizer_config.json", ["added_tokens_decoder": ["7": "<x>"]], "no id or no content: \"<x>\""),
            ("tokenizer_config.json", ["added_tokens_decoder": [1]], "added_tokens_decoder is not an object"),
        ]
        for (name, json, message) in cases {
            expectRejection(message) { _ = try read(SentencePieceBuilder().bytes, beside: [(name, json)]) }
        }
        let added: JSON = ["9": ["content": "<x>", "special": true]]
        let vocabulary = try #require(
            try read(
                SentencePieceBuilder().bytes,
                beside: [("tokenizer_config.json", ["added_tokens_decoder": added]), ("added_tokens.json", ["<y>": 7])])
        )
        #expect(vocabulary.tokens.suffix(3) == ["<y>", "[PAD8]", "<x>"])
        #expect(vocabulary.kinds.suffix(3) == [.userDefined, .unused, .control])
        #expect(vocabulary.scores.suffix(3) == [-1000, -10_000, -1000])
    }

    /// What Python code beside a model says.
    @Test func chatGLM() throws {
        let vocabulary = try #require(
            try read(
                SentencePieceBuilder().bytes,
                beside: [("tokenizer_config.json", ["tokenizer_class": "ChatGLMTokenizer"])]))
        #expect(
            vocabulary.tokens[7...] == [
                "[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<|system|>", "<|user|>", "<|assistant|>",
                "<|observation|>",
            ])
        #expect(vocabulary.kinds[7...].allSatisfy { $0 == .control } && vocabulary.addsBOS == false)
    }

    @Test func idsWithoutARow() {
        var model = SmallModel("llama")
        model.configuration["vocab_size"] = 24
        var pieces = SentencePieceBuilder()
        for id in 7..<25 { pieces.pieces.append(.init("piece\(id)", -9)) }
        let bytes = pieces.bytes
        model.files = [("tokenizer.model", bytes)]
        expectRejection("token id 24 has no row in an embedding of 24", file: "tokenizer.model") {
            let directory = TemporaryDirectory()
            _ = try Checkpoint(path: model.write(to: directory)).vocabulary(size: 24)
        }
    }

    /// A NUL is a dragon in GGUF, and this is said; where there is a dragon already, nothing can be written.
    @Test func pieceOfNUL() throws {
        let directory = TemporaryDirectory()
        var model = SmallModel("llama")
        var pieces = SentencePieceBuilder()
        pieces.pieces.append(.init("\0", -5))
        model.files = [("tokenizer.model", pieces.bytes)]
        let plan = try Planning(Checkpoint(path: model.write(to: directory)), .init(target: .gguf))
            .plan(destination: directory.file("a.gguf"))
        #expect(plan.warnings.contains { $0.hasPrefix("token 7, a NUL, is written as 🐉") }, "\(plan.warnings)")
        _ = try Conversion(plan, to: directory.file("a.gguf")).run()
        let gguf = try Checkpoint(path: directory.file("a.gguf"))
        #expect(gguf.ggufSet?.metadata["tokenizer.ggml.tokens"]?.strings?[7] == "🐉")
        #expect(try gguf.vocabulary(size: nil)?.tokens[7] == "\0")

        pieces.pieces.append(.init("🐉", -6))
        model.files = [("tokenizer.model", pieces.bytes)]
        let second = TemporaryDirectory()
        expectRejection(.unsupported, "the tokens 7 and 8 are both \"🐉\", which llama.cpp refuses") {
            _ = try Planning(Checkpoint(path: model.write(to: second)), .init(target: .gguf))
                .plan(destination: second.file("a.gguf"))
        }
    }

    /// llama.cpp has no way to be told.
    @Test func whatGGUFCannotSay() throws {
        let directory = TemporaryDirectory()
        var model = SmallModel("llama")
        var pieces = SentencePieceBuilder()
        pieces.normalizer = [(4, 1)]
        model.files = [("tokenizer.model", pieces.bytes)]
        let plan = try Planning(Checkpoint(path: model.write(to: directory)), .init(target: .gguf))
            .plan(destination: directory.file("a.gguf"))
        #expect(plan.warnings.count == 2 && plan.warnings[0].contains("no tokens for bytes"))
        #expect(plan.warnings.last == "the tokenizer drops extra spaces, which llama.cpp will not do")
    }
}
