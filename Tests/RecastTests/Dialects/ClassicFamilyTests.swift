import Foundation
import TestSupport
import Testing

@testable import Recast

/// What the configurations mean of the models before llama, and of those that kept to their ways; and what they may not say.
struct ClassicFamilyTests {
    private static let sizes: [(String, JSON)] = [
        ("vocab_size", 64), ("hidden_size", 256), ("intermediate_size", 48), ("num_hidden_layers", 4),
        ("num_attention_heads", 4),
    ]

    private static func configuration(
        _ family: Family, _ members: KeyValuePairs<String, JSON> = [:], without: [String] = []
    ) throws(RecastError) -> ModelConfiguration {
        var object = JSON.Object(sizes.filter { !without.contains($0.0) })
        object["architectures"] = [.string(family.architectures[0])]
        for (key, value) in members { object[key] = value }
        return try HuggingFaceConfiguration(object: object, file: "config.json").configuration(of: family)
    }

    private static func stated(_ configuration: ModelConfiguration, by family: Family) throws -> ModelConfiguration {
        try HuggingFaceConfiguration.stated(of: configuration, by: family, original: nil, ropeScaling: nil)
    }

    private static func biases(_ family: Family, _ members: KeyValuePairs<String, JSON> = [:]) throws -> Set<Role> {
        var object = JSON.Object()
        for (key, value) in members { object[key] = value }
        return try HuggingFaceConfiguration(object: object, file: "config.json").biases(of: family)
    }

    /// By the classes of transformers 5.23: `configuration_*.py` of each.
    @Test func absentKeys() throws {
        // swift-format-ignore
        let expected: [(Family, context: Int, keyHeads: Int, size: Int, activation: String, rotary: Int?)] = [
            (.nemotron,   4096, 4, 48,   "relu2",             32),
            (.starCoder2, 4096, 2, 48,   "gelu_pytorch_tanh", 64),
            (.phi,        2048, 4, 48,   "gelu_new",          32),
            (.gptNeoX,    2048, 4, 48,   "gelu",              16),
            (.gpt2,       1024, 4, 48,   "gelu_new",          nil),
            (.gptBigCode, 1024, 1, 48,   "gelu_pytorch_tanh", nil),
            (.opt,        2048, 4, 48,   "relu",              nil),
            (.falcon,     2048, 1, 48,   "gelu",              64),
            (.falcon40B,  2048, 4, 48,   "gelu",              64),
            (.bloom,      2048, 4, 1024, "gelu_pytorch_tanh", nil),
            (.mpt,        2048, 4, 1024, "gelu",              nil),
            (.gptJ,       2048, 4, 48,   "gelu_new",          64),
            (.codeGen,    2048, 4, 48,   "gelu_new",          64),
        ]
        for row in expected {
            let configuration = try Self.configuration(row.0)
            #expect(configuration.contextLength == row.context, "\(row.0.name)")
            #expect(configuration.keyValueHeadCount == row.keyHeads, "\(row.0.name)")
            #expect(configuration.feedForwardSize == row.size, "\(row.0.name)")
            #expect(configuration.activation == row.activation, "\(row.0.name)")
            #expect(configuration.normEpsilon == 1e-5, "\(row.0.name)")
            #expect(configuration.norms.kind == .layer && !configuration.gatesFeedForward, "\(row.0.name)")
            #expect(configuration.layers[3].hasRotary == (row.rotary != nil), "\(row.0.name)")
            if let rotary = row.rotary {
                #expect(configuration.rope == Rope(theta: 10_000, dimensions: rotary), "\(row.0.name)")
            }
            #expect(try Self.stated(configuration, by: row.0).isEquivalent(to: configuration), "\(row.0.name)")
        }
        for family in [Family.gpt2, .gptBigCode, .falcon, .gptJ, .codeGen] {
            #expect(try Self.configuration(family, without: ["intermediate_size"]).feedForwardSize == 1024)
        }
        for family in Family.all
        where ["gpt2", "opt", "starcoder2", "gpt_bigcode", "falcon", "bloom", "mpt"].contains(family.name) {
            #expect(family.tiesByDefault)
        }
    }

