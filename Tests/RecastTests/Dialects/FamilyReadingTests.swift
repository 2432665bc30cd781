import TestSupport
import Testing

@testable import Recast

/// What the configurations of families mean: absent keys, keys of their own, and what is refused.
struct FamilyReadingTests {
    private static let usual: [(String, JSON)] = [
        ("vocab_size", 256), ("hidden_size", 64), ("intermediate_size", 128), ("num_hidden_layers", 8),
        ("num_attention_heads", 4), ("num_key_value_heads", 4), ("max_position_embeddings", 128),
    ]

    private func object(_ architecture: String, _ members: [(String, JSON)], without keys: [String] = []) -> JSON.Object
    {
        var object = JSON.Object(Self.usual)
        object["architectures"] = .array([.string(architecture)])
        for key in keys { object[key] = nil }
        for (key, value) in members { object[key] = value }
        return object
    }

    private func read(
        _ architecture: String, _ members: [(String, JSON)] = [], without keys: [String] = []
    ) throws(RecastError) -> ModelConfiguration {
        let object = object(architecture, members, without: keys)
        return try HuggingFaceConfiguration(object: object, file: "config.json").configuration(
            of: Family.of(object, file: "config.json"))
    }

    // MARK: What is told apart, and what absence means

    @Test func generationsOfBaichuan() throws {
        let first = try read("BaiChuanForCausalLM")
        #expect(first.family == "baichuan" && !first.hasALiBi && !first.normalizesOutputHead)
        let second = try read("BaichuanForCausalLM")
        #expect(second.family == "baichuan2" && !second.hasALiBi && second.normalizesOutputHead)
        let large = try read(
            "BaichuanForCausalLM", [("model_max_length", 4096)], without: ["max_position_embeddings"])
        #expect(large.family == "baichuan" && large.hasALiBi && large.contextLength == 4096)
        for told in [("vocab_size", 125_696), ("z_loss_weight", 0)] as [(String, JSON)] {
            let large = try read("BaichuanForCausalLM", [told], without: ["max_position_embeddings"])
            #expect(large.family == "baichuan2" && large.hasALiBi && large.normalizesOutputHead)
        }
    }

    @Test func slidingWindows() throws {
        func windows(_ size: Int, full: [Int]) -> [Int?] { (0..<8).map { full.contains($0) ? nil : size } }
        #expect(try read("MistralForCausalLM").windows == windows(4096, full: []))
        #expect(try read("MistralForCausalLM", [("sliding_window", .null)]).slidingWindow == nil)
        #expect(try read("Phi3ForCausalLM").slidingWindow == nil)
        // Every second layer, every sixth.
        #expect(try read("Gemma2ForCausalLM").windows == windows(4096, full: [1, 3, 5, 7]))
        #expect(try read("Gemma3ForCausalLM").windows == windows(4096, full: [5]))
        let named = [JSON](repeating: "sliding_attention", count: 7) + ["full_attention"]
        let told = try read("Gemma2ForCausalLM", [("layer_types", .array(named)), ("sliding_window", 7)])
        #expect(told.windows == windows(7, full: [7]))
        #expect(try read("Qwen2ForCausalLM", [("sliding_window", 7)]).slidingWindow == nil)
        let switched = try read(
            "Qwen2ForCausalLM", [("sliding_window", 7), ("use_sliding_window", true), ("max_window_layers", 3)])
        #expect(switched.windows == windows(7, full: [0, 1, 2]))
    }

