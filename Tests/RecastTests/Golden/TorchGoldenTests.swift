import Foundation
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

    /// Beside the same weights in safetensors they are no matter; beside others a warning says which are read.
    @Test func besideSafetensors() throws {
        let directory = TemporaryDirectory()
        let golden = Fixtures.golden("families/llama_mha_bin")
        let folder = directory.file("out")
        let source = try Checkpoint(path: golden)
        var options = ConversionOptions(target: .huggingFace(family: nil))
        _ = try Conversion(Planning(source, options).plan(destination: folder), to: folder).run()
        try FileManager.default.copyItem(
            atPath: golden + "/pytorch_model.bin", toPath: folder + "/pytorch_model.bin")
        #expect(try Checkpoint(path: folder).warnings.isEmpty)
        // The last numbers of the last tensor.
        var bytes = try #require(directory.bytes("out/model.safetensors"))
        for index in bytes.count - 64..<bytes.count { bytes[index] ^= 1 }
        _ = directory.write("out/model.safetensors", bytes)
        let warnings = try Checkpoint(path: folder).warnings
        #expect(
            warnings.count == 1 && warnings[0].contains("are others") && warnings[0].contains("safetensors are read"))
        for name in ["model.safetensors", "pytorch_model.bin"] {
            #expect(try Checkpoint(path: Path.join(folder, name)).warnings.isEmpty, "\(name)")
        }
        // Another type is no other weight.
        options.dtype = .f32
        let wide = directory.file("wide")
        _ = try Conversion(Planning(source, options).plan(destination: wide), to: wide).run()
        try FileManager.default.copyItem(atPath: golden + "/pytorch_model.bin", toPath: wide + "/pytorch_model.bin")
        #expect(try Checkpoint(path: wide).warnings.isEmpty)
    }

    /// A family that no table knows yet: its tensors are read all the same.
    @Test func otherFamilies() throws {
        let checkpoint = try Checkpoint(path: Fixtures.golden("families/baichuan1_7b"))
        #expect(checkpoint.tensors.contains { $0.name == "model.layers.0.self_attn.W_pack.weight" })
        #expect(checkpoint.warnings.isEmpty)
    }
}
