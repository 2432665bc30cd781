import TestSupport
import Testing

@testable import Recast

/// Whole models of the format `torch_dist`, piece by piece from the tests.
struct DistributedMegatronTests {
    private var model = MegatronBuilder()

    /// One piece for each tensor, under the names of the format.
    ///
    /// - Parameter isApart: whether gate and up are stored apart.
    private func builder(_ truth: [String: MegatronBuilder.Matrix], isApart: Bool = false) -> DistributedBuilder {
        var builder = DistributedBuilder()
        func add(_ name: String, _ matrices: [MegatronBuilder.Matrix], hasLayers: Bool = true) {
            let first = matrices[0]
            let shape = [first.rows] + (first.columns.map { [$0] } ?? [])
            let values = matrices.flatMap(\.values)
            let whole = (hasLayers ? [matrices.count] : []) + shape
            builder.tensors.append((name, whole, [.init(whole.map { _ in 0 }, whole, values)]))
        }
        func layers(_ name: String) -> [MegatronBuilder.Matrix] {
            (0..<model.layers).map { truth["model.layers.\($0).\(name).weight"]! }
        }
        func joined(_ names: [String]) -> [MegatronBuilder.Matrix] {
            (0..<model.layers).map { layer in
                let parts = names.map { truth["model.layers.\(layer).\($0).weight"]! }
                return .init(parts.reduce(0) { $0 + $1.rows }, parts[0].columns, parts.flatMap(\.values))
            }
        }
        // One group of attention, whose heads lie as in the model.
        let attention = ["q", "k", "v"].map { "self_attn.\($0)_proj" }
        add("embedding.word_embeddings.weight", [truth["model.embed_tokens.weight"]!], hasLayers: false)
        add("decoder.layers.self_attention.linear_qkv.weight", joined(attention))
        add("decoder.layers.self_attention.linear_qkv.layer_norm_weight", layers("input_layernorm"))
        add("decoder.layers.self_attention.linear_proj.weight", layers("self_attn.o_proj"))
        add("decoder.layers.mlp.linear_fc1.layer_norm_weight", layers("post_attention_layernorm"))
        if isApart {
            add("decoder.layers.mlp.linear_fc1.weight_w", layers("mlp.gate_proj"))
            add("decoder.layers.mlp.linear_fc1.weight_v", layers("mlp.up_proj"))
        } else {
            add("decoder.layers.mlp.linear_fc1.weight", joined(["mlp.gate_proj", "mlp.up_proj"]))
        }
        add("decoder.layers.mlp.linear_fc2.weight", layers("mlp.down_proj"))
        add("decoder.final_layernorm.weight", [truth["model.norm.weight"]!], hasLayers: false)
        add("output_layer.weight", [truth["lm_head.weight"]!], hasLayers: false)
        builder.arguments = model.arguments()
        return builder
    }

    init() {
        model.groups = 1
        model.padded = model.vocabulary
    }

    private func read(
        _ builder: DistributedBuilder, configuration: JSON.Object? = nil
    ) throws -> (model: Model, numbers: [String: MegatronBuilder.Matrix]) {
        let directory = TemporaryDirectory()
        builder.write(to: directory)
        var options = Model.Options()
        options.vocabularySize = model.vocabulary
        if let configuration {
            options.vocabularySize = nil
            options.huggingFaceConfiguration = directory.write(
                "config.json", JSON.object(configuration).serialized())
        }
        let model = try Model(Checkpoint(path: directory.path), options: options)
        var reader = Reader(files: FilePool(model.files))
        var numbers: [String: MegatronBuilder.Matrix] = [:]
        for entry in model.graph.entries {
            let row = Family.llama.table.row(of: entry.slot)!
            let values = try entry.tensor.bytes(using: &reader).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            numbers[row.name(layer: entry.slot.layer, entry.slot.part)] = .init(
                entry.tensor.shape[0], entry.tensor.shape.count > 1 ? entry.tensor.shape[1] : nil, values)
        }
        return (model, numbers)
    }

