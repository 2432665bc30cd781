import TestSupport
import Testing

@testable import Recast

/// What the configurations mean of Hunyuan, OLMo 3, EXAONE 4, Ministral 3 and Mistral Small 4, and what they may not say.
struct AttentionVariantTests {
    private static let configuration = StatedConfiguration()

    private static func stated(
        _ configuration: ModelConfiguration, by family: Family
    ) throws -> ModelConfiguration {
        try HuggingFaceConfiguration.stated(of: configuration, by: family, original: nil, ropeScaling: nil)
    }

    /// By the classes of transformers 5.23: `configuration_*.py` of each.
    @Test func absentKeys() throws {
        // swift-format-ignore
        let expected: [(Family, context: Int, heads: Int, head: Int, epsilon: Double, theta: Double, windows: [Int?])] = [
            (.hunYuanDense, 2048,      32, 16,  1e-5, 10_000,    [nil, nil, nil, nil]),
            (.olmo3,        2048,      32, 16,  1e-5, 500_000,   [4096, 4096, 4096, nil]),
            (.exaone4,      2048,      32, 16,  1e-5, 10_000,    [4096, 4096, 4096, nil]),
            (.ministral3,   262_144,   8,  128, 1e-5, 1_000_000, [nil, nil, nil, nil]),
            (.mistral4,     1_048_576, 32, 128, 1e-6, 10_000,    [nil, nil, nil, nil]),
        ]
        for row in expected {
            let configuration = try Self.configuration(row.0)
            #expect(configuration.contextLength == row.context, "\(row.0.name)")
            #expect(configuration.keyValueHeadCount == row.heads, "\(row.0.name)")
            #expect(configuration.headDimension == row.head, "\(row.0.name)")
            #expect(configuration.normEpsilon == row.epsilon, "\(row.0.name)")
            #expect(configuration.rope.theta == row.theta, "\(row.0.name)")
            #expect(configuration.layers.map(\.slidingWindow) == row.windows, "\(row.0.name)")
            #expect(try Self.stated(configuration, by: row.0).isEquivalent(to: configuration), "\(row.0.name)")
        }
        #expect(try Self.configuration(.ministral3).temperature == AttentionTemperature(slope: 0.1, context: 16384))
        #expect(try Self.configuration(.mistral4).temperature == AttentionTemperature(slope: 0.1, context: 8192))
        var yarn = Rope.Yarn(factor: 16, originalContext: 16384, mscale: 1, mscaleAllDimensions: 1)
        #expect(try Self.configuration(.ministral3).rope.scaling == .yarn(yarn))
        (yarn.factor, yarn.originalContext) = (128, 8192)
        #expect(try Self.configuration(.mistral4).rope == Rope(theta: 10_000, dimensions: 64, scaling: .yarn(yarn)))
        let experts = try #require(try Self.configuration(.mistral4).experts)
        #expect(experts.count == 128 && experts.usedCount == 4 && experts.shared?.feedForwardSize == 16)
        #expect(experts.normalizesWeights && experts.routing.score == .softmax && experts.routing.groups == nil)
    }

    /// Positions of layers that see all, and of those with a window.
    @Test func layersWithWindows() throws {
        let types: JSON = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
        let exaone = try Self.configuration(.exaone4, ["layer_types": types, "sliding_window": 8])
        #expect(exaone.layers.map(\.slidingWindow) == [nil, 8, nil, 8])
        #expect(exaone.layers.map(\.position) == [.none, .rotary, .none, .rotary])
        // Without a window all turn; with one that no layer has, none does.
        let full: JSON = ["full_attention", "full_attention", "full_attention", "full_attention"]
        let plain = try Self.configuration(.exaone4, ["sliding_window": .null, "layer_types": full])
        #expect(plain.layers.allSatisfy { $0.position == .rotary && $0.slidingWindow == nil })
        let still = try Self.configuration(.exaone4, ["sliding_window": 8, "layer_types": full])
        #expect(still.layers.allSatisfy { $0.position == .none && $0.slidingWindow == nil })
        for configuration in [exaone, plain, still] {
            #expect(try Self.stated(configuration, by: .exaone4).layers == configuration.layers)
        }
        let letters: KeyValuePairs<String, JSON> = ["sliding_window": 8, "sliding_window_pattern": "LG"]
        #expect(try Self.configuration(.exaone4, letters).layers.map(\.slidingWindow) == [8, nil, 8, nil])
        // The last one sees all.
        let all: KeyValuePairs<String, JSON> = ["sliding_window": 8, "sliding_window_pattern": "L"]
        #expect(try Self.configuration(.exaone4, all).layers.map(\.slidingWindow) == [8, 8, 8, nil])
    }