    @Test func branches() throws {
        let shared = try Self.configuration(.phi).layers[0]
        #expect(shared.hasParallelResidual && shared.norms.sharesPreNorm)
        let apart = try Self.configuration(.gptNeoX).layers[0]
        #expect(apart.hasParallelResidual && !apart.norms.sharesPreNorm)
        #expect(try !Self.configuration(.gptNeoX, ["use_parallel_residual": false]).layers[0].hasParallelResidual)
        #expect(try !Self.configuration(.falcon, ["parallel_attn": false]).layers[0].hasParallelResidual)
        #expect(try Self.configuration(.falcon).layers[0].norms.sharesPreNorm)
        #expect(try !Self.configuration(.falcon40B).layers[0].norms.sharesPreNorm)
        #expect(try Self.configuration(.nemotron).norms.offset == 1)
        #expect(try Self.configuration(.bloom).norms.normalizesEmbedding)
        #expect(try Self.configuration(.phi, ["qk_layernorm": true]).layerNorms.qk == .perHead)
    }

    @Test func positions() throws {
        #expect(try Self.configuration(.gpt2, ["n_positions": 77]).learnedPositions == LearnedPositions(count: 77))
        #expect(try Self.configuration(.opt).learnedPositions == LearnedPositions(count: 2048, offset: 2))
        #expect(try Self.configuration(.opt).shape(of: Slot(.positionEmbedding)) == [2050, 256])
        let falcon = try Self.configuration(.falcon, ["alibi": true, "multi_query": false])
        #expect(falcon.hasALiBi && falcon.alibi.isScaled && falcon.keyValueHeadCount == 4)
        let attention: JSON = ["alibi_bias_max": 16, "clip_qkv": 6, "softmax_scale": 0.5]
        let mpt = try Self.configuration(.mpt, ["attn_config": attention])
        #expect(mpt.hasALiBi && mpt.alibi.maximum == 16 && mpt.projectionLimit == 6 && mpt.attentionScale == 0.5)
        #expect(try Self.stated(mpt, by: .mpt).isEquivalent(to: mpt))
        #expect(try Self.configuration(.gpt2, ["scale_attn_weights": false]).attentionScale == 1)
        #expect(try Self.configuration(.gptJ, ["rotary_dim": 24]).rope.dimensions == 24)
        let neox = try Self.configuration(.gptNeoX, ["rotary_pct": 0.5, "rotary_emb_base": 500])
        #expect(neox.rope == Rope(theta: 500, dimensions: 32))
    }

    /// Where nothing is rotated, heads may have any number of elements.
    @Test func oddHeads() throws {
        for (family, architecture) in [(Family.gpt2, GGUFArchitecture.gpt2), (.bloom, .bloom)] {
            let odd = try Self.configuration(family, ["hidden_size": 36])
            #expect(odd.headDimension == 9)
            #expect(try GGUFAdaptation.stated(of: odd, by: architecture).isEquivalent(to: odd))
        }
        expectRejection("heads of 9 elements cannot be rotated", file: "config.json") {
            _ = try Self.configuration(.starCoder2, ["hidden_size": 36])
        }
    }

    /// Keys of Falcon count or not by its architecture, of which there are two kinds with names of their own.
    @Test func falcons() throws {
        func family(_ members: KeyValuePairs<String, JSON>) throws -> String {
            var object = JSON.Object([("architectures", .array(["FalconForCausalLM"]))])
            for (key, value) in members { object[key] = value }
            return try Family.of(object, file: "config.json").name
        }
        #expect(try family([:]) == "falcon")
        #expect(try family(["new_decoder_architecture": true]) == "falcon40b")
        #expect(try family(["new_decoder_architecture": true, "num_ln_in_parallel_attn": 1]) == "falcon")
        #expect(try family(["model_type": "RefinedWeb"]) == "falcon40b")
        #expect(try family(["model_type": "RefinedWebModel"]) == "falcon")
        #expect(try Self.configuration(.falcon, ["num_kv_heads": 4]).keyValueHeadCount == 1)
        let grouped = try Self.configuration(
            .falcon, ["new_decoder_architecture": true, "num_ln_in_parallel_attn": 1, "num_kv_heads": 2])
        #expect(grouped.keyValueHeadCount == 2)
        #expect(try Self.stated(grouped, by: .falcon).isEquivalent(to: grouped))
        #expect(try Self.configuration(.falcon40B, ["n_head_kv": 2]).keyValueHeadCount == 2)
    }

