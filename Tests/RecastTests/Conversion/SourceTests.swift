import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Sources are what they were, and what they say of themselves is true.
struct SourceTests {
    private let directory = TemporaryDirectory()

    private func conversion(of source: String, to name: String) throws -> Conversion {
        let path = directory.file(name)
        let checkpoint = try Checkpoint(path: source)
        return Conversion(try Planning(checkpoint, ConversionOptions(target: .gguf)).plan(destination: path), to: path)
    }

    private func change(_ path: String, at offset: Int) {
        guard let file = FileHandle(forUpdatingAtPath: path) else { return }
        try? file.seek(toOffset: UInt64(offset))
        try? file.write(contentsOf: [0x5A])
        try? file.close()
    }

    // MARK: Changes

    enum Change: CaseIterable { case content, contentAndTime, another, shorter }

    /// A source that changes after its last byte has been read: what was written is a mixture of two states, or could be.
    @Test(arguments: Change.allCases)
    func changedWhileItIsRead(_ change: Change) throws {
        let source = SmallModel().write(to: directory) + "/model.safetensors"
        var conversion = try conversion(of: directory.file("model"), to: "a.gguf")
        let jobs = conversion.plan.jobs().count
        let date = try #require(FileManager.default.attributesOfItem(atPath: source)[.modificationDate] as? Date)
        let count = Mutex(0)
        let directory = directory
        conversion.isInterrupted = {
            guard
                count.withLock({
                    $0 += 1; return $0
                }) == jobs
            else { return false }
            switch change {
            case .content: self.change(source, at: 5000)
            case .contentAndTime:
                self.change(source, at: 5000)
                try? FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: source)
            case .another:
                let bytes = directory.bytes("model/model.safetensors") ?? []
                directory.remove("model/model.safetensors")
                directory.write("model/model.safetensors", bytes)
                try? FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: source)
            case .shorter: truncate(source, 5000)
            }
            return false
        }
        // The last job finds out by itself that its bytes are not there any more.
        let said = change == .shorter ? "the file ends at byte 5000" : "has changed since it was examined"
        expectRejection(.inputOutput, said, file: "model.safetensors") { _ = try conversion.run() }
        #expect(directory.names == ["model"])
    }

    // MARK: Checksums of the files' own

    enum Layout: CaseIterable { case ranks, distributed }

    private func megatron(_ layout: Layout) throws -> [String] {
        let source = SmallModel().write(to: directory)
        let target = MegatronTarget(layout == .ranks ? .ranks : .distributed)
        let path = directory.file("megatron")
        let plan = try Planning(Checkpoint(path: source), ConversionOptions(target: .megatron(target)))
            .plan(destination: path)
        _ = try Conversion(plan, to: path).run()
        return plan.outputs.map(\.name).filter { $0.hasSuffix(".pt") || $0.hasSuffix(".distcp") }
    }

    /// A byte of a storage is not what the zip says it is.
    @Test(arguments: Layout.allCases)
    func damagedZip(_ layout: Layout) throws {
        let names = try megatron(layout)
        let whole = try conversion(of: directory.file("megatron"), to: "whole.gguf")
        #expect(!whole.plan.checksums.isEmpty && whole.plan.checksums.allSatisfy { $0.value != 0 })
        #expect(try whole.run().notes.isEmpty)
        let place = try #require(whole.plan.checksums.randomElement())
        let path = whole.plan.sources[place.file.index].path
        #expect(names.contains { path.hasSuffix($0) })
        change(path, at: place.bytes.lowerBound + place.bytes.count / 2)

        var damaged = try conversion(of: directory.file("megatron"), to: "a.gguf")
        expectRejection(["are damaged, by the file's own CRC-32", "--no-verify"], file: Path.name(path), at: -1) {
            _ = try damaged.run()
        }
        expectRejection("are damaged, by the file's own CRC-32", file: Path.name(path)) {
            try Checkpoint(path: directory.file("megatron")).verifyChecksums(workers: 2)
        }
        #expect(directory.names == ["megatron", "model", "whole.gguf"])
        damaged.verification = .none
        _ = try damaged.run()
    }

    /// torch can be told to compute no CRC-32, and then writes 0.
    @Test func zipWithoutChecksums() throws {
        _ = try megatron(.ranks)
        let whole = try conversion(of: directory.file("megatron"), to: "a.gguf")
        var plan = whole.plan
        for index in plan.checksums.indices { plan.checksums[index].value = 0 }
        let count = plan.checksums.count
        let notes = try Conversion(plan, to: directory.file("a.gguf")).run().notes
        #expect(notes.count == 1 && notes[0].hasPrefix("\(count) of \(count) storages of the source have no CRC-32"))
    }

    // MARK: Files that cannot be read

    /// A file that cannot be read is not one of another kind.
    @Test func errorsWhileItIsRecognized() throws {
        let source = SmallModel().write(to: directory)
        _ = try conversion(of: source, to: "a.gguf").run()
        _ = try Archiving(source, to: directory.file("packed")).run()
        for name in ["model", "model/model.safetensors", "a.gguf", "packed"] {
            let path = directory.file(name)
            let faults = Faults(below: path, of: [.read], at: 1, .error(EIO), repeats: true)
            expectRejection(.inputOutput, "Input/output error") { try faults.during { _ = try Checkpoint(path: path) } }
            expectRejection(.inputOutput, "Input/output error") {
                try faults.during { _ = try Archiving(path, to: directory.file("out")) }
            }
            if name == "packed" {
                expectRejection(.inputOutput, "Input/output error") {
                    try faults.during { _ = try Archive(path: path) }
                }
            }
        }
    }
}
