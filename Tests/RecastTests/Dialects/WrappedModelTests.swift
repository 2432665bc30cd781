import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Text models inside others, and names inside other names.
@Suite struct WrappedModelTests {
    /// The tensors of a model by their places.
    private func graph(_ small: SmallModel) throws -> (Graph, notes: [String]) {
        let directory = TemporaryDirectory()
        let model = try Model(Checkpoint(path: small.write(to: directory)))
        return (model.graph, model.notes)
    }

    private static func tower() -> SmallModel.Tensor {
        SmallModel.Tensor(
            name: "visual.patch.weight", dtype: "F32", shape: [2, 2], bytes: [UInt8](repeating: 1, count: 16))
    }

    /// Where a wrapper has its text model.
    struct Layout: Sendable {
        var place, prefix, headPrefix, tower: String
    }

    // swift-format-ignore
    static let layouts = [
        Layout(place: "text_config",    prefix: "language_model.",       headPrefix: "language_model.", tower: "visual."),
        Layout(place: "text_config",    prefix: "model.language_model.", headPrefix: "",                tower: "model.visual."),
        Layout(place: "text_config",    prefix: "model.text_model.",     headPrefix: "",                tower: "model.vision_model."),
        Layout(place: "llm_config",     prefix: "language_model.",       headPrefix: "language_model.", tower: "vision_model."),
        Layout(place: "thinker_config", prefix: "thinker.",              headPrefix: "thinker.",        tower: "thinker.audio_tower."),
    ]

    private static func wrapped(_ plain: SmallModel, _ layout: Layout) -> SmallModel {
        var wrapped = plain
        var inner = plain.configuration
        // Some have no architecture of their own, and the wrapper's flag counts.
        inner["architectures"] = nil
        inner["tie_word_embeddings"] = nil
        var outer: JSON.Object = JSON.Object()
        outer["architectures"] = ["SomethingForConditionalGeneration"]
        outer["model_type"] = "something"
        outer["tie_word_embeddings"] = plain.configuration["tie_word_embeddings"]
        outer["vision_config"] = ["hidden_size": 4]
        outer[layout.place] = layout.place == "thinker_config" ? ["text_config": .object(inner)] : .object(inner)
        wrapped.configuration = outer
        for index in wrapped.tensors.indices {
            let name = wrapped.tensors[index].name
            let own = layout.prefix.hasPrefix("model.") ? String(name.dropFirst("model.".count)) : name
            wrapped.tensors[index].name = name.hasPrefix("lm_head.") ? layout.headPrefix + name : layout.prefix + own
        }
        var extra = Self.tower()
        extra.name = layout.tower + "patch.weight"
        wrapped.tensors.append(extra)
        return wrapped
    }

    /// Wherever the configuration lies and whatever stands before the names, the model is the same.
    @Test(arguments: layouts) func isFound(_ layout: Layout) throws {
        let plain = SmallModel("qwen2")
        let (expected, _) = try graph(plain)
        let (found, notes) = try graph(Self.wrapped(plain, layout))
        #expect(Set(found.entries.map(\.slot)) == Set(expected.entries.map(\.slot)))
        #expect(found.configuration.hiddenSize == expected.configuration.hiddenSize)
        #expect(notes.contains { $0.contains("1 tensors, 16 bytes") })
    }

