import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Recast

/// An archive, and what is unpacked, is complete and correct, or as it was.
struct ArchiveDestinationTests {
    private let directory = TemporaryDirectory()

    private func archiving(of source: String, to name: String = "packed") throws -> Archiving {
        try Archiving(source, to: directory.file(name))
    }

    private func model() -> String { SmallModel().write(to: directory) }

    @Test func existing() throws {
        var archiving = try archiving(of: model())
        directory.write("packed", [1, 2])
        expectRejection(.destinationExists, "exists already; --force replaces it", file: "packed") {
            _ = try archiving.run()
        }
        #expect(directory.bytes("packed") == [1, 2])
        archiving.replaces = true
        _ = try archiving.run()
        #expect(directory.names == ["model", "packed"])
        #expect(try Checkpoint(path: directory.file("packed")).tensors.count == 27)
    }

    @Test func theSourceItself() throws {
        let model = model()
        for name in ["model/model.safetensors", "model/config.json"] {
            var archiving = try archiving(of: model, to: name)
            archiving.replaces = true
            let before = directory.bytes(name)
            expectRejection(.destinationExists, "is the source itself", file: name) { _ = try archiving.run() }
            #expect(directory.bytes(name) == before)
        }
        _ = try archiving(of: model).run()
        let archive = try Archive(path: directory.file("packed"))
        var conversion = try Extraction(archive, to: directory.file("packed")).conversion
        conversion.replaces = true
        expectRejection(.destinationExists, "is the source itself", file: "packed") { _ = try conversion.run() }
        // Nor may a conversion from an archive write over it.
        let checkpoint = try Checkpoint(path: directory.file("packed"))
        let plan = try Planning(checkpoint, ConversionOptions(target: .gguf)).plan(
            destination: directory.file("packed"))
        var onto = Conversion(plan, to: directory.file("packed"))
        onto.replaces = true
        expectRejection(.destinationExists, "is the source itself", file: "packed") { _ = try onto.run() }
        #expect(try Archive(path: directory.file("packed")).names.count == 2)
    }

    @Test func interrupted() throws {
        let source = Fixtures.tinyModel
        for turn in [1, 5, 20] {
            var archiving = try archiving(of: source)
            archiving.workers = 3
            let count = Mutex(0)
            archiving.isInterrupted = {
                count.withLock {
                    $0 += 1
                    return $0 >= turn
                }
            }
            expectRejection(.interrupted, "interrupted") { _ = try archiving.run() }
            #expect(directory.names.isEmpty)
        }
    }

    /// Whichever frame cannot be written, and whatever the other workers are doing then.
    @Test(arguments: [1, 2, 4]) func writesThatFail(workers: Int) throws {
        var archiving = try archiving(of: Fixtures.tinyModel)
        archiving.workers = workers
        archiving.verifies = false
        let count = Mutex(0)
        archiving.willWrite = { (_) throws(RecastError) in count.withLock { $0 += 1 } }
        _ = try archiving.run()
        directory.remove("packed")
        let frames = count.withLock { $0 }
        #expect(frames > 50)
        for frame in stride(from: 0, to: frames, by: 2) {
            archiving.willWrite = { (number) throws(RecastError) in
                if number == frame { throw RecastError(.inputOutput, "no more after \(frame)") }
            }
            expectRejection(.inputOutput, "no more after \(frame)") { _ = try archiving.run() }
            #expect(directory.names.isEmpty)
        }
    }

    @Test func noSpace() throws {
        var archiving = try archiving(of: model())
        archiving.freeBytes = { _ in 1000 }
        expectRejection(.inputOutput, "not enough space", file: "packed") { _ = try archiving.run() }
        #expect(directory.names == ["model"])
    }

    @Test func theSourceChanges() throws {
        let model = model()
        let shrunk = try archiving(of: model)
        directory.write("model/config.json", [1])
        expectRejection(.inputOutput, "has changed since it was examined", file: "config.json") { _ = try shrunk.run() }
        directory.remove("model/config.json")
        expectRejection(.inputMissing, "cannot open", file: "config.json") { _ = try shrunk.run() }
        #expect(directory.names == ["model"])
    }

