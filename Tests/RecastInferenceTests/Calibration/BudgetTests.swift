import Foundation
import TestSupport
import Testing

@testable import Recast
@testable import RecastInference
@testable import RecastTensors

/// Types chosen for a small model within limits.
@Suite struct BudgetTests {
    private static func texts(_ count: Int) -> [[Int32]] {
        var random = SeededGenerator(seed: UInt64(count))
        return (0..<count).map { _ in (0..<40).map { _ in Int32.random(in: 0..<24, using: &random) } }
    }

    private static func model(_ small: SmallModel, in directory: TemporaryDirectory) throws -> Model {
        try Model(Checkpoint(path: small.write(to: directory)))
    }

    private struct Written {
        var bytes: [UInt8]
        var report: BudgetReport
        var recipe: Recipe
    }

    /// Chooses types and writes the file.
    private static func run(
        _ model: Model, _ limit: Budget.Limit, to destination: String, workers: Int = 1, resumes: Bool = false,
        types: [DType]? = nil, options change: (inout ConversionOptions) throws -> Void = { _ in },
        isCancelled: (@Sendable () -> Bool)? = nil
    ) throws -> Written {
        var conversion = ConversionOptions(target: .gguf)
        try change(&conversion)
        var pass = PassOptions(workers: workers)
        pass.isCancelled = isCancelled
        var options = CalibrationOptions()
        options.effort = 1
        var budgetOptions = Budget.Options(limit)
        budgetOptions.types = types?.map(WeightType.dtype)
        let budget = try Budget(
            Planning(model, conversion), files: model.sources, budgetOptions, options, passOptions: pass)
        let work = CalibrationWork(destination: destination, resumes: resumes, replaces: false)
        let result = try budget.run(on: texts(10), heldOut: texts(3), [], context: 40, work) { _ in nil }
        var written = result.planning.options
        written.calibrated = result.outcome.weights
        let plan = try Planning(model, written).plan(destination: destination)
        #expect(!plan.warnings.contains { $0.contains("gives no tensor") })
        _ = try Conversion(plan, to: destination).run()
        result.discard()
        return Written(
            bytes: try FileSource.contents(of: destination), report: result.report, recipe: result.recipe)
    }

