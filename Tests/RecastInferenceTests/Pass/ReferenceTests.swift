import Foundation
import Recast
import RecastInference
import TestSupport
import Testing

/// The pass against logits and likelihoods that transformers computed from the same files.
@Suite struct ReferenceTests {
    static var families: [String] {
        guard let golden = Fixtures.golden else { return [] }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: golden + "/families")) ?? []
        return names.filter { FileManager.default.fileExists(atPath: golden + "/families/\($0)/reference.safetensors") }
            .sorted()
    }

    /// The reference's own tolerance: twice that where logits are large.
    private func expectClose(_ mine: [[[Float]]], _ reference: [[[Float]]], _ comment: Comment? = nil) {
        let largest = reference.joined().joined().reduce(0) { max($0, abs($1)) }
        #expect(mine.map(\.count) == reference.map(\.count))
        #expect(distance(mine, reference) < (largest > 10 ? 1e-4 : 5e-5), comment)
    }

    @Test(.enabled(if: Fixtures.hasGolden), arguments: families)
    func logitsOfFamily(_ family: String) throws {
        let directory = Fixtures.golden("families/" + family)
        let checkpoint = try ReferenceCheckpoint(directory)
        let reference = try ReferenceLogits(directory)
        #expect(reference.logits.count == 2 && reference.logits[0].count == 24 && reference.logits[0][0].count == 256)
        let logits = try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens)
        expectClose(logits, reference.logits)
        // One token after the other.
        let text = Array(reference.tokens[0][..<6])
        let generator = try Generator(checkpoint.graph, files: checkpoint.files)
        let next = try generator.generate(after: text, Generator.Settings(maximumTokens: 1, stopTokens: [])).tokens
        #expect(
            next[0]
                == Int32(
                    reference.logits[0][5].indices.max { reference.logits[0][5][$0] < reference.logits[0][5][$1] }!))
    }

    @Test(.enabled(if: Fixtures.hasGolden), arguments: families)
    func logitsOfLlamaLayout(_ family: String) throws {
        let directory = Fixtures.golden("families/" + family)
        guard FileManager.default.fileExists(atPath: directory + "/llama/config.json") else { return }
        let checkpoint = try ReferenceCheckpoint(directory + "/llama")
        let reference = try ReferenceLogits(directory)
        let logits = try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens)
        // Llama attends to everything, the model itself to the last ten tokens.
        let count = family == "mistral_swa" ? 10 : 24
        expectClose(logits.map { Array($0.prefix(count)) }, reference.logits.map { Array($0.prefix(count)) })
        if count < 24 { #expect(distance(logits, reference.logits) > 1) }
    }

    /// What llama.cpp has no key for comes from the configuration that travels in the file.
    @Test(.enabled(if: Fixtures.hasGolden), arguments: families)
    func logitsOfGGUF(_ family: String) throws {
        // Which llama.cpp does not know.
        if ["internlm1", "baichuan1_13b"].contains(family) { return }
        let folder = TemporaryDirectory()
        let directory = Fixtures.golden("families/" + family)
        var options = ConversionOptions(target: .gguf)
        options.allowsInexact = Fixtures.inexactInGGUF.contains(family)
        options.dtype = .f32
        let path = folder.file("model.gguf")
        _ = try Conversion(Planning(Checkpoint(path: directory), options).plan(destination: path), to: path).run()
        let checkpoint = try ReferenceCheckpoint(path)
        let reference = try ReferenceLogits(directory)
        expectClose(
            try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens), reference.logits)
    }

    /// Biases of norms that subtract means go into the layers after them, but for the last norm's, which must be zero.
    @Test(.enabled(if: Fixtures.hasGolden)) func stableLMWithoutTheLastBias() throws {
        let folder = TemporaryDirectory()
        let directory = Fixtures.golden("families/stablelm2")
        let source = try Checkpoint(path: directory)
        var bytes = try FileSource.contents(of: directory + "/model.safetensors")
        let header = bytes.withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
        let json = try JSON(parsing: Array(bytes[8..<8 + header]), file: "model.safetensors")
        let range = try #require(json["model.norm.bias"]?["data_offsets"]?.array).map { 8 + header + $0.int! }
        for index in range[0]..<range[1] { bytes[index] = 0 }
        folder.write("source/model.safetensors", bytes)
        folder.write("source/config.json", try FileSource.contents(of: directory + "/config.json"))
        var options = ConversionOptions(target: .huggingFace(family: "llama"))
        options.dtype = .f32
        let changed = try Checkpoint(path: folder.file("source"))
        _ = try Conversion(Planning(changed, options).plan(destination: "llama"), to: folder.file("llama")).run()
        let reference = try ReferenceLogits(directory)
        func logits(_ path: String) throws -> [[[Float]]] {
            let checkpoint = try ReferenceCheckpoint(path)
            return try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens)
        }
        expectClose(try logits(folder.file("llama")), try logits(folder.file("source")))
        #expect(throws: RecastError.self) { try Planning(source, options).plan(destination: "llama") }
    }

    /// Longrope turns a long text otherwise than a short one.
    @Test(.enabled(if: Fixtures.hasGolden)) func logitsOfLongText() throws {
        let directory = Fixtures.golden("families/phi3_longrope")
        let reference = try ReferenceLogits(directory, ids: "input_ids_long", logits: "logits_long")
        #expect(reference.tokens[0].count == 80)
        for path in [directory, directory + "/llama"] {
            let checkpoint = try ReferenceCheckpoint(path)
            let logits = try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens)
            expectClose(logits, reference.logits)
        }
    }

    /// Qwen 1 does something else beyond the length it was trained with.
    @Test(.enabled(if: Fixtures.hasGolden)) func logitsBeyondTheTrainedLength() throws {
        let directory = Fixtures.golden("families/qwen1")
        let checkpoint = try ReferenceCheckpoint(directory)
        let reference = try ReferenceLogits(directory, logits: "logits_if_seq_length_16")
        var graph = checkpoint.graph
        graph.configuration.longContext?.context = 16
        expectClose(
            try ForwardPass(graph, files: checkpoint.files).logits(of: reference.tokens), reference.logits)
    }

    @Test func logitsOfTinyModel() throws {
        let checkpoint = try ReferenceCheckpoint(Fixtures.tinyModel)
        let reference = try ReferenceLogits(Fixtures.tinyModel)
        let logits = try ForwardPass(checkpoint.graph, files: checkpoint.files).logits(of: reference.tokens)
        #expect(distance(logits, reference.logits) < 1e-4)
    }

    @Test func perplexityOfTinyModel() throws {
        let directory = Fixtures.tinyModel
        let checkpoint = try ReferenceCheckpoint(directory)
        let expected = try JSON(parsing: FileSource.contents(of: directory + "/reference.json"), file: "reference.json")
        let ids = try JSON(parsing: FileSource.contents(of: directory + "/reference.ids.json"), file: "ids")
        // Without optimisation the loops between the matrix products take a minute for all three texts.
        #if DEBUG
            let names = ["poetry"]
        #else
            let names = ["prose", "code", "poetry"]
        #endif
        let channels = names.map { name in
            Channel(name: name, tokens: ids[name]!.array!.map { Int32($0.int!) })
        }
        let pass = try ForwardPass(checkpoint.graph, files: checkpoint.files, options: PassOptions(workers: 2))
        let result = try pass.perplexity(of: channels, PerplexityOptions(context: 256))
        for score in result.channels {
            let reference = expected["channels"]![score.name]!
            #expect(score.tokens == reference["tokens"]!.int)
            #expect(score.scored == reference["scored"]!.int)
            let nll = reference["nll"]!.double!
            #expect(abs(score.nll / nll - 1) < 1e-5, "\(score.name): \(score.nll) instead of \(nll)")
            #expect(abs(score.perplexity / reference["perplexity"]!.double! - 1) < 1e-4)
        }
        #expect(result.total.scored == result.channels.reduce(0) { $0 + $1.scored })
    }

    #if !DEBUG
        /// llama-perplexity of the same model as files of these types, as `golden/gguf/qwen2-tiny.quality.tsv` has it. It keeps
        /// keys and values in half precision, and rounds what it multiplies with Q8_0 weights to eight bits.
        @Test(arguments: [(DType.f32, 25.8636, 1e-4), (DType.q8_0, 25.867503, 1e-3)])
        func secondHalvesOfLlamaCpp(_ dtype: DType, _ expected: Double, _ tolerance: Double) throws {
            let directory = Fixtures.tinyModel
            let model = try Model(Checkpoint(path: directory))
            var graph = model.graph
            for entry in graph.entries where entry.tensor.shape.count > 1 {
                graph[entry.slot] = entry.tensor.converted(to: dtype)
            }
            let size = graph.configuration.vocabularySize
            let tokenizer = try Tokenizer(model.checkpoint.vocabulary(size: size)!)
            var text = try ["prose", "code", "poetry"].map { name in
                try String(decoding: FileSource.contents(of: directory + "/text/\(name).txt"), as: UTF8.self)
            }.joined()
            if text.last == "\n" { text.removeLast() }
            let pass = try ForwardPass(graph, files: FilePool(model.files), options: PassOptions(workers: 2))
            let result = try pass.perplexity(
                of: [Channel(name: "all", tokens: tokenizer.encode(text))],
                PerplexityOptions(context: 256, scored: .secondHalf))
            #expect(abs(result.total.perplexity / expected - 1) < tolerance)
        }
    #endif

    @Test func greedyContinuationOfTinyModel() throws {
        let directory = Fixtures.tinyModel
        let checkpoint = try ReferenceCheckpoint(directory)
        let json = try JSON(parsing: FileSource.contents(of: directory + "/reference.json"), file: "reference.json")
        let prompt = json["prompt"]!["ids"]!.array!.map { Int32($0.int!) }
        let expected = json["greedy"]!["ids"]!.array!.map { Int32($0.int!) }
        let generator = try Generator(checkpoint.graph, files: checkpoint.files, options: PassOptions(workers: 2))
        let settings = Generator.Settings(maximumTokens: expected.count - prompt.count)
        #expect(try prompt + generator.generate(after: prompt, settings).tokens == expected)
    }
}
