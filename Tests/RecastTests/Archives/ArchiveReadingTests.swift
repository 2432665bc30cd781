import Foundation
import TestSupport
import Testing

@testable import Recast

/// An archive is a checkpoint: whatever takes one takes the other, and does the same.
struct ArchiveReadingTests {
    private let directory = TemporaryDirectory()

    private func pack(_ source: String, _ name: String = "packed") throws -> String {
        var archiving = try Archiving(source, to: directory.file(name))
        archiving.workers = 2
        archiving.replaces = true
        _ = try archiving.run()
        return directory.file(name)
    }

    /// What a conversion writes, by name.
    private func converted(_ source: String, _ options: ConversionOptions, as name: String) throws -> [String: [UInt8]]
    {
        let path = directory.file(name)
        let plan = try Planning(Checkpoint(path: source), options).plan(destination: path)
        // Plans are stored and read again.
        let stored = try JSONDecoder().decode(Plan.self, from: JSONEncoder().encode(plan))
        #expect(stored == plan)
        var conversion = Conversion(stored, to: path)
        conversion.workers = 2
        _ = try conversion.run()
        defer { directory.remove(name) }
        return ArchiveRoundTripTests.content(path)
    }

    /// Targets that move bytes, compute numbers, and take the name of the model along.
    static var targets: [ConversionOptions] {
        var quantized = ConversionOptions(target: .gguf)
        quantized.encoding = try? GGUFFileType.named("q4_0")
        var sharded = ConversionOptions(target: .huggingFace(family: nil))
        sharded.maximumShardSize = 100_000
        sharded.dtype = .f32
        return [
            ConversionOptions(target: .huggingFace(family: "llama")), ConversionOptions(target: .gguf), quantized,
            sharded,
        ]
    }

    private func expectSame(_ source: String, _ packed: String, dtype: DType? = nil) throws {
        let (original, archived) = (try Checkpoint(path: source), try Checkpoint(path: packed))
        #expect(original.archive == nil && archived.archive != nil)
        #expect(archived.tensors.map(\.name) == original.tensors.map(\.name))
        #expect(archived.tensors.map(\.tensor.shape) == original.tensors.map(\.tensor.shape))
        #expect(archived.tensors.map(\.tensor.dtype) == original.tensors.map(\.tensor.dtype))
        #expect(archived.files.map(\.byteCount) == original.files.map(\.byteCount))
        for (index, target) in Self.targets.enumerated() {
            let expected = try converted(source, target, as: "out\(index).gguf")
            #expect(try converted(packed, target, as: "out\(index).gguf") == expected, "\(source) \(target)")
        }
    }

    @Test func tinyModel() throws { try expectSame(Fixtures.tinyModel, pack(Fixtures.tinyModel)) }