    @Test(arguments: ["qwen2", "llama"]) func sizesAreKept(_ family: String) throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel(family), in: directory)
        var errors: [Double] = []
        let probe = try Budget(
            Planning(model, ConversionOptions(target: .gguf)), files: model.sources, Budget.Options(.size(1 << 20)),
            CalibrationOptions(), passOptions: PassOptions())
        let largest = try probe.extremes(destination: "x.gguf").largest.byteCount
        for size in [largest - 8000, largest - 5000, largest - 2000] {
            let written = try Self.run(model, .size(size), to: directory.file("\(size).gguf"))
            #expect(written.bytes.count <= size && written.bytes.count > size - 2500, "\(written.bytes.count)")
            let best = written.report.candidates.first { $0.isChosen }
            let chosen = try #require(best)
            #expect(written.report.candidates.allSatisfy { $0.score.divergence >= chosen.score.divergence })
            errors.append(chosen.score.divergence)
        }
        #expect(errors[0] > errors[1] && errors[1] > errors[2], "\(errors)")
        // Nothing is left beside the files.
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).count == 4)
    }

    @Test func bitsPerWeightAreKept() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel(), in: directory)
        for bits in [6.0, 7.25] {
            let out = directory.file("out-\(bits).gguf")
            _ = try Self.run(model, .bitsPerWeight(bits), to: out)
            let plan = try Planning(Checkpoint(path: out), ConversionOptions(target: .gguf)).plan(destination: "x.gguf")
            #expect(plan.bitsPerWeight <= bits && plan.bitsPerWeight > bits - 0.4, "\(plan.bitsPerWeight)")
        }
    }

    /// Types far below the average that a limit leaves are not dropped where nothing is between.
    @Test func fewTypes() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel(), in: directory)
        let types: [DType] = [.q4_0, .q8_0]
        var options = Budget.Options(.size(1 << 20))
        options.types = types.map(WeightType.dtype)
        let probe = try Budget(
            Planning(model, ConversionOptions(target: .gguf)), files: model.sources, options, CalibrationOptions(),
            passOptions: PassOptions())
        let size = try probe.extremes(destination: "x.gguf").largest.byteCount - 100
        let written = try Self.run(model, .size(size), to: directory.file("out.gguf"), types: types)
        #expect(written.bytes.count <= size)
        #expect(Set(written.report.units.map(\.type.dtype)) == Set(types))
    }

    @Test func limitsThatCannotBeMet() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel(), in: directory)
        for limit in [Budget.Limit.size(10_000), .bitsPerWeight(2)] {
            let error = #expect(throws: RecastError.self) {
                _ = try Self.run(model, limit, to: directory.file("out.gguf"))
            }
            #expect(error?.code == .usage && error?.message.contains("cannot be met") == true)
        }
    }

    /// What multiplies together has one type, and what is asked for by name stays.
    @Test func typesAreSharedAndFixed() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel.mixtral(), in: directory)
        let out = directory.file("out.gguf")
        let written = try Self.run(model, .bitsPerWeight(6), to: out) {
            $0.quantization.overrides = [try TypeOverride(parsing: "blk.0.attn_v=q5_1")]
            $0.quantization.embeddingType = .f16
        }
        #expect(written.recipe.type(of: "token_embd.weight") == .f16)
        #expect(written.recipe.type(of: "blk.0.attn_v.weight") == .q5_1)
        let file = try Model(Checkpoint(path: out))
        #expect(file.graph[.value, layer: 0]?.encodingName == "Q5_1")
        #expect(!written.report.units.joinedTensors.contains("blk.0.attn_v.weight"))
        for unit in written.report.units {
            #expect(Set(unit.tensors.map { name in written.recipe.type(of: name) }) == [unit.type.dtype])
        }
        let names = written.report.units.map(\.tensors)
        #expect(names.contains(["blk.1.ffn_gate_exps.weight", "blk.1.ffn_up_exps.weight"]))
        #expect(names.contains(["blk.1.attn_k.weight", "blk.1.attn_q.weight"]))
    }

    /// A file is as readable as its source, whatever else was opened, and is gone, meanwhile: codes of other candidates.
    @Test func modesAreThoseOfTheSource() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel(), in: directory)
        let other = directory.write("other", [1])
        let folder = try Folder(path: directory.path, places: model.sources.places)
        _ = model.sources.add(try folder.source(of: "other").file)
        try FileManager.default.removeItem(atPath: other)
        let out = directory.file("out.gguf")
        _ = try Self.run(model, .size(24_000), to: out)
        let own = try #require(model.checkpoint.ownFiles.first?.localPath)
        #expect(POSIX.status(out)?.permissions == POSIX.status(own)?.permissions)
        #expect(POSIX.status(out).map { $0.permissions & 0o044 } == 0o044)
    }

    @Test func bytesDoNotDependOnWorkers() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel(), in: directory)
        let files = try [1, 3].map { workers in
            try FileManager.default.createDirectory(
                atPath: directory.file("\(workers)"), withIntermediateDirectories: true)
            return try Self.run(
                model, .size(24_000), to: directory.file("\(workers)/model.gguf"), workers: workers
            ).bytes
        }
        #expect(files[0] == files[1])
    }

    /// Interrupted again and again: the same types, and the same bytes.
    @Test(arguments: [40, 90]) func resumedIsTheSame(_ step: Int) throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel(), in: directory)
        for name in ["a", "b"] {
            try FileManager.default.createDirectory(atPath: directory.file(name), withIntermediateDirectories: true)
        }
        let whole = try Self.run(model, .size(24_000), to: directory.file("a/model.gguf"))
        var limit = 0
        var interruptions = 0
        while true {
            limit += step
            let counter = Counter(limit: limit)
            do {
                let resumed = try Self.run(
                    model, .size(24_000), to: directory.file("b/model.gguf"), resumes: true,
                    isCancelled: { counter.isOver })
                #expect(resumed.bytes == whole.bytes)
                #expect(resumed.report.candidates == whole.report.candidates)
                break
            } catch let error as RecastError where error.code == .interrupted {
                interruptions += 1
                try #require(interruptions < 500)
            }
        }
        #expect(interruptions > 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("b")) == ["model.gguf"])
    }

    /// A model that differs from one layer on may begin there.
    @Test func divergenceFromALayerOn() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(SmallModel(), in: directory)
        let pass = try ForwardPass(model.graph, files: model.sources)
        let reference = try ReferencePredictions(of: pass, on: Self.texts(4), keepsLayers: true)
        for (slot, layer) in [(Slot(.gate, layer: 1), 1), (Slot(.outputHead), SmallModel.layerCount)] {
            var graph = model.graph
            graph[slot] = LazyTensor.zeros(.f32, graph[slot]!.shape)
            let whole = try reference.divergence(of: graph)
            #expect(try reference.divergence(of: graph, from: layer) == whole)
            #expect(whole.divergence.mean > 0.001)
        }
        #expect(try reference.divergence(of: model.graph, from: 1).divergence.maximum < 1e-6)
    }
}

extension [BudgetReport.Unit] {
    fileprivate var joinedTensors: [String] { flatMap(\.tensors) }
}

extension Recipe {
    fileprivate func type(of name: String) -> DType? {
        overrides.first { (try? $0.pattern.compiled().isFound(in: name)) == true }?.type.dtype
    }
}

