import Foundation
import TestSupport
import Testing

@testable import Recast

/// The families of `Fixtures/families`, which `make_families.py` made: their own layout, llama.cpp's and back, and where they
/// cannot go.
struct SmallFamilyTests {
    static let families = Fixtures.smallFamilies

    @Test func familiesAreThere() { #expect(Self.families.count >= 11) }

    @Test(arguments: families) func ownLayoutIsKept(name: String) throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.smallFamily(name)
        let report = try convert(path, directory.file("copy"), .huggingFace(family: nil))
        #expect(report.exactness == .bit)
        #expect(try Fixtures.contents(directory.file("copy")) == Fixtures.contents(path))
        let (copy, original) = (try configuration(directory.file("copy")), try configuration(path))
        #expect(copy == original)
        #expect(
            original.family
                == (name == "granitemoehybrid-dense" ? "granitemoehybrid_dense" : Fixtures.family(ofSmall: name)))
    }

    /// Every tensor as llama.cpp's converter and quantizer write it: name, order, type, shape and bytes.
    @Test(arguments: Fixtures.inGGUF, ["f32", "bf16", "q8_0", "q4_k_m"])
    func tensorsOfGGUF(name: String, mix: String) throws {
        let directory = TemporaryDirectory()
        let path = directory.file("model.gguf")
        var options = ConversionOptions(target: .gguf)
        options.allowsInexact = Fixtures.inexactInGGUF.contains(name)
        if mix == "f32" {
            options.dtype = .f32
        } else {
            options.encoding = try GGUFFileType.named(mix)
        }
        let source = try Checkpoint(path: Fixtures.smallFamily(name))
        _ = try Conversion(Planning(source, options).plan(destination: path), to: path).run()
        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: FilePool(checkpoint.files))
        var found = try checkpoint.tensors.map { tensor in
            GGUFGoldenTests.Row(
                name: tensor.name, type: tensor.tensor.dtype.name,
                shape: tensor.tensor.shape.reversed().map(String.init).joined(separator: "x"),
                hash: String(SHA256.hex(try tensor.tensor.bytes(using: &reader)).prefix(32)))
        }
        var expected = try Fixtures.table(Fixtures.smallFamily("gguf.tsv")).filter { $0[0] == name && $0[1] == mix }.map
        {
            GGUFGoldenTests.Row(name: $0[2], type: $0[3], shape: $0[4], hash: $0[5])
        }
        try #require(expected.count > 12)
        // What torch makes of `-exp(A_log)` is off in the last bit of some numbers (`stateDecay`); Bamba's heads turn in part, and the
        // converter reorders rows as if they turned whole.
        let family = Fixtures.family(ofSmall: name)
        let isOther = { (row: GGUFGoldenTests.Row) in
            switch family {
            case "mamba", "falcon_mamba", "jamba", "nemotron_h": row.name.hasSuffix("ssm_a")
            case "bamba": row.name.hasSuffix("attn_q.weight") || row.name.hasSuffix("attn_k.weight")
            default: false
            }
        }
        let (all, allExpected) = (found, expected)
        #expect(all.map(\.name).sorted() == allExpected.map(\.name).sorted())
        found = all.filter { !isOther($0) }
        expected = allExpected.filter { !isOther($0) }
        if mix == "f32" {
            // The order of the converter is that of the source's files; it leaves ERNIE's correction bias two dimensions, which
            // the quantizer takes for one.
            let plain = expected.map { row in
                var row = row
                if row.shape.hasSuffix("x1"), row.name.contains("exp_probs_b") { row.shape.removeLast(2) }
                return row
            }
            #expect(Set(found.map(\.description)) == Set(plain.map(\.description)))
        } else {
            #expect(found == expected)
        }
    }

    /// Every key that llama.cpp's converter writes, with its type and value.
    @Test(arguments: Fixtures.inGGUF) func keysOfGGUF(name: String) throws {
        let directory = TemporaryDirectory()
        let path = directory.file("model.gguf")
        try gguf(of: name, path)
        let metadata = try #require(try Checkpoint(path: path).ggufSet).metadata
        let text = try String(contentsOfFile: Fixtures.smallFamily("gguf.metadata.txt"), encoding: .utf8)
        let section = try #require(("\n" + text).components(separatedBy: "\n[").first { $0.hasPrefix("\(name)]") })
        let lines = section.split(separator: "\n").dropFirst()
        try #require(lines.count > 7)
        for line in lines {
            let parts = line.components(separatedBy: " = ")
            let key = parts[0].trimmingCharacters(in: .whitespaces)
            // What cosines are multiplied by is one number here, which the converter makes of the lengths instead.
            if key == "phimoe.rope.scaling.attn_factor" { continue }
            // llama.cpp looks for windows in a model of 64 layers alone.
            if name == "exaone4-windows", key == "exaone4.attention.sliding_window" { continue }
            // The converter says 2^20 of all that has no positions, no rotary of all that has state spaces, and a size of experts of
            // what has none.
            if ["granitemoehybrid", "nemotron_h"].contains(Fixtures.family(ofSmall: name))
                || name == "granitemoehybrid-dense",
                key.hasSuffix(".context_length")
            {
                continue
            }
            if name == "granitemoehybrid-dense",
                ["rope.scaling.finetuned", ".feed_forward_length"].contains(where: key.hasSuffix)
            {
                continue
            }
            let tail = parts[1].components(separatedBy: "   (type ")
            let value = try #require(metadata[key], "\(line)")
            #expect("\(value.typeNumber))" == tail[1], "\(line)")
            if case .bool(let flag) = value {
                #expect(tail[0] == (flag ? "True" : "False"), "\(line)")
            } else if let expected = Double(tail[0]) {
                #expect(value.double.map { Float($0) } == Float(expected), "\(line)")
            } else {
                #expect(value.string.map { "'\($0)'" } == tail[0], "\(line)")
            }
        }
    }

    @Test(arguments: Fixtures.inGGUF) func throughGGUF(name: String) throws {
        let directory = TemporaryDirectory()
        let (path, file) = (Fixtures.smallFamily(name), directory.file("model.gguf"))
        try gguf(of: name, file, dtype: nil)
        try convert(file, directory.file("back"), .huggingFace(family: nil))
        // Its multipliers are in the weights of the file.
        if name == "falcon_h1" {
            #expect(try configuration(directory.file("back")).multipliers == ScaleFactors())
            return
        }
        #expect(try Fixtures.contents(directory.file("back")) == Fixtures.contents(path))
        #expect(try configuration(directory.file("back")) == configuration(path))
    }

    /// The decay of states in GGUF is `-exp(A_log)`, to the last bit.
    @Test(arguments: ["mamba", "jamba", "mamba2", "qwen3_5", "nemotron_h", "nemotron_h-moe", "nemotron_h-latent"])
    func stateDecay(name: String) throws {
        let directory = TemporaryDirectory()
        let file = directory.file("model.gguf")
        try gguf(of: name, file)
        let (source, result) = (
            try Model(Checkpoint(path: Fixtures.smallFamily(name))), try Model(Checkpoint(path: file))
        )
        var count = 0
        for entry in source.graph.entries where entry.slot.role == .stateDecay {
            let (stored, computed) = (entry.tensor, try #require(result.graph[entry.slot]))
            var reader = Reader(files: source.sources)
            var other = Reader(files: result.sources)
            let logarithms = try stored.converted(to: .f32).floats(rows: 0..<stored.rowCount, using: &reader)
            let decays = try computed.converted(to: .f32).floats(rows: 0..<computed.rowCount, using: &other)
            for (logarithm, decay) in zip(logarithms, decays) {
                #expect(decay == Float(-exp(Double(logarithm))))
                count += 1
            }
        }
        #expect(count > 0 && result.graph.configuration.stateDecayForm == .plain)
    }

    /// By its keys alone, without the configuration that travels in it.
    @Test(arguments: Fixtures.inGGUF) func bareGGUF(name: String) throws {
        let directory = TemporaryDirectory()
        let file = directory.file("model.gguf")
        try gguf(of: name, file, dtype: nil)
        let set = try #require(try Checkpoint(path: file).ggufSet)
        let architecture = try GGUFArchitecture.of(configuration(Fixtures.smallFamily(name)))
        let reader = GGUFConfiguration(
            architecture: architecture, metadata: set.metadata, file: file, seen: .init(set.tensors))
        func factors(_ name: String) throws -> [Float]? {
            guard let tensor = set.tensors.first(where: { $0.name == name })?.tensor else { return nil }
            var files = Reader(files: FilePool(try Checkpoint(path: file).files))
            return try tensor.bytes(using: &files).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        let found = try reader.configuration(
            embedding: set.tensors.first { $0.name == "token_embd.weight" }?.tensor.shape,
            factors: .init(
                all: try factors(GGUFArchitecture.rotaryFactorsName),
                short: try factors(GGUFArchitecture.shortFactorsName),
                long: try factors(GGUFArchitecture.longFactorsName)))
        let original = try configuration(Fixtures.smallFamily(name))
        let differences = found.differences(from: original).filter { $0.field.kind != .specialTokens }.map(\.field.name)
        switch name {
        case "phimoe":
            #expect(Set(differences) == ["normalized expert weights", "router score", "router tolerance"])
        // llama.cpp takes whole pairs for the ends of yarn's range.
        case "gpt_oss": #expect(differences == ["rotary scaling"])
        // Of the same architecture as another family, which comes first.
        case "glm4_moe_lite", "gemma4_unified_text": #expect(differences == ["family"])
        // llama.cpp knows those of the published models alone.
        case "llama4_text": #expect(Set(differences) == ["attention chunk", "attention temperature"])
        case "exaone4-windows": #expect(Set(differences) == ["sliding window", "position encoding"])
        // Stored otherwise, and computed so that it is the same.
        case "qwen3_next", "qwen3_5", "qwen3_5_moe": #expect(Set(differences) == ["state decay", "norm weight offset"])
        case "mamba", "jamba", "mamba2", "bamba", "granitemoehybrid", "granitemoehybrid-dense",
            "granitemoehybrid-group":
            #expect(differences == ["state decay"])
        case "falcon_mamba": #expect(Set(differences) == ["state decay", "state norm epsilon"])
        case "nemotron_h", "nemotron_h-moe", "nemotron_h-latent":
            #expect(Set(differences) == ["state decay", "time step minimum"])
        case "falcon_h1":
            #expect(
                Set(differences) == ["state decay", "embedding multiplier", "logit divisor", "branch multipliers"])
        // What llama.cpp computes in the place of the error function; the ones of Nemotron's norms are in their weights.
        case "gpt_neox", "falcon", "falcon40b", "mpt": #expect(differences == ["activation"])
        case "nemotron": #expect(differences == ["norm weight offset"])
        default: #expect(differences.isEmpty)
        }
    }

    /// Into the family from a graph that knows nothing of its configuration's spelling, as it comes from Megatron or GGUF.
    @Test(arguments: families) func freshConfiguration(name: String) throws {
        let configuration = try configuration(Fixtures.smallFamily(name))
        let family = try Family.named(configuration.family)
        let stated = try HuggingFaceConfiguration.stated(
            of: configuration, by: family, original: nil, ropeScaling: nil)
        #expect(
            stated.differences(from: configuration).filter { $0.field.kind != .specialTokens }.map(\.field.name) == [])
    }

    /// What llama.cpp has no architecture for, or one that computes something else.
    @Test(arguments: Fixtures.withoutGGUF.keys.sorted()) func refusedByGGUF(name: String) throws {
        let directory = TemporaryDirectory()
        let error = #expect(throws: RecastError.self) {
            try convert(Fixtures.smallFamily(name), directory.file("a.gguf"), .gguf)
        }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(Fixtures.withoutGGUF[name]!) == true, "\(error?.message ?? "")")
    }

    /// Where Megatron core has all of it: there and back, bit for bit.
    @Test(arguments: families) func megatron(name: String) throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.smallFamily(name)
        // swift-format-ignore
        let reasons = [
            "minimax_m2":     "QK norm: over all heads",
            "ernie4_5_moe":   "adds the bias of a router only to sigmoids",
            "hunyuan_v1_moe": "QK norm: per rotated head",
            "olmoe":          "QK norm: over all heads",
            "phimoe":         "outputHead.bias",
            "hunyuan_v1_dense": "QK norm: per rotated head",
            "olmo3":          "post-norms: yes",
            "exaone4":        "post-norms: yes",
            "exaone4-windows": "position encoding: rotary in layer 0; none (NoPE) in layer 1",
            "ministral3":     "Megatron has no argument for the rotary scaling of this model",
            "arcee":          "an original context of 8192",
            "cohere":         "parallel residual",
            "cohere2":        "parallel residual",
            "gpt_oss":        "attention sinks",
            "deepseek_v32": "indexer heads: 8", "glm_moe_dsa": "indexer heads: 8", "glm_moe_dsa-shared": "indexer heads: 8",
            "gemma4_text":    "own head dimension: 8 in layers 0, 2",
            "gemma4_moe":     "norms of experts: yes",
            "gemma4_unified_text": "own head dimension: 8 in layer 0",
            "gemma4_text-small": "per-layer embedding: 8",
            "llama4_text":    "position encoding: rotary in layers 0, 1, 2; none (NoPE) in layer 3",
            "apertus":        "activation: xielu",
            "qwen3_next":     "recurrent layer", "qwen3_5": "recurrent layer", "qwen3_5_moe": "recurrent layer",
            "lfm2":           "recurrent layer", "lfm2_moe": "recurrent layer", "mamba": "recurrent layer",
            "falcon_mamba":   "recurrent layer", "jamba": "recurrent layer", "mamba2": "recurrent layer",
            "bamba":          "recurrent layer", "granitemoehybrid": "recurrent layer",
            "granitemoehybrid-dense": "recurrent layer", "granitemoehybrid-group": "recurrent layer",
            "nemotron_h": "recurrent layer", "nemotron_h-moe": "recurrent layer", "nemotron_h-latent": "recurrent layer",
            "falcon_h1":      "recurrent layer",
            "phi":            "parallel residual: yes",
            "gpt_neox":       "parallel residual: yes",
            "opt":            "learned positions: 64 behind 2 others",
            "opt-projected":  "embedding size: 24",
            "falcon":         "parallel residual: yes",
            "falcon-alibi":   "position encoding: ALiBi",
            "falcon40b":      "parallel residual: yes",
            "bloom":          "embedding norm: yes",
            "mpt":            "position encoding: ALiBi",
            "gptj":           "parallel residual: yes",
            "codegen":        "parallel residual: yes",
        ]
        if let reason = reasons[name] {
            let error = #expect(throws: RecastError.self) {
                try convert(path, directory.file("megatron"), .megatron(MegatronTarget(.ranks)))
            }
            #expect(error?.code == .unsupported && error?.message.contains(reason) == true, "\(error?.message ?? "")")
            return
        }
        let report = try convert(path, directory.file("megatron"), .megatron(MegatronTarget(.ranks)))
        // Its multipliers are folded into weights, which are then those of a Mixtral.
        if name == "granitemoe" {
            #expect(report.exactness == .rounded)
            #expect(try configuration(directory.file("megatron")).family == "mixtral")
            return
        }
        #expect(report.exactness == .bit)
        try convert(directory.file("megatron"), directory.file("back"), .huggingFace(family: nil))
        #expect(try Fixtures.contents(directory.file("back")) == Fixtures.contents(path))
    }

    /// LayerNorm, feed-forward without a gate, learned positions and heads of which a part turns: what the args say of them is enough
    /// to have the very files again.
    @Test(arguments: ["gpt2", "gpt_bigcode", "nemotron", "starcoder2"], MegatronTarget.Spelling.allCases)
    func megatronOfClassics(name: String, spelling: MegatronTarget.Spelling) throws {
        for (tensor, pipeline, format) in [
            (1, 1, MegatronTarget.Format.ranks), (2, 2, .ranks), (1, 2, .ranks), (1, 1, .distributed),
        ] {
            let directory = TemporaryDirectory()
            var target = MegatronTarget(format)
            (target.sizes.tensor, target.sizes.expertTensor) = (tensor, tensor)
            (target.sizes.pipeline, target.spelling) = (pipeline, spelling)
            let report = try convert(Fixtures.smallFamily(name), directory.file("ranks"), .megatron(target))
            #expect(report.exactness == .bit)
            directory.remove("ranks/release/\(MegatronFolder.companions)")
            directory.remove("ranks/\(MegatronFolder.companions)")
            #expect(try Model(Checkpoint(path: directory.file("ranks"))).warnings.isEmpty)
            try convert(directory.file("ranks"), directory.file("back"), .huggingFace(family: nil))
            let found = try Fixtures.contents(directory.file("back"))
            let expected = try Fixtures.contents(Fixtures.smallFamily(name))
            #expect(found.filter { $0.key != "config.json" } == expected.filter { $0.key != "config.json" })
            let (made, original) = try (
                configuration(directory.file("back")), configuration(Fixtures.smallFamily(name))
            )
            #expect(made.differences(from: original).filter { $0.field.kind != .specialTokens }.map(\.field.name) == [])
        }
    }

    /// What Megatron's core has no modules or arguments for, in models of which it has the rest.
    @Test func classicsThatMegatronLacks() throws {
        // swift-format-ignore
        let cases: [(String, (inout ModelConfiguration) -> Void, String)] = [
            ("nemotron",   { $0.activation = "relu" },                               "activation: relu"),
            ("nemotron",   { $0.activation = "gelu_new" },                           "fused with a bias"),
            ("gpt2",       { $0.learnedPositions = LearnedPositions(count: 62, offset: 2) }, "behind 2 others"),
        ]
        for (name, change, reason) in cases {
            var graph = try Model(Checkpoint(path: Fixtures.smallFamily(name))).graph
            change(&graph.configuration)
            expectRejection(.unsupported, reason) {
                let adapted = try TargetAdaptation(graph, to: "Megatron", stating: graph.configuration.asMegatronStates)
                let target = MegatronTarget(.ranks)
                let lowering = try MegatronLowering(
                    adapted.graph, tensorParallelSize: 1, vocabularyDivisor: 1, spelling: .local, dtype: \.tensor.dtype)
                let layout = try MegatronLayout(
                    target.sizes, layerCount: graph.configuration.layerCount, counts: nil)
                _ = try MegatronDescription(adapted.graph, layout: layout, lowering, dtype: .bf16, target)
            }
        }
    }

    /// What a llama cannot say, and what it can.
    @Test(arguments: families) func llama(name: String) throws {
        let directory = TemporaryDirectory()
        // swift-format-ignore
        let reasons = [
            "hunyuan_v1_dense": "QK norm: per rotated head", "olmo3": "post-norms: yes", "exaone4": "post-norms: yes",
            "exaone4-windows": "post-norms: yes", "cohere": "parallel residual: yes", "cohere2": "parallel residual: yes",
            "nemotron": "norm: LayerNorm", "starcoder2": "the bias of the final norm would need a bias of the output head",
            "phi": "parallel residual: yes", "gpt_neox": "parallel residual: yes", "gpt2": "learned positions: 64",
            "gpt_bigcode": "learned positions: 64", "opt": "learned positions: 64 behind 2 others", "opt-projected": "embedding size: 24",
            "falcon": "parallel residual: yes", "falcon-alibi": "position encoding: ALiBi", "falcon40b": "parallel residual: yes",
            "bloom": "embedding norm: yes", "mpt": "position encoding: ALiBi", "gptj": "parallel residual: yes",
            "codegen": "parallel residual: yes",
            "gemma4_text": "values from keys: no in layers 0, 2; yes in layers 1, 3", "gemma4_moe": "layer scale: yes", "gemma4_unified_text": "layer scale: yes",
            "apertus": "QK norm: per head",
            "gemma4_text-small": "shared keys and values: none in layers 0, 1; of layer 0 in layer 2; of layer 1 in layer 3",
        ]
        if Fixtures.isLlama.contains(name) {
            let report = try convert(
                Fixtures.smallFamily(name), directory.file("llama"), .huggingFace(family: "llama"))
            #expect(report.exactness == .bit)
            return
        }
        // Which changes nothing in short texts.
        if name == "ministral3" {
            let options = ConversionOptions(target: .huggingFace(family: "llama"))
            let plan = try Planning(Checkpoint(path: Fixtures.smallFamily(name)), options).plan(
                destination: directory.file("llama"))
            #expect(plan.warnings.contains { $0.hasPrefix("beyond 4 tokens ministral3 makes attention sharper") })
            #expect(try Conversion(plan, to: directory.file("llama")).run().exactness == .bit)
            var expected = try configuration(Fixtures.smallFamily(name))
            expected.temperature = nil
            expected.family = "llama"
            #expect(try configuration(directory.file("llama")) == expected)
            return
        }
        let error = #expect(throws: RecastError.self) {
            try convert(Fixtures.smallFamily(name), directory.file("llama"), .huggingFace(family: "llama"))
        }
        let isRecurrent = try configuration(Fixtures.smallFamily(name)).recurrence != nil
        let reason = reasons[name] ?? (isRecurrent ? "recurrent layer: " : "experts: ")
        #expect(error?.code == .unsupported && error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    // MARK: Steps

    @discardableResult
    private func convert(
        _ path: String, _ destination: String, _ target: ConversionOptions.Target
    ) throws -> Conversion.Report {
        let plan = try Planning(Checkpoint(path: path), ConversionOptions(target: target)).plan(
            destination: destination)
        return try Conversion(plan, to: destination).run()
    }

    private func gguf(of name: String, _ file: String, dtype: DType? = .f32) throws {
        var options = ConversionOptions(target: .gguf)
        options.dtype = dtype
        options.allowsInexact = Fixtures.inexactInGGUF.contains(name)
        let plan = try Planning(Checkpoint(path: Fixtures.smallFamily(name)), options).plan(destination: file)
        _ = try Conversion(plan, to: file).run()
    }

    private func configuration(_ path: String) throws -> ModelConfiguration {
        try Model(Checkpoint(path: path)).graph.configuration
    }
}