    private static let norms = [Role].norms

    @Test func biases() throws {
        #expect(try Self.biases(.nemotron) == Set(Self.norms))
        #expect(try Self.biases(.nemotron, ["mlp_bias": true]) == Set([.up, .down] + Self.norms))
        #expect(try Self.biases(.starCoder2) == Set([Role].linears + Self.norms))
        #expect(try Self.biases(.starCoder2, ["use_bias": false]) == Set(Self.norms))
        #expect(try Self.biases(.gptNeoX, ["attention_bias": false]) == Set([.up, .down] + Self.norms))
        #expect(try Self.biases(.falcon) == Set(Self.norms))
        #expect(try Self.biases(.mpt).isEmpty)
        #expect(try Self.biases(.mpt, ["no_bias": false]).isSuperset(of: [Role].linears))
        #expect(try Self.biases(.opt, ["enable_bias": false, "layer_norm_elementwise_affine": false]).isEmpty)
        #expect(try !Self.configuration(.opt, ["layer_norm_elementwise_affine": false]).norms.hasWeights)
        let divided = try Self.configuration(.gpt2, ["scale_attn_by_inverse_layer_idx": true])
        #expect(divided.attentionScale(inLayer: 1) == divided.attentionScale / 2)
        // OPT 350M, and what the others may be.
        let projected = try Self.configuration(.opt, ["do_layer_norm_before": false, "word_embed_proj_dim": 128])
        #expect(projected.embeddingSize == 128 && !projected.norms.hasOutputNorm && !projected.has(.outputNorm))
        #expect(projected.layers.allSatisfy { $0.norms.isPostLN && !$0.norms.hasPreNorms })
        #expect(projected.has(.attentionNorm) && projected.shape(of: Slot(.embeddingProjection)) == [256, 128])
        let usual = try Self.configuration(.opt, ["word_embed_proj_dim": 256])
        #expect(usual.embeddingSize == nil && usual.norms.hasOutputNorm && !usual.has(.headProjection))
        #expect(try !Self.configuration(.opt, ["_remove_final_layer_norm": true]).norms.hasOutputNorm)
    }

    @Test func refusals() throws {
        // swift-format-ignore
        let unsupported: [(Family, KeyValuePairs<String, JSON>, String)] = [
            (.gpt2,      ["add_cross_attention": true],                   "\"add_cross_attention\" of true is not supported"),
            (.bloom,     ["apply_residual_connection_post_layernorm": true], "\"apply_residual_connection_post_layernorm\" of true"),
            (.falcon,    ["num_ln_in_parallel_attn": 2],                  "\"num_ln_in_parallel_attn\" of 2 without"),
            (.falcon40B, ["parallel_attn": false],                        "\"parallel_attn\" of false is not supported"),
            (.mpt,       ["attn_config": ["alibi": false]],               "\"alibi\" of false is not supported; true is"),
            (.mpt,       ["attn_config": ["attn_type": "multiquery_attention"]], "multiquery_attention is not supported"),
            (.mpt,       ["attn_config": ["prefix_lm": true]],            "\"prefix_lm\" of true is not supported"),
            (.mpt,       ["attn_config": ["qk_ln": true, "clip_qkv": 6]], "\"clip_qkv\" before the norms"),
            (.mpt,       ["logit_scale": "inv_sqrt_d_model"],             "\"logit_scale\" of \"inv_sqrt_d_model\" is not supported"),
            (.mpt,       ["norm_type": "rmsnorm"],                        "\"norm_type\" of rmsnorm is not supported"),
            (.gptJ,      ["rotary_dim": .null],                           "\"rotary_dim\" of null is not supported"),
        ]
        for (family, members, message) in unsupported {
            expectRejection(.unsupported, message, file: "config.json") { _ = try Self.configuration(family, members) }
        }
        // swift-format-ignore
        let malformed: [(Family, KeyValuePairs<String, JSON>, String)] = [
            (.codeGen,   ["num_attention_heads": 2],                  "2 heads cannot lie in 4 parts"),
            (.gptJ,      ["rotary_dim": 65],                          "heads of 65 elements cannot be rotated in pairs"),
            (.gptJ,      ["rotary_dim": 128],                         "heads of 128 elements cannot be rotated in pairs"),
            (.falcon40B, ["num_kv_heads": 3],                         "not a multiple of num_key_value_heads 3"),
            (.mpt,       ["attn_config": ["alibi_bias_max": 0]],      "\"alibi_bias_max\""),
            (.mpt,       ["attn_config": 7],                          "\"attn_config\" is 7, not an object"),
            (.gptNeoX,   ["rotary_pct": 1.5],                         "not within 0 and 1"),
            (.gpt2,      ["n_inner": -1],                             "\"intermediate_size\" is -1"),
            (.gpt2,      ["n_positions": 0],                          "\"max_position_embeddings\" is 0"),
        ]
        for (family, members, message) in malformed {
            expectRejection(message, file: "config.json") { _ = try Self.configuration(family, members) }
        }
    }

