import Foundation
import TestSupport
import Testing

@testable import Recast

/// What is unpacked is what was packed: every file, name and byte.
struct ArchiveRoundTripTests {
    private let directory = TemporaryDirectory()

    /// Every file below a path, by its name there; the file itself under no name.
    static func content(_ path: String) -> [String: [UInt8]] {
        func bytes(_ path: String) -> [UInt8] { FileManager.default.contents(atPath: path).map { [UInt8]($0) } ?? [] }
        guard let status = POSIX.status(path) else { return [:] }
        guard status.isDirectory else { return ["": bytes(path)] }
        var found: [String: [UInt8]] = [:]
        for case let name as String in FileManager.default.enumerator(atPath: path) ?? .init() {
            if POSIX.status(path + "/" + name)?.isDirectory == false { found[name] = bytes(path + "/" + name) }
        }
        return found
    }

    @discardableResult
    private func pack(_ source: String, workers: Int = 2) throws -> (Archive, Archiving.Report) {
        var archiving = try Archiving(source, to: directory.file("packed"))
        archiving.workers = workers
        archiving.replaces = true
        let report = try archiving.run()
        return (try Archive(path: directory.file("packed")), report)
    }

    private func expectRoundTrip(_ source: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let (archive, report) = try pack(source)
        var conversion = try Extraction(archive, to: directory.file("unpacked")).conversion
        conversion.workers = 2
        _ = try conversion.run()
        let original = Self.content(source)
        let restored = Self.content(directory.file("unpacked"))
        #expect(restored.keys.sorted() == original.keys.sorted(), sourceLocation: sourceLocation)
        for (name, bytes) in original {
            #expect(restored[name] == bytes, "\(source): \(name) differs", sourceLocation: sourceLocation)
        }
        #expect(report.originalByteCount == original.values.reduce(0) { $0 + $1.count }, sourceLocation: sourceLocation)
        directory.remove("unpacked")
    }

    // MARK: Checkpoints

    @Test func tinyModel() throws { try expectRoundTrip(Fixtures.tinyModel) }

    @Test(.enabled(if: Fixtures.hasGolden))
    func golden() throws {
        for folder in ["families", "megatron/hf"] {
            for name in try FileManager.default.contentsOfDirectory(atPath: Fixtures.golden(folder)) {
                let path = Fixtures.golden(folder) + "/" + name
                let files = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
                if files.contains(where: { $0.hasSuffix(".safetensors") }) { try expectRoundTrip(path) }
            }
        }
        for name in try FileManager.default.contentsOfDirectory(atPath: Fixtures.golden("tokenizers"))
        where name.hasSuffix(".gguf") {
            try expectRoundTrip(Fixtures.golden("tokenizers/\(name)"))
        }
    }

    @Test(arguments: ["f32", "bf16", "f16", "q8_0", "q6_k", "q4_0"], [nil, 500_000])
    func gguf(encoding: String, shardSize: Int?) throws {
        var options = ConversionOptions(target: .gguf)
        options.encoding = try GGUFFileType.named(encoding)
        options.maximumShardSize = shardSize
        let folder = directory.write("models/x", [])
        let path = Path.join(Path.directory(folder), "model.gguf")
        let plan = try Planning(Checkpoint(path: Fixtures.tinyModel), options).plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        directory.remove("models/x")
        let first = Path.join(Path.directory(folder), plan.outputs[0].name)
        try expectRoundTrip(shardSize == nil ? first : Path.directory(folder))
        // Named by one of them, all files of a set are packed.
        #expect(try pack(first).0.names == plan.outputs.map(\.name).sorted())
        #expect(try Checkpoint(path: directory.file("packed")).tensors.count == 51)
    }

    // MARK: Shapes of files