    @Test func shardsAndTemplates() throws {
        var model = SmallModel()
        model.files = [
            ("additional_chat_templates/tool.jinja", Array("{{ messages }}".utf8)), ("LICENSE", [1, 2, 3]),
            ("generation_config.json", Array(#"{"temperature": 0.5}"#.utf8)),
        ]
        let source = model.write(to: directory, shards: 3)
        try expectSame(source, pack(source))
        // Named by a shard, the set is packed without its configuration, which is found beside the archive.
        let shard = source + "/" + SmallModel.shardName(1, of: 3)
        try expectSame(shard, pack(shard, "model/packed.safetensors"))
    }

    @Test func gguf() throws {
        let path = directory.file("a.gguf")
        var options = ConversionOptions(target: .gguf)
        options.encoding = try GGUFFileType.named("q8_0")
        let plan = try Planning(Checkpoint(path: Fixtures.tinyModel), options).plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        for target in [ConversionOptions(target: .huggingFace(family: nil)), ConversionOptions(target: .gguf)] {
            #expect(
                try converted(pack(path), target, as: "out.gguf") == converted(path, target, as: "out.gguf"))
        }
        // In a directory, the only GGUF is the checkpoint.
        directory.write("folder/README", [1])
        directory.write("folder/a.gguf", directory.bytes("a.gguf")!)
        let archive = try pack(directory.file("folder"))
        #expect(try Checkpoint(path: archive).description.name == "gguf")
        directory.write("folder/b.gguf", directory.bytes("a.gguf")!)
        let both = try pack(directory.file("folder"))
        expectRejection(.usage, "holds 2 GGUF files") { _ = try Checkpoint(path: both) }
    }

    /// A file that was packed by itself stands where the archive stands.
    @Test func configurationBesideTheArchive() throws {
        var model = SmallModel()
        model.files = [("NOTICE", [4])]
        let source = model.write(to: directory)
        let file = source + "/model.safetensors"
        let archive = try pack(file, "model/packed.safetensors")
        let companions = try #require(Checkpoint(path: archive).huggingFaceFiles).companions
        #expect(companions == ["NOTICE"])
        try expectSame(file, archive)
        let elsewhere = try pack(file, "elsewhere")
        expectRejection(.inputMissing, "not found: a checkpoint of tensors alone", file: "config.json") {
            _ = try Model(Checkpoint(path: elsewhere))
        }
    }

    @Test func tokenizerFromAnArchive() throws {
        let source = SmallModel().write(to: directory)
        let archive = try pack(Fixtures.tinyModel)
        let names = try Checkpoint(path: source).vocabulary(directory: archive, size: nil)?.tokens
        #expect(try names == Checkpoint(path: Fixtures.tinyModel).vocabulary(size: nil)?.tokens)
    }

    @Test func insideADirectory() throws {
        let archive = try pack(Fixtures.tinyModel, "folder.safetensors")
        directory.write("folder/model.safetensors", try FileSource.contents(of: archive))
        expectRejection(.usage, "is an archive; name it itself") { _ = try Checkpoint(path: directory.file("folder")) }
    }

    // MARK: Random access

    /// Any range of a file, from several threads at once, is what the file has there.
    @Test func ranges() throws {
        let bytes = SafetensorsBuilder.file([
            ("a", "BF16", [1_000_003], Weights.bf16(1_000_003)), ("b", "F32", [300_001], Weights.f32(300_001)),
            ("c", "U8", [700_001], Weights.noise(700_001)), ("d", "F16", [5], Weights.f16(5)),
            ("e", "F64", [300_000], Weights.f32(600_000)),
        ])
        let archive = try Archive(path: pack(directory.write("a.safetensors", bytes)))
        let source = try archive.source(of: "a.safetensors")
        #expect(source.byteCount == bytes.count && source.descriptor == nil)
        DispatchQueue.concurrentPerform(iterations: 4) { worker in
            var random = SeededGenerator(seed: UInt64(worker))
            for round in 0..<150 {
                let start = Int.random(in: 0...bytes.count, using: &random)
                let limit = [3, 5000, 3 << 20].randomElement(using: &random)!
                let end = min(bytes.count, start + Int.random(in: 0...limit, using: &random))
                let range = round == 0 ? 0..<bytes.count : start..<end
                #expect((try? source.bytes(range)) == Array(bytes[range]), "\(range)")
            }
        }
        for range in [bytes.count..<bytes.count + 1, 0..<bytes.count + 1, bytes.count + 5..<bytes.count + 5] {
            expectRejection(.inputOutput, "the file ends at byte \(bytes.count)", file: "packed/a.safetensors") {
                _ = try source.bytes(range)
            }
        }
    }

    @Test func changedArchive() throws {
        let archive = try pack(Fixtures.tinyModel)
        let checkpoint = try Checkpoint(path: archive)
        let bytes = try FileSource.contents(of: archive)
        directory.remove("packed")
        directory.write("packed", bytes)
        var reader = Reader(files: FilePool(checkpoint.files))
        expectRejection(.inputOutput, "has changed since it was examined", file: "packed/model.safetensors") {
            _ = try checkpoint.tensors[0].tensor.checksum(using: &reader)
        }
    }

    @Test func missingMember() throws {
        let archive = try Archive(path: pack(Fixtures.tinyModel))
        expectRejection(.inputMissing, "holds no such file", file: "packed/nothing") {
            _ = try archive.source(of: "nothing")
        }
    }
}
