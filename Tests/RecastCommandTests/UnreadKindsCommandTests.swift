import Foundation
import Recast
import TestSupport
import Testing

/// What users meet where they name something that is no checkpoint: one line, and a status of its own.
struct UnreadKindsCommandTests {
    private let directory = TemporaryDirectory()

    /// Every command that opens a checkpoint says the same.
    private func expect(_ status: Int32, _ path: String, _ said: String...) throws {
        let text = directory.write("text.txt", Array("a text".utf8))
        for arguments in [
            ["convert", path, directory.file("out")], ["inspect", path], ["perplexity", path, "--text", text],
        ] {
            let outcome = try CommandTests.recast(arguments)
            #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
            for words in said { #expect(outcome.errors.contains(words), "\(outcome.errors)") }
            #expect(
                outcome.errors.hasPrefix("error: ") && outcome.errors.split(separator: "\n").count == 1,
                "\(outcome.errors)")
            #expect(!outcome.errors.contains("--allow-unknown"))
        }
    }

    @Test func kinds() throws {
        try expect(66, "Qwen/Qwen2.5-0.5B", "Hugging Face Hub", "hf download Qwen/Qwen2.5-0.5B")
        try expect(66, directory.file("nothing"), "no such file or directory")
        for (name, bytes) in [("m.onnx", [8, 7]), ("m.gz", [0x1F, 0x8B]), ("m.bin", Array("tjgg".utf8))]
            as [(String, [UInt8])]
        {
            try expect(69, directory.write(name, bytes + [UInt8](repeating: 7, count: 100)), "not read")
        }
        try expect(66, directory.write("m.safetensors.part", [1]), "the download is not complete", "hf download")
        directory.write("verl/actor/model_world_size_2_rank_0.pt", [1])
        try expect(69, directory.file("verl/actor"), "verl.model_merger")
    }

    /// A snapshot of the hub's cache, by the model's folder and from inside it.
    @Test func cache() throws {
        let revision = String(repeating: "f", count: 40)
        let model = "models--Qwen--tiny"
        for file in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
            let bytes = try #require(FileManager.default.contents(atPath: "\(Fixtures.tinyModel)/\(file)"))
            directory.write("\(model)/blobs/\(file)", [UInt8](bytes))
            let folder = directory.file("\(model)/snapshots/\(revision)")
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/\(file)", withDestinationPath: "../../blobs/\(file)")
        }
        directory.write("\(model)/refs/main", Array(revision.utf8))
        let outcome = try CommandTests.recast("convert", directory.file(model), directory.file("a.gguf"))
        #expect(outcome.status == 0 && outcome.errors.contains("note: ") && outcome.errors.contains(revision))
        let script = #"cd "$1" && "$0" inspect . --json"#
        let inside = try CommandTests.shell(script, [directory.file("\(model)/snapshots/\(revision)")])
        #expect(inside.status == 0)
        #expect(try CommandTests.recast("diff", directory.file(model), directory.file("a.gguf")).status == 0)
    }
}