    @Test(arguments: [false, true], [false, true]) func wholeModels(isApart: Bool, hasCommonFile: Bool) throws {
        let truth = model.truth()
        var builder = builder(truth, isApart: isApart)
        builder.hasCommonFile = hasCommonFile
        let (read, numbers) = try read(builder)
        #expect(numbers == truth)
        #expect(read.warnings.isEmpty)
    }

    /// Whatever modules and dictionaries stand around the model, its tensors are found.
    @Test(arguments: [
        "module.", "model.", "model0.", "state_dict.", "state_dict.model.module.", "model.module.model0.",
    ])
    func prefixes(_ prefix: String) throws {
        let truth = model.truth()
        var builder = builder(truth)
        for index in builder.tensors.indices { builder.tensors[index].name = prefix + builder.tensors[index].name }
        builder.tensors.append((prefix + "optimizer.state.exp_avg.a", [4], [.init([0], [4], [1, 2, 3, 4])]))
        let (read, numbers) = try read(builder)
        #expect(numbers == truth)
        #expect(read.notes.contains { $0.contains("optimizer") })
    }

    /// The same tensor under two prefixes is there twice.
    @Test func twoPrefixes() {
        var builder = builder(model.truth())
        var twice = builder.tensors[0]
        twice.name = "model0." + twice.name
        builder.tensors.append(twice)
        #expect(throws: RecastError.self) { try read(builder) }
    }

    /// States of an optimizer alone are no model.
    @Test func optimizerAlone() {
        var builder = DistributedBuilder()
        builder.tensors = [("optimizer.state.exp_avg.decoder.a", [4], [.init([0], [4], [1, 2, 3, 4])])]
        expectRejection(.unsupported, "states of an optimizer") { _ = try read(builder) }
    }

    /// Only one of two halves.
    @Test func missingHalf() {
        var builder = builder(model.truth(), isApart: true)
        builder.tensors.removeAll { $0.name.hasSuffix("weight_v") }
        #expect(throws: RecastError.self) { try read(builder) }
    }

    /// Without args, what the model is like must be said.
    @Test func withoutArguments() throws {
        let truth = model.truth()
        var builder = builder(truth)
        builder.arguments = nil
        do {
            _ = try read(builder)
            Issue.record("nothing was refused")
        } catch { #expect("\(error)".contains("--hf-config")) }
        var configuration = SmallModel("llama").configuration
        for (key, value) in [
            ("vocab_size", model.vocabulary), ("hidden_size", model.hidden), ("intermediate_size", model.feedForward),
            ("num_hidden_layers", model.layers), ("num_attention_heads", model.heads), ("num_key_value_heads", 1),
            ("head_dim", model.headDimension),
        ] { configuration[key] = .int(value) }
        configuration["tie_word_embeddings"] = false
        #expect(try read(builder, configuration: configuration).numbers == truth)
    }

    /// The state of an optimizer is left out, and said to be.
    @Test func optimizer() throws {
        let truth = model.truth()
        var builder = builder(truth)
        builder.tensors.append(
            ("optimizer.state.exp_avg.decoder.final_layernorm.weight", [4], [.init([0], [4], [1, 2, 3, 4])]))
        let (model, numbers) = try read(builder)
        #expect(numbers == truth)
        #expect(model.notes.contains { $0.contains("optimizer") })
    }

    @Test func otherFormats() throws {
        func refusal(_ change: (inout DistributedBuilder) -> Void, _ damage: (TemporaryDirectory) -> Void = { _ in })
            -> String
        {
            var builder = builder(model.truth())
            change(&builder)
            let directory = TemporaryDirectory()
            builder.write(to: directory)
            damage(directory)
            do {
                _ = try Model(Checkpoint(path: directory.path))
                return "nothing was refused"
            } catch { return "\(error)" }
        }
        #expect(refusal { $0.backend = "zarr" }.contains("zarr"))
        // Without the marker, it is what torch's own FSDP writes.
        #expect(refusal({ _ in }) { $0.remove("iter_0000007/metadata.json") }.contains("fsdp_dtensor"))
    }
}
