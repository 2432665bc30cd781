import Foundation
import TestSupport
import Testing

@testable import Recast

/// A place that is neither a directory nor an archive: all that a new kind takes is its conformance.
struct FilePlaceTests {
    private let directory = TemporaryDirectory()

    enum Source: CaseIterable {
        case safetensors, shards, gguf, ranks, distributed

        /// Writes a checkpoint of the format, alone in a directory.
        ///
        /// - Returns: the directory, and the file that stands for the checkpoint.
        func write(to directory: TemporaryDirectory) throws -> (path: String, file: String?) {
            let model = SmallModel().write(to: directory, "source", shards: self == .shards ? 3 : 1)
            let target: ConversionOptions.Target
            switch self {
            case .safetensors, .shards: return (model, nil)
            case .gguf: target = .gguf
            case .ranks:
                var megatron = MegatronTarget(.ranks)
                (megatron.sizes.tensor, megatron.sizes.expertTensor, megatron.sizes.pipeline) = (2, 2, 2)
                target = .megatron(megatron)
            case .distributed: target = .megatron(MegatronTarget(.distributed))
            }
            try FileManager.default.createDirectory(
                atPath: directory.file("written"), withIntermediateDirectories: false)
            let path = directory.file(self == .gguf ? "written/model.gguf" : "written/model")
            let plan = try Planning(Checkpoint(path: model), ConversionOptions(target: target)).plan(destination: path)
            _ = try Conversion(plan, to: path).run()
            return self == .gguf ? (directory.file("written"), "model.gguf") : (path, nil)
        }
    }

    /// The bytes of all files of a conversion.
    private func convert(
        _ checkpoint: Checkpoint, to target: ConversionOptions.Target, _ name: String, _ places: Places
    ) throws -> [String: [UInt8]] {
        let path = directory.file(name + (target == .gguf ? "/model.gguf" : ""))
        if target == .gguf {
            try FileManager.default.createDirectory(atPath: directory.file(name), withIntermediateDirectories: false)
        }
        let plan = try Planning(checkpoint, ConversionOptions(target: target)).plan(destination: path)
        // As it comes back from wherever it was stored.
        let stored = try JSONDecoder().decode(Plan.self, from: JSONEncoder().encode(plan))
        var conversion = Conversion(stored, to: path)
        conversion.places = places
        conversion.verification = .everything
        _ = try conversion.run()
        return MemoryPlace(copying: directory.file(name)).contents
    }

    /// What is opened in memory is what is opened on a disk, and so is what is written of it.
    @Test(arguments: Source.allCases) func conversions(of source: Source) throws {
        let (path, file) = try source.write(to: directory)
        let onDisk = try Checkpoint(path: file.map { Path.join(path, $0) } ?? path)
        var expected: [[String: [UInt8]]] = []
        let targets: [ConversionOptions.Target] = [.gguf, .huggingFace(family: nil), .megatron(MegatronTarget(.ranks))]
        for (index, target) in targets.enumerated() {
            expected.append(try convert(onDisk, to: target, "disk\(index)", .standard))
        }
        let tensors = try Fixtures.contents(onDisk)
        let memory = MemoryPlace(copying: path)
        for name in ["source", "written"] { directory.remove(name) }

        let pool = FilePool(places: MemoryPlace.places)
        let inMemory =
            try file.map { try Checkpoint(memory, file: $0, sources: pool) }
            ?? Checkpoint(path: memory.path, sources: pool)
        #expect(try Fixtures.contents(inMemory) == tensors)
        #expect(inMemory.description.title == onDisk.description.title)
        #expect(inMemory.description.metadata.elementsEqual(onDisk.description.metadata, by: ==))
        #expect(inMemory.description.sizes == onDisk.description.sizes)
        for (index, target) in targets.enumerated() {
            let written = try convert(inMemory, to: target, "memory\(index)", MemoryPlace.places)
            #expect(written.keys.sorted() == expected[index].keys.sorted())
            for (name, bytes) in expected[index] { #expect(written[name] == bytes, "\(target): \(name)") }
        }
    }

    /// A tag tells that a file is another one; a place that a run does not know is no place.
    @Test func refusals() throws {
        let memory = MemoryPlace(copying: SmallModel().write(to: directory))
        let checkpoint = try Checkpoint(memory, sources: FilePool(places: MemoryPlace.places))
        let path = directory.file("a.gguf")
        let plan = try Planning(checkpoint, ConversionOptions(target: .gguf)).plan(destination: path)
        var conversion = Conversion(plan, to: path)
        expectRejection(.unsupported, "lies in a place that is not known here", file: memory.path) {
            _ = try conversion.run()
        }
        conversion.places = MemoryPlace.places
        memory.damage("model.safetensors", at: 5000)
        expectRejection(.inputOutput, "has changed since it was examined", file: "model.safetensors") {
            _ = try conversion.run()
        }
        #expect(directory.names == ["model"])
    }
}
