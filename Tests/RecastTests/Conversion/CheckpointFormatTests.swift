import Foundation
import TestSupport
import Testing

@testable import Recast

/// Every checkpoint is of one format.
struct CheckpointFormatTests {
    /// The formats that recognise what a path names.
    private func formats(of path: String) throws -> [String] {
        let isFile = Directory.found(at: path) == nil
        let candidate = try CheckpointCandidate(
            isFile ? Folder(containing: path) : Folder(directory: path), file: isFile ? Path.name(path) : nil)
        return try Checkpoint.formats.filter { format in
            if case .isOfFormat = try format.recognition(of: candidate) { true } else { false }
        }.map { "\($0)" }
    }

    /// Checkpoints below a golden folder: directories that hold one of the names, or files with the ending.
    private func golden(_ folder: String, holding names: Set<String> = [], ending: String? = nil) -> [String] {
        let root = Fixtures.golden(folder)
        let found = (FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []).sorted()
        if let ending { return found.filter { $0.hasSuffix(ending) }.map { root + "/" + $0 } }
        return found.filter { names.contains(Path.name($0)) }.map { root + "/" + Path.directory($0) }
    }

    @Test(.enabled(if: Fixtures.hasGolden)) func goldenCheckpoints() throws {
        let weights: Set = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"]
        let tracker: Set = [MegatronFolder.tracker]
        let expected: [(format: String, paths: [String])] = [
            ("HuggingFaceFiles", golden("families", holding: weights) + golden("megatron/hf", holding: weights)),
            ("HuggingFaceFiles", golden("megatron/hf", ending: "model.safetensors")),
            ("GGUFSet", golden("tokenizers", ending: ".gguf") + golden("gguf", ending: ".gguf")),
            ("MegatronRanks", golden("megatron/torch", holding: tracker)),
            ("MegatronDistributed", golden("megatron/torch_dist", holding: tracker)),
            ("MegatronDistributed", golden("megatron/torch_dist", holding: [".metadata"])),
        ]
        for (format, paths) in expected {
            #expect(!paths.isEmpty, "\(format)")
            for path in paths { #expect(try formats(of: path) == [format], "\(path)") }
        }
    }

    @Test(arguments: FilePlaceTests.Source.allCases) func writtenCheckpoints(_ source: FilePlaceTests.Source) throws {
        let directory = TemporaryDirectory()
        let (path, file) = try source.write(to: directory)
        let name =
            switch source {
            case .safetensors, .shards: "HuggingFaceFiles"
            case .gguf: "GGUFSet"
            case .ranks: "MegatronRanks"
            case .distributed: "MegatronDistributed"
            }
        #expect(try formats(of: file.map { Path.join(path, $0) } ?? path) == [name])
    }

    /// What a directory of each format holds may be replaced, and is known to be a checkpoint.
    @Test(arguments: FilePlaceTests.Source.allCases) func replaceable(_ source: FilePlaceTests.Source) throws {
        let directory = TemporaryDirectory()
        let (path, _) = try source.write(to: directory)
        #expect(try ReplacedDirectory.foreignNames(in: path) == [])
        directory.write(path.dropFirst(directory.path.count + 1) + "/holiday.jpg", [1])
        #expect(try ReplacedDirectory.foreignNames(in: path) == ["holiday.jpg"])
    }
}