    @Test func nothingToPack() throws {
        directory.write("docs/thesis.txt", [1])
        expectRejection(.inputMissing, "holds no checkpoint", file: "docs") {
            _ = try archiving(of: directory.file("docs"))
        }
        expectRejection(.inputMissing, "no such file") { _ = try archiving(of: directory.file("nowhere")) }
        expectRejection("is neither safetensors nor GGUF") { _ = try archiving(of: directory.file("docs/thesis.txt")) }
        directory.write("broken.gguf", Array("GGUF".utf8) + [9])
        expectRejection("broken.gguf") { _ = try archiving(of: directory.file("broken.gguf")) }
        let odd = model() + "/a\nb"
        try Data([1]).write(to: URL(fileURLWithPath: odd))
        expectRejection(.unsupported, "its name has control characters") {
            _ = try archiving(of: directory.file("model"))
        }
    }

    /// What is on the disk is read back, whatever has been written.
    @Test(arguments: [true, false]) func readingBack(verifies: Bool) throws {
        var archiving = try archiving(of: Fixtures.tinyModel)
        archiving.verifies = verifies
        let staged = directory.file("packed.recast-partial/new/packed")
        let hasFailed = Mutex(false)
        let damage: @Sendable (Recast.Progress) -> Void = { progress in
            // Once all is written but for the header: one bit of a tensor.
            guard progress.done >= progress.total, !hasFailed.withLock({ $0 }) else { return }
            hasFailed.withLock { $0 = true }
            guard let sink = try? FileSink(path: staged) else { return }
            try? [UInt8](repeating: 0x55, count: 64).withBytes { (bytes) throws(RecastError) in
                try sink.write(bytes, at: 3_000_000)
            }
        }
        if verifies {
            expectRejection(.inputOutput, ["reading back", "is damaged"], file: "packed.recast-partial") {
                _ = try archiving.run(progress: damage)
            }
            #expect(directory.names.isEmpty)
        } else {
            _ = try archiving.run(progress: damage)
            let archive = try Archive(path: directory.file("packed"))
            expectRejection("is damaged") {
                try archive.checkFrames(workers: 2, isInterrupted: { false })
            }
        }
        #expect(hasFailed.withLock { $0 })
    }

    @Test func twoAtOnce() throws {
        let archiving = try archiving(of: model())
        let folder = try StagingFolder(for: directory.file("packed"), replaces: false)
        expectRejection(.inputOutput, "another run of recast is writing") { _ = try archiving.run() }
        withExtendedLifetime(folder) {}
        _ = consume folder
        _ = try archiving.run()
    }

    // MARK: Unpacking

    @Test func unpackingOverAnything() throws {
        _ = try archiving(of: model()).run()
        let archive = try Archive(path: directory.file("packed"))
        directory.write("out/thesis.txt", [1])
        var conversion = try Extraction(archive, to: directory.file("out")).conversion
        expectRejection(.destinationExists, "exists already", file: "out") { _ = try conversion.run() }
        conversion.replaces = true
        expectRejection(.destinationExists, "belongs to no checkpoint: thesis.txt", file: "out") {
            _ = try conversion.run()
        }
        directory.remove("out/thesis.txt")
        directory.write("out/config.json", DestinationTests.oldConfiguration)
        _ = try conversion.run()
        #expect(
            ArchiveRoundTripTests.content(directory.file("out"))
                == ArchiveRoundTripTests.content(directory.file("model")))
        conversion.freeBytes = { _ in 100 }
        expectRejection(.inputOutput, "not enough space") { _ = try conversion.run() }
    }

    /// What an interrupted run has unpacked is used by the next.
    @Test func resumed() throws {
        _ = try archiving(of: Fixtures.tinyModel).run()
        let archive = try Archive(path: directory.file("packed"))
        var conversion = try Extraction(archive, to: directory.file("out")).conversion
        conversion.resumes = true
        let count = Mutex(0)
        conversion.isInterrupted = {
            count.withLock {
                $0 += 1
                return $0 > 30
            }
        }
        expectRejection(.interrupted, "--resume completes it") { _ = try conversion.run() }
        conversion.isInterrupted = { false }
        _ = try conversion.run()
        #expect(
            ArchiveRoundTripTests.content(directory.file("out")) == ArchiveRoundTripTests.content(Fixtures.tinyModel))
        #expect(directory.names == ["out", "packed"])
    }

    @Test func aFileIsAFileAgain() throws {
        _ = try archiving(of: model() + "/model.safetensors").run()
        let archive = try Archive(path: directory.file("packed"))
        _ = try Extraction(archive, to: directory.file("renamed.safetensors")).conversion.run()
        #expect(directory.bytes("renamed.safetensors") == directory.bytes("model/model.safetensors"))
    }
}
