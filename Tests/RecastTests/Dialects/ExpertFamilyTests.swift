import Foundation
import TestSupport
import Testing

@testable import Recast

/// Families with experts, shared experts and latent attention: in their own layout, and through Megatron's and back.
///
/// No checkpoint that Megatron has written of them is at hand; `make interop` has its own modules load and run these.
struct ExpertFamilyTests {
    typealias Layout = MegatronWritingTests.Layout

    enum Source: Sendable, CustomStringConvertible {
        case golden(String)
        case deepSeek(generation: Int, queryRank: Int?)

        var description: String {
            switch self {
            case .golden(let name): name
            case .deepSeek(let generation, let rank):
                "DeepSeek V\(generation), queries of \(rank.map(String.init) ?? "-")"
            }
        }

        /// Where it lies, once it is written.
        func path(_ directory: TemporaryDirectory) -> String {
            switch self {
            case .golden(let name): Fixtures.golden("families/" + name)
            case .deepSeek(let generation, let rank):
                SmallModel.deepSeek(generation: generation, queryRank: rank).write(to: directory)
            }
        }
    }

    static let made: [Source] = [
        .deepSeek(generation: 2, queryRank: nil), .deepSeek(generation: 2, queryRank: 20),
        .deepSeek(generation: 3, queryRank: 20),
    ]
    static let goldenFamilies = ["qwen2_moe", "qwen3_moe", "mixtral", "deepseek_v3"]
    static var sources: [Source] {
        made + (Fixtures.hasGolden ? goldenFamilies.map(Source.golden) : [])
    }
    /// All have three layers or four, and an even number of experts and of rows of every kind.
    static let layouts = [
        Layout(), Layout(tensor: 2), Layout(tensor: 4, spelling: .transformerEngine),
        Layout(tensor: 2, expert: 2, expertTensor: 1), Layout(tensor: 4, expert: 2, spelling: .transformerEngine),
        Layout(pipeline: 2, virtualPipeline: 1, stageLayers: nil),
        Layout(format: .distributed), Layout(spelling: .transformerEngine, format: .distributed),
    ]

    private func convert(
        _ source: String, to path: String, _ target: ConversionOptions.Target, configuration: String? = nil
    ) throws -> Plan {
        var options = ConversionOptions(target: target)
        options.huggingFaceConfiguration = configuration
        let plan = try Planning(Checkpoint(path: source), options).plan(destination: path)
        #expect(plan.exactness == .bit)
        _ = try Conversion(plan, to: path).run()
        return plan
    }

    /// The layout for a model whose layers may not share evenly among stages.
    private func fitted(_ layout: Layout, _ source: String) throws -> Layout {
        var layout = layout
        let count = try Model(Checkpoint(path: source)).graph.configuration.layerCount
        if layout.pipeline == 2 { layout.stageLayers = [count - 1, 1] }
        return layout
    }

    @Test(arguments: sources) func ownLayout(source: Source) throws {
        let directory = TemporaryDirectory()
        let path = source.path(directory)
        _ = try convert(path, to: directory.file("copy"), .huggingFace(family: nil))
        #expect(try Fixtures.contents(directory.file("copy")) == Fixtures.contents(path))
        let (mine, theirs) = (try Model(Checkpoint(path: directory.file("copy"))), try Model(Checkpoint(path: path)))
        #expect(mine.graph.configuration == theirs.graph.configuration)
    }