    /// Converts into a folder, and opens that.
    private func converted(
        _ model: SmallModel, to directory: TemporaryDirectory, _ options: ConversionOptions
    ) throws -> (tensors: [String: [UInt8]], configuration: JSON, plan: Plan) {
        let source = TemporaryDirectory()
        let plan = try Planning(Checkpoint(path: model.write(to: source)), options).plan(destination: "out")
        _ = try Conversion(plan, to: directory.file("out")).run()
        let checkpoint = try Checkpoint(path: directory.file("out"))
        var reader = Reader(files: checkpoint.sources)
        let tensors = try checkpoint.tensors.map { ($0.name, try $0.tensor.bytes(using: &reader)) }
        let configuration = try JSON(parsing: #require(directory.bytes("out/config.json")), file: "config.json")
        return (Dictionary(uniqueKeysWithValues: tensors), configuration, plan)
    }

    /// The wrapper's own layout has everything under its own name; a family that is named has the text model alone.
    @Test(arguments: layouts) func isKept(_ layout: Layout) throws {
        let model = Self.wrapped(SmallModel("qwen2"), layout)
        let own = try converted(model, to: TemporaryDirectory(), ConversionOptions(target: .huggingFace(family: nil)))
        #expect(own.tensors == Dictionary(uniqueKeysWithValues: model.tensors.map { ($0.name, $0.bytes) }))
        #expect(own.configuration["architectures"]?.array?.first?.string == "SomethingForConditionalGeneration")
        #expect(own.configuration["vision_config"]?["hidden_size"]?.int == 4)
        let inner = model.configuration[layout.place]!
        #expect(
            own.configuration[layout.place]?["hidden_size"]
                ?? own.configuration[layout.place]?["text_config"]?["hidden_size"]
                == inner["hidden_size"] ?? inner["text_config"]?["hidden_size"])
        #expect(own.plan.notes.contains { $0.contains("is copied as it is: 1 tensors, 16 bytes") })
        let text = try converted(
            model, to: TemporaryDirectory(), ConversionOptions(target: .huggingFace(family: "qwen2")))
        #expect(text.configuration["architectures"]?.array?.first?.string == "Qwen2ForCausalLM")
        #expect(text.tensors.count == own.tensors.count - 1 && text.tensors["model.norm.weight"] != nil)
        #expect(text.plan.notes.contains { $0.contains("is left out: 1 tensors, 16 bytes") })
    }

    /// Quantized, the text model has codes and the tower its numbers, and every program is told of it in its own way.
    @Test(arguments: layouts, ["ct-int4", "nf4", "gptq-int4", "fp8", "awq-int4"])
    func isQuantized(_ layout: Layout, _ encoding: String) throws {
        let model = Self.wrapped(SmallModel("qwen2"), layout)
        var options = ConversionOptions(target: .huggingFace(family: nil))
        var choices = Packing.Choices()
        if encoding.contains("int4") { choices.groupSize = 32 }
        options.packing = try Packing.named(encoding, choices)
        let found = try converted(model, to: TemporaryDirectory(), options)
        let tower = model.tensors.last!
        #expect(found.tensors[tower.name] == tower.bytes)
        let query = model.tensors.first { $0.name.hasSuffix("q_proj.weight") }!
        #expect(found.tensors[query.name] != query.bytes)
        let configuration = try #require(found.configuration["quantization_config"])
        #expect(found.configuration[layout.place]?["quantization_config"] == nil)
        let root = String(layout.tower.dropLast())
        switch encoding {
        case "nf4": #expect(configuration["llm_int8_skip_modules"]?.array?.contains(.string(root)) == true)
        case "fp8", "awq-int4": #expect(configuration["modules_to_not_convert"]?.array?.contains(.string(root)) == true)
        case "gptq-int4":
            let keys = configuration["dynamic"]?.object?.members.map(\.key) ?? []
            #expect(try Self.matches(keys.filter { $0.hasPrefix("-:") }.map { String($0.dropFirst(2)) }, tower.name))
        default:
            let ignored = configuration["ignore"]?.array?.compactMap(\.string) ?? []
            let patterns = ignored.filter { $0.hasPrefix("re:") }.map { String($0.dropFirst(3)) }
            #expect(try Self.matches(patterns, tower.name))
            #expect(try !Self.matches(patterns, query.name))
        }
    }

    private static func matches(_ patterns: [String], _ name: String) throws -> Bool {
        try patterns.contains { try Regex($0).firstMatch(in: name) != nil }
    }

