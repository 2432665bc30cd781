import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Recast
@testable import RecastTensors

// A conversion that is interrupted, and goes on.
extension DestinationTests {
    @Test(arguments: Form.allCases, [1, 5, 15])
    func interrupted(_ form: Form, job: Int) throws {
        var conversion = try conversion(form, of: source(), to: "out")
        conversion.isInterrupted = before(job: job) { true }
        expectRejection(.interrupted, "interrupted") { _ = try conversion.run() }
        #expect(content().isEmpty)
    }

    @Test(arguments: Form.allCases, [1, 5, 15])
    func resumed(_ form: Form, job: Int) throws {
        let source = source()
        var whole = try conversion(form, of: source, to: "whole/out")
        directory.write("whole/x", [])
        _ = try whole.run()
        directory.remove("whole/x")
        let expected = content(of: "whole")
        directory.remove("whole")

        whole = try conversion(form, of: source, to: "out")
        whole.resumes = true
        whole.isInterrupted = before(job: job) { true }
        expectRejection(.interrupted, "--resume completes it") { _ = try whole.run() }
        #expect(directory.names == ["model", "out.recast-partial"])
        #expect(content(of: "out.recast-partial").keys.contains("journal"))
        #expect(!directory.names.contains("out"))

        // A second interruption loses nothing of the first run.
        let count = Counter()
        whole.isInterrupted = { false }
        _ = try whole.run { _ in _ = count.next() }
        #expect(count.next() - 1 == whole.plan.jobs().count - (job - 1))
        #expect(content() == expected)
    }

    @Test func journalOfAnotherPlan() throws {
        let source = source()
        var first = try conversion(of: source, to: "out", dtype: .bf16)
        first.resumes = true
        first.isInterrupted = before(job: 4) { true }
        expectRejection(.interrupted, "") { _ = try first.run() }
        let staged = content()
        var second = try conversion(of: source, to: "out", dtype: .f16)
        second.resumes = true
        expectRejection(.usage, "belongs to a conversion with other options", file: "out.recast-partial") {
            _ = try second.run()
        }
        #expect(content() == staged)

        // Without --resume it begins anew.
        second.resumes = false
        _ = try second.run()
        #expect(directory.names == ["model", "out"])
    }

    /// What a check refuses does not cost what an earlier run has done.
    @Test func refusalKeepsWhatIsStaged() throws {
        var conversion = try conversion(of: source(), to: "out")
        conversion.resumes = true
        conversion.isInterrupted = before(job: 4) { true }
        expectRejection(.interrupted, "") { _ = try conversion.run() }
        let staged = content()
        conversion.freeBytes = { _ in 0 }
        expectRejection(.inputOutput, "not enough space") { _ = try conversion.run() }
        directory.write("out/x", [])
        expectRejection(.destinationExists, "exists already") { _ = try conversion.run() }
        directory.remove("out")
        #expect(content() == staged)
    }

    private static let staged = "out.recast-partial/new/out"
    private static let journal = "out.recast-partial/journal"

    /// What is right, and a conversion to `out` that was interrupted before a job, to be resumed.
    private func interrupted(before job: Int = 15) throws -> (conversion: Conversion, expected: [String: [UInt8]]) {
        let source = source()
        _ = try conversion(of: source, to: "whole").run()
        let expected = content(of: "whole")
        directory.remove("whole")
        var conversion = try conversion(of: source, to: "out")
        conversion.resumes = true
        conversion.isInterrupted = before(job: job) { true }
        expectRejection(.interrupted, "") { _ = try conversion.run() }
        conversion.isInterrupted = { false }
        return (conversion, expected)
    }

    private func expectWhole(_ conversion: Conversion, _ expected: [String: [UInt8]]) throws {
        _ = try conversion.run()
        #expect(directory.names == ["model", "out"])
        #expect(content(of: "out") == expected)
    }

    /// Neither a journal without its files nor files without their journal may be believed.
    @Test(arguments: [
        "", "/new", "/new/out", "/new/out/config.json", "/new/out/model.safetensors", "/journal", "/recast.lock",
    ])
    func resumedWithoutItsHalf(_ lost: String) throws {
        let (conversion, expected) = try interrupted()
        directory.remove("out.recast-partial" + lost)
        if lost == "/journal" { directory.write(Self.staged + "/stray", [1]) }
        if lost == "/recast.lock" {
            expectRejection(.destinationExists, "was not staged by recast") { _ = try conversion.run() }
            directory.remove("out.recast-partial")
        }
        try expectWhole(conversion, expected)
    }

