import TestSupport
import Testing

@testable import Recast

/// What would be lost without a word is refused, warned of, or reported.
struct LossTests {
    private let directory = TemporaryDirectory()

    private func convert(
        _ model: SmallModel, to name: String, _ target: ConversionOptions.Target = .gguf, dtype: DType? = nil,
        encoding: String? = nil
    ) throws -> (plan: Plan, checkpoint: Checkpoint) {
        try convert(Checkpoint(path: model.write(to: directory)), to: name, target, dtype: dtype, encoding: encoding)
    }

    private func convert(
        _ source: Checkpoint, to name: String, _ target: ConversionOptions.Target, dtype: DType? = nil,
        encoding: String? = nil
    ) throws -> (plan: Plan, checkpoint: Checkpoint) {
        var options = ConversionOptions(target: target)
        options.dtype = dtype
        options.encoding = try encoding.map { try GGUFFileType.named($0) }
        let path = directory.file(name)
        let plan = try Planning(source, options).plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        return (plan, try Checkpoint(path: path))
    }

    /// Q8_0 divides by 127, Q4_0 by 8: beyond 65504 times that, the scale is no half any more.
    @Test(arguments: [("q8_0", Float(1e7), true), ("q8_0", 8e6, false), ("q4_0", 6e5, true), ("q4_0", 5e5, false)])
    func scalesTooLarge(encoding: String, value: Float, isTooLarge: Bool) throws {
        var model = SmallModel("llama")
        model.set("model.layers.1.mlp.up_proj.weight", at: 7, to: value)
        guard isTooLarge else {
            _ = try convert(model, to: "a.gguf", encoding: encoding)
            return
        }
        expectRejection(.unsupported, ["blk.1.ffn_up.weight: 1 blocks have values too large for"]) {
            _ = try convert(model, to: "a.gguf", encoding: encoding)
        }
        #expect(directory.names == ["model"])
    }

    @Test func brainFloatsTooLarge() throws {
        var model = SmallModel("llama")
        model.set("model.layers.0.mlp.up_proj.weight", at: 0, to: .greatestFiniteMagnitude)
        expectRejection(.unsupported, "blk.0.ffn_up.weight: 1 values are too large for BF16") {
            _ = try convert(model, to: "a.gguf", dtype: .bf16)
        }
    }

    @Test func dialectsThatContradictEachOther() throws {
        var model = SmallModel("llama")
        model.configuration["rope_scaling"] = .null
        model.configuration["rope_parameters"] = [
            "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
        ]
        let (_, copy) = try convert(model, to: "copy", .huggingFace(family: nil))
        var object = try #require(copy.huggingFaceFiles?.configuration)
        let expected = try Model(copy).graph.configuration.rope
        #expect(expected.theta == 500_000)
        // transformers 4 sees only the older keys.
        object["rope_parameters"] = nil
        let old = HuggingFaceConfiguration(object: object, file: "")
        #expect(try old.configuration(of: .llama).rope == expected)
    }

    @Test func editedKeysWinOverTravellingFiles() throws {
        let source = try Checkpoint(path: Fixtures.tinyModel)
        let (_, ours) = try convert(source, to: "ours.gguf", .gguf)
        let set = try #require(ours.ggufSet)
        var metadata = set.metadata
        metadata["tokenizer.ggml.eos_token_id"] = .u32(5)
        metadata["tokenizer.chat_template"] = .string("{{ edited }}")
        var plan = Plan(sources: ours.files, form: .file)
        try GGUFLayout(metadata: metadata, tensors: set.tensors.map { TypedTensor($0, $0.tensor.dtype) })
            .lay(out: "edited.gguf", maximumShardSize: nil, into: &plan)
        _ = try Conversion(plan, to: directory.file("edited.gguf")).run()
        let edited = try Checkpoint(path: directory.file("edited.gguf"))

        let (back, copy) = try convert(edited, to: "back", .huggingFace(family: nil))
        #expect(back.warnings.contains { $0.contains("made from the keys") })
        let vocabulary = try #require(try copy.vocabulary(size: nil))
        #expect(vocabulary.special.eos == 5)
        #expect(vocabulary.chatTemplates == [.init(text: "{{ edited }}")])
        #expect(try Model(copy).graph.configuration.eosTokens == [5])
        #expect(try convert(ours, to: "same", .huggingFace(family: nil)).plan.warnings.isEmpty)
    }

    /// What GGUF has widened goes back as it was; a value that was changed since would be rounded without having been asked.
    @Test func normsEditedSince() throws {
        let (_, ours) = try convert(Checkpoint(path: Fixtures.tinyModel), to: "ours.gguf", .gguf)
        let norm = try #require(ours.tensors.first { $0.name == "output_norm.weight" })
        guard case .stored(_, let offset) = norm.tensor.recipe else { throw RecastError(.usage, "no stored tensor") }
        var bytes = try #require(directory.bytes("ours.gguf"))
        bytes[offset] |= 1
        directory.write("ours.gguf", bytes)
        let edited = try Checkpoint(path: directory.file("ours.gguf"))
        expectRejection(.unsupported, ["model.norm.weight: 1 values are no longer those", "--dtype f32 keeps them"]) {
            _ = try convert(edited, to: "back", .huggingFace(family: nil))
        }
        #expect(directory.names == ["ours.gguf"])
        #expect(try convert(edited, to: "wide", .huggingFace(family: nil), dtype: .f32).plan.exactness == .bit)
        #expect(try convert(edited, to: "back", .huggingFace(family: nil), dtype: .bf16).plan.exactness == .rounded)
    }

