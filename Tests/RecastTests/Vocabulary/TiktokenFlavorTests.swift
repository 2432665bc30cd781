import TestSupport
import Testing

@testable import Recast

/// What is not in files of tiktoken, and their way into other formats.
struct TiktokenFlavorTests {
    private static let words = ["ab", "abab", "cd"]

    private func read(
        _ words: [String] = words, name: String = "tokenizer.model", size: Int? = nil, configuration: JSON = [:],
        preTokenizer: String? = nil
    ) throws -> Vocabulary {
        let directory = TemporaryDirectory()
        directory.write(name, RankedWords.lines(words))
        directory.write("tokenizer_config.json", configuration.serialized())
        let folder = try Folder(path: directory.path)
        return try #require(try Checkpoint.vocabulary(in: folder, size: size, preTokenizer: preTokenizer))
    }

    @Test func llama3() throws {
        let vocabulary = try read(size: 259 + 256)
        #expect(vocabulary.preTokenizerName == "llama-bpe" && vocabulary.ignoresMerges)
        let special = vocabulary.special
        #expect(special.bos == 259 && special.eos == 260 && special.padding == 263 && special.endOfTurn == 268)
        #expect(vocabulary.tokens[259] == "<|begin_of_text|>" && vocabulary.tokens[268] == "<|eot_id|>")
        #expect(vocabulary.tokens[271] == "<|reserved_special_token_2|>")
        #expect(vocabulary.tokens.last == "<|reserved_special_token_245|>" && vocabulary.kinds.last == .control)
        #expect(vocabulary.addsBOS == true)
        #expect(vocabulary.remarks.count == 1 && vocabulary.remarks[0].contains("they are named as Llama's"))
        // What the configuration says comes first.
        let configuration: JSON = [
            "added_tokens_decoder": ["261": ["content": "<own>", "special": true]], "eos_token": "<|eot_id|>",
            "add_bos_token": false,
        ]
        let other = try read(size: 259 + 256, configuration: configuration)
        #expect(other.tokens[261] == "<own>" && other.special.eos == 268 && other.addsBOS == false)
    }

    @Test func llama4() throws {
        let vocabulary = try read(size: 259 + 2048)
        #expect(vocabulary.preTokenizerName == "llama4")
        let special = vocabulary.special
        #expect(special.bos == 259 && special.eos == 260 && special.endOfTurn == 267 && special.padding == 277)
        #expect(vocabulary.tokens[261] == "<|fim_prefix|>" && vocabulary.tokens[267] == "<|eot|>")
        #expect(vocabulary.tokens[278] == "<|text_post_train_reserved_special_token_8|>")
        #expect(vocabulary.tokens[339] == "<|image_start|>" && vocabulary.tokens[351] == "<|patch|>")
        #expect(vocabulary.tokens[259 + 1143] == "<|reasoning_thinking_end|>")
        #expect(vocabulary.tokens[259 + 1144] == "<|reserved_special_token_0|>")
        #expect(Set(vocabulary.tokens).count == 259 + 2048)
    }

    @Test func kimi() throws {
        let configuration: JSON = [
            "added_tokens_decoder": ["260": ["content": "[EOS]", "special": true]], "eos_token": "[EOS]",
        ]
        let vocabulary = try read(name: "tiktoken.model", configuration: configuration)
        #expect(vocabulary.preTokenizerName == "kimi-k2" && vocabulary.special.eos == 260)
        #expect(vocabulary.tokens[259] == "<|reserved_token_259|>" && vocabulary.tokens.count == 259 + 256)
    }

    /// A name changes how text is cut, and nothing else.
    @Test func names() throws {
        #expect(try read(size: 259 + 256, preTokenizer: "qwen2").preTokenizer == .qwen2)
        #expect(try read(size: 259 + 256, preTokenizer: "qwen2").special.bos == 259)
        for size in [nil, 259, 260, Int.max] as [Int?] {
            expectRejection(.unsupported, "nor its size (Llama 3, 4) does", file: "tokenizer.model") {
                _ = try read(size: size)
            }
        }
    }

