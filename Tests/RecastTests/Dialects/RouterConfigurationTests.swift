import TestSupport
import Testing

@testable import Recast

/// What the configurations of families with routers mean that do not say all, and what they may not say.
struct RouterConfigurationTests {
    private static let configuration: StatedConfiguration = {
        var small = StatedConfiguration()
        small.sizes[1].1 = 128
        return small
    }()

    /// By the classes of transformers 5.23: `configuration_*.py` of each.
    @Test func absentKeys() throws {
        // swift-format-ignore
        let expected: [(Family, count: Int, used: Int, normalizes: Bool, shared: Int?, factor: Double, dense: [Int], context: Int, theta: Double)] = [
            (.glm4MoE,     128, 8, true,  16,  1,     [0], 131_072, 10_000),
            (.glm4MoELite, 64,  4, true,  16,  1.8,   [0], 202_752, 10_000),
            (.miniMaxM2,   256, 8, true,  nil, 1,     [],  196_608, 5_000_000),
            (.ernie45MoE,  64,  6, true,  32,  1,     [0], 131_072, 500_000),
            (.hyV3,        192, 8, true,  16,  2.826, [0], 131_072, 11_158_840),
            (.olmoE,       64,  8, false, nil, 1,     [],  4096,    10_000),
            (.graniteMoE,  8,   2, true,  nil, 1,     [],  2048,    10_000),
            (.phiMoE,      16,  2, false, nil, 1,     [],  131_072, 1_000_000),
            (.hunYuanMoE,  1,   1, true,  16,  1,     [],  2048,    10_000),
            (.deepSeekV3,  256, 8, true,  16,  2.5,   [0, 1, 2], 4096, 10_000),
        ]
        for row in expected {
            // Its experts and the shared one have the size of the layer.
            let size: JSON = row.0.name == "hunyuan_v1_moe" ? 16 : 48
            let configuration = try Self.configuration(row.0, ["intermediate_size": size])
            let experts = try #require(configuration.experts)
            #expect(experts.count == row.count && experts.usedCount == row.used, "\(row.0.name)")
            #expect(experts.normalizesWeights == row.normalizes, "\(row.0.name)")
            #expect(experts.shared?.feedForwardSize == row.shared, "\(row.0.name)")
            #expect(experts.routing.factor == row.factor, "\(row.0.name)")
            #expect(configuration.layers { $0.experts == nil } == row.dense, "\(row.0.name)")
            #expect(configuration.contextLength == row.context, "\(row.0.name)")
            #expect(configuration.rope.theta == row.theta, "\(row.0.name)")
        }
        #expect(try Self.configuration(.glm4MoE).rope.dimensions == 2)
        #expect(try Self.configuration(.phiMoE).experts?.routing.tolerance == 0.02)
        #expect(try Self.configuration(.glm4MoE).layerNorms.qk == .none)
        #expect(try Self.configuration(.glm4MoE, ["use_qk_norm": true]).layerNorms.qk == .perHead)
    }

    @Test func countsThatMustBeThere() {
        for (family, key) in [(Family.dots1, "n_routed_experts"), (.bailingMoE2, "num_experts")] {
            expectRejection(["\"\(key)\" is missing"], file: "config.json") { _ = try Self.configuration(family) }
            expectRejection(["\"num_experts_per_tok\" is missing"], file: "config.json") {
                _ = try Self.configuration(family, [key: 4])
            }
        }
        expectRejection("a token cannot go through 8 of 4 experts", file: "config.json") {
            _ = try Self.configuration(.miniMaxM2, ["num_local_experts": 4])
        }
        expectRejection("65536 experts in each of 8 layers", file: "config.json") {
            _ = try Self.configuration(.glm4MoE, ["n_routed_experts": 65536, "num_hidden_layers": 8])
        }
        expectRejection("\"routed_scaling_factor\" is -1", file: "config.json") {
            _ = try Self.configuration(.glm4MoE, ["routed_scaling_factor": -1])
        }
    }

