import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Checkpoints of architectures that are no family: tensors under their own names, without a graph.
struct ByNameTests {
    private let directory = TemporaryDirectory()

    /// A model with what different architectures have: fused projections, experts in one tensor, embeddings in layers.
    private static func model(_ architecture: String = "NovelForCausalLM") -> SmallModel {
        var model = SmallModel()
        model.configuration["architectures"] = [.string(architecture)]
        model.configuration["model_type"] = "novel"
        model.tensors = []
        model.add("transformer.wte.weight", [24, 64])
        for layer in 0..<2 {
            let prefix = "transformer.h.\(layer)."
            model.add(prefix + "ln_1.weight", [64])
            model.add(prefix + "attention.query_key_value.weight", [96, 64])
            model.add(prefix + "attention.query_key_value.bias", [96])
            model.add(prefix + "mixer.conv1d.weight", [64, 1, 4])
            model.add(prefix + "mlp.gate.weight", [4, 64])
            model.add(prefix + "mlp.experts.up_proj.weight", [4, 64, 64])
            model.add(prefix + "mlp.dense.weight", [64, 64])
            model.add(prefix + "relative_attention_bias.weight", [32, 64])
        }
        model.add("vision_tower.layers.0.fc.weight", [64, 64])
        model.add("lm_head.weight", [24, 64])
        return model
    }

    private func convert(
        _ model: SmallModel, _ refine: (inout ConversionOptions) throws -> Void = { _ in }
    ) throws -> (plan: Plan, tensors: [String: NamedTensor], bytes: [String: [UInt8]], configuration: JSON) {
        let source = TemporaryDirectory()
        var options = ConversionOptions(target: .huggingFace(family: nil))
        try refine(&options)
        let plan = try Planning(Checkpoint(path: model.write(to: source)), options).plan(destination: "out")
        var conversion = Conversion(plan, to: directory.file("out"))
        conversion.replaces = true
        _ = try conversion.run()
        let checkpoint = try Checkpoint(path: directory.file("out"))
        var reader = Reader(files: checkpoint.sources)
        var bytes: [String: [UInt8]] = [:]
        for tensor in checkpoint.tensors { bytes[tensor.name] = try tensor.tensor.bytes(using: &reader) }
        let tensors = Dictionary(uniqueKeysWithValues: checkpoint.tensors.map { ($0.name, $0) })
        let configuration = try JSON(parsing: #require(directory.bytes("out/config.json")), file: "config.json")
        return (plan, tensors, bytes, configuration)
    }

    /// As it is, in whatever files.
    @Test(arguments: [nil, 20_000, 1]) func everythingIsThere(_ size: Int?) throws {
        let model = Self.model()
        let found = try convert(model) { $0.maximumShardSize = size }
        #expect(found.bytes == Dictionary(uniqueKeysWithValues: model.tensors.map { ($0.name, $0.bytes) }))
        #expect(found.plan.notes.contains { $0.contains("NovelForCausalLM") && $0.contains("by name") })
        #expect(found.configuration == .object(model.configuration))
    }

    @Test func types() throws {
        var model = Self.model()
        model.configuration["text_config"] = [
            "dtype": "float32", "audio_config": ["torch_dtype": "float32", "size": 1],
        ]
        let found = try convert(model) { $0.dtype = .bf16 }
        #expect(found.tensors.values.allSatisfy { $0.tensor.dtype == .bf16 })
        #expect(found.configuration["torch_dtype"]?.string == "bfloat16")
        // And of the models within it.
        #expect(
            found.configuration["text_config"]
                == ["dtype": "bfloat16", "audio_config": ["torch_dtype": "bfloat16", "size": 1]])
    }

