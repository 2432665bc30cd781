import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Recast

/// What comes up while a run goes on, not only what its plan foresees, reaches the user.
struct RunNotesTests {
    private let directory = TemporaryDirectory()
    private static let note = "the source has changed since an earlier run was interrupted"

    /// Leaves what `--resume` would complete, made from a source that is then replaced.
    private func interrupt(_ conversion: Conversion) {
        var conversion = conversion
        conversion.resumes = true
        let count = Mutex(0)
        conversion.isInterrupted = {
            count.withLock {
                $0 += 1
                return $0 > 4
            }
        }
        #expect(throws: RecastError.self) { _ = try conversion.run() }
    }

    private func expectSaid(_ arguments: [String]) throws {
        let staged = directory.file("out.recast-partial")
        #expect(FileManager.default.fileExists(atPath: staged))
        try FileManager.default.copyItem(atPath: staged, toPath: directory.file("kept"))
        let text = try CommandTests.recast(arguments)
        #expect(text.status == 0 && text.errors.contains("note: " + Self.note), "\(text.errors)")
        #expect(!text.output.contains(Self.note))

        directory.remove("out")
        try FileManager.default.moveItem(atPath: directory.file("kept"), toPath: staged)
        let document = try CommandTests.recast(arguments + ["--json"])
        #expect(document.status == 0, "\(document.errors)")
        let notes = try #require(try document.json["notes"]?.array)
        #expect(notes.contains { $0.string?.hasPrefix(Self.note) ?? false }, "\(document.output)")
        #expect(try document.json["warnings"] == [])
    }

    @Test func convert() throws {
        let source = SmallModel().write(to: directory)
        let out = directory.file("out")
        let options = ConversionOptions(target: .huggingFace(family: nil))
        interrupt(Conversion(try Planning(Checkpoint(path: source), options).plan(destination: out), to: out))
        var other = SmallModel()
        other.set("lm_head.weight", at: 0, to: 3)
        directory.remove("model")
        _ = other.write(to: directory)
        try expectSaid(["convert", source, out, "--family", "same", "--resume"])
    }

    @Test func unpack() throws {
        let packed = directory.file("packed")
        _ = try Archiving(SmallModel().write(to: directory), to: packed).run()
        let out = directory.file("out")
        interrupt(try Extraction(Archive(path: packed), to: out).conversion)
        let bytes = try #require(directory.bytes("packed"))
        directory.remove("packed")
        directory.write("packed", bytes)
        try expectSaid(["unpack", packed, out, "--resume"])
    }
}