    /// Files that are not those of the journal: others of the same size and name.
    @Test func resumedWithOtherFiles() throws {
        let (conversion, expected) = try interrupted()
        let name = Self.staged + "/model.safetensors"
        let size = try #require(directory.bytes(name)).count
        directory.remove(name)
        directory.write(name, [UInt8](repeating: 0xAA, count: size))
        try expectWhole(conversion, expected)
    }

    /// Bytes that have changed since they were written: in a job, a header, a companion, between tensors.
    @Test(arguments: [0, 9, 500, 20_000, 60_000])
    func resumedAfterDamage(_ place: Int) throws {
        let (conversion, expected) = try interrupted(before: 28)
        for name in ["model.safetensors", "config.json", "LICENSE"] {
            let file = try #require(FileHandle(forUpdatingAtPath: directory.file(Self.staged + "/" + name)))
            let size = Int(try file.seekToEnd())
            try file.seek(toOffset: UInt64(place % size))
            try file.write(contentsOf: [0x5A])
            try file.close()
        }
        try expectWhole(conversion, expected)
    }

    /// What stands in a line that is not whole begins anew; whatever else is done to a journal does no harm.
    @Test func damagedJournal() throws {
        let (conversion, expected) = try interrupted()
        let journal = try #require(directory.bytes(Self.journal))
        directory.write(Self.journal, journal.dropLast(3) + Array("\n9 9\n-1 0 0 0\n99999999 0 0 0\nx".utf8))
        try expectWhole(conversion, expected)
    }

    @Test func journalsOfEveryKindOfDamage() throws {
        let (conversion, expected) = try interrupted()
        let keep = directory.file("keep")
        let staging = directory.file("out.recast-partial")
        let manager = FileManager.default
        try manager.moveItem(atPath: staging, toPath: keep)
        let journal = try #require(directory.bytes("keep/journal"))
        var random = SeededGenerator(seed: 14)
        var damaged: [[UInt8]] = [
            [], [10], Array("recast plan 0\n".utf8), journal + journal, Array(journal.reversed()),
        ]
        for length in stride(from: 0, to: journal.count, by: 97) { damaged.append(Array(journal.prefix(length))) }
        for _ in 0..<40 { damaged.append(journal.damaged(&random)) }
        for bytes in damaged {
            try manager.copyItem(atPath: keep, toPath: staging)
            directory.write(Self.journal, bytes)
            _ = try conversion.run()
            #expect(content(of: "out") == expected)
            directory.remove("out")
        }
        #expect(directory.names == ["keep", "model"])
    }

    /// Lines with checksums of their own that say what cannot be.
    @Test func forgedJournalLines() throws {
        let (conversion, expected) = try interrupted()
        let journal = ChecksummedLines.lines(in: try #require(directory.bytes(Self.journal)))
        let mark = journal[1].split(separator: " ")[1]
        let largest = Int.max
        let forged = [
            "job \(mark) 3 0 0 0 0 0 0 0 0 0 0", "job \(mark) 999999 0 0 0 0 0 0 0 0 0 0",
            "job \(mark) -1 0 0 0 0 0 0 0 0 0 0",
            "job \(mark) 20 0 0 0 0 0 0 0 0 0 0 99 0 1 1 1 0",
            "job \(mark) 21 0 0 0 0 0 0 0 0 0 0 0 \(largest) \(largest) \(largest) \(largest) 0",
            "job \(mark) 22 0 0 0 0 0 0 0 0 0 0 0 -5 1 1 1 0", "job \(mark) 23 -1 0 0 0 0 0 0 0 0 0",
            "job \(mark)", "job \(mark) ", "file \(mark) 99 1 1 1", "file \(mark) -1 1 1 1", "file", "job", " ",
        ]
        directory.write(Self.journal, ChecksummedLines.bytes(journal + forged))
        try expectWhole(conversion, expected)
    }

    /// A source that was replaced by one of the same size and time.
    @Test func resumedFromAnotherSource() throws {
        let (_, expected) = try interrupted()
        let weights = "model/model.safetensors"
        let path = directory.file(weights)
        let date = try #require(FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
        var bytes = try #require(directory.bytes(weights))
        bytes[bytes.count - 1] ^= 1
        directory.remove(weights)
        directory.write(weights, bytes)
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
        var second = try conversion(of: directory.file("model"), to: "out")
        second.resumes = true
        #expect(try second.run().notes.contains { $0.contains("the source has changed") })
        let resumed = content(of: "out")
        _ = try conversion(of: directory.file("model"), to: "fresh").run()
        #expect(resumed == content(of: "fresh") && resumed["model.safetensors"] != expected["model.safetensors"])
    }
}