    /// Codes for matrices of numbered layers; what is left out is listed for the programs that load it.
    @Test(arguments: ["ct-int4", "nf4", "gptq-int4", "awq-int4", "mlx-int4"]) func codes(_ encoding: String) throws {
        let model = Self.model()
        let found = try convert(model) {
            var choices = Packing.Choices()
            if encoding.contains("int4") { choices.groupSize = 32 }
            $0.packing = try Packing.named(encoding, choices)
        }
        let packed = ["attention.query_key_value.weight", "mlp.dense.weight"]
        for tensor in model.tensors {
            let isPacked = packed.contains(where: tensor.name.hasSuffix)
            #expect((found.bytes[tensor.name] == tensor.bytes) != isPacked, "\(tensor.name)")
        }
        let said = try #require(found.configuration["quantization_config"]).text()
        if encoding != "mlx-int4" { #expect(said.contains("vision_tower") && said.contains("mlp")) }
        // Read again, it has the numbers, but for rounding.
        let again = try Checkpoint(path: directory.file("out"))
        let source = TemporaryDirectory()
        let difference = try GraphDifference(byName: Checkpoint(path: model.write(to: source)), again)
        #expect(difference.rows.count == model.tensors.count)
        for row in difference.rows {
            guard case .compared(let d) = row.outcome else {
                Issue.record("\(row.name): \(row.outcome)")
                continue
            }
            #expect(d.relative < 0.2 && d.isEqual != packed.contains(where: row.name.hasSuffix), "\(row.name)")
        }
    }

    /// What has the name of a linear layer, and not its shape, is said to stay plain.
    @Test func rowsThatFillNoGroups() throws {
        var model = Self.model()
        model.add("transformer.h.0.mlp.narrow.weight", [64, 24])
        let found = try convert(model) {
            var choices = Packing.Choices()
            choices.groupSize = 32
            $0.packing = try Packing.named("ct-int4", choices)
        }
        #expect(found.plan.notes.contains { $0.contains("mlp.narrow.weight is not quantized: its 24 columns") })
        #expect(found.tensors["transformer.h.0.mlp.narrow.weight"]?.tensor.dtype == .f32)
    }

    @Test func overridesLeaveOut() throws {
        let found = try convert(Self.model()) {
            $0.packing = try Packing.named("nf4")
            $0.quantization.overrides = [try TypeOverride(parsing: "dense=bf16")]
        }
        #expect(found.tensors["transformer.h.0.mlp.dense.weight"]?.tensor.dtype == .bf16)
        #expect(found.tensors["transformer.h.0.attention.query_key_value.weight"]?.tensor.dtype == .u8)
    }

    /// Experts as gpt-oss has them, in an unknown model: codes and exponents in, numbers transposed out, or all of it as it is.
    @Test func stackedMXFP4() throws {
        var model = Self.model("OtherOssForCausalLM")
        let name = "model.layers.0.mlp.experts.gate_up_proj"
        var random = SeededGenerator(seed: 8)
        let codes = (0..<2 * 3 * 2 * 16).map { _ in UInt8.random(in: 0...255, using: &random) }
        let exponents = (0..<2 * 3 * 2).map { _ in UInt8.random(in: 120...130, using: &random) }
        model.tensors.append(.init(name: name + "_blocks", dtype: "U8", shape: [2, 3, 2, 16], bytes: codes))
        model.tensors.append(.init(name: name + "_scales", dtype: "U8", shape: [2, 3, 2], bytes: exponents))
        model.configuration["quantization_config"] = ["quant_method": "mxfp4"]
        let same = try convert(model)
        #expect(same.bytes[name + "_blocks"] == codes && same.configuration["quantization_config"] != nil)
        let found = try convert(model) { $0.dtype = .f32 }
        #expect(found.configuration["quantization_config"] == nil)
        #expect(found.tensors[name]?.tensor.shape == [2, 64, 3])
        let values: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
        let bytes = try #require(found.bytes[name])
        for expert in 0..<2 {
            for row in 0..<3 {
                for column in 0..<64 {
                    let group = (expert * 3 + row) * 2 + column / 32
                    let byte = codes[group * 16 + column % 32 / 2]
                    let code = column.isMultiple(of: 2) ? byte & 15 : byte >> 4
                    let number = values[Int(code & 7)] * (code > 7 ? -1 : 1)
                    let scale = Float(sign: .plus, exponent: Int(exponents[group]) - 127, significand: 1)
                    let place = 4 * ((expert * 64 + column) * 3 + row)
                    let bits = bytes.withUnsafeBytes { $0.integer(at: place, as: UInt32.self) }
                    #expect(Float(bitPattern: bits) == number * scale)
                }
            }
        }
    }

    /// What needs to know what is computed says so.
    @Test func whatNeedsAGraph() throws {
        func refuses(_ target: ConversionOptions.Target, _ refine: (inout ConversionOptions) throws -> Void) throws {
            let source = TemporaryDirectory()
            var options = ConversionOptions(target: target)
            try refine(&options)
            let planning = try Planning(Checkpoint(path: Self.model().write(to: source)), options)
            let error = #expect(throws: RecastError.self) { _ = try planning.plan(destination: "out") }
            #expect(error?.code == .unsupported && error?.description.contains("NovelForCausalLM") == true)
        }
        try refuses(.gguf) { _ in }
        try refuses(.huggingFace(family: "llama")) { _ in }
        try refuses(.megatron(MegatronTarget(.ranks))) { _ in }
        try refuses(.huggingFace(family: nil)) { $0.isCalibrated = true }
        try refuses(.huggingFace(family: nil)) { $0.furtherLayers = .drop }
        let source = TemporaryDirectory()
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try Packing.named("nf4")
        let planning = try Planning(Checkpoint(path: Self.model("OpenAIGPTLMHeadModel").write(to: source)), options)
        let error = #expect(throws: RecastError.self) { _ = try planning.plan(destination: "out") }
        #expect(error?.description.contains("Conv1D") == true)
    }

    /// What is missing or other in one of two is said.
    @Test func differences() throws {
        var other = Self.model()
        other.tensors.removeAll { $0.name == "lm_head.weight" }
        other.tensors[1].bytes[0] ^= 1
        other.add("new.weight", [2, 2])
        let (first, second) = (TemporaryDirectory(), TemporaryDirectory())
        let difference = try GraphDifference(
            byName: Checkpoint(path: Self.model().write(to: first)), Checkpoint(path: other.write(to: second)))
        #expect(!difference.isEqual)
        let outcomes = Dictionary(uniqueKeysWithValues: difference.rows.map { ($0.name, $0.outcome) })
        #expect(outcomes["lm_head.weight"] == .onlyInFirst && outcomes["new.weight"] == .onlyInSecond)
        #expect(difference.rows.count { if case .compared(let d) = $0.outcome { !d.isEqual } else { false } } == 1)
    }
}