    /// OLMo 3's scaling in both spellings: only where all is seen.
    @Test func ropesOfOLMo() throws {
        let yarn: JSON = [
            "rope_type": "yarn", "factor": 8.0, "beta_fast": 32.0, "beta_slow": 1.0, "attention_factor": 1.25,
            "original_max_position_embeddings": 256,
        ]
        let flat = try Self.configuration(.olmo3, ["rope_theta": 500_000, "rope_scaling": yarn])
        guard case .yarn(let scaling) = flat.rope.scaling else {
            Issue.record("\(flat.rope.scaling)")
            return
        }
        #expect(scaling.factor == 8 && scaling.originalContext == 256 && scaling.statedAttentionFactor == 1.25)
        let local = Rope(theta: 500_000, dimensions: 16)
        #expect(flat.layers.map(\.localRope) == [local, local, local, nil])
        var full = yarn.object!
        full["rope_theta"] = 500_000
        let nested = try Self.configuration(
            .olmo3,
            ["rope_parameters": ["full_attention": .object(full), "sliding_attention": ["rope_type": "default"]]])
        #expect(nested == flat)
        #expect(try Self.stated(flat, by: .olmo3).isEquivalent(to: flat))
        // Nothing of its own where nothing is scaled.
        #expect(try Self.configuration(.olmo3).localRope == nil)
        expectRejection("says nothing of \"full_attention\" and \"sliding_attention\"", file: "config.json") {
            _ = try Self.configuration(.olmo3, ["rope_parameters": .object(full)])
        }
    }

