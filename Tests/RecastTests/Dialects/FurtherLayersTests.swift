import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

/// Layers for predicting further tokens (MTP): left out, or kept where the target has a place for them.
struct FurtherLayersTests {
    private let directory = TemporaryDirectory()

    /// DeepSeek-V3 whose last layer is one of these.
    private static func model() -> SmallModel {
        var model = SmallModel.deepSeek(generation: 3, queryRank: 16)
        model.configuration["num_hidden_layers"] = 3
        model.configuration["num_nextn_predict_layers"] = 1
        for name in ["enorm.weight", "hnorm.weight", "shared_head.norm.weight"] {
            model.add("model.layers.3.\(name)", [32])
        }
        model.add("model.layers.3.eh_proj.weight", [32, 64])
        model.add("model.layers.3.embed_tokens.weight", [24, 32])
        model.add("model.layers.3.shared_head.head.weight", [24, 32])
        return model
    }

    private func plan(
        _ model: SmallModel, _ target: ConversionOptions.Target, _ layers: ConversionOptions.FurtherLayers?,
        _ refine: (inout ConversionOptions) throws -> Void = { _ in }
    ) throws -> Plan {
        let source = TemporaryDirectory()
        var options = ConversionOptions(target: target)
        options.furtherLayers = layers
        try refine(&options)
        let name = target == .gguf ? "out.gguf" : "out"
        let plan = try Planning(Checkpoint(path: model.write(to: source)), options).plan(destination: name)
        var conversion = Conversion(plan, to: directory.file(name))
        conversion.replaces = true
        _ = try conversion.run()
        return plan
    }

    private func tensors(_ name: String) throws -> [String: [UInt8]] {
        let checkpoint = try Checkpoint(path: directory.file(name))
        var reader = Reader(files: checkpoint.sources)
        return try Dictionary(
            uniqueKeysWithValues: checkpoint.tensors.map { ($0.name, try $0.tensor.bytes(using: &reader)) })
    }

    private func configuration() throws -> JSON {
        try JSON(parsing: #require(directory.bytes("out/config.json")), file: "config.json")
    }

    @Test(arguments: [nil, ConversionOptions.FurtherLayers.drop]) func areLeftOut(
        _ layers: ConversionOptions.FurtherLayers?
    ) throws {
        let plan = try self.plan(Self.model(), .huggingFace(family: nil), layers)
        #expect(plan.notes.contains { $0.contains("left out (--mtp keep)") })
        #expect(try !tensors("out").keys.contains { $0.hasPrefix("model.layers.3.") })
        #expect(try configuration()["num_nextn_predict_layers"]?.int == 0)
    }

    @Test func areKeptInTheOwnLayout() throws {
        let model = Self.model()
        let plan = try self.plan(model, .huggingFace(family: nil), .keep)
        #expect(!plan.notes.contains { $0.contains("left out") })
        #expect(try tensors("out") == Dictionary(uniqueKeysWithValues: model.tensors.map { ($0.name, $0.bytes) }))
        #expect(try configuration()["num_nextn_predict_layers"]?.int == 1)
    }

    /// They take the type that is asked for, and stay plain beside codes.
    @Test func types() throws {
        _ = try plan(Self.model(), .huggingFace(family: nil), .keep) { $0.dtype = .bf16 }
        #expect(try tensors("out")["model.layers.3.eh_proj.weight"]?.count == 2 * 32 * 64)
        _ = try plan(Self.model(), .huggingFace(family: nil), .keep) {
            var choices = Packing.Choices()
            choices.groupSize = 32
            $0.packing = try Packing.named("ct-int4", choices)
        }
        let found = try tensors("out")
        #expect(
            found["model.layers.3.mlp.gate.weight"] != nil && found["model.layers.3.self_attn.o_proj.weight"] != nil)
        #expect(found["model.layers.2.self_attn.o_proj.weight_packed"] != nil)
        let ignored = try configuration()["quantization_config"]?["ignore"]?.array?.compactMap(\.string) ?? []
        #expect(ignored.contains(#"re:^(model\.)?layers\.3(\..+)?$"#))
    }

