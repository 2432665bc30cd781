import TestSupport
import Testing

@testable import Recast

/// Checkpoints in PyTorch's own files, against the same models in safetensors by transformers.
@Suite(.enabled(if: Fixtures.hasGolden))
struct TorchGoldenTests {
    @Test func llamaLayout() throws {
        let directory = TemporaryDirectory()
        let folder = Fixtures.golden("families/llama_mha_bin")
        let path = directory.file("out")
        let source = try Checkpoint(path: folder)
        let plan = try Planning(source, ConversionOptions(target: .huggingFace(family: nil))).plan(destination: path)
        #expect(plan.exactness == .bit)
        _ = try Conversion(plan, to: path).run()
        let written = try Fixtures.contents(path)
        #expect(written.count > 10)
        #expect(try written == Fixtures.contents(folder + "/llama"))
        // The file by its name.
        #expect(try Fixtures.contents(folder + "/pytorch_model.bin") == Fixtures.contents(folder))
    }

    /// A family that no table knows yet: its tensors are read all the same.
    @Test func otherFamilies() throws {
        let checkpoint = try Checkpoint(path: Fixtures.golden("families/baichuan1_7b"))
        #expect(checkpoint.tensors.contains { $0.name == "model.layers.0.self_attn.W_pack.weight" })
        #expect(checkpoint.warnings.isEmpty)
    }
}