    /// By transformers' own functions, in double precision: `get_llama_4_attn_scale` of Ministral 3, and Llama 4's line.
    @Test func temperatures() throws {
        let ministral = AttentionTemperature(slope: 0.1, context: 16384)
        for (position, factor) in [
            (0, 1), (16383, 1), (16384, 1.0693147180559945), (40000, 1.109861228866811), (262_143, 1.2772588722239782),
        ] { #expect(abs(ministral.factor(at: position) - factor) < 1e-15) }
        #expect(ministral.unchangedLength == 16384)
        var llama = AttentionTemperature(slope: 0.1, context: 8192)
        (llama.offset, llama.sparesRotaryLayers) = (1, true)
        for (position, factor) in [(8190, 1), (8191, 1.0693147180559945), (100_000, 1.2564949357461537)] {
            #expect(abs(llama.factor(at: position) - factor) < 1e-15)
        }
        #expect(llama.unchangedLength == 8191)
        var configuration = try Self.configuration(.llama)
        configuration.temperature = llama
        configuration.layers[1].position = .none
        #expect(configuration.temperature(inLayer: 0) == nil && configuration.temperature(inLayer: 1) == llama)
    }

    @Test func refusals() {
        let rope: [(String, JSON)] = [
            ("rope_type", "yarn"), ("factor", 4), ("original_max_position_embeddings", 32),
            ("llama_4_scaling_beta", 0.1),
        ]
        func parameters(_ changes: KeyValuePairs<String, JSON?>) -> JSON {
            var object = JSON.Object(rope)
            for (key, value) in changes { object[key] = value }
            return .object(object)
        }
        let sliding: JSON = ["sliding_attention", "full_attention", "full_attention", "full_attention"]
        // swift-format-ignore
        let cases: [(Family, KeyValuePairs<String, JSON>, String)] = [
            (.ministral3, ["rope_parameters": parameters(["llama_4_scaling_beta": nil])],   "\"llama_4_scaling_beta\" is missing"),
            (.mistral4,   ["rope_scaling": parameters(["llama_4_scaling_beta": nil])],      "\"llama_4_scaling_beta\" is missing"),
            (.ministral3, ["rope_parameters": parameters(["llama_4_scaling_beta": "0.1"])], "\"llama_4_scaling_beta\" is \"0.1\", not a number"),
            (.ministral3, ["rope_parameters": parameters(["llama_4_scaling_beta": -1])],    "queries cannot grow by -1"),
            (.ministral3, ["rope_parameters": ["rope_type": "default", "llama_4_scaling_beta": 0.1]],
                "\"original_max_position_embeddings\" is missing"),
            (.ministral3, ["original_max_position_embeddings": 0.5, "rope_parameters": ["rope_type": "default", "llama_4_scaling_beta": 0.1]],
                "queries cannot grow"),
            (.olmo3,      ["sliding_window": .null, "layer_types": sliding],                "\"layer_types\" names layers with a window"),
            (.exaone4,    ["sliding_window": .null, "layer_types": sliding],                "\"layer_types\" names layers with a window"),
            (.exaone4,    ["layer_types": ["full_attention"]],                              "\"layer_types\" does not say of each of 4 layers"),
            (.olmo3,      ["layer_types": ["chunked_attention", "full_attention", "full_attention", "full_attention"]],
                "\"layer_types\" does not say of each of 4 layers"),
            (.exaone4,    ["sliding_window_pattern": "LLXG"],                               "neither a number nor a sequence of L and G"),
            (.exaone4,    ["sliding_window_pattern": ""],                                   "neither a number nor a sequence of L and G"),
            (.exaone4,    ["sliding_window": 0],                                            "\"sliding_window\" is 0"),
            (.hunYuanDense, ["head_dim": 7],                                                "heads of 7 elements cannot be rotated"),
        ]
        for (family, members, message) in cases {
            expectRejection(message, file: "config.json") { _ = try Self.configuration(family, members) }
        }
        // swift-format-ignore
        let unsupported: [(Family, KeyValuePairs<String, JSON>, String)] = [
            (.hunYuanDense, ["use_qk_norm": false], "a \"use_qk_norm\" of false is not supported; true is"),
            (.hunYuanDense, ["use_cla": true],      "a \"use_cla\" of true is not supported; false is"),
            (.mistral4, ["rope_parameters": parameters(["partial_rotary_factor": 1])], "a share of 1.0 is rotated, which is not 64"),
            (.ministral3, ["rope_parameters": parameters(["partial_rotary_factor": 0.5])], "a share of 0.5 is rotated, which is not 128"),
        ]
        for (family, members, message) in unsupported {
            expectRejection(.unsupported, message, file: "config.json") { _ = try Self.configuration(family, members) }
        }
    }

    /// llama.cpp looks for EXAONE 4's windows in a model of 64 layers alone.
    @Test func exaoneInGGUF() throws {
        let types = (0..<64).map { $0 % 3 == 0 ? "full_attention" : "sliding_attention" }
        let members: KeyValuePairs<String, JSON> = [
            "num_hidden_layers": 64, "sliding_window": 8, "layer_types": .array(types.map(JSON.string)),
        ]
        let large = try Self.configuration(.exaone4, members)
        #expect(try GGUFAdaptation.stated(of: large, by: .exaone4).isEquivalent(to: large))
        let small = try Self.configuration(.exaone4, ["sliding_window": 8])
        let found = try GGUFAdaptation.stated(of: small, by: .exaone4)
        #expect(found.layers.allSatisfy { $0.slidingWindow == nil && $0.position == .rotary })
    }

    /// A file that says no temperature is a Mistral's; one that says it needs the length of a step.
    @Test func temperatureInGGUF() throws {
        var configuration = try Self.configuration(.ministral3)
        #expect(try GGUFAdaptation.stated(of: configuration, by: .mistral3).isEquivalent(to: configuration))
        configuration.temperature = nil
        #expect(try GGUFAdaptation.stated(of: configuration, by: .mistral3).family == "mistral")
        // Of one key for both in the file.
        configuration.temperature = AttentionTemperature(slope: 0.1, context: 32)
        let stated = try GGUFAdaptation.stated(of: configuration, by: .mistral3)
        #expect(configuration.differences(from: stated).map(\.field.name) == ["attention temperature"])
        configuration.rope.scaling = .none
        #expect(try GGUFAdaptation.stated(of: configuration, by: .mistral3).isEquivalent(to: configuration))

        let large = try Self.configuration(.mistral4)
        #expect(try GGUFAdaptation.stated(of: large, by: .mistral4).isEquivalent(to: large))
        let groups: KeyValuePairs<String, JSON> = ["n_routed_experts": 8, "n_group": 4, "topk_group": 2]
        let grouped = try Self.configuration(.mistral4, groups)
        #expect(grouped.experts?.routing.groups == Routing.Groups(count: 4, usedCount: 2, scoreCount: 2))
        #expect(try GGUFAdaptation.stated(of: grouped, by: .mistral4).isEquivalent(to: grouped))
        var metadata = GGUFMetadata()
        try GGUFArchitecture.mistral4.write(large, hasHeadDimension: true, fileType: 0, into: &metadata)
        metadata["mistral4.attention.temperature_length"] = nil
        expectRejection("mistral4.attention.temperature_length is missing", file: "a") {
            _ = try GGUFConfiguration(
                architecture: .mistral4, metadata: metadata, file: "a", seen: .init(large)
            ).configuration(embedding: [64, 512], factors: .init())
        }
        // Files may have gate and up in one stack or in two.
        for (tensor, isOne) in [("blk.1.ffn_gate_up_exps.weight", true), ("blk.1.ffn_up_exps.weight", false)] {
            let found = try GGUFArchitecture.named("mistral4", tensors: [tensor], file: "a")
            #expect(found.table.rows.contains { $0.roles == [.gate, .up] } == isOne)
        }
    }

    /// A stated factor of cosines that is the usual one changes nothing, another one has no place in GGUF.
    @Test func attentionFactorInGGUF() throws {
        var yarn = Rope.Yarn(factor: 8, originalContext: 256)
        yarn.statedAttentionFactor = 1.2079441541679836
        var configuration = try Self.configuration(.olmo3)
        configuration.rope.scaling = .yarn(yarn)
        configuration.eachLayer {
            if $0.slidingWindow != nil { $0.position = .localRotary(Rope(theta: 500_000, dimensions: 16)) }
        }
        #expect(try GGUFAdaptation.stated(of: configuration, by: .olmo2).isEquivalent(to: configuration))
        yarn.statedAttentionFactor = 1.5
        configuration.rope.scaling = .yarn(yarn)
        expectRejection(.unsupported, "by what this model's yarn scaling multiplies attention") {
            _ = try GGUFAdaptation.stated(of: configuration, by: .olmo2)
        }
    }
}
