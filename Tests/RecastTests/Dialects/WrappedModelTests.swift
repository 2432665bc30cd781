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

    /// Wherever the configuration lies and whatever stands before the names, the model is the same.
    @Test(arguments: [
        ("text_config", "language_model.", "language_model.", "visual."),
        ("text_config", "model.language_model.", "", "model.visual."),
        ("text_config", "model.text_model.", "", "model.vision_model."),
        ("llm_config", "language_model.", "language_model.", "vision_model."),
        ("thinker_config", "thinker.", "thinker.", "thinker.audio_tower."),
    ])
    func isFound(_ place: String, _ prefix: String, _ headPrefix: String, _ tower: String) throws {
        let plain = SmallModel("qwen2")
        let (expected, _) = try graph(plain)
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
        outer[place] = place == "thinker_config" ? ["text_config": .object(inner)] : .object(inner)
        wrapped.configuration = outer
        for index in wrapped.tensors.indices {
            let name = wrapped.tensors[index].name
            let own = prefix.hasPrefix("model.") ? String(name.dropFirst("model.".count)) : name
            wrapped.tensors[index].name = name.hasPrefix("lm_head.") ? headPrefix + name : prefix + own
        }
        var extra = Self.tower()
        extra.name = tower + "patch.weight"
        wrapped.tensors.append(extra)
        let (found, notes) = try graph(wrapped)
        #expect(Set(found.entries.map(\.slot)) == Set(expected.entries.map(\.slot)))
        #expect(found.configuration.hiddenSize == expected.configuration.hiddenSize)
        #expect(notes.contains { $0.contains("1 tensors, 16 bytes") })
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