    /// What a plan says is what the run does: norms that are computed on the way back are rounded.
    @Test(.enabled(if: Fixtures.hasGolden)) func computedNormsAreRounded() throws {
        let (_, ours) = try convert(Checkpoint(path: Fixtures.golden("families/gemma1")), to: "ours.gguf", .gguf)
        let (plan, _) = try convert(ours, to: "back", .huggingFace(family: nil))
        #expect(plan.exactness == .rounded)
    }

    /// The configuration from before travels with a converted one; what was edited since is not taken back.
    @Test func specialTokensEditedSince() throws {
        let (_, llama) = try convert(SmallModel(), to: "llama", .huggingFace(family: "llama"))
        var configuration = try JSON(parsing: #require(directory.bytes("llama/config.json")), file: "").object!
        #expect(configuration["recast_source"] != nil)
        configuration["eos_token_id"] = [2, 7]
        directory.write("llama/config.json", JSON.object(configuration).serialized(.indented))
        let (_, back) = try convert(Checkpoint(path: llama.path), to: "back", .huggingFace(family: "qwen2"))
        #expect(try Model(back).graph.configuration.eosTokens == [2, 7])
    }

    @Test func scalingThatKeysCannotSay() throws {
        let (_, ours) = try convert(SmallModel("llama"), to: "ours.gguf")
        let set = try #require(ours.ggufSet)
        func foreign(_ pairs: [(String, GGUFValue)]) throws -> Checkpoint {
            var metadata = set.metadata
            metadata[GGUFCompanions.configurationKey] = nil
            for (key, value) in pairs { metadata["llama.rope." + key] = value }
            var plan = Plan(sources: ours.files, form: .file)
            try GGUFLayout(metadata: metadata, tensors: set.tensors.map { TypedTensor($0, $0.tensor.dtype) })
                .lay(out: "f.gguf", maximumShardSize: nil, into: &plan)
            var conversion = Conversion(plan, to: directory.file("f.gguf"))
            conversion.replaces = true
            _ = try conversion.run()
            return try Checkpoint(path: directory.file("f.gguf"))
        }
        expectRejection(.unsupported, "yarn of this GGUF file cannot be written") {
            _ = try convert(
                foreign([("scaling.type", .string("yarn")), ("scaling.factor", .f32(4))]), to: "back",
                .huggingFace(family: nil))
        }
        // A missing type means linear.
        let linear = Rope.Scaling.linear(factor: 4)
        #expect(try Model(foreign([("scaling.factor", .f32(4))])).graph.configuration.rope.scaling == linear)
        #expect(try Model(foreign([("scale_linear", .f32(4))])).graph.configuration.rope.scaling == linear)
        let yarn = try Model(
            foreign([
                ("scaling.type", .string("yarn")), ("scaling.factor", .f32(4)),
                ("scaling.original_context_length", .u32(64)),
            ]))
        #expect(yarn.graph.configuration.rope.scaling == .yarn(Rope.Yarn(factor: 4, originalContext: 64)))
    }

    @Test func unknownArchitecturesAreQuantizedToo() throws {
        let (_, ours) = try convert(SmallModel("llama"), to: "ours.gguf")
        let set = try #require(ours.ggufSet)
        var metadata = set.metadata
        metadata["general.architecture"] = .string("bert")
        var plan = Plan(sources: ours.files, form: .file)
        try GGUFLayout(metadata: metadata, tensors: set.tensors.map { TypedTensor($0, $0.tensor.dtype) })
            .lay(out: "bert.gguf", maximumShardSize: nil, into: &plan)
        _ = try Conversion(plan, to: directory.file("bert.gguf")).run()
        let bert = try Checkpoint(path: directory.file("bert.gguf"))
        let quantized = try convert(bert, to: "q.gguf", .gguf, encoding: "q8_0").checkpoint
        let expected = try convert(ours, to: "expected.gguf", .gguf, encoding: "q8_0").checkpoint
        #expect(quantized.tensors.map(\.name) == expected.tensors.map(\.name))
        #expect(quantized.tensors.map(\.tensor.dtype) == expected.tensors.map(\.tensor.dtype))
        #expect(quantized.tensors.count { $0.tensor.dtype == .q8_0 } == 16)
        #expect(try convert(bert, to: "copy.gguf", .gguf).checkpoint.tensors.count == ours.tensors.count)
    }

    @Test func tokenizerFolderWithoutTokenizer() throws {
        directory.write("other/notes.txt", [1])
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.tokenizer = directory.file("other")
        let source = try Checkpoint(path: Fixtures.tinyModel)
        expectRejection(.inputMissing, "holds no tokenizer", file: "other") {
            _ = try Planning(source, options).plan(destination: directory.file("out"))
        }
    }

    @Test func differentSettingsAreADifference() throws {
        let first = SmallModel("llama")
        var second = first
        second.configuration["rope_theta"] = 20_000.0
        let difference = try GraphDifference(
            Model(Checkpoint(path: first.write(to: directory, "a"))),
            Model(Checkpoint(path: second.write(to: directory, "b"))))
        #expect(!difference.isEqual)
        #expect(difference.settings.map(\.name) == ["rotary base"])
    }

    @Test func qwenHasDefaultsOfItsOwn() throws {
        var model = SmallModel()
        model.configuration["max_position_embeddings"] = nil
        let checkpoint = try Checkpoint(path: model.write(to: directory))
        #expect(try Model(checkpoint).graph.configuration.contextLength == 32768)
    }
}
