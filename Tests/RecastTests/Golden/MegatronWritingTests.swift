import TestSupport
import Testing

@testable import Recast

/// What Recast writes for Megatron, against what Megatron itself wrote of the same models.
@Suite(.enabled(if: Fixtures.hasGolden))
struct MegatronWritingTests {
    struct Layout: Sendable, CustomStringConvertible {
        var tensor = 1
        var expert = 1
        var expertTensor: Int?
        var pipeline = 1
        var virtualPipeline = 1
        var stageLayers: [Int]?
        var spelling = MegatronTarget.Spelling.local
        var format = MegatronTarget.Format.ranks

        var target: MegatronTarget {
            var target = MegatronTarget(format)
            target.sizes.tensor = tensor
            target.sizes.expert = expert
            target.sizes.expertTensor = expertTensor ?? tensor
            target.sizes.pipeline = pipeline
            target.sizes.virtualPipeline = virtualPipeline
            target.stageLayers = stageLayers
            target.spelling = spelling
            return target
        }

        var description: String {
            "\(format.rawValue) tp\(tensor) ep\(expert) etp\(expertTensor ?? tensor) pp\(pipeline) vpp\(virtualPipeline) \(stageLayers ?? []) \(spelling.rawValue)"
        }
    }

    // swift-format-ignore
    static let counterparts: [(path: String, model: String, layout: Layout)] = [
        ("torch/mlm_main_bridge/llama_g4_fp32/tp1_pp1",              "llama_g4_fp32",      Layout()),
        ("torch/mlm_main_bridge/llama_g4_fp32/tp2_pp1",              "llama_g4_fp32",      Layout(tensor: 2)),
        ("torch/mlm_main_bridge/llama_g4_fp32/tp1_pp2",              "llama_g4_fp32",      Layout(pipeline: 2)),
        ("torch/mlm_main_bridge/llama_g4_fp32/tp2_pp2",              "llama_g4_fp32",      Layout(tensor: 2, pipeline: 2)),
        ("torch/mlm_main_bridge/llama_g2_tied_bf16/tp1_pp1_release", "llama_g2_tied_bf16", Layout()),
        ("torch/mlm_main_bridge/llama_g2_tied_bf16/tp1_pp2",         "llama_g2_tied_bf16", Layout(pipeline: 2)),
        ("torch/mlm_main_bridge/llama_g4_bf16/tp2_pp2",              "llama_g4_bf16",      Layout(tensor: 2, pipeline: 2)),
        ("torch/mlm_main_bridge/llama_g4_bf16/tp1_pp2_first1",       "llama_g4_bf16",      Layout(pipeline: 2, stageLayers: [1, 3])),
        ("torch/mlm_main_bridge/llama_g4_bf16/tp2_pp2_vppl1",        "llama_g4_bf16",      Layout(tensor: 2, pipeline: 2, virtualPipeline: 2)),
        ("torch/mlm_main_bridge/qwen2_bias_bf16/tp2_pp1",            "qwen2_bias_bf16",    Layout(tensor: 2)),
        ("torch/mlm_main_bridge/qwen3_qknorm_bf16/tp2_pp2",          "qwen3_qknorm_bf16",  Layout(tensor: 2, pipeline: 2)),
        ("torch/mlm_main_bridge/qwen3moe_bf16/tp1_pp1",              "qwen3moe_bf16",      Layout()),
        ("torch/mlm_main_bridge/qwen3moe_bf16/tp1_pp1_ep2",          "qwen3moe_bf16",      Layout(expert: 2)),
        ("torch/mlm_main_bridge/qwen3moe_bf16/tp2_pp1_ep2_etp2",     "qwen3moe_bf16",      Layout(tensor: 2, expert: 2)),
        ("torch/SYNTHETIC_te_names/qwen3moe_bf16/tp1_pp1_ep2",       "qwen3moe_bf16",      Layout(expert: 2, spelling: .transformerEngine)),
        ("torch/SYNTHETIC_te_names/llama_g4_bf16/tp2_pp2",           "llama_g4_bf16",      Layout(tensor: 2, pipeline: 2, spelling: .transformerEngine)),
    ]
    static let models = [
        "llama_g4_fp32", "llama_g4_bf16", "llama_g2_tied_bf16", "qwen2_bias_bf16", "qwen3_qknorm_bf16",
    ]
    static let layouts = [
        Layout(spelling: .transformerEngine), Layout(tensor: 2),
        Layout(tensor: 4, pipeline: 2, spelling: .transformerEngine),
        Layout(tensor: 8), Layout(pipeline: 4), Layout(tensor: 2, pipeline: 2, virtualPipeline: 2),
        Layout(pipeline: 3, stageLayers: [1, 0, 3]),
        Layout(pipeline: 2, virtualPipeline: 2, stageLayers: [0, 2, 1, 1]),
        Layout(format: .distributed),
    ]