    @Test(arguments: sources, layouts) func throughMegatron(source: Source, layout: Layout) throws {
        let directory = TemporaryDirectory()
        let path = source.path(directory)
        let there = directory.file("there")
        let plan = try convert(path, to: there, .megatron(try fitted(layout, path).target))
        // DeepSeek's golden model picks groups in a way that Megatron does not know.
        #expect(plan.warnings.contains { $0.contains("groups of experts") } == (source.description == "deepseek_v3"))
        _ = try convert(there, to: directory.file("back"), .huggingFace(family: nil))
        #expect(try Fixtures.contents(directory.file("back")) == Fixtures.contents(path))

        // By its args alone, without the configuration that lies beside the files.
        try FileManager.default.removeItem(atPath: there + "/huggingface")
        let bare = try Model(Checkpoint(path: there))
        let original = try Model(Checkpoint(path: path)).graph.configuration
        var configuration = bare.graph.configuration
        configuration.bosTokens = original.bosTokens
        configuration.eosTokens = original.eosTokens
        configuration.paddingToken = original.paddingToken
        if source.description == "deepseek_v3" {
            #expect(configuration.experts?.routing.groups?.scoreCount == 1)
            configuration.eachLayer { $0.experts?.routing.groups?.scoreCount = 2 }
        }
        // Without a dense layer their size means nothing.
        if !original.hasDenseLayers { configuration.feedForwardSize = original.feedForwardSize }
        #expect(configuration == original)
        let shares = original.experts?.shared != nil
        #expect(bare.unverified.contains("shared experts") == shares)
        #expect(bare.unverified.contains("multi-head latent attention") == (original.latentAttention != nil))
        _ = try convert(
            there, to: directory.file("plain"), .huggingFace(family: nil),
            configuration: source.description == "deepseek_v3" ? path + "/config.json" : nil)
        #expect(try Fixtures.contents(directory.file("plain")) == Fixtures.contents(path))
        if source.description != "deepseek_v3" {
            let written = try Model(Checkpoint(path: directory.file("plain"))).graph.configuration
            #expect(written == bare.graph.configuration)
        }
    }

    @Test(arguments: layouts, layouts) func resharding(first: Layout, second: Layout) throws {
        let directory = TemporaryDirectory()
        let path = Source.deepSeek(generation: 3, queryRank: 20).path(directory)
        let (between, result, direct) = (directory.file("a"), directory.file("b"), directory.file("c"))
        _ = try convert(path, to: between, .megatron(try fitted(first, path).target))
        _ = try convert(between, to: result, .megatron(try fitted(second, path).target))
        _ = try convert(path, to: direct, .megatron(try fitted(second, path).target))
        #expect(try Fixtures.contents(result) == Fixtures.contents(direct))
    }

    /// Megatron's own modules share the first projections of latent attention, Transformer Engine's do not.
    @Test func firstProjections() throws {
        let directory = TemporaryDirectory()
        let path = Source.deepSeek(generation: 3, queryRank: 20).path(directory)
        for (spelling, rows) in [(MegatronTarget.Spelling.local, 8), (.transformerEngine, 16)] {
            let there = directory.file(spelling.rawValue)
            _ = try convert(path, to: there, .megatron(Layout(tensor: 2, spelling: spelling).target))
            let names = try Checkpoint(path: there).tensors.filter { $0.name.hasSuffix("linear_kv_down_proj.weight") }
            #expect(names.count == 8 && names.allSatisfy { $0.tensor.shape == [rows, 32] })
            let norms = try Checkpoint(path: there).tensors.map(\.name)
                .filter { $0.contains("layer_norm_weight") || $0.contains("layernorm") }
            let isFused = norms.contains { $0.hasSuffix("linear_kv_up_proj.layer_norm_weight") }
            #expect(isFused == (spelling == .transformerEngine))
            // Nothing is fused with the norm before attention, which all first projections look at.
            #expect(norms.contains { $0.hasSuffix("layers.0.input_layernorm.weight") })
        }
    }

