import Testing

@testable import Recast

/// What the configurations of DeepSeek-V3.2 and GLM-5 mean that do not say all, and what they may not say.
struct IndexerConfigurationTests {
    private static let configuration = StatedConfiguration()

    private static func sharing(_ members: KeyValuePairs<String, JSON>) throws -> [Bool] {
        try configuration(.glmMoEDSA, members).layers.map(\.sharesIndexer)
    }

    /// By the classes of transformers 5.23: `configuration_deepseek_v32.py` and `configuration_glm_moe_dsa.py`.
    @Test func absentKeys() throws {
        let deepSeek = try Self.configuration(.deepSeekV32)
        #expect(
            deepSeek.latentAttention
                == LatentAttention(
                    queryRank: 1536, keyValueRank: 512, nopeHeadDimension: 128, ropeHeadDimension: 64,
                    valueDimension: 128,
                    indexer: TokenIndexer(headCount: 64, headDimension: 128, pickedCount: 2048, turnsNeighbours: false))
        )
        #expect(deepSeek.contextLength == 163_840 && deepSeek.normEpsilon == 1e-6 && deepSeek.rope.theta == 10_000)
        #expect(deepSeek.experts?.routing.groups == Routing.Groups(count: 8, usedCount: 4, scoreCount: 2))
        let glm = try Self.configuration(.glmMoEDSA)
        #expect(
            glm.latentAttention
                == LatentAttention(
                    queryRank: 2048, keyValueRank: 512, nopeHeadDimension: 192, ropeHeadDimension: 64,
                    valueDimension: 256,
                    indexer: TokenIndexer(headCount: 32, headDimension: 128, pickedCount: 2048, turnsNeighbours: true)))
        #expect(glm.contextLength == 202_752 && glm.normEpsilon == 1e-5 && glm.experts?.routing.groups == nil)
        for (family, configuration) in [(Family.deepSeekV32, deepSeek), (.glmMoEDSA, glm)] {
            #expect(!configuration.sharesIndexers)
            #expect(configuration.layers.map { $0.experts == nil } == [true, true, true, false])
            #expect(configuration.experts?.count == 256 && configuration.experts?.usedCount == 8)
            #expect(configuration.experts?.routing.factor == 2.5 && configuration.experts?.normalizesWeights == true)
            let stated = try HuggingFaceConfiguration.stated(
                of: configuration, by: family, original: nil, ropeScaling: nil)
            #expect(stated.isEquivalent(to: configuration))
        }
        let two = try Self.configuration(.deepSeekV32, ["first_k_dense_replace": 2])
        #expect(two.layers.map { $0.experts == nil } == [true, true, false, false])
    }

    /// Lists, patterns and steps, by the rules of transformers.
    @Test func sharedIndexers() throws {
        #expect(try Self.sharing(["index_topk_freq": 2]) == [false, false, true, false])
        #expect(
            try Self.sharing(["index_topk_freq": 2, "index_skip_topk_offset": 1]) == [false, true, false, true])
        #expect(try Self.sharing(["index_topk_freq": 4, "index_skip_topk_offset": 3]) == [false, false, false, true])
        #expect(try Self.sharing(["index_topk_freq": 0]) == [false, false, false, false])
        #expect(try Self.sharing(["index_topk_pattern": "FSSF"]) == [false, true, true, false])
        #expect(
            try Self.sharing(["index_topk_pattern": ["full", "full", "shared", "shared"]])
                == [false, false, true, true])
        // The list comes first; what it says of further layers is not this model's.
        let list: JSON = ["full", "shared", "full", "shared", "full"]
        #expect(
            try Self.sharing(["indexer_types": list, "index_topk_pattern": "FFFF"]) == [false, true, false, true])
        // DeepSeek's class knows no such keys.
        #expect(try !Self.configuration(.deepSeekV32, ["indexer_types": list]).sharesIndexers)
    }

    @Test func refused() {
        // swift-format-ignore
        let cases: [(Family, KeyValuePairs<String, JSON>, String)] = [
            (.deepSeekV32, ["q_lora_rank": .null],              "an indexer whose queries have no rank"),
            (.deepSeekV32, ["index_head_dim": 32],              "\"index_head_dim\" is 32, fewer than the 64"),
            (.deepSeekV32, ["index_head_dim": 32, "qk_rope_head_dim": 40], "fewer than the 40"),
            (.deepSeekV32, ["index_n_heads": 0],                "index_n_heads"),
            (.deepSeekV32, ["index_n_heads": 16_000_000],       "16000000 indexer heads of 128"),
            (.deepSeekV32, ["index_topk": 0],                   "index_topk"),
            (.deepSeekV32, ["index_topk": "many"],              "index_topk"),
            (.deepSeekV32, ["indexer_rope_interleave": true],   "\"indexer_rope_interleave\" of true"),
            (.glmMoEDSA,   ["indexer_rope_interleave": false],  "\"indexer_rope_interleave\" of false"),
            (.glmMoEDSA,   ["attention_bias": true],            "biases"),
            (.glmMoEDSA,   ["partial_rotary_factor": 0.5],      "partial_rotary_factor"),
            (.glmMoEDSA,   ["scoring_func": "softmax"],         "scoring_func"),
            (.glmMoEDSA,   ["indexer_types": ["full"]],         "does not say of each of 4 layers"),
            (.glmMoEDSA,   ["indexer_types": ["full", "none", "full", "full"]], "does not say of each of 4 layers"),
            (.glmMoEDSA,   ["indexer_types": "FFFF"],           "does not say of each of 4 layers"),
            (.glmMoEDSA,   ["index_topk_pattern": "FXFF"],      "does not say of each of 4 layers"),
            (.glmMoEDSA,   ["index_topk_pattern": "SFFF"],      "the first layer shares the indexer of one before it"),
            (.glmMoEDSA,   ["mlp_layer_types": ["dense", "sparse", "dense", "sparse"], "first_k_dense_replace": 1],
                                                                "layers without experts are 0, 2"),
        ]
        for (family, members, message) in cases {
            let error = #expect(throws: RecastError.self) { try Self.configuration(family, members) }
            #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
        }
    }

    /// What llama.cpp takes for granted where a file does not say which layers have an indexer, and what a file may not say.
    @Test func sharingInGGUF() throws {
        let key = "glm-dsa.attention.indexer.types"
        var configuration = try Self.configuration(.glmMoEDSA)
        configuration.layers[3].sharesIndexer = true
        func sharing(context: Int, _ types: GGUFValue?) throws(RecastError) -> [Bool] {
            var metadata = GGUFMetadata()
            var own = configuration
            own.contextLength = context
            try GGUFArchitecture.glmDSA.write(own, hasHeadDimension: true, fileType: 0, into: &metadata)
            if let types { metadata[key] = types } else { metadata[key] = nil }
            return try GGUFConfiguration(
                architecture: .glmDSA, metadata: metadata, file: "a", seen: .init(own)
            ).configuration(embedding: [64, 512], factors: .init()).layers.map(\.sharesIndexer)
        }
        #expect(try GGUFAdaptation.stated(of: configuration, by: .glmDSA).isEquivalent(to: configuration))
        #expect(try sharing(context: 202_752, nil) == [false, false, false, false])
        // As GLM-5.2: the first three, and then each fourth.
        #expect(try sharing(context: 1_048_576, nil) == [false, false, false, true])
        #expect(try sharing(context: 1_048_576, .bool(true)) == [false, false, false, false])
        #expect(try sharing(context: 64, .array(.bool([true, false, true, false]))) == [false, true, false, true])
        for types: GGUFValue in [
            .array(.bool([true])), .array(.bool([false, true, true, true])), .bool(false), .u32(1), .string("full"),
        ] {
            expectRejection("glm-dsa.attention.indexer.types does not say of each of 4 layers", file: "a") {
                _ = try sharing(context: 64, types)
            }
        }
        // DeepSeek's file has no place for it.
        configuration.family = "deepseek_v32"
        let stated = try GGUFAdaptation.stated(of: configuration, by: .deepSeek32)
        #expect(
            configuration.differences(from: stated).map(\.field.name)
                == ["neighbours turned by indexers", "shared indexer"])
        var metadata = GGUFMetadata()
        try GGUFArchitecture.deepSeek32.write(configuration, hasHeadDimension: true, fileType: 0, into: &metadata)
        for (key, value) in [("key_length", GGUFValue.u32(32)), ("head_count", .u32(0)), ("top_k", .string("x"))] {
            var other = metadata
            other["deepseek32.attention.indexer." + key] = value
            #expect(throws: RecastError.self, "\(key)") {
                try GGUFConfiguration(
                    architecture: .deepSeek32, metadata: other, file: "a", seen: .init(configuration)
                ).configuration(embedding: [64, 512], factors: .init())
            }
        }
    }
}