    /// Rows of parts, and matrices with rows and columns exchanged: what is taken apart is put together again.
    @Test func layouts() throws {
        let configuration = try Self.configuration(.codeGen)
        let numbers = (0..<24).map(Float.init)
        let rows = LazyTensor.vector(numbers).reshaped([12, 2])
        var reader = Reader(files: FilePool([]))
        for layout in [Layout.partitionedRows(2), .transposedRows] {
            let stored = layout == .transposedRows ? rows.transposed() : rows
            let shapes = [[4, 2], [4, 2], [4, 2]]
            #expect(layout.storedShape(shapes, configuration) == stored.shape)
            let parts = layout.split(stored, shapes: shapes, configuration)
            #expect(parts.map(\.shape) == shapes)
            let first = try parts[1].numbers(rows: 0..<4, as: Float.self, using: &reader)
            #expect(
                first == (layout == .transposedRows ? Array(numbers[8..<16]) : Array(numbers[4..<8] + numbers[16..<20]))
            )
            #expect(try layout.fuse(parts, configuration).bytes(using: &reader) == stored.bytes(using: &reader))
        }
    }

    /// Published files have names without the first module's, and masks beside the weights.
    @Test func namesOfPublishedFiles() throws {
        let source = try Checkpoint(path: Fixtures.smallFamily("gpt2"))
        var reader = Reader(files: source.sources)
        var tensors: [(String, String, [Int], [UInt8])] = [("h.0.attn.bias", "U8", [1, 1, 2, 2], [1, 0, 1, 1])]
        for tensor in source.tensors {
            let name = String(tensor.name.dropFirst("transformer.".count))
            tensors.append((name, "BF16", tensor.tensor.shape, try tensor.tensor.bytes(using: &reader)))
        }
        let directory = TemporaryDirectory()
        directory.write("model/model.safetensors", SafetensorsBuilder.file(tensors))
        let path = Fixtures.smallFamily("gpt2") + "/config.json"
        directory.write("model/config.json", try [UInt8](Data(contentsOf: URL(fileURLWithPath: path))))
        let bare = try Model(Checkpoint(path: directory.file("model")))
        #expect(bare.graph.entries.count == (try Model(source)).graph.entries.count)
        #expect(bare.graph.configuration == (try Model(source)).graph.configuration)
    }

    /// Weights of `Conv1D` are not what programs look for as codes.
    @Test func transposedWeightsStayPlain() throws {
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try Packing.named("nf4")
        let planning = try Planning(Checkpoint(path: Fixtures.smallFamily("gpt2")), options)
        let error = #expect(throws: RecastError.self) { _ = try planning.plan(destination: "out") }
        #expect(error?.code == .unsupported && error?.message.contains("Conv1D") == true)
    }
}