    @Test func whatOthersCannotSay() throws {
        let directory = TemporaryDirectory()
        func refusal(_ source: Source, _ family: String) -> String {
            do {
                _ = try Planning(
                    Checkpoint(path: source.path(directory)), ConversionOptions(target: .huggingFace(family: family))
                ).plan(destination: "out")
                return "nothing was refused"
            } catch { return "\(error)" }
        }
        #expect(refusal(Self.made[0], "llama").contains("latent attention"))
        #expect(refusal(Self.made[0], "deepseek_v3").contains("picks and weighs experts otherwise"))
        #expect(refusal(Self.made[2], "deepseek_v2").contains("(sigmoid with a bias, of 2 of 4 groups"))
        guard Fixtures.hasGolden else { return }
        #expect(
            refusal(.golden("qwen2_moe"), "llama").contains("experts: 6 in this qwen2_moe, none in LlamaForCausalLM"))
        #expect(refusal(.golden("qwen2_moe"), "mixtral").contains("add up to one"))
        #expect(refusal(.golden("mixtral"), "qwen2_moe").contains("a shared expert with a gate, this model has none"))
        #expect(
            refusal(.golden("mixtral"), "deepseek_v2").contains(
                "multi-head latent attention (MLA), which this model has not"))
    }

    /// Values that are no model's, and what is meant but not supported.
    @Test(
        arguments: [
            ("n_group", .int(3), "2 of 3 groups"), ("topk_group", .int(5), "5 of 4 groups"),
            ("n_shared_experts", .int(-1), "n_shared_experts"), ("n_shared_experts", .int(1 << 31), "no model"),
            ("qk_rope_head_dim", .int(5), "pairs"), ("qk_rope_head_dim", .int(1 << 40), "qk_rope_head_dim"),
            ("kv_lora_rank", .int(0), "kv_lora_rank"), ("q_lora_rank", .double(1.5), "q_lora_rank"),
            ("scoring_func", "softmax", "scoring_func"), ("topk_method", "greedy", "topk_method"),
            ("routed_scaling_factor", .int(0), "routed_scaling_factor"),
            ("rope_interleave", false, "half-split rotary"),
            ("attention_bias", true, "biases"), ("moe_layer_freq", .int(2), "moe_layer_freq"),
            ("num_experts_per_tok", .int(9), "9 of 8 experts"), ("n_routed_experts", .int(1 << 40), "n_routed_experts"),
            ("n_routed_experts", .int(1 << 16), "missing"),
        ] as [(String, JSON, String)])
    func impossibleConfigurations(key: String, value: JSON, message: String) throws {
        let directory = TemporaryDirectory()
        var model = SmallModel.deepSeek(generation: 3, queryRank: 20)
        model.configuration[key] = value
        let path = model.write(to: directory)
        let error = #expect(throws: RecastError.self) { try Model(Checkpoint(path: path)) }
        #expect(error.map { "\($0)" }?.contains(message) == true, "\(error.map { "\($0)" } ?? "")")
    }

    private func plan(
        generation: Int = 3, to target: ConversionOptions.Target = .megatron(Layout().target), dtype: DType? = nil,
        _ change: (inout SmallModel) -> Void = { _ in }
    ) throws -> Plan {
        let directory = TemporaryDirectory()
        var model = SmallModel.deepSeek(generation: generation, queryRank: 20)
        change(&model)
        var options = ConversionOptions(target: target)
        options.dtype = dtype
        return try Planning(Checkpoint(path: model.write(to: directory)), options).plan(
            destination: directory.file("out"))
    }

    private func refusal(generation: Int = 3, _ change: (inout SmallModel) -> Void) -> String {
        do {
            _ = try plan(generation: generation, change)
            return "nothing was refused"
        } catch { return "\(error)" }
    }

    /// What picks experts is not rounded: the order of scores would be another.
    @Test func biasesOfRoutersKeepTheirType() throws {
        for target in [ConversionOptions.Target.megatron(Layout().target), .huggingFace(family: nil)] {
            let plan = try plan(to: target, dtype: .bf16)
            let (biases, others) = (
                plan.transfers.filter { $0.name.hasSuffix("bias") },
                plan.transfers.filter { !$0.name.hasSuffix("bias") }
            )
            #expect(biases.count == 3 && biases.allSatisfy { $0.encoding == .plain(.f32) })
            #expect(others.allSatisfy { $0.encoding == .plain(.bf16) })
            #expect(plan.notes.contains { $0.contains("biases of routers keep their type") })
        }
    }

    /// What Megatron computes otherwise is refused, or said.
    @Test func whatMegatronComputesOtherwise() throws {
        #expect(try plan().warnings.isEmpty)
        let norms = try plan { $0.configuration["rms_norm_eps"] = 1e-5 }
        #expect(norms.warnings.contains { $0.contains("1e-05") && $0.contains("always 1e-06") })
        let groups = try plan { $0.configuration["num_experts_per_tok"] = 2 }
        #expect(groups.warnings.contains { $0.contains("whose 1 best are best, this model at those whose 2 best") })
        #expect(refusal { $0.configuration["num_experts_per_tok"] = 1 }.contains("sigmoids"))
        #expect(
            refusal {
                $0.configuration["num_experts_per_tok"] = 1
                $0.configuration["norm_topk_prob"] = false
            }.contains("1 experts from 2 groups"))
        #expect(refusal { $0.configuration["norm_topk_prob"] = false }.contains("sigmoids"))
        #expect(refusal(generation: 2) { $0.configuration["norm_topk_prob"] = true }.contains("norm_topk_prob"))
    }

    /// The original context beside the scaling counts more than that in it, a beta of zero as none; without a factor the
    /// scaling is only carried along, and of DeepSeek's two numbers both count or none.
    @Test func yarn() throws {
        func scaling(_ change: (inout JSON.Object) -> Void, beside context: Int? = nil) throws -> Rope.Scaling {
            var object = SmallModel.deepSeek(generation: 3, queryRank: 20).configuration
            var scaling = object["rope_scaling"]!.object!
            change(&scaling)
            object["rope_scaling"] = .object(scaling)
            if let context { object["original_max_position_embeddings"] = .int(context) }
            return try HuggingFaceConfiguration(object: object, file: "config.json").configuration(of: .deepSeekV3)
                .rope.scaling
        }
        var yarn = Rope.Yarn(factor: 40, originalContext: 64, mscale: 0.707, mscaleAllDimensions: 0.707)
        #expect(try scaling { _ in } == .yarn(yarn))
        #expect(try scaling { $0["beta_fast"] = 0 } == .yarn(yarn))
        yarn.originalContext = 32
        #expect(try scaling({ _ in }, beside: 32) == .yarn(yarn))
        yarn = Rope.Yarn(factor: 40, originalContext: 64)
        #expect(try scaling { $0["mscale_all_dim"] = 0 } == .yarn(yarn))
        #expect(try scaling { $0["mscale"] = nil } == .other("yarn"))
        #expect(try scaling { $0["factor"] = .null } == .other("yarn"))
        var stated = Rope.Yarn(factor: 40, originalContext: 64, mscale: 0.707, mscaleAllDimensions: 0.707)
        stated.statedAttentionFactor = 1.5
        #expect(try scaling { $0["attention_factor"] = 1.5 } == .yarn(stated))
        var whole = Rope.Yarn(factor: 40, originalContext: 64, mscale: 0.707, mscaleAllDimensions: 0.707)
        #expect(try scaling { $0["truncate"] = true } == .yarn(whole))
        whole.truncates = false
        #expect(try scaling { $0["truncate"] = false } == .yarn(whole))
        #expect(throws: RecastError.self) { try scaling { $0["truncate"] = "no" } }
        #expect(throws: RecastError.self) { try scaling { $0["factor"] = 0 } }

        let directory = TemporaryDirectory()
        var graph = try Model(
            Checkpoint(path: SmallModel.deepSeek(generation: 3, queryRank: 20).write(to: directory))
        ).graph
        yarn.mscale = 0.707
        graph.configuration.rope.scaling = .yarn(yarn)
        let error = #expect(throws: RecastError.self) {
            _ = try HuggingFaceLowering(family: .deepSeekV3).lower(graph) { _ in
                true
            } hasUnitRows: { _ in
                false
            }
        }
        #expect(error?.message.contains("reads both or neither") == true)
    }

    /// Routers are linear layers to some programs, which would look for their codes.
    @Test(.enabled(if: Fixtures.hasGolden)) func quantizedBesideRouters() throws {
        let directory = TemporaryDirectory()
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.packing = try Packing.named("ct-fp8")
        let path = directory.file("out")
        let plan = try Planning(Checkpoint(path: Fixtures.golden("families/qwen2_moe")), options).plan(
            destination: path)
        _ = try Conversion(plan, to: path).run()
        let configuration = try #require(try Checkpoint(path: path).huggingFaceFiles?.configuration)
        let ignored = configuration["quantization_config"]?.object?["ignore"]?.array?.compactMap(\.string) ?? []
        for name in ["lm_head", "model.layers.2.mlp.gate", "model.layers.2.mlp.shared_expert_gate"] {
            #expect(ignored.contains(name), "\(ignored)")
        }
    }

    @Test func slidingWindowOfAllLayers() throws {
        var model = SmallModel("llama")
        model.configuration["architectures"] = ["MixtralForCausalLM"]
        model.configuration["sliding_window"] = 16
        let configuration = try HuggingFaceConfiguration(object: model.configuration, file: "config.json")
            .configuration(of: .mixtral)
        #expect(configuration.layers.allSatisfy { $0.slidingWindow == 16 })
        model.configuration["use_sliding_window"] = true
        #expect(throws: RecastError.self) {
            try HuggingFaceConfiguration(object: model.configuration, file: "config.json").configuration(of: .qwen2MoE)
        }
    }
}