    @Test func ropes() throws {
        #expect(try read("SmolLM3ForCausalLM").layers { $0.position == .none } == [3, 7])
        #expect(try read("SmolLM3ForCausalLM").rope.theta == 2_000_000)
        #expect(try read("StableLmForCausalLM").rope.dimensions == 4)
        #expect(try read("GlmForCausalLM", [("head_dim", 16)]).rope.dimensions == 8)
        let gemma = try read("Gemma3ForCausalLM")
        #expect(gemma.rope.theta == 1_000_000 && gemma.localRope?.theta == 10_000)
        let older = try read("Gemma3ForCausalLM", [("rope_theta", 5000), ("rope_local_base_freq", 300)])
        #expect(older.rope.theta == 5000 && older.localRope?.theta == 300)
        #expect(
            try read("ChatGLMModel", [("multi_query_attention", true), ("rope_ratio", 500)]).rope.theta == 5_000_000)
    }

    /// Two ways to say of a llama that half of each head turns.
    @Test func partsOfHeads() throws {
        let proportional = try read(
            "LlamaForCausalLM",
            [("rope_parameters", ["rope_type": "proportional", "partial_rotary_factor": 0.5, "rope_theta": 1e8])])
        #expect(proportional.rope == Rope(theta: 1e4, dimensions: 8))
        let spread = try #require(proportional.rope.spread(over: 16, contextLength: 128)?.rope)
        guard case .longrope(let longrope) = spread.scaling else {
            Issue.record("not a longrope")
            return
        }
        #expect(longrope.short.suffix(4).allSatisfy { $0 == 1e30 })
        #expect(spread.gathered == proportional.rope)
        // And with factors of its own.
        var own = proportional.rope
        own.scaling = .longrope(
            Rope.Longrope(short: [1, 2, 3, 4], long: [5, 6, 7, 8], originalContext: 32, attentionFactor: 1))
        let back = try #require(own.spread(over: 16, contextLength: 128)?.rope.gathered)
        #expect(back.isEquivalent(to: own, upTo: 128) && back.dimensions == 8)
    }

    /// Of scaled rotary embeddings a family may have a part of each head, and say so among the keys of the scaling; of one that has whole
    /// heads, and is told of a part, nobody can compute anything.
    @Test func scaledPartsOfHeads() throws {
        let yarn: JSON = [
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 4, "original_max_position_embeddings": 32,
            "partial_rotary_factor": 0.5,
        ]
        let expected = Rope.Scaling.yarn(Rope.Yarn(factor: 4, originalContext: 32))
        let part = try read("GlmForCausalLM", [("head_dim", 16), ("rope_parameters", yarn)])
        #expect(part.rope == Rope(theta: 1e4, dimensions: 8, scaling: expected))
        var sections = yarn.object!
        sections["mrope_section"] = [2, 1, 1]
        sections["mrope_interleaved"] = true
        #expect(
            try read("GlmForCausalLM", [("head_dim", 16), ("rope_parameters", .object(sections))]).rope == part.rope)

        let whole = try read("LlamaForCausalLM", [("rope_parameters", yarn)])
        #expect(whole.rope.scaling == .other("yarn"))
        var all = yarn.object!
        all["partial_rotary_factor"] = 1
        #expect(try read("LlamaForCausalLM", [("rope_parameters", .object(all))]).rope.scaling == expected)

        var proportional = yarn.object!
        proportional["rope_type"] = "proportional"
        let spread = try read("GlmForCausalLM", [("head_dim", 16), ("rope_parameters", .object(proportional))])
        #expect(spread.rope.scaling == .other("proportional"))
    }

    @Test func dialectsOfQwen() throws {
        let newer = try read(
            "QWenLMHeadModel", [("kv_channels", 16), ("seq_length", 64), ("layer_norm_epsilon", 1e-6)])
        #expect(newer.feedForwardSize == 64)
        #expect(newer.longContext == QwenLongContext(context: 64, dynamicNTK: true, logNAttention: true))
        let older = try read(
            "QWenLMHeadModel",
            [
                ("n_embd", 64), ("n_layer", 8), ("n_head", 4), ("ffn_hidden_size", 128), ("n_positions", 128),
                ("padded_vocab_size", 256), ("kv_channels", 16), ("seq_length", 64), ("layer_norm_epsilon", 1e-6),
            ], without: Self.usual.map(\.0))
        #expect(older == newer)
        let plain = try read("QWenLMHeadModel", [("use_dynamic_ntk", false), ("use_logn_attn", false)])
        #expect(plain.longContext == nil)
    }

    @Test func activationsOfGemma() throws {
        #expect(try read("GemmaForCausalLM", [("hidden_act", "gelu")]).activation == "gelu_pytorch_tanh")
        let told = try read("GemmaForCausalLM", [("hidden_act", "gelu"), ("hidden_activation", "silu")])
        #expect(told.activation == "silu")
        #expect(try read("Gemma2ForCausalLM").softCaps.attention == 50)
        #expect(try read("Gemma2ForCausalLM", [("attn_logit_softcapping", .null)]).softCaps.attention == nil)
    }

    // MARK: How numbers are written

    /// What is an integer in transformers, or in the family's own files, is written as one, and what is none is not. Its
    /// configurations take an integer for no float, and no float for an integer.
    @Test func integersAndFractions() throws {
        let cases: [(String, [(String, JSON)], String, String)] = [
            ("Gemma2ForCausalLM", [("query_pre_attn_scalar", 224)], "query_pre_attn_scalar", "224"),
            ("Gemma2ForCausalLM", [("query_pre_attn_scalar", 144.0)], "query_pre_attn_scalar", "144"),
            ("Gemma2ForCausalLM", [("query_pre_attn_scalar", 144.5)], "query_pre_attn_scalar", "144.5"),
            ("Gemma2ForCausalLM", [("final_logit_softcapping", 30.0)], "final_logit_softcapping", "30.0"),
            ("Gemma3ForCausalLM", [("query_pre_attn_scalar", 168)], "query_pre_attn_scalar", "168"),
            ("Gemma3ForCausalLM", [], "rope_local_base_freq", "10000.0"),
            ("LlamaForCausalLM", [("rope_theta", 500000)], "rope_theta", "500000.0"),
            ("MiniCPMForCausalLM", [("scale_emb", 12)], "scale_emb", "12"),
            ("MiniCPMForCausalLM", [("scale_depth", 1.4)], "scale_depth", "1.4"),
            ("MiniCPMForCausalLM", [("dim_model_base", 32)], "dim_model_base", "32"),
            ("GraniteForCausalLM", [("embedding_multiplier", 12.0)], "embedding_multiplier", "12.0"),
            ("QWenLMHeadModel", [("rotary_emb_base", 10000)], "rotary_emb_base", "10000"),
        ]
        for (architecture, members, key, text) in cases {
            let configuration = try read(architecture, members)
            let family = try #require(Family.all.first { $0.name == configuration.family })
            let written = HuggingFaceConfiguration.write(
                .init(family: family, configuration: configuration, isTied: true, biases: [], dtype: .f32))
            #expect(written[key]?.text() == text, "\(architecture): \(key)")
        }
    }

    /// The scale that llama.cpp takes for granted, of a head of 256 elements.
    @Test(arguments: ["gemma2", "gemma3"]) func scaleOfGemmaFromGGUF(_ name: String) throws {
        let architecture = try #require(GGUFArchitecture.all.first { $0.name == name })
        var metadata = GGUFMetadata()
        for (key, value) in [
            ("embedding_length", 640), ("attention.head_count", 4), ("attention.head_count_kv", 1),
            ("attention.key_length", 256), ("attention.value_length", 256), ("feed_forward_length", 2048),
            ("block_count", 18), ("context_length", 32768), ("attention.sliding_window", 512),
        ] as [(String, UInt32)] { metadata["\(name).\(key)"] = .u32(value) }
        metadata["\(name).attention.layer_norm_rms_epsilon"] = .f32(1e-6)
        let configuration = try GGUFConfiguration(
            architecture: architecture, metadata: metadata, file: "a.gguf",
            seen: .init(normalizesHeads: true, normalizesState: false, denseLayers: [])
        ).configuration(embedding: [1000, 640], factors: .init())
        let family = try #require(Family.all.first { $0.name == configuration.family })
        let written = HuggingFaceConfiguration.write(
            .init(family: family, configuration: configuration, isTied: true, biases: [], dtype: .f32))
        #expect(written["query_pre_attn_scalar"]?.text() == "256")
    }

    // MARK: What is refused

    @Test func infiniteFactors() throws {
        let factors = try JSON(parsing: Array("[1,1,1,1,1,1,1,1e999]".utf8), file: "")
        let scaling: JSON = ["type": "su", "short_factor": factors, "long_factor": factors]
        let error = #expect(throws: RecastError.self) { try read("Phi3ForCausalLM", [("rope_scaling", scaling)]) }
        #expect(error?.message.contains("no list of 8 positive numbers") == true)
    }

    @Test func manyGroupsOfQuantization() {
        func find(_ count: Int) throws {
            var groups = JSON.Object()
            for group in 0..<count { groups["\(group)"] = ["weights": ["num_bits": 4]] }
            let configuration: JSON = [
                "quantization_config": ["quant_method": "compressed-tensors", "config_groups": .object(groups)]
            ]
            _ = try QuantizedModules.find(
                in: [], configuration: configuration.object, files: FilePool(), file: "config.json")
        }
        #expect(throws: Never.self) { try find(256) }
        let error = #expect(throws: RecastError.self) { try find(257) }
        #expect(error?.code == .unsupported && error?.message.contains("257 groups") == true)
    }

    /// A factor that float32 cannot hold would make infinities, or zeros, of a whole model.
    @Test(arguments: [1e41, 1e-60])
    func factorsBeyondFloats(_ factor: Double) throws {
        for key in ["scale_emb", "scale_depth", "dim_model_base"] {
            let configuration = try read("MiniCPMForCausalLM", [(key, .double(factor))])
            var graph = Graph(configuration: configuration)
            graph[Slot(.tokenEmbedding)] = LazyTensor.zeros(.bf16, [256, 64])
            let error = #expect(throws: RecastError.self) {
                try TargetAdaptation(graph, to: "llama", stating: configuration.asMegatronStates)
            }
            #expect(error?.message.contains("which float32 cannot hold") == true, "\(key)")
        }
    }

    static let refused: [(String, [(String, JSON)], RecastError.Code, String)] = [
        ("Phi3SmallForCausalLM", [], .unsupported, "it attends in blocks"),
        ("MiniCPM3ForCausalLM", [], .unsupported, "a latent attention of its own kind"),
        ("DeepseekV4ForCausalLM", [], .unsupported, "it attends to compressed keys"),
        ("DeepseekV4Model", [], .unsupported, "it attends to compressed keys"),
        ("KimiLinearForCausalLM", [], .unsupported, "decays each channel by itself"),
        ("LlamoForCausalLM", [], .unsupported, "unknown architecture LlamoForCausalLM"),
        ("StableLmForCausalLM", [("use_parallel_residual", true)], .unsupported, "use_parallel_residual"),
        ("StableLmForCausalLM", [("qk_layernorm", true)], .unsupported, "qk_layernorm"),
        ("StableLmForCausalLM", [("partial_rotary_factor", 0)], .malformedInput, "partial_rotary_factor"),
        ("Phi3ForCausalLM", [("partial_rotary_factor", 1.5)], .malformedInput, "partial_rotary_factor"),
        ("ChatGLMModel", [], .unsupported, "multi_query_attention"),
        ("ChatGLMModel", [("multi_query_attention", true), ("rmsnorm", false)], .unsupported, "rmsnorm"),
        ("QWenLMHeadModel", [("no_bias", false)], .unsupported, "no_bias"),
        ("QWenLMHeadModel", [("intermediate_size", 127)], .malformedInput, "127 is not even"),
        ("OlmoForCausalLM", [("clip_qkv", -1)], .malformedInput, "clip_qkv"),
        ("GraniteForCausalLM", [("residual_multiplier", 0)], .malformedInput, "residual_multiplier"),
        ("GemmaForCausalLM", [("use_bidirectional_attention", true)], .unsupported, "both directions"),
        ("Gemma2ForCausalLM", [("layer_types", ["full_attention"])], .malformedInput, "layer_types"),
        ("Gemma2ForCausalLM", [("query_pre_attn_scalar", 0)], .malformedInput, "query_pre_attn_scalar"),
        ("SmolLM3ForCausalLM", [("no_rope_layers", [1, 0])], .malformedInput, "no_rope_layers"),
        ("SmolLM3ForCausalLM", [("use_sliding_window", true)], .unsupported, "sliding window"),
        ("InternLMForCausalLM", [("rotary", ["type": "odd"])], .unsupported, "odd"),
        (
            "Phi3ForCausalLM", [("rope_scaling", ["type": "su", "short_factor": [1, 2], "long_factor": [1, 2]])],
            .malformedInput, "no list of 8 positive numbers"
        ),
        (
            "Phi3ForCausalLM", [("rope_scaling", ["type": "linear", "factor": 2])], .unsupported,
            "or longrope, not linear"
        ),
        ("HeliumForCausalLM", [("head_dim", 32)], .malformedInput, "as Helium's must"),
        ("MiniCPMForCausalLM", [("sparse_config", ["topk": 64])], .unsupported, "sparse_config"),
        ("ChatGLMModel", [("inner_hidden_size", 256)], .unsupported, "two dimensions"),
        ("Gemma3ForConditionalGeneration", [], .unsupported, "it has a vision tower"),
        ("LlamaForCausalLM", [("rope_scaling", ["type": "dynamic", "factor": 0.5])], .malformedInput, "factor of 0.5"),
    ]

    @Test(arguments: refused.indices)
    func refusal(_ index: Int) {
        let (architecture, members, code, message) = Self.refused[index]
        do throws(RecastError) {
            _ = try read(architecture, members)
            Issue.record("\(architecture) was read")
        } catch {
            #expect(error.code == code)
            #expect(error.description.contains(message), "\(error)")
            #expect(error.description.contains("config.json"))
        }
    }
}

extension ModelConfiguration {
    /// Of each layer.
    fileprivate var windows: [Int?] { layers.map(\.slidingWindow) }
}
