import TestSupport
import Testing

@testable import Recast

/// What the configurations mean of models whose layers differ, and what they may not say.
struct DifferentLayerTests {
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
        let unified = try Self.configuration(.gemma4Unified)
        #expect(unified.contextLength == 262_144 && unified.slidingWindow == 1024 && unified.layerInputSize == nil)
        #expect(try Self.stated(unified, by: .gemma4Unified) == unified)
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

    /// llama.cpp takes the last two layers with keys and values for one with a window and one without.
    @Test func sharedKeysAndValuesInGGUF() throws {
        for (types, isSayable) in [
            (["sliding_attention", "full_attention", "sliding_attention", "full_attention"], true),
            (["full_attention", "sliding_attention", "sliding_attention", "full_attention"], false),
        ] {
            let found = try Self.configuration(
                .gemma4,
                [
                    "num_hidden_layers": 4, "num_kv_shared_layers": 2, "head_dim": 8, "global_head_dim": 16,
                    "layer_types": .array(types.map(JSON.string)),
                ])
            let stated = try? GGUFAdaptation.stated(of: found, by: .gemma4)
            #expect((stated?.isEquivalent(to: found) ?? false) == isSayable)
        }
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

    // MARK: Llama 4

    /// By transformers 5.23, `configuration_llama4.py`.
    @Test func absentKeysOfLlama4() throws {
        let found = try Self.configuration(.llama4)
        #expect(found.contextLength == 131_072 && found.normEpsilon == 1e-5 && found.headDimension == 128)
        #expect(found.keyValueHeadCount == 8 && found.rope == Rope(theta: 500_000, dimensions: 128))
        #expect(found.layers.map(\.position) == [.rotary, .rotary, .rotary, .none, .rotary, .rotary, .rotary])
        #expect(found.layers.map(\.attentionChunk) == [8192, 8192, 8192, nil, 8192, 8192, 8192])
        #expect(found.layers.map(\.norms.qk).map(\.isOfRotatedHeads) == [true, true, true, false, true, true, true])
        #expect(!found.has(.queryNorm) && !found.has(.keyNorm))
        let temperature = try #require(found.temperature)
        #expect(temperature.slope == 0.1 && temperature.context == 8192 && temperature.offset == 1)
        #expect(found.temperature(inLayer: 0) == nil && found.temperature(inLayer: 3) == temperature)
        let experts = try #require(found.experts)
        #expect(experts.count == 16 && experts.usedCount == 1 && experts.feedForwardSize == 48)
        #expect(experts.shared == SharedExpert(feedForwardSize: 48, isGated: false))
        #expect(experts.routing.scalesInput && experts.routing.score == .sigmoid && !experts.normalizesWeights)
        #expect(found.layers.allSatisfy { $0.experts != nil } && found.feedForwardSize == 96)
        #expect(try Self.stated(found, by: .llama4) == found)
    }

    @Test func layersOfLlama4() throws {
        let found = try Self.configuration(
            .llama4,
            [
                "no_rope_layers": [0, 1, 1, 0, 1, 1, 1, 0], "moe_layers": [1, 4], "attention_chunk_size": 16,
                "attn_temperature_tuning": 4, "attn_scale": 0.2, "floor_scale": 32,
                "layer_types": [
                    "chunked_attention", "full_attention", "full_attention", "full_attention", "chunked_attention",
                    "full_attention", "full_attention",
                ],
            ])
        #expect(found.layers.map(\.hasRotary) == [false, true, true, false, true, true, true])
        #expect(found.layers.map(\.attentionChunk) == [16, nil, nil, nil, 16, nil, nil])
        #expect(found.layers { $0.experts != nil } == [1, 4] && found.temperature?.slope == 0.2)
        #expect(try Self.stated(found, by: .llama4) == found)
        let spaced = try Self.configuration(
            .llama4, ["interleave_moe_layer_step": 3, "attn_temperature_tuning": 0, "use_qk_norm": false])
        #expect(spaced.layers { $0.experts != nil } == [2, 5] && spaced.temperature == nil)
        #expect(spaced.layers.allSatisfy { $0.norms.qk == .none })
        #expect(try Self.stated(spaced, by: .llama4) == spaced)
        // Without a layer that is not rotated nothing has a temperature.
        let turned = try Self.configuration(.llama4, ["no_rope_layers": [1, 1, 1, 1, 1, 1, 1]])
        #expect(turned.temperature == nil && turned.layers.allSatisfy { $0.attentionChunk == 8192 })
        let dense = try Self.configuration(.llama4, ["moe_layers": []])
        #expect(dense.experts == nil && dense.shape(of: Slot(.gate, layer: 0)) == [96, 64])
        #expect(try Self.stated(dense, by: .llama4).isEquivalent(to: dense))
    }

    @Test func refusalsOfLlama4() {
        for (members, reason) in [
            (["attention_chunk_size": .null], "\"attention_chunk_size\" is null"),
            (["no_rope_layers": [1, 0]], "\"no_rope_layers\" does not say"),
            (["no_rope_layers": [1, 0, 2, 1, 1, 1, 1]], "\"no_rope_layers\" does not say"),
            (["layer_types": ["full_attention"]], "\"layer_types\" does not say"),
            (["moe_layers": ["a"]], "\"moe_layers\" is"),
            (["interleave_moe_layer_step": 0], "\"interleave_moe_layer_step\" is 0"),
            (["floor_scale": 0], "\"floor_scale\" is 0"),
            (["attn_scale": -1], "\"attn_scale\" is -1"),
            (["num_experts_per_tok": 17], "17 of 16 experts"),
        ] as [(KeyValuePairs<String, JSON>, String)] {
            expectRejection(reason, file: "config.json") { _ = try Self.configuration(.llama4, members) }
        }
    }

    /// What GGUF has no keys for is said with the length up to which it is the same.
    /// `create_memory` of llama.cpp asserts a window where these architectures may have one.
    @Test(arguments: ["cohere2", "gpt_oss", "gemma4_text"]) func modelsWithoutWindowsThatLlamaCppEndsWith(name: String)
        throws
    {
        let architecture = try GGUFArchitecture.of(family: name)
        var configuration = try Model(Checkpoint(path: Fixtures.smallFamily(name))).graph.configuration
        #expect(architecture.needsWindows && configuration.slidingWindow != nil)
        #expect(GGUFAdaptation.warnings(of: configuration, for: architecture).isEmpty)
        configuration.eachLayer { $0.slidingWindow = nil }
        #expect(
            GGUFAdaptation.warnings(of: configuration, for: architecture).contains { $0.contains(architecture.name) })
    }