    /// Lists that say what each layer is.
    @Test func layerLists() throws {
        let types: JSON = ["dense", "sparse", "dense", "sparse"]
        #expect(try Self.configuration(.hyV3, ["mlp_layer_types": types]).layers { $0.experts == nil } == [0, 2])
        for bad: JSON in [["dense", "sparse"], ["dense", "sparse", "sparse", "moe"], "dense", [0, 1, 1, 1]] {
            expectRejection("\"mlp_layer_types\" does not say of each of 4 layers", file: "config.json") {
                _ = try Self.configuration(.hyV3, ["mlp_layer_types": bad])
            }
        }
        expectRejection("\"first_k_dense_replace\" is 2, but layers without experts are 0, 2 by", file: "config.json") {
            _ = try Self.configuration(.glm4MoELite, ["mlp_layer_types": types, "first_k_dense_replace": 2])
        }
        // transformers takes the first layer alone for dense where there is no list.
        expectRejection("\"mlp_layer_types\", which is missing", file: "config.json") {
            _ = try Self.configuration(.glm4MoELite, ["first_k_dense_replace": 3])
        }
        #expect(
            try Self.configuration(.ernie45MoE, ["moe_layer_interval": 2, "moe_layer_start_index": 0]).layers {
                $0.experts == nil
            } == [0, 2])
        #expect(
            try Self.configuration(.ernie45MoE, ["moe_layer_end_index": 2]).layers { $0.experts == nil } == [0, 3])
        // What is written of it is read again as the same.
        for (first, step, last) in [(0, 2, 3), (1, 1, 2), (1, 2, 1), (3, 4, 3), (2, 3, 2), (0, 1, 0)] {
            let configuration = try Self.configuration(
                .ernie45MoE,
                [
                    "moe_layer_start_index": .int(first), "moe_layer_interval": .int(step),
                    "moe_layer_end_index": .int(last),
                ])
            let stated = try HuggingFaceConfiguration.stated(
                of: configuration, by: .ernie45MoE, original: nil, ropeScaling: nil)
            #expect(stated.layers == configuration.layers, "\(first), \(step), \(last)")
        }
        expectRejection("no layer of 4 has experts", file: "config.json") {
            _ = try Self.configuration(.ernie45MoE, ["moe_layer_start_index": 9])
        }
    }

    /// Sizes that are said of every layer.
    @Test func sizesOfLayers() throws {
        let four = JSON.array([2, 2, 2, 2])
        let own: KeyValuePairs<String, JSON> = ["num_experts": 8, "moe_topk": four, "intermediate_size": 16]
        #expect(try Self.configuration(.hunYuanMoE, own).experts?.usedCount == 2)
        expectRejection(.unsupported, "\"moe_topk\" differs between layers", file: "config.json") {
            _ = try Self.configuration(.hunYuanMoE, ["num_experts": 8, "moe_topk": [2, 2, 2, 1]])
        }
        for bad: JSON in [[2, 2], [], ["2", 2, 2, 2], [0, 0, 0, 0], [-1, -1, -1, -1]] {
            expectRejection("\"moe_topk\" does not say a size of each of 4 layers", file: "config.json") {
                _ = try Self.configuration(.hunYuanMoE, ["num_experts": 8, "moe_topk": bad])
            }
        }
        expectRejection(.unsupported, "a \"moe_intermediate_size\" of 32 is not supported; 16 is", file: "config.json")
        {
            _ = try Self.configuration(
                .hunYuanMoE, ["intermediate_size": 16, "moe_intermediate_size": [32, 32, 32, 32]])
        }
        expectRejection(.unsupported, "a \"num_shared_expert\" of 2 is not supported; 1 is", file: "config.json") {
            _ = try Self.configuration(.hunYuanMoE, ["intermediate_size": 16, "num_shared_expert": 2])
        }
    }

    /// The base of HunYuan's rotary is stretched once: 10000 · 1000^(128/126), as llama.cpp's converter has it.
    @Test func fixedNTK() throws {
        let scaling: JSON = ["type": "dynamic", "alpha": 1000.0, "factor": 1.0]
        let configuration = try Self.configuration(
            .hunYuanMoE,
            ["intermediate_size": 16, "head_dim": 128, "num_attention_heads": 2, "rope_scaling": scaling])
        #expect(abs(configuration.rope.theta - 11_158_839.9251) < 1e-3)
        #expect(configuration.rope.scaling == .none)
        expectRejection("the \"alpha\" of the rope scaling is -1", file: "config.json") {
            _ = try Self.configuration(
                .hunYuanMoE, ["intermediate_size": 16, "rope_scaling": ["type": "dynamic", "alpha": -1]])
        }
    }

    @Test func windowsFromALayerOn() throws {
        let experts: KeyValuePairs<String, JSON> = [
            "n_routed_experts": 8, "num_experts_per_tok": 2, "max_window_layers": 2, "sliding_window": 8,
        ]
        #expect(try Self.configuration(.dots1, experts).layers.map(\.slidingWindow) == [nil, nil, 8, 8])
        // 4096 tokens from layer 62 on, where nothing is said.
        let plain: KeyValuePairs<String, JSON> = ["n_routed_experts": 8, "num_experts_per_tok": 2]
        #expect(try Self.configuration(.dots1, plain).slidingWindow == nil)
        let types: JSON = ["sliding_attention", "full_attention", "full_attention", "full_attention"]
        let listed: KeyValuePairs<String, JSON> = [
            "n_routed_experts": 8, "num_experts_per_tok": 2, "layer_types": types,
        ]
        #expect(try Self.configuration(.dots1, listed).layers.map(\.slidingWindow) == [4096, nil, nil, nil])
    }

    /// What cannot be computed is refused by its key.
    @Test func refusals() {
        // swift-format-ignore
        let cases: [(Family, KeyValuePairs<String, JSON>, String)] = [
            (.glm4MoE,     ["scoring_func": "softmax"],         "a \"scoring_func\" of \"softmax\" is not supported"),
            (.miniMaxM2,   ["use_routing_bias": false],         "a \"use_routing_bias\" of false is not supported"),
            (.miniMaxM2,   ["shared_intermediate_size": 8],     "a \"shared_intermediate_size\" of 8 is not supported"),
            (.ernie45MoE,  ["moe_norm_min": 0.5],               "a \"moe_norm_min\" of 0.5 is not supported"),
            (.hyV3,        ["route_norm": false],               "a \"route_norm\" of false is not supported"),
            (.bailingMoE2, ["num_experts": 8, "num_experts_per_tok": 2, "score_function": "softmax"], "a \"score_function\" of"),
            (.bailingMoE2, ["num_experts": 8, "num_experts_per_tok": 2, "norm_head": true], "a \"norm_head\" of true"),
            (.phiMoE,      ["num_experts_per_tok": 3],          "SparseMixer picks two experts, not 3"),
            (.phiMoE,      ["rope_scaling": ["type": "linear", "factor": 2]], "no rotary scaling or longrope, not linear"),
            (.glm4MoELite, ["partial_rotary_factor": 0.5],      "latent attention with a \"partial_rotary_factor\" of 0.5"),
        ]
        for (family, members, message) in cases {
            expectRejection(.unsupported, message, file: "config.json") { _ = try Self.configuration(family, members) }
        }
        expectRejection("8 of 128 experts cannot be picked from 1 of 3 groups", file: "config.json") {
            _ = try Self.configuration(.glm4MoE, ["n_group": 3, "topk_group": 1])
        }
        expectRejection("5 of 128 experts cannot be picked from 1 of 32 groups", file: "config.json") {
            _ = try Self.configuration(.glm4MoE, ["num_experts_per_tok": 5, "n_group": 32, "topk_group": 1])
        }
        expectRejection("\"clip_qkv\" is -1", file: "config.json") {
            _ = try Self.configuration(.olmoE, ["clip_qkv": -1])
        }
    }

    /// Kimi K2: DeepSeek V3's names with 384 experts, all of one group.
    @Test func kimi() throws {
        var model = SmallModel.deepSeek(generation: 3, queryRank: 20)
        model.configuration["model_type"] = "kimi_k2"
        for (key, value): (String, JSON) in [
            ("n_routed_experts", 384), ("num_experts_per_tok", 8), ("n_group", 1), ("topk_group", 1),
            ("num_hidden_layers", 2), ("moe_intermediate_size", 1), ("n_shared_experts", 1),
        ] { model.configuration[key] = value }
        model.tensors.removeAll {
            $0.name.contains("layers.2.") || $0.name.contains("layers.3.") || $0.name.contains("layers.1.mlp")
        }
        model.add("model.layers.1.mlp.gate.weight", [384, 32])
        model.add("model.layers.1.mlp.gate.e_score_correction_bias", [384])
        for module in (0..<384).map({ "experts.\($0)" }) + ["shared_experts"] {
            model.add("model.layers.1.mlp.\(module).gate_proj.weight", [1, 32])
            model.add("model.layers.1.mlp.\(module).up_proj.weight", [1, 32])
            model.add("model.layers.1.mlp.\(module).down_proj.weight", [32, 1])
        }
        let directory = TemporaryDirectory()
        let path = model.write(to: directory)
        let experts = try #require(try Model(Checkpoint(path: path)).graph.configuration.experts)
        #expect(experts.count == 384 && experts.routing.groups == nil && experts.routing.score == .sigmoid)
        for (target, name) in [
            (ConversionOptions.Target.gguf, "model.gguf"), (.huggingFace(family: nil), "copy"),
            (.megatron(MegatronTarget(.ranks)), "megatron"),
        ] {
            let there = directory.file(name)
            _ = try Conversion(
                Planning(Checkpoint(path: path), ConversionOptions(target: target)).plan(destination: there), to: there
            ).run()
            let back = directory.file(name + "-back")
            let plan = try Planning(
                Checkpoint(path: there), ConversionOptions(target: .huggingFace(family: nil))
            ).plan(destination: back)
            _ = try Conversion(plan, to: back).run()
            #expect(try Fixtures.contents(back) == Fixtures.contents(path), "\(name)")
        }
        let metadata = try #require(try Checkpoint(path: directory.file("model.gguf")).ggufSet).metadata
        #expect(metadata["deepseek2.expert_group_count"] == .u32(1))
        #expect(metadata["deepseek2.expert_count"] == .u32(384))
    }

    /// As transformers 5 has tensors in memory, where it is told not to write the original layout.
    @Test(arguments: Fixtures.smallFamilies) func namesInMemory(name: String) throws {
        let path = Fixtures.smallFamily(name)
        let checkpoint = try Checkpoint(path: path)
        let family = try Family.named(Fixtures.family(ofSmall: name))
        let graph = try Model(checkpoint).graph
        var tensors: [NamedTensor] = []
        for tensor in checkpoint.tensors {
            let row = family.table.match(tensor.name)?.row
            if row?.isPerExpert == true { continue }
            let layer = family.table.match(tensor.name)?.layer
            let alias = row?.alias?.replacing("{layer}", with: String(layer ?? 0))
            let name = (alias ?? tensor.name)
                .replacing("moe.input_linear.weight", with: "moe.experts.gate_up_proj")
                .replacing("moe.output_linear.weight", with: "moe.experts.down_proj")
            tensors.append(NamedTensor(name, tensor.tensor))
        }
        let isStacked = family.experts?.stacks.isEmpty == false
        if !isStacked {
            for layer in 0..<graph.configuration.layerCount where graph.configuration.hasExperts(inLayer: layer) {
                let experts = 0..<graph.configuration.experts!.count
                func weight(_ role: Role, _ expert: Int) -> LazyTensor {
                    graph[Slot(role, layer: layer, expert: expert)]!
                }
                // Of experts without a gate, which one family has, the names in memory differ by the first module alone, which is
                // `backbone.` by now.
                let isGated = graph.configuration.gatesFeedForward
                let prefix = isGated ? "model.layers.\(layer).mlp.experts." : "backbone.layers.\(layer).mixer.experts."
                let roles: [Role] = isGated ? [.gate, .up] : [.up]
                tensors.append(
                    NamedTensor(
                        prefix + (isGated ? "gate_up_proj" : "up_proj"),
                        .stackedMatrices(
                            experts.map { expert in .concatenatedRows(roles.map { weight($0, expert) }) })))
                tensors.append(NamedTensor(prefix + "down_proj", .stackedMatrices(experts.map { weight(.down, $0) })))
            }
        }
        let named = family.table.spelled(tensors)
        let fused = FusedExperts(named, family, graph.configuration)
        let separated = try family.unstacked(
            fused?.separated(named, file: name) ?? named, graph.configuration, file: name)
        let own = try family.unstacked(checkpoint.tensors, graph.configuration, file: name)
        #expect(Set(separated.map(\.name)) == Set(own.map(\.name)))
    }

    /// A stack of another shape than the configuration says.
    @Test func stacksOfOtherShapes() throws {
        let configuration = try Self.configuration(.graniteMoE, ["num_local_experts": 4, "intermediate_size": 16])
        let name = "model.layers.1.block_sparse_moe.input_linear.weight"
        for shape in [[4, 16, 128], [3, 32, 128], [4, 32], [128, 128]] {
            expectRejection("\(name) has the shape \(shape), the configuration says [4, 32, 128]", file: "a") {
                _ = try Family.graniteMoE.unstacked(
                    [NamedTensor(name, .zeros(.f32, shape))], configuration, file: "a")
            }
        }
    }
}
