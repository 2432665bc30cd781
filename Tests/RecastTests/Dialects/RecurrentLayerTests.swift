import TestSupport
import Testing

@testable import Recast

/// What the configurations of models with recurrent layers mean that do not say all, and what they may not say.
struct RecurrentLayerTests {
    private static func configuration(
        _ family: Family, _ members: KeyValuePairs<String, JSON> = [:]
    ) throws(RecastError) -> ModelConfiguration {
        var object = JSON.Object([
            ("vocab_size", 64), ("hidden_size", 512), ("intermediate_size", 48), ("num_hidden_layers", 8),
            ("num_attention_heads", 32),
        ])
        object["architectures"] = [.string(family.architectures[0])]
        for (key, value) in members { object[key] = value }
        return try HuggingFaceConfiguration(object: object, file: "config.json").configuration(of: family)
    }

    private static func recurrent(_ configuration: ModelConfiguration) -> [Int] {
        configuration.layers.indices.filter { configuration.layers[$0].recurrence != nil }
    }

    /// By the classes of transformers 5.23: `configuration_*.py` of each.
    @Test func absentKeys() throws {
        let next = try Self.configuration(.qwen3Next)
        #expect(
            next.recurrence
                == .gatedDeltaNet(
                    GatedDeltaNet(
                        keyHeadCount: 16, valueHeadCount: 32, keyHeadDimension: 128, valueHeadDimension: 128,
                        convolutionSize: 4)))
        #expect(Self.recurrent(next) == [0, 1, 2, 4, 5, 6] && next.headDimension == 256 && next.rope.dimensions == 64)
        #expect(next.experts?.count == 512 && next.experts?.usedCount == 10 && next.experts?.normalizesWeights == true)
        #expect(next.experts?.shared == SharedExpert(feedForwardSize: 512, isGated: true) && next.norms.offset == 1)
        #expect(next.layers.map(\.gatesAttention) == next.layers.map(\.hasAttention))
        #expect(try Self.recurrent(Self.configuration(.qwen35, ["full_attention_interval": 2])) == [0, 2, 4, 6])
        #expect(try Self.configuration(.qwen35MoE).experts?.count == 256)

        let lfm2 = try Self.configuration(.lfm2, ["full_attn_idxs": [1, 5], "block_ff_dim": 1000])
        #expect(lfm2.recurrence == .shortConvolution(ShortConvolution(channelCount: 512, convolutionSize: 3)))
        // ⌊2/3 · 1000⌋ up to a multiple of 256.
        #expect(Self.recurrent(lfm2) == [0, 2, 3, 4, 6, 7] && lfm2.feedForwardSize == 768)
        #expect(lfm2.rope.theta == 1_000_000 && lfm2.normEpsilon == 1e-5 && lfm2.contextLength == 128_000)
        #expect(try Self.configuration(.lfm2, ["block_auto_adjust_ff_dim": false]).feedForwardSize == 48)