    /// Positions in several dimensions have architectures of their own in llama.cpp.
    @Test(arguments: [("qwen2", "qwen2vl", nil), ("qwen3", "qwen3vl", 2)])
    func sectionsInGGUF(_ family: String, _ architecture: String, _ deepStack: Int?) throws {
        var plain = SmallModel("qwen2")
        if family == "qwen3" {
            plain.configuration["architectures"] = ["Qwen3ForCausalLM"]
            plain.configuration["model_type"] = "qwen3"
            plain.tensors.removeAll { $0.name.hasSuffix(".bias") }
            for layer in 0..<SmallModel.layerCount {
                for norm in ["q_norm", "k_norm"] { plain.add("model.layers.\(layer).self_attn.\(norm).weight", [8]) }
            }
            plain.configuration["head_dim"] = 8
        }
        var model = Self.wrapped(plain, Self.layouts[0])
        var inner = model.configuration["text_config"]!.object!
        inner["rope_scaling"] = ["type": "mrope", "mrope_section": [1, 1, 2]]
        model.configuration["text_config"] = .object(inner)
        if deepStack != nil { model.configuration["vision_config"] = ["deepstack_visual_indexes": [3, 5]] }
        let (source, target) = (TemporaryDirectory(), TemporaryDirectory())
        let checkpoint = try Checkpoint(path: model.write(to: source))
        let path = target.file("out.gguf")
        _ = try Conversion(
            Planning(checkpoint, ConversionOptions(target: .gguf)).plan(destination: path), to: path
        ).run()
        let metadata = try #require(try Checkpoint(path: path).content.gguf).metadata
        #expect(metadata["general.architecture"]?.string == architecture)
        #expect(metadata["\(architecture).rope.dimension_sections"]?.ints == [1, 1, 2, 0])
        #expect(metadata["\(architecture).n_deepstack_layers"]?.int == deepStack)
        #expect(try GraphDifference(Model(checkpoint), Model(Checkpoint(path: path))).isEqual)
    }

    /// A tower of codes is only copied together with the text model's own.
    @Test func quantizedTower() throws {
        var model = Self.wrapped(SmallModel("qwen2"), Self.layouts[0])
        model.tensors[model.tensors.count - 1].dtype = "U8"
        model.tensors[model.tensors.count - 1].shape = [16]
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.dtype = .bf16
        let error = #expect(throws: RecastError.self) { _ = try converted(model, to: TemporaryDirectory(), options) }
        #expect(error?.code == .unsupported && error?.description.contains("--family qwen2") == true)
    }

    /// A configuration that is flat beside that of a tower.
    @Test func flat() throws {
        let plain = SmallModel("qwen2")
        var wrapped = plain
        wrapped.configuration["architectures"] = ["Qwen2VLForConditionalGeneration"]
        wrapped.configuration["model_type"] = "qwen2_vl"
        wrapped.configuration["vision_config"] = ["depth": 1]
        wrapped.configuration["rope_scaling"] = ["type": "mrope", "mrope_section": [1, 1, 2]]
        wrapped.tensors.append(Self.tower())
        let (found, _) = try graph(wrapped)
        #expect(Set(found.entries.map(\.slot)) == Set(try graph(plain).0.entries.map(\.slot)))
        #expect(found.configuration.rope.scaling == .none)
    }

    /// What programs put around names.
    @Test(arguments: ["_orig_mod.", "module.", "module.module.", "base_model.model.", "module._orig_mod.", "model."])
    func prefixes(_ prefix: String) throws {
        let plain = SmallModel("qwen2")
        var wrapped = plain
        for index in wrapped.tensors.indices { wrapped.tensors[index].name = prefix + wrapped.tensors[index].name }
        let (found, notes) = try graph(wrapped)
        #expect(Set(found.entries.map(\.slot)) == Set(try graph(plain).0.entries.map(\.slot)))
        #expect(notes.contains { $0.contains("are read without") })
    }
}
