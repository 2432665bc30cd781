import Testing

@testable import Recast

/// What the configurations of AFM, Command R, Command R7B and gpt-oss mean that do not say all, and what they may not say.
struct LayerVariantTests {
    private static let configuration = StatedConfiguration()

    /// By the classes of transformers 5.23: `configuration_*.py` of each.
    @Test func absentKeys() throws {
        let arcee = try Self.configuration(.arcee)
        #expect(arcee.activation == "relu2" && !arcee.gatesFeedForward && arcee.contextLength == 4096)
        #expect(arcee.normEpsilon == 1e-5 && arcee.rope.theta == 10_000)
        let cohere = try Self.configuration(.cohere)
        #expect(cohere.multipliers.logitDivisor == 16 && cohere.rope.theta == 500_000 && cohere.contextLength == 8192)
        #expect(cohere.layerNorms.qk == .none && cohere.layers.allSatisfy { $0.hasParallelResidual })
        #expect(try Self.configuration(.cohere, ["use_qk_norm": true]).layerNorms.qk == .ofEachHead)
        #expect(try Self.configuration(.cohere, ["model_max_length": 131_072]).contextLength == 131_072)
        let cohere2 = try Self.configuration(.cohere2)
        #expect(cohere2.layers.map(\.slidingWindow) == [4096, 4096, 4096, nil] && cohere2.rope.theta == 10_000)
        #expect(cohere2.layers.map(\.position) == [.rotary, .rotary, .rotary, .none])
        let oss = try Self.configuration(.gptOSS)
        #expect(oss.experts?.count == 128 && oss.experts?.usedCount == 4 && oss.headDimension == 64)
        #expect(oss.layers.map(\.slidingWindow) == [128, nil, 128, nil] && oss.keyValueHeadCount == 8)
        #expect(oss.gateLimit == GateLimit(limit: 7, alpha: 1.702) && oss.rope.theta == 150_000)
        var yarn = Rope.Yarn(factor: 32, originalContext: 4096)
        yarn.truncates = false
        #expect(oss.rope.scaling == .yarn(yarn))
    }

    @Test func refused() {
        // swift-format-ignore
        let cases: [(Family, String, JSON)] = [
            (.cohere,  "logit_scale",   -1), (.cohere,  "logit_scale",  "x"), (.cohere, "use_qk_norm", 1),
            (.cohere2, "rotary_pct",    0.5), (.cohere2, "layer_types", ["full_attention"]),
            (.cohere2, "sliding_window_pattern", 0),
            (.gptOSS,  "swiglu_limit",  0), (.gptOSS,  "swiglu_alpha",  -1), (.gptOSS,  "num_experts_per_tok", 129),
            (.gptOSS,  "layer_types",   ["chunked_attention", "full_attention", "full_attention", "full_attention"]),
        ]
        for (family, key, value) in cases {
            #expect(throws: RecastError.self, "\(family.name) \(key)") {
                try Self.configuration(family, [key: value])
            }
        }
    }

    /// A row of each role in turn, and back.
    @Test func interleavedRows() throws {
        let configuration = try Self.configuration(.gptOSS)
        let stored = LazyTensor.vector([0, 10, 1, 11, 2, 12])
        let parts = Layout.interleavedRows.split(stored, shapes: [[3], [3]], configuration)
        var reader = Reader(files: FilePool([]))
        #expect(try parts[0].floats(rows: 0..<3, using: &reader) == [0, 1, 2])
        #expect(try parts[1].floats(rows: 0..<3, using: &reader) == [10, 11, 12])
        let again = Layout.interleavedRows.fuse(parts, configuration)
        #expect(try again.floats(rows: 0..<6, using: &reader) == [0, 10, 1, 11, 2, 12])
    }
}
