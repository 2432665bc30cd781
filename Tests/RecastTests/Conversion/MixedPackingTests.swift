import Foundation
import TestSupport
import Testing

@testable import Recast

/// Hugging Face targets whose weights are not all stored alike.
struct MixedPackingTests {
    private let directory = TemporaryDirectory()

    private func convert(
        _ model: SmallModel, _ name: String, _ encoding: String, _ overrides: [String] = [], recipe: Recipe? = nil,
        groupSize: Int? = 32
    ) throws -> Plan {
        var options = ConversionOptions(target: .huggingFace(family: nil))
        var choices = Packing.Choices()
        choices.groupSize = groupSize
        options.packing = try Packing.named(encoding, choices)
        options.quantization.overrides = try overrides.map { try TypeOverride(parsing: $0) }
        options.quantization.recipe = recipe
        let source = TemporaryDirectory()
        let plan = try Planning(Checkpoint(path: model.write(to: source)), options).plan(destination: name)
        _ = try Conversion(plan, to: directory.file(name)).run()
        return plan
    }

    /// The stored tensors of a checkpoint by name.
    private func stored(_ name: String) throws -> [String: [UInt8]] {
        let checkpoint = try Checkpoint(path: directory.file(name))
        var options = ConversionOptions(target: .huggingFace(family: nil))
        options.workers = 1
        let plan = try Planning(checkpoint, options).plan(destination: "x")
        var reader = Reader(files: checkpoint.sources)
        return try Dictionary(
            uniqueKeysWithValues: plan.transfers.filter { $0.isTensor }.map {
                ($0.name, try $0.source.bytes(using: &reader))
            })
    }

