import Foundation
import Recast
import TestSupport
import Testing

@testable import Recast
@testable import RecastInference

/// Whole calibrations of small models.
@Suite struct CalibrationTests {
    private static func texts(_ count: Int = 12, vocabulary: Int = 24) -> [[Int32]] {
        var random = SeededGenerator(seed: 8)
        return (0..<count).map { _ in (0..<40).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &random) } }
    }

    private static func model(_ family: String, in directory: TemporaryDirectory) throws -> Model {
        try Model(Checkpoint(path: SmallModel(family).write(to: directory)))
    }

    private static func options(_ encoding: String, target: ConversionOptions.Target) throws -> ConversionOptions {
        var options = ConversionOptions(target: target)
        try options.encode(as: encoding)
        options.isCalibrated = true
        return options
    }

    /// Calibrates and converts; the bytes of what is written.
    private static func run(
        _ model: Model, _ options: ConversionOptions, to destination: String, workers: Int = 1, resumes: Bool = false,
        memory: Int = 1 << 30, vocabulary: Int = 24, progress: (@Sendable (Recast.Progress) -> Void)? = nil,
        isCancelled: (@Sendable () -> Bool)? = nil
    ) throws -> CalibrationReport {
        var pass = PassOptions(workers: workers, maximumMemory: memory, progress: progress)
        pass.isCancelled = isCancelled
        let calibration = try Calibration(
            Planning(model, options), files: model.sources, CalibrationOptions(), passOptions: pass)
        let work = CalibrationWork(destination: destination, resumes: resumes, replaces: false)
        return try calibration.run(on: texts(vocabulary: vocabulary), [], context: 40, work) { outcome in
            var options = options
            options.calibrated = outcome.weights
            let plan = try Planning(model, options).plan(destination: destination)
            _ = try Conversion(plan, to: destination).run()
            return outcome.report
        }
    }

    @Test(arguments: ["qwen2", "llama"]) func weightsAreThoseThatWereChosen(_ family: String) throws {
        let directory = TemporaryDirectory()
        let model = try Self.model(family, in: directory)
        let out = directory.file("out.gguf")
        let report = try Self.run(model, Self.options("q4_0", target: .gguf), to: out)
        // Every linear weight, the embedding and the head; nothing is left beside the file.
        #expect(report.weights.count == 7 * SmallModel.layerCount + 2)
        #expect(report.weights.allSatisfy { $0.error <= $0.searched * 1.0001 && $0.error > 0 })
        #expect(report.weights.allSatisfy { $0.tokens == 480 })
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() == ["model", "out.gguf"])
        // What is in the file is as good as the report says: the error of a weight, from the file's numbers.
        let written = try Model(Checkpoint(path: out))
        #expect(written.graph[.gate, layer: 1]?.encodingName == "Q4_0")
    }

    @Test func huggingFaceTargets() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model("qwen2", in: directory)
        var options = ConversionOptions(target: .huggingFace(family: nil))
        var choices = Packing.Choices()
        choices.groupSize = 32
        try options.encode(as: "gptq-int4", choices)
        options.isCalibrated = true
        let out = directory.file("out")
        let report = try Self.run(model, options, to: out)
        #expect(report.weights.count == 7 * SmallModel.layerCount)
        #expect(try Model(Checkpoint(path: out)).graph[.up, layer: 0]?.isQuantized == true)
    }

    /// Encodings whose scales several rows have a part in, or whose numbers are cut regardless of rows.
    @Test(arguments: ["nf4", "fp4-nested", "llm-int8", "fp8", "int8-absmax"]) func scalesOfManyRows(_ encoding: String)
        throws
    {
        let directory = TemporaryDirectory()
        let model = try Model(Checkpoint(path: Fixtures.tinyModel))
        var options = ConversionOptions(target: .huggingFace(family: nil))
        var choices = Packing.Choices()
        if encoding == "int8-absmax" { choices.per = .tensor }
        try options.encode(as: encoding, choices)
        options.isCalibrated = true
        let out = directory.file("out")
        let report = try Self.run(model, options, to: out, vocabulary: 2048)
        #expect(report.weights.count == 7 * model.graph.configuration.layerCount)
        #expect(report.weights.allSatisfy { $0.error < 0.9 * $0.rounded })
        // The file is what was chosen: the mean error of its numbers is no accident of another rounding.
        let written = try Model(Checkpoint(path: out))
        let pass = try ForwardPass(written.graph, files: written.sources)
        let reference = try ForwardPass(model.graph, files: model.sources)
        options.isCalibrated = false
        _ = try Conversion(Planning(model, options).plan(destination: out + "-plain"), to: out + "-plain").run()
        let plain = try Model(Checkpoint(path: out + "-plain"))
        let channels = [Channel(name: "a", tokens: Self.texts(vocabulary: 2048).flatMap { $0 })]
        let found = try pass.divergence(from: reference, on: channels, PerplexityOptions(context: 40))
        let rounded = try ForwardPass(plain.graph, files: plain.sources)
            .divergence(from: reference, on: channels, PerplexityOptions(context: 40))
        #expect(found.total.divergence.mean < 0.8 * rounded.total.divergence.mean)
    }

    @Test func bytesDoNotDependOnWorkersOrMemory() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model("qwen2", in: directory)
        let options = try Self.options("q4_k_m", target: .gguf)
        var bytes: [[UInt8]] = []
        for (index, (workers, memory)) in [(1, 1 << 30), (3, 1 << 30), (2, 0)].enumerated() {
            let out = directory.file("out-\(index)/model.gguf")
            try FileManager.default.createDirectory(
                atPath: directory.file("out-\(index)"), withIntermediateDirectories: true)
            _ = try Self.run(model, options, to: out, workers: workers, memory: memory)
            bytes.append(try FileSource.contents(of: out))
        }
        #expect(bytes[0] == bytes[1] && bytes[0] == bytes[2])
    }

    /// Interrupted after so many pieces of work, and resumed, again and again: the same bytes.
    @Test(arguments: [3, 5, 8, 13]) func resumedIsTheSame(_ step: Int) throws {
        let directory = TemporaryDirectory()
        let model = try Self.model("qwen2", in: directory)
        let options = try Self.options("q4_0", target: .gguf)
        try FileManager.default.createDirectory(atPath: directory.file("a"), withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: directory.file("b"), withIntermediateDirectories: true)
        let whole = try Self.run(model, options, to: directory.file("a/model.gguf"))
        var runs = 0
        var limit = 0
        while true {
            limit += step
            runs += 1
            try #require(runs < 500)
            let counter = Counter(limit: limit)
            do {
                let report = try Self.run(
                    model, options, to: directory.file("b/model.gguf"), resumes: true,
                    isCancelled: { counter.isOver })
                #expect(report.weights == whole.weights)
                break
            } catch let error as RecastError {
                #expect(error.code == .interrupted, "\(error)")
            }
        }
        #expect(runs > 2)
        let bytes = try ["a", "b"].map { try FileSource.contents(of: directory.file("\($0)/model.gguf")) }
        #expect(bytes[0] == bytes[1])
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.file("b")) == ["model.gguf"])
    }

    @Test func keptWorkIsNotLostOrMixedUp() throws {
        let directory = TemporaryDirectory()
        let model = try Self.model("qwen2", in: directory)
        let out = directory.file("model.gguf")
        let options = try Self.options("q4_0", target: .gguf)
        // Ends behind the first layer.
        let seen = Counter(limit: .max)
        let watch: @Sendable (Recast.Progress) -> Void = { progress in
            if case .layer(1, _)? = progress.phase { seen.end() }
        }
        #expect(throws: RecastError.self) {
            _ = try Self.run(
                model, options, to: out, resumes: true, progress: watch, isCancelled: { seen.isOver })
        }
        let kept = out + ".recast-calibration"
        #expect(FileManager.default.fileExists(atPath: kept + "/codes-0"))
        // Not resumed, it is not thrown away without a word.
        let refusal = #expect(throws: RecastError.self) { _ = try Self.run(model, options, to: out) }
        #expect(refusal?.code == .destinationExists && refusal!.message.contains("--resume"))
        // Nor is it taken for other work.
        let other = #expect(throws: RecastError.self) {
            _ = try Self.run(model, Self.options("q8_0", target: .gguf), to: out, resumes: true)
        }
        #expect(other?.code == .usage)
        #expect(FileManager.default.fileExists(atPath: kept + "/codes-0"))
        // A damaged state is refused.
        var bytes = try FileSource.contents(of: kept + "/hidden-0")
        bytes[100] ^= 1
        try Data(bytes).write(to: URL(fileURLWithPath: kept + "/hidden-0"))
        let damaged = #expect(throws: RecastError.self) {
            _ = try Self.run(model, options, to: out, resumes: true)
        }
        #expect(damaged?.message.contains("damaged") == true)
    }

    /// Scales that are folded away change nothing: with codes of eight bits the model is the same, whatever its operations are.
    @Test(arguments: ["qwen2", "llama", "mixtral"]) func scaledColumnsComputeTheSame(_ family: String) throws {
        let directory = TemporaryDirectory()
        let small = family == "mixtral" ? SmallModel.mixtral() : SmallModel(family)
        let model = try Model(Checkpoint(path: small.write(to: directory)))
        var errors: [Double] = []
        for method in [CalibrationOptions.Method.search, .awq] {
            var options = CalibrationOptions()
            options.method = method
            let (written, divergence) = try Self.eightBits(model, options, to: directory.file("\(method).gguf"))
            errors.append(divergence)
            if method == .awq {
                let norm = try #require(written.graph[.attentionNorm, layer: 0])
                var reader = Reader(files: written.sources)
                var own = Reader(files: model.sources)
                let isChanged = try norm.floats(&reader) != model.graph[.attentionNorm, layer: 0]!.floats(&own)
                #expect(isChanged)
            }
        }
        #expect(errors[0] < 0.05 && errors[1] < 3 * errors[0] + 1e-6, "\(errors)")
    }

    /// Calibrates into Q8_0 and writes that; how far it is from the model.
    private static func eightBits(
        _ model: Model, _ options: CalibrationOptions, to out: String
    ) throws -> (written: Model, divergence: Double) {
        let conversion = try Self.options("q8_0", target: .gguf)
        let calibration = try Calibration(
            Planning(model, conversion), files: model.sources, options, passOptions: PassOptions())
        let work = CalibrationWork(destination: out, resumes: false, replaces: false)
        try calibration.run(on: texts(), [], context: 40, work) { outcome in
            var conversion = conversion
            conversion.calibrated = outcome.weights
            _ = try Conversion(Planning(model, conversion).plan(destination: out), to: out).run()
        }
        let written = try Model(Checkpoint(path: out))
        let pass = try ForwardPass(written.graph, files: written.sources)
        let reference = try ForwardPass(model.graph, files: model.sources)
        let channels = [Channel(name: "a", tokens: texts().flatMap { $0 })]
        let result = try pass.divergence(from: reference, on: channels, PerplexityOptions(context: 40))
        return (written, result.total.divergence.mean)
    }

    /// Channels in another order compute the same: with codes of eight bits, for all operations that have such channels.
    @Test(arguments: ["qwen2", "llama", "mixtral"]) func reorderedChannelsComputeTheSame(_ family: String) throws {
        let directory = TemporaryDirectory()
        let small = family == "mixtral" ? SmallModel.mixtral() : SmallModel(family)
        let model = try Model(Checkpoint(path: small.write(to: directory)))
        var options = CalibrationOptions()
        let plain = try Self.eightBits(model, options, to: directory.file("plain.gguf"))
        options.reorders = true
        let (written, divergence) = try Self.eightBits(model, options, to: directory.file("out.gguf"))
        #expect(divergence < 1.5 * plain.divergence + 1e-6, "\(divergence), not \(plain.divergence)")
        // And they have another order, of value and output projection as well.
        var reader = Reader(files: written.sources)
        var own = Reader(files: model.sources)
        let expert = family == "mixtral" ? 1 : nil
        for role in [Role.value, .attentionOutput, .up, .down] {
            let slot = Slot(role, layer: 1, expert: role == .up || role == .down ? expert : nil)
            let numbers = try written.graph[slot]!.converted(to: .f32).floats(&reader)
            let original = try model.graph[slot]!.converted(to: .f32).floats(&own)
            #expect(zip(numbers, original).contains { abs($0 - $1) > 0.1 }, "\(slot)")
            #expect(zip(numbers.sorted(), original.sorted()).allSatisfy { abs($0 - $1) < 0.02 }, "\(slot)")
        }
    }

    /// Columns of a group that are no neighbours: each is read with the scale it was rounded with.
    @Test(arguments: ["gptq-int8", "gptq-v2-int8"]) func actOrder(_ encoding: String) throws {
        let directory = TemporaryDirectory()
        let model = try Self.model("qwen2", in: directory)
        var options = ConversionOptions(target: .huggingFace(family: nil))
        var choices = Packing.Choices()
        choices.groupSize = 32
        choices.per = .group
        choices.hasActOrder = true
        try options.encode(as: encoding, choices)
        options.isCalibrated = true
        let out = directory.file("out")
        _ = try Self.run(model, options, to: out)
        let written = try Model(Checkpoint(path: out))
        var reader = Reader(files: written.sources)
        var own = Reader(files: model.sources)
        for slot in [Slot(.down, layer: 0), Slot(.query, layer: 1)] {
            let tensor = try #require(written.graph[slot])
            let numbers = try tensor.converted(to: .f32).floats(&reader)
            let original = try model.graph[slot]!.converted(to: .f32).floats(&own)
            #expect(zip(numbers, original).allSatisfy { abs($0 - $1) < 0.03 }, "\(slot)")
        }
        let encoded = try #require(written.graph[.down, layer: 0]?.storedParts?.0)
        #expect(encoded.hasActOrder)
        let configuration = try String(decoding: FileSource.contents(of: out + "/config.json"), as: UTF8.self)
        #expect(configuration.contains("\"desc_act\": true"))
    }

    @Test(arguments: [("awq-int4", 32), ("mlx-int4", 32), ("ct-int4", 32), ("gptq-int4", -1)])
    func noPlaceForActOrder(_ encoding: String, _ size: Int) {
        var choices = Packing.Choices()
        choices.groupSize = size
        choices.hasActOrder = true
        var options = ConversionOptions(target: .huggingFace(family: nil))
        #expect(throws: RecastError.self) { try options.encode(as: encoding, choices) }
    }

    /// Weights of experts, of which some see few tokens and one none.
    @Test func experts() throws {
        let directory = TemporaryDirectory()
        let path = SmallModel.mixtral().write(to: directory)
        let model = try Model(Checkpoint(path: path))
        let out = directory.file("out.gguf")
        let report = try Self.run(model, Self.options("q4_0", target: .gguf), to: out)
        let experts = report.weights.filter { $0.slot.expert != nil }
        #expect(!experts.isEmpty)
        // Each token goes through as many experts as the model says.
        let used = model.graph.configuration.experts!.usedCount
        for role in [Role.gate, .up, .down] {
            let counts: [Int] = experts.filter { $0.slot.role == role && $0.slot.layer == 0 }.map { $0.tokens }
            #expect(counts.reduce(0, +) == 480 * used)
        }
        #expect(experts.allSatisfy { $0.error.isFinite && $0.error <= $0.searched * 1.01 })
    }
}
