import TestSupport
import Testing

@testable import Recast

/// There and back is where it began: tensors bit for bit, and the configuration.
struct RoundTripTests {
    /// Those that go to llama layout without loss.
    static let representable = [
        "llama_mha", "llama_bias", "llama3_rope_sharded", "llama_linear_rope", "yi", "qwen2_untied",
    ]
    static let families = representable + ["qwen3_tied"]

    static var models: [String] {
        [Fixtures.tinyModel] + (Fixtures.hasGolden ? families.map { Fixtures.golden("families/\($0)") } : [])
    }

    @Test(arguments: models)
    func throughLlamaLayout(path: String) throws {
        let directory = TemporaryDirectory()
        let source = try Checkpoint(path: path)
        let configuration = try Model(source).graph.configuration
        let family = configuration.family
        guard configuration.layerNorms.qk == .none else {
            let error = #expect(throws: RecastError.self) {
                try convert(source, to: directory.file("llama"), .huggingFace(family: "llama"))
            }
            #expect(error?.message.contains("QK norm: per head in this \(family), none in LlamaForCausalLM") == true)
            return
        }
        let llama = try convert(source, to: directory.file("llama"), .huggingFace(family: "llama"))
        let back = try convert(llama, to: directory.file("back"), .huggingFace(family: family))
        try expectSame(back, source)
    }

    @Test(arguments: models, [nil, DType.f32, .bf16])
    func throughGGUF(path: String, dtype: DType?) throws {
        let directory = TemporaryDirectory()
        let source = try Checkpoint(path: path)
        // A float32 model does not fit into bfloat16, and is not meant to come back from it.
        if dtype == .bf16, source.tensors.contains(where: { $0.tensor.dtype == .f32 }) { return }
        let gguf = try convert(source, to: directory.file("model.gguf"), .gguf, dtype: dtype)
        let back = try convert(gguf, to: directory.file("back"), .huggingFace(family: nil))
        if dtype == .f32, source.tensors[0].tensor.dtype == .bf16 {
            // Every tensor was widened, and every one is narrowed again.
            #expect(Set(back.tensors.map(\.tensor.dtype)) == [.bf16])
        }
        try expectSame(back, source)
    }

    @Test(arguments: models)
    func ownLayoutKeepsEverything(path: String) throws {
        let directory = TemporaryDirectory()
        let source = try Checkpoint(path: path)
        let copy = try convert(source, to: directory.file("copy"), .huggingFace(family: nil))
        try expectSame(copy, source)
        #expect(copy.huggingFaceFiles?.companions == source.huggingFaceFiles?.companions)
    }

    @Test(arguments: models)
    func shardsHoldTheSame(path: String) throws {
        let directory = TemporaryDirectory()
        let source = try Checkpoint(path: path)
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.maximumShardSize = 100_000
        let split = try convert(source, to: directory.file("split"), options)
        #expect(split.files.count > 2)
        try expectSame(split, source)
        options.maximumShardSize = nil
        try expectSame(try convert(split, to: directory.file("merged"), options), source)

        options = ConversionOptions(target: .gguf)
        options.maximumShardSize = 100_000
        let plan = try Planning(source, options).plan(destination: directory.file("set.gguf"))
        _ = try Conversion(plan, to: directory.file("set.gguf")).run()
        let set = try Checkpoint(path: directory.file(plan.outputs[plan.outputs.count / 2].name))
        #expect(set.files.count == plan.outputs.count)
        let whole = try convert(set, to: directory.file("whole.gguf"), .gguf)
        let direct = try convert(source, to: directory.file("direct.gguf"), .gguf)
        #expect(
            try FileSource.contents(of: directory.file("whole.gguf"))
                == FileSource.contents(of: directory.file("direct.gguf")))
        #expect(whole.tensors.map(\.name) == direct.tensors.map(\.name))
    }

    @Test(.enabled(if: Fixtures.hasGolden), arguments: representable)
    func llamaLayoutIsTheReferences(family: String) throws {
        let directory = TemporaryDirectory()
        let reference = try Checkpoint(path: Fixtures.golden("families/\(family)/llama"))
        let written = try convert(
            Checkpoint(path: Fixtures.golden("families/\(family)")), to: directory.file("llama"),
            .huggingFace(family: "llama"))
        try expectSameTensors(written, reference)
        for key in [
            "rope_theta", "rope_scaling", "rope_parameters", "attention_bias", "mlp_bias", "dtype", "torch_dtype",
            "head_dim", "tie_word_embeddings", "rms_norm_eps", "architectures", "model_type",
        ] {
            let mine = try #require(written.huggingFaceFiles?.configuration?[key] ?? .null)
            let theirs = try #require(reference.huggingFaceFiles?.configuration?[key] ?? .null)
            #expect(mine.isEquivalent(to: theirs), "\(key): \(mine.text()) for \(theirs.text())")
        }
    }

    @Test(
        .enabled(if: Fixtures.hasGolden), arguments: ["config.v441.json", "config.v457.json"],
        FamilyGoldenTests.names)
    func dialectsOfTheConfigurationMeanTheSame(file: String, family: String) throws {
        let folder = Fixtures.golden("families/\(family)")
        guard POSIX.status("\(folder)/\(file)") != nil else { return }
        func configuration(_ path: String) throws -> ModelConfiguration {
            let object = try #require(try JSON(parsing: FileSource.contents(of: path), file: path).object)
            return try HuggingFaceConfiguration(object: object, file: path).configuration(
                of: Family.of(object, file: path))
        }
        #expect(try configuration("\(folder)/\(file)") == configuration("\(folder)/config.json"))
    }

    // MARK: Steps

    private func convert(
        _ source: Checkpoint, to path: String, _ target: ConversionOptions.Target, dtype: DType? = nil
    ) throws -> Checkpoint {
        var options = ConversionOptions(target: target)
        options.dtype = dtype
        return try convert(source, to: path, options)
    }

    private func convert(_ source: Checkpoint, to path: String, _ options: ConversionOptions) throws -> Checkpoint {
        let plan = try Planning(source, options).plan(destination: path)
        let report = try Conversion(plan, to: path).run()
        #expect(report.exactness == .bit)
        return try Checkpoint(path: path)
    }

    private func expectSame(_ a: Checkpoint, _ b: Checkpoint) throws {
        try expectSameTensors(a, b)
        let mine = try #require(a.huggingFaceFiles?.configuration)
        let theirs = try #require(b.huggingFaceFiles?.configuration)
        for member in theirs.members {
            #expect(mine[member.key]?.isEquivalent(to: member.value) ?? false, "\(member.key)")
        }
    }

    private func expectSameTensors(_ a: Checkpoint, _ b: Checkpoint) throws {
        #expect(a.tensors.map(\.name).sorted() == b.tensors.map(\.name).sorted())
        var reader = Reader(files: FilePool(a.files))
        var other = Reader(files: FilePool(b.files))
        for tensor in a.tensors {
            let twin = try #require(b.tensors.first { $0.name == tensor.name })
            #expect(try tensor.tensor.hasSameBits(as: twin.tensor, &reader, &other), "\(tensor.name)")
        }
    }
}

extension JSON {
    /// Equal but for the order of keys and the spelling of numbers.
    fileprivate func isEquivalent(to other: JSON) -> Bool {
        switch (self, other) {
        case (.number(let a), .number(let b)): a.double == b.double
        case (.object(let a), .object(let b)):
            a.members.count == b.members.count
                && a.members.allSatisfy { member in b[member.key].map(member.value.isEquivalent) ?? false }
        case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy { $0.isEquivalent(to: $1) }
        default: self == other
        }
    }
}
