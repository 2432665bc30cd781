import TestSupport
import Testing

@testable import Recast

/// What the configurations mean of models whose layers differ, and what they may not say.
struct LayerVariantTests {
    private static let sizes: [(String, JSON)] = [
        ("vocab_size", 64), ("hidden_size", 64), ("intermediate_size", 48), ("num_hidden_layers", 7),
        ("num_attention_heads", 8), ("vocab_size_per_layer_input", 64), ("intermediate_size_mlp", 96),
    ]

    private static func configuration(
        _ family: Family, _ members: KeyValuePairs<String, JSON> = [:]
    ) throws(RecastError) -> ModelConfiguration {
        var object = JSON.Object(sizes)
        object["architectures"] = [.string(family.architectures[0])]
        for (key, value) in members { object[key] = value }
        return try HuggingFaceConfiguration(object: object, file: "config.json").configuration(of: family)
    }

    private static func stated(
        _ configuration: ModelConfiguration, by family: Family
    ) throws -> ModelConfiguration {
        try HuggingFaceConfiguration.stated(of: configuration, by: family, original: nil, ropeScaling: nil)
    }

    // MARK: Gemma 4

    /// By transformers 5.23, `configuration_gemma4.py`.
    @Test func absentKeysOfGemma4() throws {
        let found = try Self.configuration(.gemma4)
        #expect(found.contextLength == 131_072 && found.normEpsilon == 1e-6)
        #expect(found.activation == "gelu_pytorch_tanh" && found.layerInputSize == 256)
        // The last layer sees all, whatever the pattern.
        #expect(found.layers.map(\.slidingWindow) == [512, 512, 512, 512, 512, nil, nil])
        #expect((0..<7).map { found.headDimension(inLayer: $0) } == [256, 256, 256, 256, 256, 512, 512])
        #expect((0..<7).map { found.keyValueHeadCount(inLayer: $0) } == [Int](repeating: 4, count: 7))
        #expect(
            found.rope == Rope(theta: 1_000_000, dimensions: 512, scaling: .proportional(pairs: 64, factor: 1)))
        #expect(found.localRope == Rope(theta: 10_000, dimensions: 256))
        #expect(found.attentionScale == 1 && found.multipliers.embedding == 8 && found.softCaps.logits == nil)
        #expect(!found.layers.contains { $0.valuesAreKeys || $0.keyValueSource != nil || $0.feedForwardSize != nil })
        #expect(found.layers.allSatisfy { $0.hasScale && $0.norms.normalizesValues && $0.norms.hasPostNorms })
        #expect(try Self.stated(found, by: .gemma4).isEquivalent(to: found))
        let experts = try #require(
            try Self.configuration(
                .gemma4MoE,
                ["enable_moe_block": true, "num_experts": 8, "top_k_experts": 2, "moe_intermediate_size": 16]
            ).experts)
        #expect(experts.hasOwnNorms && experts.normalizesWeights && experts.shared?.feedForwardSize == 48)
    }

    /// Sizes of single layers, as transformers 5.23 writes them and as earlier configurations have them.
    @Test func headsOfLayers() throws {
        let types: JSON = [
            "sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention",
            "full_attention", "full_attention",
        ]
        let flat = try Self.configuration(
            .gemma4,
            [
                "layer_types": types, "head_dim": 8, "global_head_dim": 16, "attention_k_eq_v": true,
                "num_global_key_value_heads": 2, "hidden_size_per_layer_input": 0,
            ])
        let own: JSON = ["head_dim": 16, "num_key_value_heads": 2]
        let single = try Self.configuration(
            .gemma4,
            [
                "layer_types": types, "head_dim": 8, "attention_k_eq_v": true, "hidden_size_per_layer_input": .null,
                "per_layer_config": ["1": own, "3": own, "5": own, "6": own],
            ])
        #expect(flat == single && flat.headDimension == 16 && flat.keyValueHeadCount == 2)
        #expect(flat.layers.map(\.headDimension) == [8, nil, 8, nil, 8, nil, nil])
        #expect(flat.layers.map(\.valuesAreKeys) == [false, true, false, true, false, true, true])
        #expect(flat.shape(of: Slot(.key, layer: 0)) == [32, 64] && flat.shape(of: Slot(.key, layer: 1)) == [32, 64])
        #expect(flat.shape(of: Slot(.query, layer: 1)) == [128, 64] && flat.shape(of: Slot(.keyNorm, layer: 2)) == [8])
        #expect(!flat.has(.value, inLayer: 1) && flat.has(.value, inLayer: 2))
        #expect(try Self.stated(flat, by: .gemma4) == flat)
        // Without keys for values the other number of heads is not looked at.
        let apart = try Self.configuration(.gemma4, ["num_global_key_value_heads": 2])
        #expect(!apart.layers.contains { $0.keyValueHeadCount != nil } && apart.keyValueHeadCount == 4)
        // Of one kind that is said layer by layer.
        let uneven = try Self.configuration(.gemma4, ["per_layer_config": ["0": ["num_key_value_heads": 8]]])
        #expect(uneven.layers.map(\.keyValueHeadCount) == [8, nil, nil, nil, nil, nil, nil])
        #expect(uneven.headDimension == 256)
        #expect(try Self.stated(uneven, by: .gemma4) == uneven)
    }

    @Test func sharedKeysAndValues() throws {
        let found = try Self.configuration(
            .gemma4,
            [
                "num_kv_shared_layers": 4, "use_double_wide_mlp": true,
                "layer_types": [
                    "sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention",
                    "sliding_attention", "full_attention",
                ],
            ])
        #expect(found.layers.map(\.keyValueSource) == [nil, nil, nil, 1, 2, 2, 1])
        #expect((0..<7).map { found.feedForwardSize(inLayer: $0) } == [48, 48, 48, 96, 96, 96, 96])
        #expect(!found.has(.key, inLayer: 3) && found.isUnused(.key, inLayer: 3) && !found.isUnused(.key, inLayer: 1))
        #expect(found.shape(of: Slot(.layerEmbedding)) == [64, 7 * 256])
        #expect(try Self.stated(found, by: .gemma4) == found)
    }

    @Test func refusalsOfGemma4() {
        for (members, reason) in [
            (["use_bidirectional_attention": "all"], "both directions"),
            (
                ["hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 32],
                "embeddings of each layer for 32 tokens"
            ),
            (["per_layer_config": ["0": ["intermediate_size": 16]]], "\"intermediate_size\" of single layers"),
        ] as [(KeyValuePairs<String, JSON>, String)] {
            expectRejection(.unsupported, reason, file: "config.json") {
                _ = try Self.configuration(.gemma4, members)
            }
        }
        for (members, reason) in [
            (["num_kv_shared_layers": 7], "\"num_kv_shared_layers\" is 7 of 7"),
            (["num_kv_shared_layers": 2], "layer 5 has no earlier layer"),
            (["per_layer_config": ["0": ["head_dim": 16]]], "heads of 16, 256 elements"),
            (["per_layer_config": ["9": ["head_dim": 16]]], "no layer"),
            (["global_head_dim": 15], "heads of 15 elements"),
            (["num_key_value_heads": 3], "8 heads are no multiple of 3 key/value heads"),
            (["rope_parameters": ["full_attention": ["rope_type": "default"]]], "says nothing of sliding_attention"),
            (["final_logit_softcapping": -1], "\"final_logit_softcapping\" is -1"),
            (
                [
                    "rope_parameters": [
                        "full_attention": ["rope_type": "proportional", "partial_rotary_factor": 2],
                        "sliding_attention": ["rope_type": "default"],
                    ]
                ], "\"partial_rotary_factor\" 2"
            ),
        ] as [(KeyValuePairs<String, JSON>, String)] {
            expectRejection(reason, file: "config.json") { _ = try Self.configuration(.gemma4, members) }
        }
    }

    /// As a checkpoint may have them: keys and values of layers that look at those of others, which no program reads.
    @Test func unusedKeysAndValues() throws {
        let directory = TemporaryDirectory()
        let source = try Checkpoint(path: Fixtures.smallFamily("gemma4_text-small"))
        var reader = Reader(files: source.sources)
        var tensors = try source.tensors.map {
            (
                name: $0.name, dtype: $0.tensor.dtype.name, shape: $0.tensor.shape,
                bytes: try $0.tensor.bytes(using: &reader)
            )
        }
        let names = Set(tensors.map(\.name))
        for tensor in tensors
        where tensor.name.contains("layers.0.self_attn.k_") || tensor.name.contains("layers.0.self_attn.v_") {
            var copy = tensor
            copy.name = copy.name.replacing("layers.0.", with: "layers.2.")
            #expect(!names.contains(copy.name))
            tensors.append(copy)
        }
        let configuration = try String(
            contentsOfFile: Fixtures.smallFamily("gemma4_text-small") + "/config.json", encoding: .utf8)
        directory.write("model/config.json", Array(configuration.utf8))
        directory.write("model/model.safetensors", SafetensorsBuilder.file(tensors))
        let path = directory.file("model")
        func converted(_ name: String, _ target: ConversionOptions.Target, of path: String) throws -> String {
            let plan = try Planning(Checkpoint(path: path), ConversionOptions(target: target)).plan(
                destination: directory.file(name))
            #expect(try Conversion(plan, to: directory.file(name)).run().exactness == .bit)
            return directory.file(name)
        }
        let own = try converted("own", .huggingFace(family: nil), of: path)
        #expect(try Fixtures.contents(own) == Fixtures.contents(path))
        let gguf = try converted("model.gguf", .gguf, of: path)
        #expect(try Checkpoint(path: gguf).tensors.contains { $0.name == "blk.2.attn_k_norm.weight" })
        #expect(
            try Fixtures.contents(converted("back", .huggingFace(family: nil), of: gguf)) == Fixtures.contents(path))
        // They count for nothing where they are missing, and have the shapes of their layer where they are there.
        tensors.removeAll { $0.name == "model.layers.2.self_attn.v_proj.weight" }
        tensors.indices.forEach { index in
            guard tensors[index].name == "model.layers.2.self_attn.k_norm.weight" else { return }
            tensors[index].shape = [4]
            tensors[index].bytes = Array(tensors[index].bytes.prefix(8))
        }
        directory.write("model/model.safetensors", SafetensorsBuilder.file(tensors))
        expectRejection("model.layers.2.self_attn.k_norm.weight has the shape [4]", file: path) {
            _ = try Model(Checkpoint(path: path))
        }
    }
}