    private func configuration(_ name: String, _ key: String = "quantization_config") throws -> JSON {
        try JSON(parsing: #require(directory.bytes("\(name)/config.json")), file: "config.json")[key]!
    }

    static let mixes: [(base: String, overrides: [String], others: [String])] = [
        (
            "gptq-int4", ["down_proj=gptq-int8", "layers.1.self_attn.[qkv]=gptq-int2", "o_proj=f16"],
            ["gptq-int8", "gptq-int2"]
        ),
        ("gptq-v2-int4", ["mlp=gptq-v2-int3"], ["gptq-v2-int3"]),
        ("mlx-int4", ["down_proj=mlx-int6", "embed=mlx-int8", "v_proj=bf16"], ["mlx-int6", "mlx-int8"]),
        (
            "ct-int4", ["down_proj=ct-int8", "o_proj=ct-fp8", "layers.1.*gate=ct-mxfp4"],
            ["ct-int8", "ct-fp8", "ct-mxfp4"]
        ),
    ]

    /// Each weight is what a checkpoint of its encoding alone has, and is read as such.
    @Test(arguments: mixes) func everyWeightAsAlone(_ base: String, _ overrides: [String], _ others: [String]) throws {
        let model = SmallModel()
        let plan = try convert(model, "mixed", base, overrides)
        #expect(!plan.warnings.contains { $0.contains("gives no") })
        _ = try convert(model, base, base)
        var alone = [base: try stored(base)]
        for name in others {
            let hasGroups = name.hasPrefix(String(base.dropLast()))
            _ = try convert(model, name, name, groupSize: hasGroups ? 32 : nil)
            alone[name] = try stored(name)
        }
        let mixed = try stored("mixed")
        var seen: Set<String> = []
        for (name, bytes) in mixed {
            let owners = alone.filter { $0.value[name] == bytes }.keys
            if name.hasSuffix("o_proj.weight") && base.hasPrefix("gptq")
                || name.contains("v_proj.weight") && base == "mlx-int4"
            {
                #expect(bytes.count == (base == "mlx-int4" ? 2 * 16 * 32 : 2 * 32 * 32), "\(name)")
                continue
            }
            #expect(!owners.isEmpty, "\(name)")
            if owners.count == 1 { seen.insert(owners.first!) }
        }
        #expect(seen == Set([base] + others))
    }

    @Test func configurationsOfGPTQ() throws {
        _ = try convert(
            SmallModel(), "a", "gptq-int4",
            ["layers.1.self_attn.[qkv]_proj=gptq-int8", "layers.0.*up_proj=gptq-int8", "o_proj=f16"])
        let dynamic = try #require(try configuration("a")["dynamic"]?.object)
        let eight: JSON = ["bits": 8, "group_size": 32, "sym": true]
        #expect(dynamic[#"+:^model\.layers\.1\.self_attn\.(q_proj|k_proj|v_proj|qkv_proj)$"#] == eight)
        // Not under the name of what it would be fused with: gate has four bits.
        #expect(dynamic[#"+:^model\.layers\.0\.mlp\.up_proj$"#] == eight)
        #expect(dynamic[#"-:^model\.layers\.0\.self_attn\.o_proj$"#] == [:])
        #expect(dynamic.members.count == 4)
    }

    /// What stays plain is left out under the names, too, that vLLM has for it.
    @Test func plainModulesOfGPTQ() throws {
        _ = try convert(SmallModel(), "a", "gptq-int4", ["layers.0.self_attn.[qkv]_proj=f16"])
        let dynamic = try #require(try configuration("a")["dynamic"]?.object)
        #expect(dynamic[#"-:^model\.layers\.0\.self_attn\.(q_proj|k_proj|v_proj|qkv_proj)$"#] == [:])
        _ = try convert(SmallModel.mixtral(), "b", "gptq-int4", ["layers.1.*experts=bf16"])
        let experts = try #require(try configuration("b")["dynamic"]?.object)
        #expect(experts[#"-:^model\.layers\.1\.block_sparse_moe\.experts(\..+)?$"#] == [:])
        expectRejection(.unsupported, ["switch_mlp", "mlx-lm has one weight"]) {
            _ = try convert(SmallModel.mixtral(), "c", "mlx-int4", ["layers.1.*experts.0.w1=bf16"])
        }
    }

    /// Names have capitals in some families, and recipes name every weight.
    @Test func namesWithCapitals() throws {
        var options = QuantizationOptions()
        let names = (0..<4000).map { "model.layers.\($0).self_attn.W_pack.weight" }
        let eight = try #require(try Packing.named("gptq-int8"))
        options.recipe = try Recipe(names.map { ($0, .packing(eight)) })
        options.overrides = try [#"LAYERS\.7\..*w_pack=f16"#, "never=f16"].map { try TypeOverride(parsing: $0) }
        var policy = try PackingPolicy(try #require(try Packing.named("gptq-int4")), options)
        for name in names {
            #expect(try policy.choice(for: name).type == (name.contains("layers.7.") ? .dtype(.f16) : .packing(eight)))
        }
        #expect(try policy.choice(for: "model.layers.0.mlp.up_proj.weight").type.name == "gptq-int4")
        // The one that another override has taken, and the one that is nowhere.
        #expect(policy.warnings.count == 2)
        let read = try Recipe(path: directory.write("r", Array(options.recipe!.text(remarks: []).utf8)))
        #expect(read == options.recipe)
    }

    /// Codes that stay as they are leave the model's type, too, whatever their parts are stored as.
    @Test(arguments: ["fp8", "gptq-int4", "ct-int4", "nf4", "mlx-int4"]) func typeOfTheModel(_ encoding: String) throws
    {
        var plain = ConversionOptions(target: .huggingFace(family: nil))
        plain.dtype = .bf16
        let source = TemporaryDirectory()
        let half = directory.file("half")
        _ = try Conversion(
            Planning(Checkpoint(path: SmallModel().write(to: source)), plain).plan(destination: half), to: half
        ).run()
        var options = ConversionOptions(target: .huggingFace(family: nil))
        var choices = Packing.Choices()
        if encoding.contains("int4") { choices.groupSize = 32 }
        options.packing = try Packing.named(encoding, choices)
        let (first, second) = (directory.file("first"), directory.file("second"))
        _ = try Conversion(Planning(Checkpoint(path: half), options).plan(destination: first), to: first).run()
        options.packing = nil
        _ = try Conversion(Planning(Checkpoint(path: first), options).plan(destination: second), to: second).run()
        for name in ["first", "second"] { #expect(try configuration(name, "torch_dtype").string == "bfloat16") }
        #expect(directory.bytes("first/model.safetensors") == directory.bytes("second/model.safetensors"))
    }

    /// The encoding of most weights is that of the others.
    @Test func mostWeightsAreNotNamed() throws {
        _ = try convert(SmallModel(), "a", "mlx-int4", [".=mlx-int6"], groupSize: 32)
        #expect(try configuration("a", "quantization") == ["group_size": 32, "bits": 6, "mode": "affine"])
        _ = try convert(SmallModel(), "b", "ct-int4", ["proj=ct-int8"])
        let groups = try #require(try configuration("b")["config_groups"]?.object)
        #expect(groups.members.map { $0.value["weights"]?["num_bits"] } == [8])
        #expect(groups["group_0"]?["targets"] == ["Linear"])
    }

    @Test func experts() throws {
        let overrides = ["layers.0.*experts=ct-int8"]
        let plan = try convert(SmallModel.mixtral(), "a", "ct-int4", overrides)
        let groups = try #require(try configuration("a")["config_groups"]?.object)
        #expect(groups.members.map { $0.value["format"] } == ["pack-quantized", "pack-quantized"])
        let targets = groups.members.flatMap { $0.value["targets"]?.array?.compactMap(\.string) ?? [] }
        #expect(targets.contains(#"re:^model\.layers\.0\.block_sparse_moe\.experts\..+$"#))
        #expect(!targets.contains { !$0.hasPrefix("re:") && $0.contains("experts") })
        #expect(!plan.warnings.contains { $0.contains("stored differently") })
        let odd = try convert(SmallModel.mixtral(), "b", "ct-int4", ["layers.0.*experts.*w1=ct-int8"])
        #expect(odd.warnings.contains { $0.contains("experts are stored differently in layer 0: vLLM") })
        // mlx-lm has one module for all experts of a role.
        let mlx = try convert(SmallModel.mixtral(), "c", "mlx-int4", ["layers.0.*w2=mlx-int8"])
        #expect(try configuration("c")["model.layers.0.block_sparse_moe.switch_mlp.down_proj"]?["bits"] == 8)
        #expect(!mlx.warnings.contains { $0.contains("stored differently") })
        let model = try Model(Checkpoint(path: directory.file("c")))
        #expect(model.graph[Slot(.down, layer: 0, expert: 1)]?.encodingName == "mlx int8 g32")
        #expect(model.graph[Slot(.down, layer: 1, expert: 1)]?.encodingName == "mlx int4 g32")
        expectRejection(
            .unsupported, ["model.layers.0.block_sparse_moe.switch_mlp.down_proj", "mlx-lm has one weight"]
        ) {
            _ = try convert(SmallModel.mixtral(), "d", "mlx-int4", ["layers.0.*experts.1.w2=mlx-int8"])
        }
        #expect(!directory.names.contains("d"))
    }

    @Test(arguments: [
        ("gptq-int4", "mlp=q4_k", "Q4_K is a type of GGUF tensors"),
        ("gptq-int4", "mlp=mlx-int4", "a checkpoint is of one format"),
        ("gptq-int4", "mlp=gptq-v2-int8", "a checkpoint is of one format"),
        ("nf4", "mlp=fp4", "one encoding for all weights"),
        ("awq-int4", "mlp=gptq-int4", "a checkpoint is of one format"),
    ])
    func mixturesThatAreNone(_ base: String, _ override: String, _ words: String) throws {
        expectRejection(.usage, ["--override mlp", words]) {
            _ = try convert(SmallModel(), "x", base, [override], groupSize: nil)
        }
        #expect(!directory.names.contains("x"))
    }

    @Test func overridesThatFindNothing() throws {
        let plan = try convert(SmallModel(), "x", "gptq-int4", ["norm=gptq-int8"])
        #expect(plan.warnings.contains("--override norm=gptq-int8 gives no weight its encoding"))
        expectRejection(.usage, ["--override mlp: gptq-int4 is an encoding of Hugging Face targets"]) {
            var options = ConversionOptions(target: .gguf)
            try options.encode(as: "q4_0")
            options.quantization.overrides = [try TypeOverride(parsing: "mlp=gptq-int4")]
            let path = SmallModel().write(to: directory)
            _ = try Planning(Checkpoint(path: path), options).plan(destination: "x.gguf")
        }
    }

    /// A recipe says which format it is of.
    @Test func recipes() throws {
        var options = ConversionOptions(target: .huggingFace(family: nil))
        let plain = try Recipe(path: directory.write("p", Array("up=bf16\ngate=bf16\ndown=gptq-int8".utf8)))
        try options.encode(by: plain, Packing.Choices())
        #expect(options.packing?.name == "gptq-int8")
        let path = directory.write("r", Array("up=mlx-int8\ndown=mlx-int3\ngate=mlx-int3\n".utf8))
        var choices = Packing.Choices()
        choices.groupSize = 32
        let recipe = try Recipe(path: path)
        try options.encode(by: recipe, choices)
        #expect(options.packing?.name == "mlx-int3" && !recipe.isOfGGUF)
        let plan = try convert(SmallModel(), "a", "mlx-int3", recipe: recipe)
        let encodings = Dictionary(plan.transfers.map { ($0.name, $0.remark) }) { first, _ in first }
        #expect(encodings["model.layers.0.mlp.up_proj.weight"] == "--recipe up")
        #expect(try configuration("a")["model.layers.1.mlp.up_proj"]?["bits"] == 8)
    }
}
