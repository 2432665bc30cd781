import TestSupport
import Testing

@testable import Recast
@testable import RecastInference

/// A GGUF file as others write it, without the keys that Recast adds: configuration and tokenizer are made from what
/// every GGUF file has.
struct ForeignGGUFTests {
    @Test func comesBackAsTheSameModel() throws {
        let directory = TemporaryDirectory()
        let original = try Checkpoint(path: Fixtures.tinyModel)
        let foreign = try foreignFile(of: Fixtures.tinyModel, in: directory)
        let back = try convert(foreign, to: directory.file("back"), .huggingFace(family: nil))

        let difference = try GraphDifference(Model(original), Model(back))
        #expect(difference.isEqual && difference.rows.count == 51)
        let configuration = try Model(back).graph.configuration
        #expect(configuration.isEquivalent(to: try Model(original).graph.configuration))
        #expect(configuration.eosTokens == [2045])

        let first = try #require(try original.vocabulary(size: 2048))
        let second = try #require(try back.vocabulary(size: 2048))
        #expect(second.tokens == first.tokens)
        #expect(second.merges == first.merges)
        #expect(second.preTokenizer == first.preTokenizer)
        #expect(second.normalizer == first.normalizer)
        #expect(second.chatTemplates == first.chatTemplates)
        #expect(second.special.eos == first.special.eos)
        let text = "In the beginning — <|im_start|>été e\u{301}te\u{301} 12345\r\n  def f(x):\n\treturn x<|endoftext|>"
        #expect(try Tokenizer(second).encode(text) == Tokenizer(first).encode(text))
    }

    @Test(.enabled(if: Fixtures.hasGolden)) func rotaryScalingIsRecognized() throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.golden("families/llama3_rope_sharded")
        let back = try convert(
            try foreignFile(of: path, in: directory), to: directory.file("back"), .huggingFace(family: nil))
        let expected = try Model(Checkpoint(path: path)).graph.configuration
        #expect(try Model(back).graph.configuration.rope == expected.rope)
    }

    @Test(.enabled(if: Fixtures.hasGolden)) func unknownFactorsRunButAreNoConfiguration() throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.golden("families/llama3_rope_sharded")
        let factors: [Float] = [1, 1, 2, 3, 5, 8, 13, 21]
        let foreign = try foreignFile(of: path, in: directory) { tensors in
            for index in tensors.indices where tensors[index].name == "rope_freqs.weight" {
                tensors[index] = NamedTensor("rope_freqs.weight", .vector(factors))
            }
        }
        let model = try Model(foreign)
        #expect(model.graph.configuration.rope.frequencyFactors == factors.map(Double.init))
        _ = try ForwardPass(model.graph, files: FilePool(model.files)).logits(of: [[1, 2, 3]])
        let error = #expect(throws: RecastError.self) {
            _ = try convert(foreign, to: directory.file("back"), .huggingFace(family: nil))
        }
        #expect(error?.code == .unsupported)
    }

    /// The checkpoint as a GGUF file that holds nothing of ours.
    private func foreignFile(
        of path: String, in directory: TemporaryDirectory, change: (inout [NamedTensor]) -> Void = { _ in }
    ) throws -> Checkpoint {
        let ours = try convert(Checkpoint(path: path), to: directory.file("ours.gguf"), .gguf)
        let set = try #require(ours.ggufSet)
        var metadata = set.metadata
        for pair in set.metadata.pairs
        where pair.key.hasPrefix("recast.") || pair.key == "tokenizer.huggingface.json" {
            metadata[pair.key] = nil
        }
        var tensors = set.tensors
        change(&tensors)
        var plan = Plan(sources: ours.files, form: .file)
        let file = directory.file("foreign.gguf")
        try GGUFLayout(metadata: metadata, tensors: tensors.map { TypedTensor($0, $0.tensor.dtype) })
            .lay(out: "foreign.gguf", maximumShardSize: nil, into: &plan)
        _ = try Conversion(plan, to: file).run()
        return try Checkpoint(path: file)
    }

    private func convert(
        _ source: Checkpoint, to path: String, _ target: ConversionOptions.Target
    ) throws -> Checkpoint {
        _ = try Conversion(Planning(source, ConversionOptions(target: target)).plan(destination: path), to: path).run()
        return try Checkpoint(path: path)
    }
}