/// Budgets of Hugging Face targets, which choose among the widths of a format.
@Suite struct WidthBudgetTests {
    private static func run(
        _ small: SmallModel, _ encoding: String, bits: Double, in directory: TemporaryDirectory,
        types: [String]? = nil, overrides: [String] = []
    ) throws -> (plan: Plan, report: BudgetReport, recipe: Recipe) {
        let source = TemporaryDirectory()
        let model = try Model(Checkpoint(path: small.write(to: source)))
        var conversion = ConversionOptions(target: .huggingFace(family: nil))
        var choices = Packing.Choices()
        choices.groupSize = encoding == "nf4" ? nil : 32
        conversion.packing = try Packing.named(encoding, choices)
        conversion.quantization.overrides = try overrides.map { try TypeOverride(parsing: $0) }
        var options = Budget.Options(.bitsPerWeight(bits))
        options.types = try types?.map { try WeightType(named: $0) }
        var calibration = CalibrationOptions()
        calibration.effort = 1
        let budget = try Budget(
            Planning(model, conversion), files: model.sources, options, calibration,
            passOptions: PassOptions(workers: 1))
        var random = SeededGenerator(seed: 5)
        let texts = (0..<12).map { _ in (0..<40).map { _ in Int32.random(in: 0..<24, using: &random) } }
        let out = directory.file("out")
        let result = try budget.run(
            on: Array(texts[..<9]), heldOut: Array(texts[9...]), [], context: 40,
            CalibrationWork(destination: out, resumes: false, replaces: false)
        ) { _ in nil }
        var written = result.planning.options
        written.calibrated = result.outcome.weights
        let plan = try Planning(model, written).plan(destination: out)
        _ = try Conversion(plan, to: out).run()
        result.discard()
        return (plan, result.report, result.recipe)
    }

    private static func slot(of name: String) -> Slot {
        let roles: [String: Role] = [
            "q_proj": .query, "k_proj": .key, "v_proj": .value, "o_proj": .attentionOutput, "gate_proj": .gate,
            "up_proj": .up, "down_proj": .down, "embed_tokens": .tokenEmbedding, "lm_head": .outputHead,
        ]
        let parts = name.split(separator: ".").map(String.init)
        return Slot(roles[parts[parts.count - 2]]!, layer: parts.compactMap { Int($0) }.first)
    }

    @Test(arguments: [("mlx-int4", 7.0), ("gptq-int4", 10.5), ("gptq-v2-int4", 10.5), ("ct-int4", 11)])
    func limitsAreKept(_ encoding: String, _ bits: Double) throws {
        let directory = TemporaryDirectory()
        let (plan, report, recipe) = try Self.run(SmallModel(), encoding, bits: bits, in: directory)
        #expect(plan.bitsPerWeight <= bits && plan.bitsPerWeight > bits - 1, "\(plan.bitsPerWeight)")
        #expect(Set(report.units.map(\.type)).count > 1)
        let chosen = try #require(report.candidates.first { $0.isChosen })
        #expect(report.candidates.allSatisfy { $0.score.divergence >= chosen.score.divergence })
        // What was chosen is what is read.
        let model = try Model(Checkpoint(path: directory.file("out")))
        let stem = String(encoding.dropLast())
        var seen = 0
        for unit in report.units {
            #expect(unit.type.name.hasPrefix(stem))
            for name in unit.tensors {
                let slot = Self.slot(of: name)
                #expect(model.graph[slot]?.encodingName.contains("int\(unit.type.name.last!) ") == true, "\(name)")
                seen += 1
            }
        }
        #expect(seen == recipe.overrides.count && seen >= 14)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["out"])
    }

    /// Programs of GPTQ's and compressed-tensors' checkpoints have query, key and value as one weight, and all experts.
    @Test func fusedWeightsShareAWidth() throws {
        let directory = TemporaryDirectory()
        let (plan, report, _) = try Self.run(
            SmallModel.mixtral(), "gptq-int4", bits: 7, in: directory, types: ["gptq-int4", "gptq-int8"],
            overrides: ["layers.1.*o_proj=gptq-int2"])
        let names = report.units.map { unit in unit.tensors.map { String($0.dropLast(".weight".count)) } }
        let layer = "model.layers.0."
        #expect(names.contains(["q", "k", "v"].map { layer + "self_attn.\($0)_proj" }))
        #expect(
            names.contains { $0.count == 18 && $0.allSatisfy { $0.hasPrefix(layer + "block_sparse_moe.experts.") } })
        #expect(!names.joined().contains("model.layers.1.self_attn.o_proj"))
        #expect(!plan.warnings.contains { $0.contains("stored differently") })
        let model = try Model(Checkpoint(path: directory.file("out")))
        #expect(model.graph[.attentionOutput, layer: 1]?.encodingName == "gptq int2 per channel")
    }

    @Test(arguments: [
        ("nf4", nil, "nothing to choose"),
        ("gptq-int4", "mlx-int4", "mlx-int4 is not chosen by measuring in this target; gptq-int2"),
        ("mlx-int4", nil, "2.0 bits per weight cannot be met"),
    ])
    func budgetsThatAreNone(_ encoding: String, _ type: String?, _ words: String) throws {
        let directory = TemporaryDirectory()
        let error = #expect(throws: RecastError.self) {
            _ = try Self.run(SmallModel(), encoding, bits: 2, in: directory, types: type.map { [$0] })
        }
        #expect(error?.code == .usage && error?.message.contains(words) == true, "\(error!)")
    }
}