    /// tiktoken joins what has the lowest rank at any time, also where that is a part of a token that has a lower one.
    @Test func partsOfHigherRank() throws {
        let vocabulary = try read(["xyz", "xy", "klm"], size: 259 + 256)
        #expect(vocabulary.merges == [.init("xy", "z"), .init("x", "y")])
    }

    /// From each kind of file to GGUF and to `tokenizer.json`.
    @Test(arguments: ["tekken.json", "tokenizer.model", "qwen.tiktoken", "tokenizer.model.v3"])
    func conversion(name: String) throws {
        let directory = TemporaryDirectory()
        let (bytes, rows, pre): ([UInt8], Int, String) =
            switch name {
            case "tekken.json":
                (
                    RankedWords.tekken(Self.words, special: ["<unk>", "<s>", "</s>"], reserved: 5, total: 264)
                        .serialized(),
                    264, "tekken"
                )
            case "tokenizer.model": (RankedWords.lines(Self.words), 259 + 256, "llama-bpe")
            case "qwen.tiktoken": (RankedWords.lines(Self.words), 259 + 208, "qwen2")
            default: (try FileSource.contents(of: Fixtures.tokenizers + "/bpe.model"), 1300, "default")
            }
        var model = SmallModel("llama")
        model.configuration["vocab_size"] = .int(rows)
        for key in ["bos_token_id", "eos_token_id"] { model.configuration[key] = nil }
        for weight in ["model.embed_tokens.weight", "lm_head.weight"] {
            model.remove(weight)
            model.add(weight, [rows, 32])
        }
        model.files = [(name, bytes)]
        let source = try Checkpoint(path: model.write(to: directory))
        let expected = try #require(try source.vocabulary(size: rows))
        let gguf = try convert(source, to: directory.file("a.gguf"), .gguf)
        let metadata = try #require(gguf.ggufSet).metadata
        #expect(metadata["tokenizer.ggml.pre"]?.string == pre)
        #expect(metadata["tokenizer.ggml.bos_token_id"]?.int == expected.special.bos)
        #expect(try gguf.vocabulary(size: nil)?.tokens == expected.ggufTokens)

        for (place, checkpoint) in [("direct", source), ("back", gguf)] {
            let made = try convert(checkpoint, to: directory.file(place), .huggingFace(family: nil))
            let names = try Folder(path: made.path).names()
            #expect(names.contains(name) && names.contains("tokenizer.json") && names.contains("tokenizer_config.json"))
            let vocabulary = try #require(try made.vocabulary(size: rows))
            for id in expected.tokens.indices where expected.kinds[id] != .unused {
                #expect(vocabulary.tokens[id] == expected.tokens[id])
            }
            #expect(vocabulary.special.bos == expected.special.bos && vocabulary.special.eos == expected.special.eos)
            #expect((vocabulary.addsBOS ?? false) == (expected.addsBOS ?? false))
        }
    }

    private func convert(
        _ source: Checkpoint, to path: String, _ target: ConversionOptions.Target
    ) throws -> Checkpoint {
        let plan = try Planning(source, ConversionOptions(target: target)).plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        return try Checkpoint(path: path)
    }

    /// Of several versions the last is taken, with a word on it.
    @Test func versions() throws {
        let directory = TemporaryDirectory()
        let bytes = try FileSource.contents(of: Fixtures.tokenizers + "/bpe.model")
        directory.write("tokenizer.model.v11", bytes)
        #expect(try Checkpoint.vocabulary(in: Folder(path: directory.path))?.remarks == [])
        directory.write("other.model.v3m1", RankedWords.lines([]))
        directory.write("tokenizer.model.vx", [])
        let vocabulary = try #require(try Checkpoint.vocabulary(in: Folder(path: directory.path)))
        #expect(vocabulary.model == .sentencePieceBPE && vocabulary.addsBOS == true)
        #expect(vocabulary.remarks.count == 1)
        #expect(
            vocabulary.remarks[0].hasSuffix(
                "tokenizer.model.v11: taken of other.model.v3m1, tokenizer.model.v11, as the last version"))
    }
}