        let mamba = try Self.configuration(.mamba, ["intermediate_size": .null])
        #expect(
            mamba.recurrence
                == .mamba(Mamba(innerSize: 1024, stateSize: 16, timeStepRank: 32, convolutionSize: 4)))
        #expect(!mamba.hasAttention && !mamba.hasFeedForward && mamba.normEpsilon == 1e-5)
        #expect(try Self.configuration(.mamba).recurrence?.mamba?.innerSize == 48)
        let falcon = try Self.configuration(.falconMamba).recurrence?.mamba
        #expect(falcon?.stateNorms == .plain && falcon?.stateNormEpsilon == 1e-6)

        let jamba = try Self.configuration(.jamba)
        #expect(Self.recurrent(jamba) == [0, 1, 2, 3, 5, 6, 7] && jamba.experts?.count == 16)
        #expect(jamba.layers.map { $0.experts != nil } == [false, true, false, true, false, true, false, true])
        #expect(jamba.experts?.normalizesWeights == false && jamba.layers.allSatisfy { $0.position == .none })
        #expect(try Self.configuration(.jamba, ["num_experts": 1]).experts == nil)

        let mamba2 = try Self.configuration(.mamba2, ["num_heads": 16])
        #expect(
            mamba2.recurrence
                == .mamba2(
                    Mamba2(
                        headCount: 16, headDimension: 64, groupCount: 8, stateSize: 128, convolutionSize: 4,
                        normGroupCount: 8)))
        let limited = try Self.configuration(
            .mamba2, ["num_heads": 16, "time_step_limit": [0.5, ["__float__": "Infinity"]]])
        #expect(
            limited.recurrence?.mamba2?.minimumTimeStep == 0.5 && limited.recurrence?.mamba2?.maximumTimeStep == nil)

        let bamba = try Self.configuration(.bamba, ["attn_layer_indices": [3]])
        #expect(Self.recurrent(bamba) == [0, 1, 2, 4, 5, 6, 7] && bamba.rope.dimensions == 8)
        #expect(bamba.recurrence?.mamba2?.headDimension == 8 && bamba.recurrence?.mamba2?.stateSize == 256)

        let granite = try Self.configuration(.graniteHybridMoE, ["num_local_experts": 4])
        #expect(Self.recurrent(granite).count == 8 && granite.layers.allSatisfy { $0.position == .none })
        #expect(granite.experts?.shared == SharedExpert(feedForwardSize: 1024, isGated: false))
        #expect(try Self.configuration(.graniteHybrid).feedForwardSize == 1024)

        let nemotron = try Self.configuration(.nemotronH, ["hybrid_override_pattern": "M*-E"])
        #expect(nemotron.layerCount == 4 && !nemotron.gatesFeedForward && nemotron.activation == "relu2")
        #expect(nemotron.layers.map(\.hasAttention) == [false, true, false, false] && Self.recurrent(nemotron) == [0])
        #expect(nemotron.layers.map { $0.feedForward == .none } == [true, true, false, false])
        #expect(nemotron.layers[3].experts != nil && nemotron.recurrence?.mamba2?.minimumTimeStep == 0.001)

        let h1 = try Self.configuration(.falconH1)
        #expect(h1.layers.allSatisfy { $0.hasAttention && $0.recurrence != nil } && h1.multipliers.branches == nil)
        #expect(h1.recurrence?.mamba2?.gate == .plain && h1.recurrence?.mamba2?.innerSize == 1024)
        #expect(try Self.configuration(.falconH1, ["mamba_rms_norm": true]).recurrence?.mamba2?.gate == .afterNorm)
        #expect(
            try Self.configuration(.falconH1, ["mamba_d_ssm": .null, "mamba_expand": 4]).recurrence?.mamba2?.innerSize
                == 2048)
        #expect(try Self.configuration(.falconH1, ["key_multiplier": 0.5]).multipliers.branches?.key == 0.5)
    }

    @Test func refused() {
        let ten = JSON.array(Array(repeating: "full_attention", count: 10))
        // swift-format-ignore
        let cases: [(Family, String, JSON)] = [
            (.qwen3Next,        "layer_types", ten),                      (.qwen35,          "layer_types", ["sliding_attention"]),
            (.qwen35,           "linear_num_value_heads", 17),            (.qwen35,          "linear_conv_kernel_dim", 100_000),
            (.qwen35,           "hidden_act", "gelu"),                    (.qwen35MoE,       "linear_key_head_dim", -1),
            (.lfm2,             "full_attn_idxs", "all"),                 (.lfm2,            "conv_L_cache", 0),
            (.lfm2,             "block_ffn_dim_multiplier", 1e30),        (.lfm2MoE,         "use_expert_bias", false),
            (.lfm2MoE,          "layer_types", .null),                    (.mamba, "state_size", 1_073_741_824),
            (.mamba,            "time_step_rank", "some"),                (.falconMamba,     "expand", 1e12),
            (.jamba,            "attn_layer_offset", 9),                  (.jamba,           "expert_layer_offset", 2),
            (.mamba2,           "num_heads", 3),                          (.mamba2,          "n_groups", 7),
            (.mamba2,           "time_step_limit", [1, 0]),               (.mamba2,          "time_step_limit", 3),
            (.bamba,            "mamba_n_groups", 3),                     (.bamba,           "attn_layer_indices", [0.5]),
            (.graniteHybridMoE, "layer_types", ["mamba"]),                (.nemotronH,       "hybrid_override_pattern", "MX"),
            (.nemotronH,        "moe_latent_size", 0),                    (.nemotronH,       "hybrid_override_pattern", .null),
            (.nemotronH,        "mamba_hidden_act", "gelu"),              (.falconH1,        "ssm_multipliers", [1, 2]),
            (.falconH1,         "key_multiplier", 0),                     (.falconH1,        "mamba_d_ssm", 1000),
        ]
        for (family, key, value) in cases {
            #expect(throws: RecastError.self, "\(family.name) \(key)") {
                let own: KeyValuePairs<String, JSON> =
                    family.name == "nemotron_h" && key != "hybrid_override_pattern"
                    ? ["hybrid_override_pattern": "M*-E", key: value] : [key: value]
                return try Self.configuration(family, own)
            }
        }
        #expect(throws: RecastError.self) {
            try Self.configuration(.falconH1, ["key_multiplier": 0.5, "attention_bias": true])
        }
    }

    /// Layouts of fused projections: there and back, and where each row lies.
    @Test func fusedProjections() throws {
        let configuration = try Self.configuration(
            .qwen3Next,
            [
                "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 1,
                "linear_value_head_dim": 1,
            ])
        var reader = Reader(files: FilePool([]))
        // By key head: q, k, two values, two gates.
        let stored = LazyTensor.vector([0, 10, 20, 21, 30, 31, 1, 11, 22, 23, 32, 33])
        let parts = Layout.interleavedKeyHeads.split(stored, shapes: [[8], [4]], configuration)
        #expect(try parts[0].floats(rows: 0..<8, using: &reader) == [0, 1, 10, 11, 20, 21, 22, 23])
        #expect(try parts[1].floats(rows: 0..<4, using: &reader) == [30, 31, 32, 33])
        #expect(
            try Layout.interleavedKeyHeads.fuse(parts, configuration).floats(rows: 0..<12, using: &reader)
                == stored.floats(rows: 0..<12, using: &reader))
        let pairs = Layout.interleavedKeyHeadRows.split(
            .vector([0, 1, 10, 11, 2, 3, 12, 13]), shapes: [[4], [4]], configuration)
        #expect(try pairs[0].floats(rows: 0..<4, using: &reader) == [0, 1, 2, 3])
        #expect(try pairs[1].floats(rows: 0..<4, using: &reader) == [10, 11, 12, 13])
    }

    /// llama.cpp's order of value heads, and back, for every role that has them.
    @Test func tiledValueHeads() throws {
        let configuration = try Self.configuration(
            .qwen35,
            [
                "linear_num_key_heads": 2, "linear_num_value_heads": 6, "linear_key_head_dim": 2,
                "linear_value_head_dim": 2,
            ])
        let order = ValueHeadOrder(configuration)
        var reader = Reader(files: FilePool([]))
        let heads = LazyTensor.vector([0, 1, 2, 3, 4, 5])
        // Those of the first key head are 0, 1 and 2.
        #expect(try order.tiled(heads, .stateDecay).floats(rows: 0..<6, using: &reader) == [0, 3, 1, 4, 2, 5])
        let columns = LazyTensor.vector((0..<24).map(Float.init)).reshaped([2, 12])
        #expect(
            try order.tiled(columns, .recurrentOutput).floats(rows: 0..<1, using: &reader)
                == [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11])
        let input = LazyTensor.vector((0..<20).map(Float.init))
        #expect(
            try order.tiled(input, .recurrentInput).floats(rows: 0..<20, using: &reader)
                == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15, 10, 11, 16, 17, 12, 13, 18, 19])
        for (role, tensor) in [
            (Role.stateDecay, heads), (.recurrentOutput, columns), (.recurrentInput, input),
            (.recurrentGate, LazyTensor.vector((0..<12).map(Float.init))),
        ] {
            let rows = tensor.rowCount
            #expect(
                try order.grouped(order.tiled(tensor, role), role).floats(rows: 0..<rows, using: &reader)
                    == tensor.floats(rows: 0..<rows, using: &reader))
        }
    }

    /// What decays were made of is found again where that was bfloat16.
    @Test func decayForms() throws {
        var reader = Reader(files: FilePool([]))
        let numbers = (0..<400).map { Float(bitPattern: (Float($0 - 150) / 40).bitPattern & 0xFFFF_0000) }
        let stored = LazyTensor.vector(numbers)
        let there = stored.converted(to: .f32, [.negatedExponential])
        let back = there.converted(to: .f32, [.logarithmOfNegated])
        #expect(try there.floats(rows: 0..<400, using: &reader).allSatisfy { $0 < 0 })
        #expect(try back.floats(rows: 0..<400, using: &reader) == numbers)
    }
}