    /// Sizes around nothing and around whole frames, of all widths.
    @Test func sizes() throws {
        let perFrame = Archiving.Piece.elementsPerFrame
        let makers: [(String, Int, (Int, UInt64) -> [UInt8])] = [
            ("BF16", 2, Weights.bf16), ("F32", 4, Weights.f32), ("F16", 2, Weights.f16), ("U8", 1, Weights.noise),
            ("F64", 8, { Weights.f32(2 * $0, seed: $1) }), ("I32", 4, Weights.f32),
            ("BOOL", 1, { count, _ in .init(repeating: 1, count: count) }),
        ]
        var tensors: [(name: String, dtype: String, shape: [Int], bytes: [UInt8])] = []
        for (dtype, width, make) in makers {
            for count in [0, 1, 2, 33, 1000, perFrame - 1, perFrame, perFrame + 1, 2 * perFrame + 77] {
                let bytes = make(count, UInt64(count))
                #expect(bytes.count == count * width)
                tensors.append(("\(dtype).\(count)", dtype, [count], bytes))
            }
        }
        tensors.append(("scalar", "F32", [], Weights.f32(1)))
        directory.write("model/model.safetensors", SafetensorsBuilder.file(tensors))
        try expectRoundTrip(directory.file("model"))
        try expectRoundTrip(directory.file("model/model.safetensors"))
    }

    @Test func everyFileTravels() throws {
        var model = SmallModel()
        model.files = [
            ("empty.txt", []), (".gitattributes", [1]), ("a/b/c/deep.bin", Weights.noise(3000)), ("Größe.txt", [2]),
            ("a/\u{301}x", [5]),
            ("zeros.bin", [UInt8](repeating: 0, count: 3_000_000)),
            ("text.txt", Array(String(repeating: "abc ", count: 90_000).utf8)),
            ("checksums", [3]), ("broken.gguf", Array("GGUF".utf8) + [9, 9, 9]),
            ("notes.safetensors", Array("no such thing".utf8)),
        ]
        try expectRoundTrip(model.write(to: directory))
        try expectRoundTrip(model.write(to: directory, "sharded", shards: 3))
    }

    @Test func whatIsLeftOutIsSaid() throws {
        let model = SmallModel().write(to: directory)
        directory.write("model/.git/objects/x", [1])
        try FileManager.default.createDirectory(atPath: model + "/nothing", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: model + "/loop", withDestinationPath: ".")
        try FileManager.default.createSymbolicLink(atPath: model + "/dangling", withDestinationPath: "nowhere")
        try FileManager.default.createSymbolicLink(atPath: model + "/linked.json", withDestinationPath: "config.json")
        let archiving = try Archiving(model, to: directory.file("packed"))
        #expect(archiving.notes == ["not packed: .git/, dangling, loop/, nothing/ (empty)"])
        let archive = try pack(model).0
        #expect(archive.names == ["config.json", "linked.json", "model.safetensors"])
        #expect(try archive.source(of: "linked.json").contents() == archive.source(of: "config.json").contents())
    }

    /// Tensors of one name in several files, and tensors named like files.
    @Test func names() throws {
        let tensors = ["a", "checksums", "config.json", "x.safetensors@0"].map { name in
            (name: name, dtype: "BF16", shape: [5000], bytes: Weights.bf16(5000, seed: UInt64(name.utf8.count)))
        }
        for name in ["x.safetensors", "y.safetensors", "z/x.safetensors"] {
            directory.write("model/" + name, SafetensorsBuilder.file(tensors))
        }
        directory.write("model/config.json", [1, 2])
        try expectRoundTrip(directory.file("model"))
    }

    // MARK: What is written

    @Test func bytesDoNotDependOnWorkers() throws {
        let archives = try [1, 2, 5, 16].map { workers in
            try pack(Fixtures.tinyModel, workers: workers)
            return directory.bytes("packed")
        }
        #expect(Set(archives).count == 1)
    }