    /// Of models with experts.
    static let expertLayouts = [
        Layout(expert: 4), Layout(tensor: 2, expert: 2, expertTensor: 1), Layout(tensor: 4, expert: 2, expertTensor: 2),
        Layout(tensor: 4, expert: 4, expertTensor: 1, spelling: .transformerEngine),
        Layout(tensor: 2, expert: 2, pipeline: 2, spelling: .transformerEngine),
        Layout(tensor: 2, expert: 4, pipeline: 2, virtualPipeline: 2), Layout(pipeline: 2, stageLayers: [3, 1]),
        Layout(format: .distributed), Layout(spelling: .transformerEngine, format: .distributed),
    ]

    private func write(
        _ source: String, as layout: Layout, to destination: String, configuration: String? = nil
    ) throws -> Plan {
        var options = ConversionOptions(target: .megatron(layout.target))
        options.huggingFaceConfiguration = configuration
        let plan = try Planning(Checkpoint(path: source), options).plan(destination: destination)
        _ = try Conversion(plan, to: destination).run()
        return plan
    }

    private func truth(_ model: String) -> String { Fixtures.golden("megatron/hf/" + model) }

    /// The ranks' tensors by folder, virtual stage and name.
    private func tensors(_ path: String) throws -> [String: [UInt8]] {
        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: FilePool(checkpoint.files))
        var found: [String: [UInt8]] = [:]
        for tensor in checkpoint.tensors {
            found["\(tensor.name) \(tensor.tensor.dtype) \(tensor.tensor.shape)"] = try tensor.tensor.bytes(
                using: &reader)
        }
        return found
    }

    /// The same folders, and in each the same tensors under the same names.
    @Test(arguments: counterparts) func sameAsMegatron(path: String, model: String, layout: Layout) throws {
        let directory = TemporaryDirectory()
        let destination = directory.file("out")
        let plan = try write(truth(model), as: layout, to: destination)
        #expect(plan.exactness == .bit)
        let written = try tensors(destination)
        #expect(written.count > 25)
        #expect(try written == tensors(Fixtures.golden("megatron/" + path)))
    }

    /// What Megatron says of its model, where both say it.
    @Test(arguments: counterparts) func sameArguments(path: String, model: String, layout: Layout) throws {
        let directory = TemporaryDirectory()
        let destination = directory.file("out")
        _ = try write(truth(model), as: layout, to: destination)
        let mine = try #require(Checkpoint(path: destination).content.megatron)
        let theirs = try #require(Checkpoint(path: Fixtures.golden("megatron/" + path)).content.megatron)
        let others = Set(theirs.arguments!.names)
        // What the run was told of its batches and of the code it ran on, and the spellings of one fact of two eras.
        let apart: Set = [
            "seq_length", "transformer_impl", "use_rotary_position_embeddings", "num_virtual_stages_per_pipeline_rank",
            "num_layers_per_virtual_pipeline_stage",
            // The synthetic checkpoint has the names of grouped experts, and the arguments of others.
            "moe_grouped_gemm",
        ]
        for name in mine.arguments!.names where others.contains(name) && !apart.contains(name) {
            #expect(mine.arguments!.plain(name) == theirs.arguments!.plain(name), "\(name)")
        }
        #expect(mine.iteration == 0)
        #expect(mine.version == theirs.version)
    }

    /// Where no spelling is asked for, names of modules stay what they are in the source.
    @Test(arguments: counterparts.map(\.path), [MegatronTarget.Format.ranks, .distributed])
    func keepsSpelling(path: String, format: MegatronTarget.Format) throws {
        let directory = TemporaryDirectory()
        let source = try #require(try megatronFiles(Fixtures.golden("megatron/" + path)).spelling)
        #expect(source == (path.contains("te_names") ? .transformerEngine : .local))
        var options = ConversionOptions(target: .megatron(MegatronTarget(format)))
        options.huggingFaceConfiguration = truth(try #require(Self.counterparts.first { $0.path == path }).model)
        let (there, back) = (directory.file("there"), directory.file("back"))
        var plan = try Planning(Checkpoint(path: Fixtures.golden("megatron/" + path)), options).plan(destination: there)
        _ = try Conversion(plan, to: there).run()
        #expect(plan.layout.hasSuffix("names \(source.rawValue)"))
        #expect(try megatronFiles(there).spelling == source)
        // And from whole tensors, which do not have them in their names.
        options.target = .megatron(MegatronTarget(.ranks))
        plan = try Planning(Checkpoint(path: there), options).plan(destination: back)
        _ = try Conversion(plan, to: back).run()
        #expect(try megatronFiles(back).spelling == source)
    }

    private func megatronFiles(_ path: String) throws -> MegatronFiles {
        return try #require(Checkpoint(path: path).content.megatron)
    }

    private func roundTrip(_ model: String, _ layout: Layout) throws {
        let directory = TemporaryDirectory()
        let (there, back) = (directory.file("there"), directory.file("back"))
        _ = try write(truth(model), as: layout, to: there)
        let plan = try Planning(Checkpoint(path: there), ConversionOptions(target: .huggingFace(family: nil)))
            .plan(destination: back)
        #expect(plan.exactness == .bit)
        _ = try Conversion(plan, to: back).run()
        #expect(try Fixtures.contents(back) == Fixtures.contents(truth(model)))
        let (mine, theirs) = (try Model(Checkpoint(path: back)), try Model(Checkpoint(path: truth(model))))
        #expect(mine.graph.configuration == theirs.graph.configuration)
    }

    /// Every model through every layout, and back with all that lay beside it.
    @Test(arguments: models, layouts) func andBack(model: String, layout: Layout) throws {
        try roundTrip(model, layout)
    }

    @Test(arguments: expertLayouts) func expertsAndBack(layout: Layout) throws {
        try roundTrip("qwen3moe_bf16", layout)
    }

    private func reshard(_ model: String, from first: Layout, to second: Layout) throws {
        let directory = TemporaryDirectory()
        let (between, result) = (directory.file("between"), directory.file("result"))
        let direct = directory.file("direct")
        _ = try write(truth(model), as: first, to: between)
        let plan = try write(between, as: second, to: result)
        #expect(plan.exactness == .bit)
        _ = try write(truth(model), as: second, to: direct)
        #expect(try tensors(result) == tensors(direct))
    }

    /// From any layout to any other, the ranks are those that the model itself would be split into.
    @Test(arguments: layouts, layouts) func resharding(first: Layout, second: Layout) throws {
        try reshard("qwen2_bias_bf16", from: first, to: second)
    }

    @Test(arguments: expertLayouts, expertLayouts) func reshardingExperts(first: Layout, second: Layout) throws {
        try reshard("qwen3moe_bf16", from: first, to: second)
    }

    /// An iteration stays one, with what its args said besides; a release stays a release.
    @Test func whatIsKept() throws {
        let directory = TemporaryDirectory()
        let iteration = Fixtures.golden("megatron/torch/mlm_main_bridge/llama_g4_bf16/tp2_pp2")
        let plan = try write(iteration, as: Layout(), to: directory.file("a"))
        #expect(plan.outputs.contains { $0.name.hasPrefix("iter_0000001/mp_rank_00/") })
        let mine = try #require(Checkpoint(path: directory.file("a")).content.megatron)
        let theirs = try #require(Checkpoint(path: iteration).content.megatron)
        #expect(mine.iteration == 1)
        for name in ["tokenizer_type", "init_method_std", "clip_grad"] {
            #expect(mine.arguments!.plain(name) != nil && mine.arguments!.plain(name) == theirs.arguments!.plain(name))
        }
        #expect(mine.arguments!.tensorParallelSize == 1)
        let release = Fixtures.golden("megatron/torch/mlm_main_bridge/llama_g2_tied_bf16/tp1_pp1_release")
        let other = try write(release, as: Layout(tensor: 2), to: directory.file("b"))
        #expect(other.outputs.contains { $0.name.hasPrefix("release/mp_rank_01/") })
    }

    /// What GGUF has widened goes back to its own type on the way, and nothing is rounded unseen.
    @Test func fromGGUF() throws {
        let directory = TemporaryDirectory()
        let gguf = directory.file("model.gguf")
        let first = try Planning(Checkpoint(path: truth("qwen2_bias_bf16")), ConversionOptions(target: .gguf))
            .plan(destination: gguf)
        _ = try Conversion(first, to: gguf).run()
        let layout = Layout(tensor: 2, pipeline: 2)
        let plan = try write(gguf, as: layout, to: directory.file("a"))
        #expect(plan.exactness == .bit)
        _ = try write(truth("qwen2_bias_bf16"), as: layout, to: directory.file("b"))
        #expect(try tensors(directory.file("a")) == tensors(directory.file("b")))

        // Float32 to half precision rounds, and the plan says so.
        var options = ConversionOptions(target: .megatron(layout.target))
        options.dtype = .bf16
        let rounding = try Planning(Checkpoint(path: truth("llama_g4_fp32")), options).plan(destination: "out")
        #expect(rounding.exactness == .rounded)
        _ = try Conversion(rounding, to: directory.file("c")).run()
        #expect(try tensors(directory.file("c")).keys.allSatisfy { $0.contains(" BF16 ") })
    }

    /// Layouts that Megatron has no place for.
    @Test func impossibleLayouts() throws {
        func refusal(_ model: String, _ layout: Layout) -> String {
            do {
                _ = try Planning(
                    Checkpoint(path: truth(model)), ConversionOptions(target: .megatron(layout.target))
                ).plan(destination: "out")
                return "nothing was refused"
            } catch { return "\(error)" }
        }
        #expect(refusal("llama_g4_bf16", Layout(tensor: 3)).contains("8 heads in 4 groups"))
        #expect(refusal("llama_g4_bf16", Layout(tensor: 16)).contains("8 heads"))
        #expect(refusal("llama_g4_bf16", Layout(pipeline: 3)).contains("--pipeline-layout"))
        #expect(refusal("llama_g4_bf16", Layout(pipeline: 2, stageLayers: [1, 2])).contains("does not add up"))
        #expect(refusal("llama_g4_bf16", Layout(pipeline: 2, stageLayers: [4])).contains("names 1 stages"))
        #expect(refusal("llama_g4_bf16", Layout(pipeline: 2, stageLayers: [-1, 5])).contains("does not add up"))
        #expect(refusal("llama_g4_bf16", Layout(virtualPipeline: 2)).contains("--pp 2"))
        #expect(refusal("llama_g4_bf16", Layout(expert: 2)).contains("experts"))
        #expect(refusal("llama_g4_bf16", Layout(tensor: 0)).contains("--tp 0"))
        #expect(refusal("qwen3moe_bf16", Layout(expert: 3)).contains("4 experts"))
        #expect(refusal("qwen3moe_bf16", Layout(expertTensor: 2)).contains("--etp 2"))
    }

    /// The description of a distributed checkpoint names the tensors that Megatron's does, and every placeholder.
    @Test(arguments: ["llama_g4_fp32/tp1_pp1", "qwen2_bias_bf16/tp2_pp1", "qwen3moe_bf16/tp1_pp1_ep2"])
    func sameDescription(path: String) throws {
        let directory = TemporaryDirectory()
        let destination = directory.file("out")
        _ = try write(
            truth(String(path.split(separator: "/")[0])), as: Layout(format: .distributed), to: destination)
        let mine = try DistributedCheckpoint(Folder(directory: Path.join(destination, "release"))) { _ in true }
        let theirs = try DistributedCheckpoint(
            Folder(directory: Fixtures.golden("megatron/torch_dist/mlm_main_bridge/\(path)/iter_0000001"))
        ) { _ in true }
        #expect(
            Set(mine.tensors.map { "\($0.name) \($0.shape)" }) == Set(theirs.tensors.map { "\($0.name) \($0.shape)" }))
        #expect(Set(mine.objects.keys).isSuperset(of: theirs.objects.keys))
        #expect(try tensors(destination) == tensors(Fixtures.golden("megatron/torch_dist/mlm_main_bridge/\(path)")))
    }
}