    /// Under the names that llama.cpp has for them, counted among its blocks.
    @Test func areKeptInGGUF() throws {
        let model = Self.model()
        _ = try plan(model, .gguf, .keep)
        let found = try tensors("out.gguf")
        let pairs = [
            "eh_proj.weight": "eh_proj.weight", "enorm.weight": "enorm.weight", "hnorm.weight": "hnorm.weight",
            "embed_tokens.weight": "embed_tokens.weight", "shared_head.norm.weight": "shared_head_norm.weight",
            "shared_head.head.weight": "shared_head_head.weight",
        ]
        for (own, name) in pairs {
            let bytes = model.tensors.first { $0.name == "model.layers.3.\(own)" }!.bytes
            #expect(found["blk.3.nextn.\(name)"] == bytes, "\(name)")
        }
        #expect(found["blk.3.ffn_gate_exps.weight"] != nil && found["blk.3.attn_k_b.weight"] != nil)
        let again = try Model(Checkpoint(path: directory.file("out.gguf")))
        #expect(again.graph.configuration.layerCount == 3)
        #expect(again.notes.contains { $0.contains("nextn_predict_layers") })
        _ = try plan(model, .gguf, nil)
        #expect(try !tensors("out.gguf").keys.contains { $0.hasPrefix("blk.3.") })
    }

    @Test func whereThereIsNoPlace() throws {
        for target in [ConversionOptions.Target.huggingFace(family: "deepseek_v2"), .megatron(MegatronTarget(.ranks))] {
            #expect(throws: RecastError.self) { _ = try plan(Self.model(), target, .keep) }
        }
        let found = try plan(SmallModel(), .huggingFace(family: nil), .keep)
        #expect(found.warnings.contains { $0.contains("--mtp keep changes nothing") })
    }

    /// Qwen3-Next has them beside its layers, and says nothing of them in its configuration.
    @Test func besideTheLayers() throws {
        let checkpoint = try Checkpoint(path: Fixtures.smallFamily("qwen3_next"))
        let object = try #require(checkpoint.huggingFaceFiles?.configuration)
        let count = try #require(object["num_hidden_layers"]?.int)
        let last = try Model(checkpoint).graph.configuration.layers.lastIndex { $0.hasAttention }
        let layer = try #require(last)
        var model = SmallModel()
        (model.configuration, model.tensors) = (object, [])
        var reader = Reader(files: checkpoint.sources)
        for tensor in checkpoint.tensors {
            let (shape, bytes) = (tensor.tensor.shape, try tensor.tensor.bytes(using: &reader))
            let prefix = "model.layers.\(layer)."
            for name in [tensor.name]
                + (tensor.name.hasPrefix(prefix) ? ["mtp.layers.0." + tensor.name.dropFirst(prefix.count)] : [])
            {
                model.tensors.append(.init(name: name, dtype: "\(tensor.tensor.dtype)", shape: shape, bytes: bytes))
            }
        }
        let hidden = try #require(object["hidden_size"]?.int)
        let pairs = [
            "fc": "eh_proj", "pre_fc_norm_embedding": "enorm", "pre_fc_norm_hidden": "hnorm",
            "norm": "shared_head_norm",
        ]
        for own in pairs.keys.sorted() {
            model.add("mtp.\(own).weight", own == "fc" ? [hidden, 2 * hidden] : [hidden])
        }

        _ = try plan(model, .huggingFace(family: nil), .keep)
        #expect(try tensors("out") == Dictionary(uniqueKeysWithValues: model.tensors.map { ($0.name, $0.bytes) }))
        #expect(try plan(model, .huggingFace(family: nil), nil).notes.contains { $0.contains("--mtp keep") })
        #expect(try !tensors("out").keys.contains { $0.hasPrefix("mtp.") })

        _ = try plan(model, .gguf, .keep)
        let found = try tensors("out.gguf")
        #expect(found["blk.\(count).nextn.eh_proj.weight"] == model["mtp.fc.weight"].bytes)
        for name in pairs.values { #expect(found["blk.\(count).nextn.\(name).weight"] != nil, "\(name)") }
        #expect(found["blk.\(count).attn_q.weight"] != nil && found["blk.\(count).ffn_gate_exps.weight"] != nil)
        let again = try Model(Checkpoint(path: directory.file("out.gguf")))
        #expect(again.graph.configuration.layerCount == count)
    }
}