    @Test func anArchiveIsPackedAgain() throws {
        try pack(Fixtures.tinyModel)
        let first = directory.bytes("packed")
        var archiving = try Archiving(directory.file("packed"), to: directory.file("again"))
        archiving.workers = 2
        _ = try archiving.run()
        #expect(directory.bytes("again") == first)
    }

    @Test func ratio() throws {
        let count = 3_000_000
        for (dtype, bytes, limit) in [
            ("BF16", Weights.bf16(count), 0.68), ("F32", Weights.f32(count), 0.84), ("F16", Weights.f16(count), 0.9),
        ] {
            directory.write("a.safetensors", SafetensorsBuilder.file([("w", dtype, [count], bytes)]))
            let report = try pack(directory.file("a.safetensors")).1
            #expect(Double(report.byteCount) < limit * Double(report.originalByteCount), "\(dtype)")
            #expect(report.rawTensorCount == 0)
        }
    }

    /// What does not compress stays a tensor of its own type, for anybody to read; also where the sample was wrong.
    @Test func incompressibleStaysRaw() throws {
        let count = 4_000_000
        var deceiving = Weights.noise(2 * count, seed: 2)
        for window in 0..<8 {
            let start = 2 * ((count - 4096) / 7 * window)
            deceiving.replaceSubrange(start..<start + 8192, with: [UInt8](repeating: 0, count: 8192))
        }
        let tensors = [
            (name: "noise", dtype: "BF16", shape: [1000, 4000], bytes: Weights.noise(2 * count)),
            (name: "deceiving", dtype: "BF16", shape: [count], bytes: deceiving),
            (name: "after", dtype: "BF16", shape: [100_000], bytes: Weights.bf16(100_000)),
        ]
        let source = directory.write("a.safetensors", SafetensorsBuilder.file(tensors))
        let report = try pack(source).1
        #expect(report.rawTensorCount == 2 && report.tensorCount == 3)
        var files = FileList()
        let container = try SafetensorsFile(path: directory.file("packed"), files: &files)
        var reader = Reader(files: FilePool(files.files))
        for tensor in tensors.prefix(2) {
            let stored = try #require(container.tensors.first { $0.name == tensor.name }?.tensor)
            #expect(stored.dtype == .bf16 && stored.shape == tensor.shape)
            #expect(try stored.bytes(using: &reader) == tensor.bytes)
        }
        #expect(container.tensors.first { $0.name == "after" }?.tensor.dtype == .u8)
        try expectRoundTrip(source)
    }

    /// The frames and their seek table, taken together, are what any zstd decompresses: the exponents of all elements.
    @Test func framesAreZstandard() throws {
        let count = 600_000
        let bytes = Weights.bf16(count)
        let source = directory.write("a.safetensors", SafetensorsBuilder.file([("w", "BF16", [count], bytes)]))
        let archive = try pack(source).0
        let piece = try #require(archive.members[0].pieces.first { $0.entry?.name == "w" })
        let layout = try PlaneLayout(
            archive.source, entry: piece.place, byteCount: piece.byteCount, frameByteCount: 512 << 10)
        #expect(layout.compressedPlanes == [0] && layout.frameCount == 3)
        #expect(layout.openOffset.isMultiple(of: 64))
        let table = layout.frameOffsets[3]
        let frames = try archive.source.bytes(layout.frameOffsets[0]..<table + SeekTable.byteCount(frameCount: 3))
        var exponents = [UInt8](repeating: 0, count: count)
        let problem = exponents.withUnsafeMutableBytes { out in
            frames.withUnsafeBytes { Decompressor().decompress($0, into: out) }
        }
        #expect(problem == nil)
        #expect(exponents == (0..<count).map { bytes[2 * $0 + 1] << 1 | bytes[2 * $0] >> 7 })
        let open = try archive.source.bytes(layout.openOffset..<layout.openOffset + count)
        #expect(open == (0..<count).map { bytes[2 * $0] << 1 | bytes[2 * $0 + 1] >> 7 })
    }
}