    @Test func warningsOfLlama4() throws {
        let directory = TemporaryDirectory()
        let plan = try Planning(
            Checkpoint(path: Fixtures.smallFamily("llama4_text")), ConversionOptions(target: .gguf)
        ).plan(destination: directory.file("model.gguf"))
        #expect(plan.warnings.contains { $0.hasPrefix("attention temperature:") && $0.contains("up to 3 tokens") })
        #expect(plan.warnings.contains { $0.hasPrefix("attention chunks:") && $0.contains("up to 5 tokens") })
    }

    /// Scaling whose two frequency factors are one: a pair is slowed, or it is not.
    @Test func scalingWithoutAMiddle() throws {
        let scaling: JSON = [
            "rope_type": "llama3", "factor": 16.0, "low_freq_factor": 1.0, "high_freq_factor": 1.0,
            "original_max_position_embeddings": 8192, "rope_theta": 500_000,
        ]
        let rope = try Self.configuration(.llama4, ["rope_scaling": scaling]).rope
        let factors = try #require(rope.frequencyFactors)
        let slowed = rope.baseFrequencies.map { 2 * Double.pi / $0 > 8192 }
        #expect(zip(factors, slowed).allSatisfy { $0 == ($1 ? 16 : 1) } && Set(slowed).count == 2)
    }

    // MARK: Apertus

    @Test func numbersOfApertus() throws {
        let found = try Self.configuration(.apertus)
        #expect(found.contextLength == 65_536 && found.normEpsilon == 1e-5 && found.activation == "xielu")
        #expect(found.rope.theta == 12_000_000 && !found.gatesFeedForward && found.keyValueHeadCount == 8)
        #expect(
            found.rope.scaling
                == .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192))
        #expect(
            found.shape(of: Slot(.xieluBeta, layer: 0)) == [] && found.shape(of: Slot(.xieluAlphaP, layer: 0)) == [1])
        #expect(try !Self.configuration(.apertus, ["hidden_act": "relu2"]).has(.xieluBeta))

        let directory = TemporaryDirectory()
        let source = Fixtures.smallFamily("apertus")
        let path = directory.file("model.gguf")
        let plan = try Planning(Checkpoint(path: source), ConversionOptions(target: .gguf)).plan(destination: path)
        #expect(plan.evidence.count { $0.question.hasPrefix("numbers that GGUF has in xielu.") } == 4)
        _ = try Conversion(plan, to: path).run()
        let set = try #require(try Checkpoint(path: path).ggufSet)
        var reader = Reader(files: FilePool(try Checkpoint(path: source).files))
        for (key, name) in [("alpha_p", "alpha_p"), ("alpha_n", "alpha_n"), ("beta", "beta"), ("eps", "eps")] {
            let expected = try (0..<2).map { layer in
                let tensor = try #require(
                    try Checkpoint(path: source).tensors.first { $0.name == "model.layers.\(layer).mlp.act_fn.\(name)" }
                )
                let bytes = try tensor.tensor.converted(to: .f32).bytes(using: &reader)
                return Float(bitPattern: bytes.withUnsafeBytes { $0.integer(at: 0, as: UInt32.self) })
            }
            #expect(set.metadata["xielu." + key]?.floats == expected)
        }
        // A file without one of them, or with too few, is none.
        let architecture = try GGUFArchitecture.of(family: "apertus")
        var metadata = set.metadata
        metadata["xielu.beta"] = .array(.f32([0.5]))
        let configuration = try Model(Checkpoint(path: source)).graph.configuration
        expectRejection("xielu.beta has 1 numbers for 2 layers", file: "model.gguf") {
            _ = try architecture.numbers(in: metadata, configuration, file: "model.gguf")
        }
    }
}
