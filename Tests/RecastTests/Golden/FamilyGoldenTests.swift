import Foundation
import TestSupport
import Testing

@testable import Recast

/// Every family's own layout and llama's, against what transformers and the vendors' programs say is the same model.
@Suite(.enabled(if: Fixtures.hasGolden)) struct FamilyGoldenTests {
    static var names: [String] {
        guard Fixtures.hasGolden else { return [] }
        let names = (try? POSIX.names(in: Fixtures.golden("families"))) ?? []
        return names.filter { POSIX.status(Fixtures.golden("families/\($0)/reference.json")) != nil }.sorted()
    }

    /// What the reference says of a llama layout.
    struct Verdict {
        var isRepresentable: Bool
        var isRounded: Bool
        var reason: String

        init(_ name: String) throws {
            let path = Fixtures.golden("families/\(name)/reference.json")
            let llama = try JSON(parsing: FileSource.contents(of: path), file: path)["llama"]
            // "only for sequences no longer than the window" is a condition that conversion says and keeps going.
            isRepresentable = llama?["representable"]?.bool != false
            isRounded = llama?["exactness"]?.string == "rounded"
            reason = llama?["reason"]?.string ?? ""
        }
    }

    @Test func namesAreThere() { #expect(Self.names.count >= 32) }

    @Test(arguments: names)
    func ownLayoutIsKept(name: String) throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.golden("families/\(name)")
        let report = try convert(path, to: directory.file("copy"), family: nil)
        #expect(report.exactness == .bit)
        #expect(try contents(directory.file("copy")) == contents(path))
        let configuration = try #require(Checkpoint(path: directory.file("copy")).huggingFaceFiles?.configuration)
        for member in try #require(Checkpoint(path: path).huggingFaceFiles?.configuration).members {
            #expect(configuration[member.key] == member.value, "\(member.key)")
        }
    }

    @Test(arguments: names)
    func llamaLayoutIsTheReferences(name: String) throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.golden("families/\(name)")
        let verdict = try Verdict(name)
        guard verdict.isRepresentable else {
            let error = #expect(throws: RecastError.self) {
                try convert(path, to: directory.file("llama"), family: "llama")
            }
            #expect(error?.code == .unsupported)
            for (word, mine) in Self.words where verdict.reason.contains(word) {
                #expect(error?.message.contains(mine) == true, "\(mine): \(error?.message ?? "")")
            }
            return
        }
        let report = try convert(
            path, to: directory.file("llama"), family: "llama", dtype: verdict.isRounded ? .f32 : nil)
        #expect(report.exactness == (verdict.isRounded ? .rounded : .bit))
        if verdict.isRounded {
            try expectClose(directory.file("llama"), path + "/llama", tolerance: 5e-7)
        } else {
            #expect(try contents(directory.file("llama")) == contents(path + "/llama"))
        }
        // Every number that decides what is computed.
        var mine = try configuration(directory.file("llama"))
        let theirs = try configuration(path + "/llama")
        #expect(mine.rope.isEquivalent(to: theirs.rope, upTo: theirs.contextLength))
        mine.rope = theirs.rope
        #expect(mine == theirs)
    }

    /// From the reference's llama layout, which knows nothing of where it came from, and from our own.
    @Test(arguments: names)
    func llamaLayoutGoesBack(name: String) throws {
        let path = Fixtures.golden("families/\(name)")
        let verdict = try Verdict(name)
        guard verdict.isRepresentable, !verdict.isRounded else { return }
        let directory = TemporaryDirectory()
        let family = try Model(Checkpoint(path: path)).graph.configuration.family
        try convert(path, to: directory.file("llama"), family: "llama")
        for source in [path + "/llama", directory.file("llama")] {
            let back = directory.file("back-\(source.hasPrefix(path))")
            try convert(source, to: back, family: family)
            #expect(try contents(back) == contents(path))
            let mine = try Model(Checkpoint(path: back)).graph.configuration
            let original = try Model(Checkpoint(path: path)).graph.configuration
            #expect(mine.rope.isEquivalent(to: original.rope, upTo: original.contextLength))
            #expect(mine.multipliers == original.multipliers && mine.norms == original.norms)
        }
    }

    /// Every family that turns whole heads has what rests behind each half, as llama does.
    @Test(arguments: ["qwen2", "internlm3", "seed_oss"])
    func headsThatTurnInPart(family: String) throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.golden("families/chatglm3")
        try convert(path, to: directory.file("other"), family: family)
        let mine = try values(directory.file("other")), llama = try values(path + "/llama")
        for (name, numbers) in llama where name.contains("_proj") && !name.hasSuffix("o_proj.bias") {
            #expect(mine[name] == numbers, "\(name)")
        }
    }

    /// Whether the rows of a head have been divided by their length is looked at.
    @Test func headsOfBaichuanInGGUF() throws {
        let directory = TemporaryDirectory()
        func model(_ name: String) throws -> Model {
            let file = directory.file(name + ".gguf")
            let plan = try Planning(
                Checkpoint(path: Fixtures.golden("families/\(name)")), ConversionOptions(target: .gguf)
            ).plan(destination: file)
            _ = try Conversion(plan, to: file).run()
            return try Model(Checkpoint(path: file))
        }
        let first = try model("baichuan1_7b"), second = try model("baichuan2_7b")
        #expect(first.warnings.contains { $0.contains("the rows of the head have not length one") })
        #expect(!second.warnings.contains { $0.contains("length") })
        #expect(second.graph.configuration.family == "baichuan2")
        #expect(!second.graph.configuration.normalizesOutputHead)
    }

    /// A key that the family does not look at is no number of the model.
    @Test func strayEpsilon() throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.golden("families/olmo1")
        var object = try #require(Checkpoint(path: path).huggingFaceFiles?.configuration)
        object["rms_norm_eps"] = 0.01
        directory.write("olmo/config.json", JSON.object(object).serialized(.indented))
        directory.write("olmo/model.safetensors", try FileSource.contents(of: path + "/model.safetensors"))
        try convert(directory.file("olmo"), to: directory.file("llama"), family: "llama")
        #expect(try configuration(directory.file("llama")).normEpsilon == 1e-5)
    }

    /// A head whose rows have been divided by their length may be divided again.
    @Test func normalizedHeadGoesBack() throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.golden("families/baichuan2_7b")
        try convert(path + "/llama", to: directory.file("back"), family: "baichuan2", dtype: .f32)
        let back = try values(directory.file("back")), original = try values(path)
        for (name, numbers) in original where name != "lm_head.weight" { #expect(back[name] == numbers, "\(name)") }
        #expect(back["lm_head.weight"] != original["lm_head.weight"])
        let error = #expect(throws: RecastError.self) {
            try convert(Fixtures.golden("families/llama_mha"), to: directory.file("other"), family: "baichuan2")
        }
        #expect(error?.message.contains("normalized output head: no in this llama, yes in BaichuanForCausalLM") == true)
    }

    /// Families that llama.cpp does not know.
    private static let foreignToGGUF = ["internlm", "helium"]

    /// To GGUF and back: what GGUF computes with (Gemma's norms, Baichuan 2's head) within the last bits.
    @Test(arguments: names, [nil, DType.f32])
    func throughGGUF(name: String, dtype: DType?) throws {
        let directory = TemporaryDirectory()
        let path = Fixtures.golden("families/\(name)")
        let family = try configuration(path).family
        var options = ConversionOptions(target: .gguf)
        options.dtype = dtype
        let file = directory.file("model.gguf")
        guard !Self.foreignToGGUF.contains(family), name != "baichuan1_13b" else {
            let error = #expect(throws: RecastError.self) {
                try Planning(Checkpoint(path: path), options).plan(destination: file)
            }
            #expect(error?.code == .unsupported)
            return
        }
        let isInexact = Fixtures.inexactInGGUF.contains(name)
        if isInexact {
            let error = #expect(throws: RecastError.self) {
                try Planning(Checkpoint(path: path), options).plan(destination: file)
            }
            #expect(error?.code == .unsupported && error?.message.contains("--allow-inexact") == true)
            options.allowsInexact = true
        }
        let plan = try Planning(Checkpoint(path: path), options).plan(destination: file)
        let report = try Conversion(plan, to: file).run()
        let isComputed = ["gemma", "gemma2", "gemma3_text", "baichuan2"].contains(family)
        #expect(report.exactness == (isInexact ? .inexact : isComputed ? .rounded : .bit))
        if family == "baichuan2" { return }
        try convert(file, to: directory.file("back"), family: nil)
        #expect(try configuration(directory.file("back")) == configuration(path))
        if isComputed {
            try expectClose(directory.file("back"), path, tolerance: 1e-6)
        } else {
            #expect(try contents(directory.file("back")) == contents(path))
        }
    }

    /// The reference's words, and ours for the same thing.
    private static let words = [
        ("ALiBi", "ALiBi"), ("latent", "latent attention"), ("mixture of experts", "experts: "),
        ("soft-capping", "soft-cap"), ("q_norm", "QK norm: "), ("post_self_attn", "post-norms: "),
        ("norms after", "post-norms"), ("no RoPE", "position encoding: "),
        ("LayerNorm with bias", "bias of the output head"),
    ]

    // MARK: Steps

    @discardableResult
    private func convert(
        _ path: String, to destination: String, family: String?, dtype: DType? = nil
    ) throws -> Conversion.Report {
        var options = ConversionOptions(target: .huggingFace(family: family))
        options.dtype = dtype
        let plan = try Planning(Checkpoint(path: path), options).plan(destination: destination)
        return try Conversion(plan, to: destination).run()
    }

    private func configuration(_ path: String) throws -> ModelConfiguration {
        try Model(Checkpoint(path: path)).graph.configuration
    }

    /// Without buffers that no model reads.
    private func contents(_ path: String) throws -> [String: [UInt8]] {
        try Fixtures.contents(path).filter { !$0.key.contains("inv_freq") }
    }

    private func values(_ path: String) throws -> [String: [Float]] {
        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: FilePool(checkpoint.files))
        var values: [String: [Float]] = [:]
        for tensor in checkpoint.tensors where !tensor.name.contains("inv_freq") {
            let bytes = try tensor.tensor.converted(to: .f32).bytes(using: &reader)
            values[tensor.name] = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        return values
    }

    private func expectClose(_ path: String, _ reference: String, tolerance: Double) throws {
        let mine = try values(path), theirs = try values(reference)
        #expect(mine.keys.sorted() == theirs.keys.sorted())
        for (name, expected) in theirs {
            let largest = expected.reduce(0) { max($0, abs($1)) }
            let distance = zip(mine[name] ?? [], expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(Double(distance) <= tolerance * Double(largest), "\(name): \(distance)")
        }
    }
}
