import TestSupport
import Testing

@testable import Recast

/// Checkpoints in PyTorch's own files, against the same models in safetensors by transformers.
@Suite(.enabled(if: Fixtures.hasGolden))
struct TorchGoldenTests {
    private func contents(_ path: String) throws -> [String: [UInt8]] {
        let checkpoint = try Checkpoint(path: path)
        var reader = Reader(files: FilePool(checkpoint.files))
        var contents: [String: [UInt8]] = [:]
        for tensor in checkpoint.tensors {
            contents["\(tensor.name) \(tensor.tensor.dtype) \(tensor.tensor.shape)"] = try tensor.tensor.bytes(
                using: &reader)
        }
        return contents
    }

    @Test func llamaLayout() throws {
        let directory = TemporaryDirectory()
        let folder = Fixtures.golden("families/llama_mha_bin")
        let path = directory.file("out")
        let source = try Checkpoint(path: folder)
        let plan = try Planning(source, ConversionOptions(target: .huggingFace(family: nil))).plan(destination: path)
        #expect(plan.exactness == .bit)
        _ = try Conversion(plan, to: path).run()
        let written = try contents(path)
        #expect(written.count > 10)
        #expect(try written == contents(folder + "/llama"))
        // The file by its name.
        #expect(try contents(folder + "/pytorch_model.bin") == contents(folder))
    }

    /// A family that no table knows yet: its tensors are read all the same.
    @Test func otherFamilies() throws {
        let checkpoint = try Checkpoint(path: Fixtures.golden("families/baichuan1_7b"))
        #expect(checkpoint.tensors.contains { $0.name == "model.layers.0.self_attn.W_pack.weight" })
        #expect(checkpoint.warnings.isEmpty)
    }
}
